//! The life of a signing key: announced, active, retiring, gone (RFC 7517, RFC 9700 §2.6).

mod listed;
mod replicas;
mod revoked;
mod rotation;

use std::collections::HashSet;

use auth_service::KeyPlan;
use tests::{AuthServer, OAuthClient, PASSWORD, jwt::Token, until_some};

const KEYS: &str = "/.well-known/jwks.json";

/// The identifiers of the published keys.
async fn listed(auth: &AuthServer) -> HashSet<String> {
    let set = auth.http().get(KEYS).send().await.assert_ok();
    let keys = set["keys"].as_array().expect("a key set has keys");
    keys.iter().map(|key| key["kid"].as_str().expect("a key has an identifier").to_owned()).collect()
}

/// The key that signed a token.
fn key_of(token: &str) -> String {
    Token::read(token).header["kid"].as_str().expect("a token names its key").to_owned()
}

/// Waits until so many keys are published.
async fn await_listed(auth: &AuthServer, count: usize) -> HashSet<String> {
    until_some(&format!("{count} keys are published"), async || Some(listed(auth).await).filter(|keys| keys.len() == count)).await
}

/// Waits until a token is signed by another key than this one, and returns it.
async fn await_other_key(client: &OAuthClient, key: &str) -> String {
    let by_another = async || Some(client.log_in("ada", PASSWORD).await).filter(|token| key_of(token) != key);
    until_some("another key signs", by_another).await
}

async fn plan(auth: &AuthServer) -> Vec<KeyPlan> {
    auth.operator().keys().await.expect("the keys can be read")
}

async fn states(auth: &AuthServer) -> Vec<&'static str> {
    plan(auth).await.iter().map(|key| key.state).collect()
}
