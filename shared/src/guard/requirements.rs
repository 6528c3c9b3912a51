//! What each operation requires, read from where it is written: the `OpenAPI` document.

use std::{borrow::Cow, collections::HashMap};

use poem::{PathPattern, Request, http::Method};
use serde::Deserialize;

use super::Caller;
use crate::scope::{Scope, ScopeError};

/// Why the requirements of an `OpenAPI` document cannot be enforced.
#[derive(Debug, thiserror::Error)]
pub enum RequirementsError {
    /// It is no `OpenAPI` document.
    #[error("the `OpenAPI` document cannot be read")]
    Document(#[from] serde_json::Error),
    /// A scope in it is none.
    #[error("the `OpenAPI` document names a scope that is none")]
    Scope(#[from] ScopeError),
}

/// What each operation of a document requires: one of several scopes, each of them whole.
#[derive(Debug)]
pub(super) struct Requirements(HashMap<Method, HashMap<String, Vec<Scope>>>);

/// As much of an `OpenAPI` document as matters here.
#[derive(Deserialize)]
struct Document {
    paths: HashMap<String, HashMap<String, serde_json::Value>>,
}

/// As much of an operation as matters here.
#[derive(Deserialize)]
struct Operation {
    #[serde(default)]
    security: Vec<HashMap<String, Vec<String>>>,
}

impl Requirements {
    /// Reads a document.
    pub(super) fn read(document: &str) -> Result<Self, RequirementsError> {
        let document: Document = serde_json::from_str(document)?;
        let mut requirements: HashMap<_, HashMap<_, _>> = HashMap::new();
        for (path, items) in document.paths {
            for (name, item) in items {
                // A path item holds more than operations, and all of that in lower case as well.
                let Ok(method) = name.to_ascii_uppercase().parse::<Method>() else { continue };
                let Ok(operation) = Operation::deserialize(item) else { continue };
                // An API key alone says nothing about scopes; what it is exchanged for is held against the other alternatives.
                let security = operation.security.into_iter().filter(|schemes| !schemes.contains_key(super::api_key::SCHEME));
                let alternatives: Result<_, _> =
                    security.map(|schemes| Scope::from_tokens(schemes.into_values().flatten())).collect();
                requirements.entry(method).or_default().insert(shape(&path).into_owned(), alternatives?);
            }
        }
        Ok(Self(requirements))
    }

    /// The alternatives for the operation that this request has been routed to; nothing if the document lacks it.
    pub(super) fn of(&self, request: &Request) -> Option<&[Scope]> {
        // Whoever may GET may HEAD (RFC 9110 §9.3.2).
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        let pattern = request.data::<PathPattern>()?;
        self.0.get(method)?.get(&*shape(&pattern.0)).map(Vec::as_slice)
    }
}

/// Whether the caller has what one of the alternatives takes; if not, the alternative to tell of.
pub(super) fn unmet<'a>(alternatives: &'a [Scope], caller: &Caller) -> Option<&'a Scope> {
    let is_met = alternatives.iter().any(|needed| caller.scope().contains_all(needed));
    if is_met { None } else { alternatives.first() }
}

/// A path without the names of its parameters, which `OpenAPI` writes `{name}`, and poem `:name`, `*name` or `<pattern>`.
fn shape(path: &str) -> Cow<'_, str> {
    const BEGINNINGS: [char; 4] = ['{', ':', '*', '<'];
    if !path.contains(BEGINNINGS) {
        return path.into();
    }
    let segments = path.split('/').map(|segment| if segment.starts_with(BEGINNINGS) { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_by_their_shape() {
        assert_eq!(shape("/documents/{id}/parts/{part}"), shape("/documents/:document/parts/<\\d+>"));
        assert_ne!(shape("/documents/{id}"), shape("/documents"));
        assert_ne!(shape("/documents/{id}"), shape("/people/{id}"));
    }

    #[test]
    fn a_document_that_cannot_be_read_is_an_error() {
        assert!(matches!(Requirements::read("{}"), Err(RequirementsError::Document(_))));
        let bad = r#"{"paths":{"/a":{"get":{"security":[{"OAuth2":["a b"]}]}}}}"#;
        assert!(matches!(Requirements::read(bad), Err(RequirementsError::Scope(_))));
    }
}
