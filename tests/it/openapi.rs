//! The OpenAPI documents in the repository are those that the services serve.
//!
//! When an interface has changed, `UPDATE_OPENAPI=1 cargo test -p tests openapi` writes them anew.

use std::{env, fs};

use serde_json::Value;
use tests::{AuthHome, Http, OpenApi, ResourceHome, repository};

#[tokio::test]
async fn the_document_of_auth_service_is_the_one_in_the_repository() {
    let home = AuthHome::new().await;
    let auth = home.start(|config| config.issuer = Some("http://localhost:8080".to_owned())).await.expect("it starts");

    assert_is_the_copy(auth.http(), "auth-service").await;
}

#[tokio::test]
async fn the_document_of_resource_service_is_the_one_in_the_repository() {
    let home = ResourceHome::new().await;
    let named = |config: &mut resource_service::Config| config.id = Some("http://localhost:8081".to_owned());
    let resource = home.start("http://localhost:8080", named).await.expect("it starts");

    assert_is_the_copy(resource.http(), "resource-service").await;
}

async fn assert_is_the_copy(http: &Http, service: &str) {
    let served = http.get("/openapi.json").send().await.assert_ok();
    let copy = repository().join(service).join("openapi.json");
    if env::var_os("UPDATE_OPENAPI").is_some() {
        let text = serde_json::to_string_pretty(&served).expect("JSON can be written");
        fs::write(&copy, text + "\n").expect("the copy can be written");
    }
    let kept = fs::read(&copy).unwrap_or_else(|error| panic!("{service}/openapi.json: {error}"));
    let kept: Value = serde_json::from_slice(&kept).expect("the copy is JSON");
    assert!(kept == served, "{service}/openapi.json is not what the service serves; UPDATE_OPENAPI=1 writes it anew");
}

#[tokio::test]
async fn every_operation_says_what_it_needs_and_how_it_answers() {
    let stack = tests::Stack::start().await;

    for http in [stack.auth().http(), stack.api()] {
        for operation in OpenApi::of(http).await.operations() {
            let (name, told) = (operation.name(), &operation.told);
            assert!(told["operationId"].is_string() && told["summary"].is_string(), "{name}");
            assert!(told["tags"].as_array().is_some_and(|tags| !tags.is_empty()), "{name}");
            let responses = told["responses"].as_object().expect("responses");
            assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
            let is_guarded = operation.scopes().is_some();
            assert!(!is_guarded || ["401", "403"].iter().all(|status| responses.contains_key(*status)), "{name}");
        }
    }
}

#[tokio::test]
async fn the_dialog_of_either_page_asks_the_issuer_for_tokens() {
    let stack = tests::Stack::start().await;

    for (http, relative) in [(stack.auth().http(), true), (stack.api(), false)] {
        let document = http.get("/openapi.json").send().await.assert_ok();
        let flow = &document["components"]["securitySchemes"]["OAuth2"]["flows"]["password"];
        let url = flow["tokenUrl"].as_str().expect("a token URL");
        assert!(url == format!("{}/oauth2/token", stack.auth().issuer()) || (relative && url == "/oauth2/token"), "{url}");
        assert!(flow["scopes"].as_object().is_some_and(|scopes| !scopes.is_empty()), "{flow}");
        assert!(!document.to_string().contains("issuer.invalid"));
    }
}
