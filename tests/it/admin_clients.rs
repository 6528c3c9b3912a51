//! Clients and their secrets, as administrators manage them over HTTP.

use serde_json::{Value, json};
use tests::{PASSWORD, Stack, jwt::Token};

async fn stack_and_token() -> (Stack, String) {
    let stack = Stack::builder().prompt().start().await;
    let token = stack.admin_token("admin:clients").await;
    (stack, token)
}

fn app(stack: &Stack) -> Value {
    json!({"id": "app", "kind": "confidential", "grants": ["password", "refresh_token", "client_credentials"],
        "scopes": ["documents:read"], "roles": ["reader"], "default_resource": stack.resource().id(),
        "cors_origins": ["https://app.example"], "access_token_lifetime": 300})
}

/// Registers the client `app` and returns its secret.
async fn registered(stack: &Stack, token: &str) -> String {
    let created = stack.auth().http().post("/admin/clients").bearer(token).json(&app(stack)).send().await;
    created.assert_status(201).json()["secret"].as_str().expect("a secret").to_owned()
}

#[tokio::test]
async fn a_client_is_created_read_changed_and_deleted() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();

    let created = http.post("/admin/clients").bearer(&token).json(&app(&stack)).send().await;
    created.assert_status(201).assert_hardened();
    assert_eq!(created.header("location"), Some("/admin/clients/app"));
    let (client, secret) = (created.json()["client"].clone(), created.json()["secret"].as_str().expect("a secret").to_owned());
    http.post("/admin/clients").bearer(&token).json(&app(&stack)).send().await.assert_problem(409);
    let read = http.get("/admin/clients/app").bearer(&token).send().await;
    assert_eq!((read.assert_ok(), read.header("etag")), (client, created.header("etag")));
    let list = http.get("/admin/clients").bearer(&token).send().await;
    let ids: Vec<_> = list.assert_ok()["clients"].as_array().expect("a list").iter().map(|client| client["id"].clone()).collect();
    assert_eq!(ids, ["app", "first-party"]);
    let issued = stack.client().basic("app", &secret).client_credentials().await.assert_tokens();
    let claims = Token::read(&issued).claims;
    assert_eq!(claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat), Some(300));

    let limits = json!({"grants": ["client_credentials"], "scopes": ["documents:read"], "roles": [],
        "default_resource": stack.resource().id()});
    let put = |tag: &str| http.put("/admin/clients/app").bearer(&token).header("if-match", tag).json(&limits).send();
    assert_eq!(put("\"1\"").await.assert_ok()["roles"], json!([]));
    put("\"1\"").await.assert_problem(412);
    stack.client().basic("app", &secret).client_credentials().await.assert_oauth_error(400, "invalid_scope");

    http.delete("/admin/clients/app").bearer(&token).send().await.assert_status(204);
    http.get("/admin/clients/app").bearer(&token).send().await.assert_problem(404);
    stack.client().basic("app", &secret).client_credentials().await.assert_invalid_client();
    stack.await_refusal(&issued).await;

    // Its successor of the same name is not bound by what was revoked with it.
    let secret = registered(&stack, &token).await;
    let issued = stack.client().basic("app", &secret).client_credentials().await.assert_tokens();
    stack.present(&issued).await.assert_ok();
    for (action, times) in [("client.create", 2), ("client.change", 1), ("client.delete", 1)] {
        assert_eq!(stack.recorded(action, "ok", None).await, times, "{action}");
    }
}

#[tokio::test]
async fn a_te_09_a_client_without_grants_may_use_none() {
    let (stack, token) = stack_and_token().await;
    stack.user("ada", &["reader"]).await;
    let new = json!({"id": "bare", "kind": "confidential"});
    let created = stack.auth().http().post("/admin/clients").bearer(&token).json(&new).send().await;
    let secret = created.assert_status(201).json()["secret"].as_str().expect("a secret").to_owned();

    let client = stack.client().basic("bare", &secret);

    client.client_credentials().await.assert_oauth_error(400, "unauthorized_client");
    client.password("ada", PASSWORD).await.assert_oauth_error(400, "unauthorized_client");
    client.refresh("rt_x").await.assert_oauth_error(400, "unauthorized_client");
}

#[tokio::test]
async fn a_te_14_no_client_can_be_taken_for_a_user() {
    let (stack, token) = stack_and_token().await;
    let users = stack.admin_token("admin:users").await;
    let http = stack.auth().http();
    let id = stack.user("ada", &["reader"]).await;
    let create = |id: &str| http.post("/admin/clients").bearer(&token).json(&json!({"id": id, "kind": "public"})).send();

    create(&id).await.assert_problem(422);
    create("usr_somebody").await.assert_problem(422);
    create("Ada").await.assert_problem(409);
    create("Tool").await.assert_status(201);
    http.post("/admin/users").bearer(&users).json(&json!({"username": "tool"})).send().await.assert_problem(409);
}

