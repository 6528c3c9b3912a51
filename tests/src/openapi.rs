//! A service's OpenAPI document, and every operation that it tells of.

use serde_json::Value;

use crate::Http;

/// The document, as the service serves it.
pub struct OpenApi(Value);

/// An operation of it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// In capital letters.
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    /// What the document says of it.
    pub told: Value,
}

impl OpenApi {
    /// Asks a service for it.
    pub async fn of(http: &Http) -> Self {
        Self(http.get("/openapi.json").send().await.assert_ok())
    }

    /// Every operation.
    pub fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().expect("a document has paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path has operations").iter();
            methods.map(|(method, told)| Operation { method: method.to_uppercase(), path: path.clone(), told: told.clone() })
        });
        operations.collect()
    }

    /// A schema, wherever in the document it stands.
    pub fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
        match reference.and_then(|reference| reference.strip_prefix("#/components/schemas/")) {
            Some(name) => self.resolved(&self.0["components"]["schemas"][name]),
            None => schema,
        }
    }
}

impl Operation {
    /// Its method and its path.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Its path, with the same in the place of every parameter.
    pub fn path_with(&self, value: &str) -> String {
        let mut path = self.path.clone();
        while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
            path.replace_range(start..=end, value);
        }
        path
    }

    /// The scopes that an access token must have for it; none if it asks for no access token.
    pub fn scopes(&self) -> Option<&Value> {
        self.told["security"].as_array().and_then(|schemes| schemes.iter().find_map(|scheme| scheme.get("OAuth2")))
    }
}
