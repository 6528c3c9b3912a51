//! What the issuer says about itself (RFC 8414).

use auth_service::Profile;
use serde_json::{Value, json};
use tests::{AuthHome, Stack, jwt::Token};

const METADATA: &str = "/.well-known/oauth-authorization-server";

#[tokio::test]
async fn md_01_the_metadata_is_where_rfc_8414_puts_it_and_for_everyone() {
    let stack = Stack::start().await;

    let answer = stack.auth().http().get(METADATA).header("origin", "https://anyone.example").send().await;

    answer.assert_ok();
    answer.assert_hardened();
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let tag = answer.header("etag").expect("an entity tag");
    let known = stack.auth().http().get(METADATA).header("if-none-match", tag).send().await;
    assert_eq!((known.status(), known.text(), known.header("etag")), (304, "", Some(tag)));
    // It issues no ID tokens, so it does not claim to be an OpenID provider.
    stack.auth().http().get("/.well-known/openid-configuration").send().await.assert_problem(404);
    stack.auth().http().post(METADATA).send().await.assert_problem(405);
}

/// A.JK-01
#[tokio::test]
async fn md_02_the_issuer_is_the_iss_of_its_tokens_and_nothing_the_request_says() {
    let stack = Stack::start().await;
    let token = Token::read(&stack.token_of("ada", &["reader"]).await);

    let plain = stack.auth().http().get(METADATA).send().await;
    let forged = stack
        .auth()
        .http()
        .get(METADATA)
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example;proto=https");
    let forged = forged.header("x-forwarded-proto", "https").send().await;

    assert_eq!(plain.assert_ok()["issuer"], token.claims["iss"]);
    assert_eq!(plain.assert_ok()["issuer"], stack.auth().issuer());
    assert_eq!(forged.body(), plain.body());
}

#[tokio::test]
async fn md_02_an_issuer_with_a_public_name_goes_by_that_name() {
    let home = AuthHome::new().await;
    let name = "https://login.example.com";
    let auth = home.start(|config| config.issuer = Some(name.to_owned())).await.expect("it starts");

    let answer = auth.http().get(METADATA).send().await;

    let metadata = answer.assert_ok();
    assert_eq!(metadata["issuer"], name);
    for member in ["token_endpoint", "jwks_uri", "service_documentation"] {
        assert!(metadata[member].as_str().is_some_and(|url| url.starts_with("https://login.example.com/")), "{metadata}");
    }
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=63072000; includeSubDomains"));
}

#[tokio::test]
async fn md_03_the_metadata_says_all_that_a_client_needs() {
    let stack = Stack::start().await;

    let metadata = stack.auth().http().get(METADATA).send().await.assert_ok();

    let issuer = stack.auth().issuer();
    assert_eq!(metadata["token_endpoint"], format!("{issuer}/oauth2/token"));
    assert_eq!(metadata["jwks_uri"], format!("{issuer}/.well-known/jwks.json"));
    assert_eq!(metadata["service_documentation"], format!("{issuer}/docs"));
    assert_eq!(sorted(&metadata["token_endpoint_auth_methods_supported"]), ["client_secret_basic", "client_secret_post", "none"]);
    assert!(sorted(&metadata["grant_types_supported"]).contains(&"password"));
    let mut resources = vec![issuer, stack.resource().id()];
    resources.sort_unstable();
    assert_eq!(sorted(&metadata["protected_resources"]), resources);
    let scopes = [
        "account",
        "admin:audit",
        "admin:clients",
        "admin:keys",
        "admin:users",
        "documents:admin",
        "documents:read",
        "documents:write",
    ];
    assert_eq!(sorted(&metadata["scopes_supported"]), scopes);
}

fn sorted(list: &Value) -> Vec<&str> {
    let mut list: Vec<_> = list.as_array().expect("an array").iter().map(|item| item.as_str().expect("a string")).collect();
    list.sort_unstable();
    list
}

#[tokio::test]
async fn md_04_an_empty_array_is_left_out_unless_it_is_required() {
    let stack = Stack::start().await;

    let metadata = stack.auth().http().get(METADATA).send().await.assert_ok();

    // There is no authorization endpoint, and RFC 8414 §2 requires the member all the same.
    assert_eq!(metadata["response_types_supported"], json!([]));
    assert_eq!(metadata.get("authorization_endpoint"), None);
    for (name, value) in metadata.as_object().expect("an object") {
        assert!(!value.is_null(), "`{name}` is null");
        let is_empty = value.as_array().is_some_and(Vec::is_empty);
        assert!(!is_empty || name == "response_types_supported", "`{name}` is empty");
    }
}

#[tokio::test]
async fn md_05_every_url_that_is_listed_answers() {
    let stack = Stack::start().await;
    let metadata = stack.auth().http().get(METADATA).send().await.assert_ok();

    let mut followed = 0;
    for (name, value) in metadata.as_object().expect("an object") {
        let Some(path) = value.as_str().and_then(|url| url.strip_prefix(stack.auth().issuer())).filter(|path| !path.is_empty())
        else {
            continue;
        };
        let answer = stack.auth().http().get(path).send().await;
        let expected = if name.ends_with("_endpoint") && !name.contains("aggregation") { 405 } else { 200 };
        assert_eq!(answer.status(), expected, "{name}\n{answer}");
        followed += 1;
    }
    assert!(followed >= 3, "{metadata}");
}

#[tokio::test]
async fn md_05_what_is_switched_off_is_not_listed() {
    let stack = Stack::builder()
        .auth(|config| {
            config.profile = Profile::Strict;
            config.docs = false;
        })
        .start()
        .await;

    let metadata = stack.auth().http().get(METADATA).send().await.assert_ok();

    let grants = metadata["grant_types_supported"].as_array().cloned().unwrap_or_default();
    assert!(!grants.contains(&json!("password")), "{metadata}");
    assert_eq!(metadata.get("service_documentation"), None);
    for path in ["/docs", "/openapi.json"] {
        stack.auth().http().get(path).send().await.assert_problem(404);
    }
}

#[tokio::test]
async fn every_endpoint_that_exists_is_listed() {
    let stack = Stack::start().await;
    let metadata = stack.auth().http().get(METADATA).send().await.assert_ok().to_string();
    let document = stack.auth().http().get("/openapi.json").send().await.assert_ok();

    let paths = document["paths"].as_object().expect("a document has paths");
    for path in paths.keys().filter(|path| path.starts_with("/oauth2/") && !path.contains('{')) {
        assert!(metadata.contains(path.as_str()), "{path}");
    }
}