#[tokio::test]
async fn a_ca_09_a_secret_is_shown_once_and_kept_as_a_digest() {
    let (stack, token) = stack_and_token().await;
    let secret = registered(&stack, &token).await;
    let http = stack.auth().http();

    for path in ["/admin/clients", "/admin/clients/app", "/admin/clients/app/secrets"] {
        let answer = http.get(path).bearer(&token).send().await;
        answer.assert_ok();
        answer.assert_no_echo(&secret).assert_no_echo("digest");
    }
    let dump = format!("{:?}", stack.auth_home().database().dump().await);
    assert!(!dump.contains(secret.trim_start_matches("cs_")));
}

#[tokio::test]
async fn a_ca_10_a_secret_is_changed_with_an_overlap_or_without() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();
    let first = registered(&stack, &token).await;
    let path = "/admin/clients/app/secrets";
    let add = |overlap: u32| http.post(path).bearer(&token).json(&json!({"overlap": overlap})).send();
    let works = async |secret: &str| stack.client().basic("app", secret).client_credentials().await.status() == 200;

    let made = add(3600).await.assert_status(201).json();
    let (second, second_id) = (made["secret"].as_str().expect("a secret"), made["id"].as_str().expect("an id"));
    assert!(works(&first).await && works(second).await);
    let secrets = http.get(path).bearer(&token).send().await.assert_ok()["secrets"].as_array().expect("a list").clone();
    assert_eq!(secrets.iter().filter(|secret| secret.get("expires_at").is_some()).count(), 1);
    add(60).await.assert_problem(409);

    let run_out = "UPDATE client_secret SET expires_at = 1 WHERE expires_at IS NOT NULL";
    stack.auth_home().database().run(run_out, []).await;
    stack.auth_home().database().mark_rights().await;
    assert!(!works(&first).await && works(second).await);
    let third = add(0).await.assert_status(201).json()["secret"].as_str().expect("a secret").to_owned();
    assert!(!works(second).await && works(&third).await);

    http.delete(&format!("{path}/{second_id}")).bearer(&token).send().await.assert_problem(404);
    let secrets = http.get(path).bearer(&token).send().await.assert_ok();
    let third_id = secrets["secrets"][0]["id"].as_str().expect("an id");
    http.delete(&format!("{path}/{third_id}")).bearer(&token).send().await.assert_status(204);
    assert!(!works(&third).await);
    http.post("/admin/clients/first-party/secrets").bearer(&token).json(&json!({"overlap": 0})).send().await.assert_problem(409);
    assert_eq!(stack.recorded("client.remove_secret", "ok", None).await, 1);
}

#[tokio::test]
async fn a_ca_11_a_disabled_client_gets_nothing_and_loses_what_it_had() {
    let (stack, token) = stack_and_token().await;
    let http = stack.auth().http();
    stack.user("ada", &["reader"]).await;
    let secret = registered(&stack, &token).await;
    let client = stack.client().basic("app", &secret);
    let tokens = client.open_session("ada", PASSWORD).await;
    let own = client.client_credentials().await.assert_tokens();
    let mut limits = app(&stack);
    for name in ["id", "kind"] {
        limits.as_object_mut().expect("an object").remove(name);
    }
    limits["state"] = json!("disabled");

    http.put("/admin/clients/app").bearer(&token).json(&limits).send().await.assert_ok();

    client.client_credentials().await.assert_invalid_client();
    client.refresh(&tokens.refresh).await.assert_invalid_client();
    stack.await_refusal(&tokens.access).await;
    stack.await_refusal(&own).await;
    let introspecting = stack.introspecting_client().await;
    assert_eq!(introspecting.introspect(&tokens.access).await.assert_ok()["active"], false);
    limits["state"] = json!("active");
    http.put("/admin/clients/app").bearer(&token).json(&limits).send().await.assert_ok();
    let own = client.client_credentials().await.assert_tokens();
    stack.present(&own).await.assert_ok();
    client.refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn what_a_client_cannot_have_is_refused_with_the_field() {
    let (stack, token) = stack_and_token().await;

    for (member, value, status) in [
        ("id", json!("a client"), 422),
        ("id", json!(7), 400),
        ("kind", json!("secret"), 400),
        ("grants", json!(["implicit"]), 422),
        ("scopes", json!(["unheard-of"]), 422),
        ("roles", json!(["unheard-of"]), 422),
        ("default_resource", json!("https://unheard-of.example"), 422),
        ("serves", json!("https://unheard-of.example"), 422),
        ("cors_origins", json!(["https://app.example/"]), 422),
        ("cors_origins", json!(["null"]), 422),
        ("cors_origins", json!(["https://a.example https://b.example"]), 422),
        ("access_token_lifetime", json!(3601), 400),
        ("access_token_lifetime", json!("300"), 400),
        ("secret", json!("chosen by me"), 400),
        ("created_at", json!(0), 400),
    ] {
        let mut body = app(&stack);
        body[member] = value;
        let answer = stack.auth().http().post("/admin/clients").bearer(&token).json(&body).send().await;
        answer.assert_problem(status);
        let is_named = answer.json()["errors"][0]["field"] == member;
        assert!(is_named || status == 400, "{member}\n{answer}");
    }
    let public = json!({"id": "app", "kind": "public", "grants": ["client_credentials"]});
    stack.auth().http().post("/admin/clients").bearer(&token).json(&public).send().await.assert_problem(422);
}
