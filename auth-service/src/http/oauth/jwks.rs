//! The key set (RFC 7517 §5): what verifiers need to trust this issuer's tokens.

use std::{sync::Arc, time::Duration};

use poem::http::{HeaderMap, header};
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::verbatim::Verbatim;
use crate::{http::ApiTag, signing_key::KeyRing};

const KEY_SET_TYPE: &str = "application/jwk-set+json";

/// The key set endpoint.
pub(in crate::http) struct JwksApi {
    pub(in crate::http) ring: Arc<KeyRing>,
    pub(in crate::http) max_age: Duration,
}

/// The public keys of the issuer: announced, active and retiring.
#[derive(Object)]
struct JwkSet {
    /// The keys, in no particular order.
    keys: Vec<Jwk>,
}

/// A public key (RFC 7517 §4): RSA (RFC 7518 §6.3.1), or on a curve (RFC 7518 §6.2.1, RFC 8037 §2).
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct Jwk {
    /// `RSA`, `EC` or `OKP`
    kty: String,
    /// `sig`
    #[oai(rename = "use")]
    usage: String,
    /// `RS256`, `PS256`, `ES256` or `EdDSA`
    alg: String,
    /// The key ID: the RFC 7638 thumbprint.
    kid: String,
    /// The modulus of an RSA key, base64url.
    n: Option<String>,
    /// The exponent of an RSA key, base64url.
    e: Option<String>,
    /// The curve: `P-256` or `Ed25519`.
    crv: Option<String>,
    /// The point on the curve, base64url.
    x: Option<String>,
    /// The point's second coordinate on P-256, base64url.
    y: Option<String>,
}

/// How the key set is answered.
#[derive(ApiResponse)]
enum JwksReply {
    /// The keys.
    #[oai(status = 200)]
    Keys(
        Verbatim<JwkSet>,
        #[oai(header = "Content-Type")] String,
        #[oai(header = "ETag")] String,
        #[oai(header = "Cache-Control")] String,
    ),
    /// The keys are still those of the entity tag in `If-None-Match`.
    #[oai(status = 304)]
    NotModified(#[oai(header = "ETag")] String, #[oai(header = "Cache-Control")] String),
}

#[expect(clippy::unused_async, reason = "poem-openapi wants every operation async")]
#[OpenApi(tag = "ApiTag::Discovery")]
impl JwksApi {
    /// The issuer's public keys
    ///
    /// A new key is listed long before it signs, so a copy that is no older than its `max-age` has every key it needs.
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "jwks")]
    async fn jwks(&self, headers: &HeaderMap) -> JwksReply {
        let published = self.ring.published();
        let cache_control = format!("public, max-age={}", self.max_age.as_secs());
        if is_known(headers, &published.etag) {
            return JwksReply::NotModified(published.etag.clone(), cache_control);
        }
        let content_type = if asks_for_key_set(headers) { KEY_SET_TYPE } else { "application/json" };
        JwksReply::Keys(Verbatim::new(published.body.clone()), content_type.to_owned(), published.etag.clone(), cache_control)
    }
}

/// Whether `If-None-Match` holds this entity tag, compared weakly (RFC 9110 §13.1.2).
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

fn asks_for_key_set(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains(KEY_SET_TYPE))
}
