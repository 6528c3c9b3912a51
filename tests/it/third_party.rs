//! A client library that knows nothing of this project logs in and calls the API: the `oauth2` crate.

use auth_service::ClientKind;
use oauth2::{
    AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, ResourceOwnerPassword, ResourceOwnerUsername,
    Scope, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicErrorResponseType, BasicTokenType},
};
use reqwest::{Client, redirect::Policy};
use tests::{PASSWORD, Stack, rows};

/// What the library asks its user for: a function that makes HTTP requests.
async fn send(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let client = Client::builder().redirect(Policy::none()).tls_certs_only([]).build()?;
    let answer = client.execute(request.try_into()?).await?;
    let mut response = HttpResponse::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await?.into();
    Ok(response)
}

fn token_url(stack: &Stack) -> TokenUrl {
    TokenUrl::new(format!("{}/oauth2/token", stack.auth().issuer())).expect("a URL")
}

#[tokio::test]
async fn a_public_client_logs_in_and_calls_the_api() {
    let stack = Stack::start().await;
    stack.user("emil", &["editor"]).await;
    let client = BasicClient::new(ClientId::new("first-party".to_owned())).set_token_uri(token_url(&stack));

    let (username, password) = (ResourceOwnerUsername::new("emil".to_owned()), ResourceOwnerPassword::new(PASSWORD.to_owned()));
    let request = client.exchange_password(&username, &password).add_scope(Scope::new("documents:read".to_owned()));
    let tokens = request.request_async(&send).await.expect("tokens");

    assert!(matches!(tokens.token_type(), BasicTokenType::Bearer));
    assert_eq!(tokens.expires_in().map(|lifetime| lifetime.as_secs()), Some(600));
    assert_eq!(tokens.scopes().map(Vec::len), Some(1));
    stack.api().get("/documents").bearer(tokens.access_token().secret()).send().await.assert_ok();
}

#[tokio::test]
async fn a_confidential_client_authenticates_in_either_way() {
    let stack = Stack::with_ada("reader").await;
    let secret = "a secret: with 100% + é";
    stack.auth().register(stack.new_client("batch", ClientKind::Confidential, &["password"], "documents:read")).await;
    rows::choose_secret(stack.auth_home().database(), "batch", secret).await;

    for way in [AuthType::BasicAuth, AuthType::RequestBody] {
        let client = BasicClient::new(ClientId::new("batch".to_owned())).set_client_secret(ClientSecret::new(secret.to_owned()));
        let client = client.set_token_uri(token_url(&stack)).set_auth_type(way);
        let (username, password) =
            (ResourceOwnerUsername::new("ada".to_owned()), ResourceOwnerPassword::new(PASSWORD.to_owned()));
        let tokens = client.exchange_password(&username, &password).request_async(&send).await.expect("tokens");
        stack.api().get("/me").bearer(tokens.access_token().secret()).send().await.assert_ok();
    }
}

#[tokio::test]
async fn a_refusal_is_understood() {
    let stack = Stack::start().await;
    let client = BasicClient::new(ClientId::new("first-party".to_owned())).set_token_uri(token_url(&stack));

    let (username, password) = (ResourceOwnerUsername::new("nobody".to_owned()), ResourceOwnerPassword::new("wrong".to_owned()));
    let refused = client.exchange_password(&username, &password).request_async(&send).await;

    let Err(RequestTokenError::ServerResponse(refusal)) = refused else { panic!("{refused:?}") };
    assert!(matches!(refusal.error(), BasicErrorResponseType::InvalidGrant), "{refusal:?}");
    assert!(refusal.error_description().is_some());
}
