//! Every operation of both OpenAPI documents, shown every kind of credentials (A.UM-01). The operations come from the
//! documents, what each takes stands here: one that is not listed fails the test.

use serde_json::{Map, Value, json};
use tests::{ADMIN_PASSWORD, Answer, Http, OpenApi, Operation, PASSWORD, Stack, jwt::Token};

/// What an operation takes.
#[derive(Clone, Copy, Debug)]
enum Takes {
    /// Nothing: it is for everybody.
    Nothing,
    /// A client's credentials.
    Client,
    /// A person's password, in the body.
    Password,
    /// An access token for this service.
    Token,
    /// An access token with this scope.
    Scope(&'static str),
}

use Takes::{Client, Nothing, Password, Scope};

/// It makes the token worthless that it is called with.
const END_OWN_SESSIONS: &str = "DELETE /account/sessions";

const AUTH_SERVICE: &[(&str, Takes)] = &[
    ("POST /oauth2/token", Client),
    ("POST /oauth2/revoke", Client),
    ("POST /oauth2/introspect", Client),
    ("GET /.well-known/jwks.json", Nothing),
    ("GET /.well-known/oauth-authorization-server", Nothing),
    ("GET /oauth2/status-lists", Nothing),
    ("GET /oauth2/status-lists/{id}", Nothing),
    ("POST /registration", Nothing),
    ("GET /account", Scope("account")),
    ("PUT /account/password", Scope("account")),
    ("POST /account/password", Password),
    ("GET /account/sessions", Scope("account")),
    (END_OWN_SESSIONS, Scope("account")),
    ("DELETE /account/sessions/{id}", Scope("account")),
    ("GET /account/api-keys", Scope("account")),
    ("POST /account/api-keys", Scope("account")),
    ("GET /account/api-keys/{id}", Scope("account")),
    ("DELETE /account/api-keys/{id}", Scope("account")),
    ("POST /account/api-keys/{id}/rotate", Scope("account")),
    ("GET /admin/users", Scope("admin:users")),
    ("POST /admin/users", Scope("admin:users")),
    ("GET /admin/users/{id}", Scope("admin:users")),
    ("PUT /admin/users/{id}", Scope("admin:users")),
    ("DELETE /admin/users/{id}", Scope("admin:users")),
    ("GET /admin/users/{id}/roles", Scope("admin:users")),
    ("PUT /admin/users/{id}/roles", Scope("admin:users")),
    ("PUT /admin/users/{id}/password", Scope("admin:users")),
    ("GET /admin/users/{id}/sessions", Scope("admin:users")),
    ("DELETE /admin/users/{id}/sessions", Scope("admin:users")),
    ("DELETE /admin/users/{id}/sessions/{session_id}", Scope("admin:users")),
    ("GET /admin/roles", Scope("admin:users")),
    ("POST /admin/roles", Scope("admin:users")),
    ("GET /admin/roles/{name}", Scope("admin:users")),
    ("PUT /admin/roles/{name}", Scope("admin:users")),
    ("DELETE /admin/roles/{name}", Scope("admin:users")),
    ("GET /admin/clients", Scope("admin:clients")),
    ("POST /admin/clients", Scope("admin:clients")),
    ("GET /admin/clients/{id}", Scope("admin:clients")),
    ("PUT /admin/clients/{id}", Scope("admin:clients")),
    ("DELETE /admin/clients/{id}", Scope("admin:clients")),
    ("GET /admin/clients/{id}/secrets", Scope("admin:clients")),
    ("POST /admin/clients/{id}/secrets", Scope("admin:clients")),
    ("DELETE /admin/clients/{id}/secrets/{secret_id}", Scope("admin:clients")),
    ("GET /admin/resources", Scope("admin:clients")),
    ("POST /admin/resources", Scope("admin:clients")),
    ("GET /admin/resources/{id}", Scope("admin:clients")),
    ("PUT /admin/resources/{id}", Scope("admin:clients")),
    ("DELETE /admin/resources/{id}", Scope("admin:clients")),
    ("GET /admin/api-keys", Scope("admin:keys")),
    ("GET /admin/api-keys/{id}", Scope("admin:keys")),
    ("DELETE /admin/api-keys/{id}", Scope("admin:keys")),
    ("GET /admin/audit-events", Scope("admin:audit")),
    ("GET /admin/audit-events/export", Scope("admin:audit")),
    ("GET /admin/signing-keys", Scope("admin:keys")),
    ("POST /admin/signing-keys/rotate", Scope("admin:keys")),
    ("POST /admin/signing-keys/{id}/revoke", Scope("admin:keys")),
];

const RESOURCE_SERVICE: &[(&str, Takes)] = &[
    ("GET /.well-known/oauth-protected-resource", Nothing),
    ("GET /me", Takes::Token),
    ("GET /documents", Scope("documents:read")),
    ("POST /documents", Scope("documents:write")),
    ("GET /documents/{id}", Scope("documents:read")),
    ("PUT /documents/{id}", Scope("documents:write")),
    ("DELETE /documents/{id}", Scope("documents:write")),
    ("GET /admin/documents", Scope("documents:admin")),
];

/// What the API key allows.
const KEY_SCOPE: &str = "documents:read";

/// A service, and everything that can be shown to it.
struct Service<'a> {
    http: &'a Http,
    expected: &'static [(&'static str, Takes)],
    scopes: &'static [&'static str],
    document: OpenApi,
    reader: String,
    editor: String,
    admin: String,
    expired: String,
    of_the_other: String,
    refresh_token: String,
    /// Of somebody else, for reading documents.
    api_key: String,
    takes_api_keys: bool,
}

