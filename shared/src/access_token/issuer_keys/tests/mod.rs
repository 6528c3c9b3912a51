//! The follower against an issuer that behaves, that misbehaves, and that is not there.

mod fetches;
mod kept;
mod settings;
mod trouble;

use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use super::*;
use crate::access_token::{
    AccessTokenVerifier,
    testing::{Answer, RESOURCE, SigningKey, WebServer, claims, jwks},
};

const JWKS: &str = "/jwks.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";

fn keys() -> [SigningKey; 2] {
    [SigningKey::new("key-1", 0), SigningKey::new("key-2", 1)]
}

fn token(issuer: &str, key: &SigningKey) -> String {
    key.token(&claims(json!({ "iss": issuer })))
}

/// A builder that refreshes only when asked.
fn lazy(issuer: &str) -> Builder {
    IssuerKeys::builder(issuer).refresh_within(Duration::from_mins(9)..=Duration::from_mins(10))
}

/// A builder that refreshes many times in a test.
fn busy(issuer: &str) -> Builder {
    IssuerKeys::builder(issuer).refresh_within(Duration::from_millis(20)..=Duration::from_millis(30))
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("not within five seconds: {what}");
}
