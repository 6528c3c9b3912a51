//! Whether two tokens are ever alike.

use std::collections::HashSet;

use tests::{PASSWORD, jwt::Token};
use tokio::task::JoinSet;

use crate::{
    Size, Verdicts,
    client::{Connection, member},
    scene::Scene,
};

/// How many ask at once.
const ASKING: usize = 8;

pub(crate) async fn run(size: Size, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    let (mut identifiers, mut refresh_tokens) = (HashSet::new(), HashSet::new());

    let mut asking = JoinSet::new();
    for _ in 0..ASKING {
        let (address, request) = (scene.address(), scene.client_credentials("batch", &scene.secret));
        asking.spawn(async move {
            let mut connection = Connection::open(&address).await?;
            let mut seen = Vec::new();
            for _ in 0..size.tokens / ASKING {
                let token = member(connection.call(&request).await?.body, "access_token")?;
                seen.push(Token::read(&token).claims["jti"].as_str().unwrap_or_default().to_owned());
            }
            anyhow::Ok(seen)
        });
    }
    let mut made = 0;
    while let Some(seen) = asking.join_next().await {
        let seen = seen??;
        made += seen.len();
        identifiers.extend(seen);
    }

    let mut connection = Connection::open(&scene.address()).await?;
    let mut token = member(connection.call(&scene.login("ada", PASSWORD)).await?.body, "refresh_token")?;
    let refreshes = size.tokens / 20;
    for _ in 0..refreshes {
        let answer = connection.call(&scene.refresh(&token)).await?;
        let access = member(answer.body, "access_token")?;
        identifiers.insert(Token::read(&access).claims["jti"].as_str().unwrap_or_default().to_owned());
        token = member(answer.body, "refresh_token")?;
        refresh_tokens.insert(token.clone());
    }
    made += refreshes;

    verdicts.note(identifiers.len() == made, &format!("{} identifiers in {made} access tokens", identifiers.len()));
    verdicts
        .note(refresh_tokens.len() == refreshes, &format!("{} refresh tokens in {refreshes} refreshes", refresh_tokens.len()));
    Ok(())
}