#[tokio::test]
async fn a_um_01_every_operation_refuses_whom_it_should() {
    const ISSUERS: &[&str] = &["account", "admin:audit", "admin:clients", "admin:keys", "admin:users"];
    const DOCUMENTS: &[&str] = &["documents:admin", "documents:read", "documents:write"];
    let stack = Stack::start().await;
    stack.user("rob", &["reader"]).await;
    stack.user("ada", &["editor"]).await;
    let key = stack.auth_home().signing_key().await;
    let admins = [admin(&stack, ISSUERS).await, admin(&stack, DOCUMENTS).await];
    let api_key = stack.api_key("rob", KEY_SCOPE).await;
    let refresh_token = stack.client().open_session("ada", PASSWORD).await.refresh;

    let mut covered = 0;
    for (index, (http, expected, scopes, narrow)) in
        [(stack.auth().http(), AUTH_SERVICE, ISSUERS, Some("account")), (stack.api(), RESOURCE_SERVICE, DOCUMENTS, None)]
            .into_iter()
            .enumerate()
    {
        let client = narrow.map_or_else(|| stack.client(), |scope| stack.client().scope(scope));
        let service = Service {
            http,
            expected,
            scopes,
            document: OpenApi::of(http).await,
            reader: client.log_in("rob", PASSWORD).await,
            editor: client.log_in("ada", PASSWORD).await,
            admin: admins[index].clone(),
            expired: Token::read(&admins[index]).moved(-7200).sign(&key),
            of_the_other: admins[1 - index].clone(),
            refresh_token: refresh_token.clone(),
            api_key: api_key.clone(),
            takes_api_keys: index == 1,
        };
        covered += service.check(&stack).await;
    }

    let all = AUTH_SERVICE.len() + RESOURCE_SERVICE.len();
    println!("{covered} of {all} operations are covered: {} %", covered * 100 / all);
    assert_eq!(covered, all, "every operation that is expected is in a document");
}

async fn admin(stack: &Stack, scopes: &[&str]) -> String {
    stack.client().scope(&scopes.join(" ")).log_in("admin", ADMIN_PASSWORD).await
}

