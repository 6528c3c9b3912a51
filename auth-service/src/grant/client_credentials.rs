//! A client on its own behalf (RFC 6749 §4.4): nothing is written to the database, and there is no refresh token.

use super::{GrantError, Grants, TokenSet};
use crate::{
    access::{self, Limits, Wish},
    client::{Client, Kind},
    clock,
    token::Subject,
};

pub(super) async fn exchange(grants: &Grants, client: &Client, wish: Wish) -> Result<TokenSet, GrantError> {
    match client.kind() {
        Kind::Confidential => {}
        Kind::Public => return Err(GrantError::UnauthorizedClient),
    }
    let known = grants.store.known().await?;
    let catalog = known.catalog(&grants.store).await?;
    let rights = known.rights(&grants.store, client.roles()).await?;
    let limits = Limits { scope: client.scope(), default_resource: client.default_resource() };
    let access = access::decide(catalog, limits, &rights, &wish)?;
    let now = clock::now();
    let place = grants.issuer.places.take(client, now).await?;
    let subject = Subject { id: client.id().to_owned(), roles: rights.roles.clone(), auth_time: None };
    let access_token = grants.issuer.access_token(client, subject, access, &place, now);
    Ok(TokenSet { access_token, refresh_token: None })
}
