//! The `X-API-Key` header: a key is exchanged for an access token before the routes see the request, and from then on the
//! request is one with a bearer token. So there is one check of what a caller may do, whichever way it came.

use poem::{
    Request,
    http::{
        HeaderValue,
        header::{AUTHORIZATION, HeaderName},
    },
};
use serde_json::{Value, json};

use super::{Guard, refusal::Reason};
use crate::access_token::{AccessTokenError, ApiKeyError, ApiKeys};

/// The only place where a key is looked for: not the query, not a cookie, not a password, all of which get logged.
pub const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// What the scheme is called in `OpenAPI` documents.
pub(super) const SCHEME: &str = "ApiKey";

/// Mark of a request whose key does not let it in.
#[derive(Clone)]
pub(super) struct Barred(pub(super) Reason);

/// Puts an access token in the place of the key of a request, or marks the request as barred. Whether that matters is for
/// the route to say: there are those for everybody.
pub(super) async fn replace(guard: &Guard, keys: &ApiKeys, request: &mut Request) {
    let key = match only_key(request) {
        Ok(Some(key)) => key.to_owned(),
        Ok(None) => return,
        Err(reason) => return bar(request, reason),
    };
    match access_token(guard, keys, &key).await {
        Ok(header) => {
            request.headers_mut().remove(API_KEY_HEADER);
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        Err(error) => bar(request, Reason::ApiKey(error)),
    }
}

fn bar(request: &mut Request, reason: Reason) {
    request.set_data(Barred(reason));
}

/// The key of a request. Two, or one beside other credentials, are ambiguous, and whoever would have to guess could be
/// made to act with somebody else's rights.
fn only_key(request: &Request) -> Result<Option<&str>, Reason> {
    let mut keys = request.headers().get_all(API_KEY_HEADER).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(Reason::InvalidRequest("there is more than one X-API-Key header"));
    }
    if request.headers().contains_key(AUTHORIZATION) {
        return Err(Reason::InvalidRequest("there are an API key and an Authorization header; use one"));
    }
    key.to_str().map(Some).map_err(|_| Reason::ApiKey(ApiKeyError::Malformed))
}

/// The header with the access token of a key. A token from memory may have been revoked while its key goes on, as when the
/// rights of its owner changed: then there is another one to be had.
async fn access_token(guard: &Guard, keys: &ApiKeys, key: &str) -> Result<HeaderValue, ApiKeyError> {
    let mut exchanged = keys.exchange(key).await?;
    if !exchanged.is_fresh && guard.verifier.verify(&exchanged.token).await.is_err_and(|error| is_over(&error)) {
        keys.forget(key);
        exchanged = keys.exchange(key).await?;
    }
    let mut header = HeaderValue::try_from(format!("Bearer {}", exchanged.token))
        .map_err(|_| ApiKeyError::Unavailable { retry_after: PAUSE })?;
    header.set_sensitive(true);
    Ok(header)
}

const PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

/// Whether a token was good once: another one may be.
fn is_over(error: &AccessTokenError) -> bool {
    !error.is_our_fault()
}

/// An `OpenAPI` document that says of every operation that takes an access token of the scheme `OAuth2` that it takes an API
/// key as well. What is no such document stays as it is.
///
/// A key has the scopes it was given, and `OpenAPI` 3.0 has no place for them in such a scheme: [`Guard::enforcing`] passes
/// over it, and holds the key's token against what the scheme `OAuth2` demands.
pub fn document_api_keys(document: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(document) else { return document.to_owned() };
    let schemes = value.pointer_mut("/components/securitySchemes").and_then(Value::as_object_mut);
    let Some(schemes) = schemes.filter(|schemes| schemes.contains_key("OAuth2")) else { return document.to_owned() };
    let scheme = json!({
        "type": "apiKey", "in": "header", "name": "X-API-Key",
        "description": "An API key of the issuer. It opens what it was given the scopes for.",
    });
    schemes.insert(SCHEME.to_owned(), scheme);
    let items = value.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(|paths| paths.values_mut());
    for operation in items.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut()) {
        if let Some(security) = operation.get_mut("security").and_then(Value::as_array_mut)
            && security.iter().any(|alternative| alternative.get("OAuth2").is_some())
        {
            security.push(json!({ SCHEME: [] }));
        }
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_a_token_takes_a_key_and_nothing_else_does() {
        let document = json!({
            "paths": {"/a": {"get": {"security": [{"OAuth2": ["a"]}]}, "post": {}}, "/b": {"get": {"security": [{"Basic": []}]}}},
            "components": {"securitySchemes": {"OAuth2": {}}},
        });

        let value: Value = serde_json::from_str(&document_api_keys(&document.to_string())).unwrap();

        assert_eq!(value["paths"]["/a"]["get"]["security"], json!([{"OAuth2": ["a"]}, {"ApiKey": []}]));
        assert_eq!(value["paths"]["/a"]["post"], json!({}));
        assert_eq!(value["paths"]["/b"], document["paths"]["/b"]);
        assert_eq!(value["components"]["securitySchemes"]["ApiKey"]["name"], "X-API-Key");
        for other in ["", "{}", "[1]", r#"{"components":{"securitySchemes":{}}}"#] {
            assert_eq!(document_api_keys(other), other);
        }
    }
}
