//! What resource-service says about itself (RFC 9728).

use serde_json::json;
use tests::{MockIssuer, ResourceHome, Stack, jwt::Token};

const METADATA: &str = "/.well-known/oauth-protected-resource";

#[tokio::test]
async fn pr_01_the_metadata_is_where_rfc_9728_puts_it_and_for_everyone() {
    let stack = Stack::start().await;

    let answer = stack.api().get(METADATA).header("origin", "https://anyone.example").send().await;

    answer.assert_ok();
    answer.assert_hardened();
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.header("cache-control").is_some_and(|value| value.starts_with("public, max-age=")), "{answer}");
}

#[tokio::test]
async fn pr_02_the_resource_is_the_audience_of_its_tokens() {
    let stack = Stack::start().await;
    let token = Token::read(&stack.token_of("ada", &["reader"]).await);

    let metadata = stack.api().get(METADATA).send().await.assert_ok();

    assert_eq!(metadata["resource"], token.claims["aud"]);
    assert_eq!(metadata["resource"], stack.resource().id());
}

#[tokio::test]
async fn pr_02_a_resource_with_a_path_has_its_metadata_behind_the_well_known_part() {
    let (issuer, home) = (MockIssuer::start().await, ResourceHome::new().await);
    let id = "https://api.example.com/v1/documents-api";
    let resource = home.start(issuer.url(), |config| config.id = Some(id.to_owned())).await.expect("it starts");

    let answer = resource.http().get(&format!("{METADATA}/v1/documents-api")).send().await;

    assert_eq!(answer.assert_ok()["resource"], id);
    // Under the path of the resource without a path, there would be another resource's metadata (RFC 9728 §3.3).
    resource.http().get(METADATA).send().await.assert_problem(404);
    let challenge = resource.http().get("/me").send().await.assert_no_credentials();
    let url = "https://api.example.com/.well-known/oauth-protected-resource/v1/documents-api";
    assert_eq!(challenge.attribute("resource_metadata"), Some(url));
}

#[tokio::test]
async fn pr_03_the_metadata_says_whom_it_trusts_and_what_it_knows() {
    let stack = Stack::start().await;

    let metadata = stack.api().get(METADATA).send().await.assert_ok();

    assert_eq!(metadata["authorization_servers"], json!([stack.auth().issuer()]));
    assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
    assert_eq!(metadata["resource_documentation"], format!("{}/docs", stack.resource().id()));
    let mut scopes = metadata["scopes_supported"].as_array().expect("an array").clone();
    scopes.sort_by_key(ToString::to_string);
    assert_eq!(json!(scopes), json!(["documents:admin", "documents:read", "documents:write"]));
    assert_eq!(metadata.get("jwks_uri"), None, "it signs nothing");
}

#[tokio::test]
async fn pr_04_the_challenge_leads_to_the_metadata_and_the_metadata_to_the_issuer() {
    let stack = Stack::start().await;

    let challenge = stack.api().get("/me").send().await.assert_no_credentials();

    let url = challenge.attribute("resource_metadata").expect("a client is told where to look");
    let path = url.strip_prefix(stack.resource_url()).expect("at the resource's own origin");
    let metadata = stack.api().get(path).send().await.assert_ok();
    assert_eq!(metadata["resource"], stack.resource().id());
    assert_eq!(metadata["authorization_servers"][0], stack.auth().issuer());
}

#[tokio::test]
async fn pr_05_nothing_in_it_is_empty() {
    let stack = Stack::builder().resource(|config| config.docs = false).start().await;

    let metadata = stack.api().get(METADATA).send().await.assert_ok();

    assert_eq!(metadata.get("resource_documentation"), None);
    for (name, value) in metadata.as_object().expect("an object") {
        assert!(!value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()), "`{name}`: {metadata}");
    }
}
