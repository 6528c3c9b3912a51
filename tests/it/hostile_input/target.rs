//! What is attacked: an operation, as its service's document describes it.

use serde_json::{Value, json};
use tests::{Answer, Http, OpenApi, Operation};

/// An operation of one of the services, and who calls it.
pub(super) struct Target {
    http: Http,
    token: String,
    pub(super) operation: Operation,
    /// The members of its JSON body, with their schemas, and whether each is required; nothing if it takes none.
    pub(super) members: Option<Vec<Member>>,
    pub(super) queries: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Member {
    pub(super) name: String,
    schema: Value,
    pub(super) is_required: bool,
}

impl Member {
    pub(super) fn kind(&self) -> &str {
        self.schema["type"].as_str().unwrap_or("object")
    }

    /// A value of the right type.
    fn plain(&self) -> String {
        if let Some(first) = self.schema["enum"].get(0) {
            return first.to_string();
        }
        match self.kind() {
            "string" => r#""x""#.to_owned(),
            "integer" | "number" => "1".to_owned(),
            "boolean" => "true".to_owned(),
            "array" => "[]".to_owned(),
            _ => "{}".to_owned(),
        }
    }
}

impl Target {
    /// Every operation that an administrator may call at this service.
    pub(super) async fn all(http: &Http, token: &str) -> Vec<Self> {
        let document = OpenApi::of(http).await;
        let operations = document.operations().into_iter();
        let of_the_administrator = operations
            .filter(|operation| !operation.path.starts_with("/oauth2/") && !operation.path.starts_with("/.well-known/"));
        let target = |operation: Operation| {
            let content = operation.told["requestBody"]["content"].as_object().and_then(|types| types.values().next());
            let parameters = operation.told["parameters"].as_array().into_iter().flatten();
            let queries =
                parameters.filter(|parameter| parameter["in"] == "query").filter_map(|parameter| parameter["name"].as_str());
            Self {
                http: http.clone(),
                token: token.to_owned(),
                members: content.map(|content| members(&document, &content["schema"])),
                queries: queries.map(str::to_owned).collect(),
                operation,
            }
        };
        of_the_administrator.map(target).collect()
    }

    pub(super) fn name(&self) -> String {
        self.operation.name()
    }

    /// Its path, with the same in the place of every parameter.
    pub(super) fn path_with(&self, value: &str) -> String {
        self.operation.path_with(value)
    }

    pub(super) fn has_parameters(&self) -> bool {
        self.operation.path.contains('{')
    }

    /// Its body, where `member` has this value, in JSON or in what pretends to be, and every other required one a plain one.
    pub(super) fn body_with(&self, member: &str, value: &str) -> String {
        let members = self.members.iter().flatten().filter(|other| other.is_required || other.name == member);
        let written = members.map(|other| {
            let value = if other.name == member { value.to_owned() } else { other.plain() };
            format!("{}:{value}", json!(other.name))
        });
        format!("{{{}}}", written.collect::<Vec<_>>().join(","))
    }

    pub(super) async fn send(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.http.request(&self.operation.method, path).bearer(&self.token).body("application/json", body).send().await
    }

    pub(super) async fn send_body(&self, body: impl AsRef<[u8]>) -> Answer {
        self.send(&self.path_with("x"), body).await
    }

    /// Nobody but a thing that is not there can say no before the body has been read.
    pub(super) fn assert_refused(&self, answer: &Answer, what: &str, statuses: &[u16]) {
        let is_refused = statuses.contains(&answer.status()) || (answer.status() == 404 && self.has_parameters());
        assert!(is_refused, "{} with {what}\n{answer}", self.name());
        answer.assert_problem(answer.status());
    }
}

fn members(document: &OpenApi, schema: &Value) -> Vec<Member> {
    let schema = document.resolved(schema);
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let read = |(name, schema): (&String, &Value)| Member {
        name: name.clone(),
        schema: document.resolved(schema).clone(),
        is_required: required.contains(&name.as_str()),
    };
    properties.map(read).collect()
}