impl Service<'_> {
    /// Checks every operation of the document, and says how many there are.
    async fn check(&self, stack: &Stack) -> usize {
        let operations = self.document.operations();
        for operation in &operations {
            let name = operation.name();
            let takes = self.expected.iter().find(|(expected, _)| *expected == name).map(|(_, takes)| *takes);
            let takes = takes.unwrap_or_else(|| panic!("nothing is expected of {name}"));
            check_documented(takes, operation);
            self.check_answers(stack, takes, operation).await;
        }
        operations.len()
    }

    async fn check_answers(&self, stack: &Stack, takes: Takes, operation: &Operation) {
        let call = |token: Option<&str>| self.call(operation, token).send();
        let without = call(None).await;
        match takes {
            Nothing => {
                assert!(!matches!(without.status(), 401 | 403), "{without}");
                return;
            }
            Client => {
                assert!(matches!(without.status(), 400 | 401), "{without}");
                let with_token = call(Some(&self.admin)).await;
                assert!(matches!(with_token.status(), 400 | 401), "an access token is no client's credential\n{with_token}");
                return;
            }
            Password => {
                assert!(matches!(without.status(), 403 | 422), "{without}");
                without.assert_problem(without.status());
                assert_eq!(without.header("www-authenticate"), None, "{without}");
                return;
            }
            Takes::Token | Scope(_) => {}
        }
        without.assert_no_credentials();
        let by_key = self.call(operation, None).api_key(&self.api_key).send().await;
        if self.takes_api_keys {
            assert_allowed(&by_key, takes, KEY_SCOPE);
        } else {
            by_key.assert_no_credentials();
        }
        for worthless in [&self.expired, &self.of_the_other, &self.refresh_token] {
            call(Some(worthless)).await.assert_invalid_token();
        }
        if operation.name() == END_OWN_SESSIONS {
            stack.user("zoe", &["reader"]).await;
            let token = stack.client().scope("account").log_in("zoe", PASSWORD).await;
            assert_as_allowed(&call(Some(&token)).await, takes, &token);
        } else {
            for token in [&self.reader, &self.editor, &self.admin] {
                assert_as_allowed(&call(Some(token)).await, takes, token);
            }
        }
        if let Scope(scope) = takes {
            let others: Vec<_> = self.scopes.iter().copied().filter(|other| *other != scope).collect();
            let token = admin(stack, &others).await;
            assert_as_allowed(&call(Some(&token)).await, takes, &token);
        }
    }

    /// A request that would be good but for the credentials, about things that do not exist.
    fn call(&self, operation: &Operation, token: Option<&str>) -> tests::Call {
        let call = self.http.request(&operation.method, &operation.path_with("unheard-of"));
        let content = operation.told["requestBody"]["content"].as_object();
        let json = content.and_then(|content| content.iter().find(|(media_type, _)| media_type.starts_with("application/json")));
        let call = match json {
            Some((_, content)) => call.json(&self.plausible(&content["schema"])),
            None => call,
        };
        match token {
            Some(token) => call.bearer(token),
            None => call,
        }
    }

    /// A value that the schema allows, with what is required and nothing else.
    fn plausible(&self, schema: &Value) -> Value {
        let schema = self.document.resolved(schema);
        if let Some(first) = schema["enum"].get(0) {
            return first.clone();
        }
        match schema["type"].as_str() {
            Some("object") => {
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                let members = required.iter().filter_map(Value::as_str);
                let members = members.map(|name| (name.to_owned(), self.plausible(&schema["properties"][name])));
                Value::Object(members.collect::<Map<_, _>>())
            }
            Some("array") => json!([]),
            Some("boolean") => json!(false),
            Some("integer" | "number") => json!(60),
            _ => json!("plausible-enough-to-be-read"),
        }
    }
}

/// The document says what is expected.
#[track_caller]
fn check_documented(takes: Takes, operation: &Operation) {
    let expected = match takes {
        Nothing | Client | Password => None,
        Takes::Token => Some(json!([])),
        Scope(scope) => Some(json!([scope])),
    };
    assert_eq!(operation.scopes(), expected.as_ref(), "{}", operation.name());
}

/// Expects a refusal that names the scope, if the token lacks it, and otherwise none.
#[track_caller]
fn assert_as_allowed(answer: &Answer, takes: Takes, token: &str) {
    assert_allowed(answer, takes, Token::read(token).claims["scope"].as_str().expect("a scope"));
}

#[track_caller]
fn assert_allowed(answer: &Answer, takes: Takes, held: &str) {
    match takes {
        Scope(scope) if !held.split(' ').any(|held| held == scope) => {
            let challenge = answer.assert_challenge(403, Some("insufficient_scope"));
            assert_eq!(challenge.attribute("scope"), Some(scope), "{answer}");
        }
        Nothing | Client | Password | Takes::Token | Scope(_) => {
            assert_eq!(answer.header("www-authenticate"), None, "{answer}");
            // 403 without a challenge: the token is good, and something else in the request is not.
            assert!(matches!(answer.status(), 200..=299 | 400 | 403 | 404 | 409 | 422), "{answer}");
        }
    }
}
