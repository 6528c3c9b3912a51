//! One question to the issuer: is this key good, and for what (RFC 8693 §2)?

use std::{sync::Arc, time::Duration};

use reqwest::StatusCode;
use serde::Deserialize;
use tracing::warn;

use super::{ApiKey, IssuerKeys, MAX_LIFETIME};

/// RFC 8693 §2.1.
pub const TOKEN_EXCHANGE_GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// RFC 8693 §3: an OAuth 2.0 access token of the issuer.
pub const TOKEN_TYPE_ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Our own `subject_token_type` (RFC 8693 §3 leaves room for such): an API key of the issuer.
pub const API_KEY_TOKEN_TYPE: &str = "urn:x-oauth:token-type:api-key";

/// The most bytes an answer may have.
const LIMIT: usize = 32 * 1024;

/// What the issuer says.
pub(super) enum Outcome {
    /// The key is good for this token.
    Token { token: Arc<str>, lifetime: Duration },
    /// It is not good here.
    Refused,
    /// The issuer does not look at it for now (RFC 6585 §4), which says nothing about other keys.
    Throttled,
    /// The issuer does not say, which is not the key's fault.
    Unavailable,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Asks the issuer for a token for this resource.
pub(super) async fn ask(issuer: &IssuerKeys, resource: &str, key: ApiKey<'_>) -> Outcome {
    let Some(endpoint) = issuer.metadata().and_then(|metadata| metadata.token_endpoint.clone()) else {
        warn!(issuer = issuer.issuer(), "API keys cannot be exchanged: the issuer's metadata names no token endpoint");
        return Outcome::Unavailable;
    };
    let form = [
        ("grant_type", TOKEN_EXCHANGE_GRANT_TYPE),
        ("subject_token", key.reveal()),
        ("subject_token_type", API_KEY_TOKEN_TYPE),
        ("requested_token_type", TOKEN_TYPE_ACCESS_TOKEN),
        ("resource", resource),
    ];
    match issuer.fetcher().post(&endpoint, &form, LIMIT).await {
        Ok((status, body)) => read(status, &body).unwrap_or_else(|| {
            warn!(issuer = issuer.issuer(), "API keys cannot be exchanged: the issuer answered {status}");
            Outcome::Unavailable
        }),
        Err(error) => {
            warn!(issuer = issuer.issuer(), "API keys cannot be exchanged: {error}");
            Outcome::Unavailable
        }
    }
}

/// What an answer means; nothing if it says nothing about the key.
fn read(status: StatusCode, body: &[u8]) -> Option<Outcome> {
    match status {
        StatusCode::OK => {
            let granted: Granted = serde_json::from_slice(body).ok()?;
            let lifetime = Duration::from_secs(granted.expires_in).min(MAX_LIFETIME);
            granted
                .token_type
                .eq_ignore_ascii_case("Bearer")
                .then(|| Outcome::Token { token: granted.access_token.into(), lifetime })
        }
        // RFC 8693 §2.2.2: `invalid_request` for a key that is not good, `invalid_target` for a resource it is not for.
        StatusCode::BAD_REQUEST => {
            let refusal: Refusal = serde_json::from_slice(body).ok()?;
            let is_about_key = ["invalid_request", "invalid_grant", "invalid_scope", "invalid_target"].contains(&&*refusal.error);
            is_about_key.then_some(Outcome::Refused)
        }
        StatusCode::TOO_MANY_REQUESTS => Some(Outcome::Throttled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_of_the_key_is_the_keys_fault() {
        let means = |status: u16, body: &str| match read(StatusCode::from_u16(status).unwrap(), body.as_bytes()) {
            Some(Outcome::Token { token, lifetime }) => format!("{token} for {}", lifetime.as_secs()),
            Some(Outcome::Refused) => "refused".to_owned(),
            Some(Outcome::Throttled) => "throttled".to_owned(),
            Some(Outcome::Unavailable) | None => "unavailable".to_owned(),
        };
        assert_eq!(means(200, r#"{"access_token":"a.b.c","token_type":"bearer","expires_in":60}"#), "a.b.c for 60");
        assert_eq!(means(200, r#"{"access_token":"a.b.c","token_type":"N_A","expires_in":60}"#), "unavailable");
        assert_eq!(means(200, "<html>"), "unavailable");
        assert_eq!(means(400, r#"{"error":"invalid_request"}"#), "refused");
        assert_eq!(means(400, r#"{"error":"invalid_target"}"#), "refused");
        assert_eq!(means(429, r#"{"error":"temporarily_unavailable"}"#), "throttled");
        for (status, body) in [
            (400, r#"{"error":"unauthorized_client"}"#),
            (400, r#"{"error":"unsupported_grant_type"}"#),
            (400, "nonsense"),
            (401, r#"{"error":"invalid_client"}"#),
            (404, ""),
            (503, r#"{"error":"temporarily_unavailable"}"#),
        ] {
            assert_eq!(means(status, body), "unavailable", "{status} {body}");
        }
    }
}
