//! Protected resources, as administrators manage them over HTTP.

use serde_json::json;
use tests::{Stack, jwt::Token};

const ORDERS: &str = "https://orders.example/v1";
const PATH: &str = "/admin/resources/https%3A%2F%2Forders.example%2Fv1";

#[tokio::test]
async fn a_resource_is_created_read_changed_and_deleted() {
    let stack = Stack::start().await;
    let token = stack.admin_token("admin:clients").await;
    let http = stack.auth().http();
    let new = json!({"id": ORDERS, "scopes": ["orders:read"]});

    let created = http.post("/admin/resources").bearer(&token).json(&new).send().await;
    created.assert_status(201).assert_hardened();
    assert_eq!(created.header("location"), Some(PATH));
    http.post("/admin/resources").bearer(&token).json(&new).send().await.assert_problem(409);
    let read = http.get(PATH).bearer(&token).send().await;
    assert_eq!((read.assert_ok(), read.header("etag")), (created.json(), created.header("etag")));
    let list = http.get("/admin/resources?limit=1").bearer(&token).send().await;
    assert_eq!(list.assert_ok()["resources"].as_array().map(Vec::len), Some(1));
    assert!(list.header("link").is_some());

    let put = |tag: &str| {
        let body = json!({"scopes": ["orders:read", "orders:write"]});
        http.put(PATH).bearer(&token).header("if-match", tag).json(&body).send()
    };
    assert_eq!(put("\"1\"").await.assert_ok()["scopes"], json!(["orders:read", "orders:write"]));
    put("\"1\"").await.assert_problem(412);
    http.delete(PATH).bearer(&token).send().await.assert_status(204);
    http.get(PATH).bearer(&token).send().await.assert_problem(404);
    for action in ["resource.create", "resource.change", "resource.delete"] {
        assert_eq!(stack.recorded(action, "ok", None).await, 1, "{action}");
    }
}

#[tokio::test]
async fn a_new_scope_can_be_given_to_others_at_once() {
    let stack = Stack::start().await;
    let token = stack.admin_token("admin:clients admin:users").await;
    let http = stack.auth().http();
    let new = json!({"id": ORDERS, "scopes": ["orders:read"]});
    http.post("/admin/resources").bearer(&token).json(&new).send().await.assert_status(201);

    let role = json!({"name": "buyer", "scopes": ["orders:read"]});
    http.post("/admin/roles").bearer(&token).json(&role).send().await.assert_status(201);
    let client = json!({"id": "shop", "kind": "confidential", "grants": ["client_credentials"], "scopes": ["orders:read"],
        "roles": ["buyer"], "default_resource": ORDERS});
    let created = http.post("/admin/clients").bearer(&token).json(&client).send().await;

    let secret = created.assert_status(201).json()["secret"].as_str().expect("a secret").to_owned();
    let token = stack.client().basic("shop", &secret).client_credentials().await.assert_tokens();
    assert_eq!(Token::read(&token).claims["aud"], ORDERS);
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let stack = Stack::start().await;
    let token = stack.admin_token("admin:clients admin:users").await;
    let http = stack.auth().http();
    let new = json!({"id": ORDERS, "scopes": ["orders:read", "orders:write"]});
    http.post("/admin/resources").bearer(&token).json(&new).send().await.assert_status(201);
    let role = json!({"name": "buyer", "scopes": ["orders:read"]});
    http.post("/admin/roles").bearer(&token).json(&role).send().await.assert_status(201);
    let client = json!({"id": "shop", "kind": "public", "scopes": ["orders:write"]});
    http.post("/admin/clients").bearer(&token).json(&client).send().await.assert_status(201);

    let refused = http.delete(PATH).bearer(&token).send().await;
    assert!(refused.assert_problem(409).text().contains("`buyer`"), "{refused}");
    let without_write = json!({"scopes": ["orders:read"]});
    let refused = http.put(PATH).bearer(&token).json(&without_write).send().await;
    assert!(refused.assert_problem(409).text().contains("`shop`"), "{refused}");

    http.delete("/admin/clients/shop").bearer(&token).send().await.assert_status(204);
    http.put(PATH).bearer(&token).json(&without_write).send().await.assert_ok();
    let serving = json!({"id": "shop-api", "kind": "confidential", "serves": ORDERS});
    http.post("/admin/clients").bearer(&token).json(&serving).send().await.assert_status(201);
    http.delete("/admin/roles/buyer").bearer(&token).send().await.assert_status(204);
    let refused = http.delete(PATH).bearer(&token).send().await;
    assert!(refused.assert_problem(409).text().contains("`shop-api`"), "{refused}");
}

#[tokio::test]
async fn the_issuers_own_resource_and_scopes_stay_its_own() {
    let stack = Stack::start().await;
    let token = stack.admin_token("admin:clients").await;
    let http = stack.auth().http();
    let own: String = url::form_urlencoded::byte_serialize(stack.auth().issuer().as_bytes()).collect();
    let own = format!("/admin/resources/{own}");

    assert_eq!(http.get(&own).bearer(&token).send().await.assert_ok()["id"], stack.auth().issuer());
    http.delete(&own).bearer(&token).send().await.assert_problem(409);
    http.put(&own).bearer(&token).json(&json!({"scopes": ["account"]})).send().await.assert_problem(409);
    for (id, scope, status) in [
        (ORDERS, "admin:everything", 422),
        (ORDERS, "documents:read", 409),
        (ORDERS, "a b", 422),
        ("orders", "x", 422),
        ("https://orders.example/#part", "x", 422),
        ("https://orders.example/ x", "x", 422),
        ("https://örders.example/", "x", 422),
    ] {
        let body = json!({"id": id, "scopes": [scope]});
        http.post("/admin/resources").bearer(&token).json(&body).send().await.assert_problem(status);
    }
}
