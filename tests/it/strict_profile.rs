//! The profile without the password grant (RFC 9700 §2.4): off everywhere at once.

use std::net::Ipv4Addr;

use auth_service::{ClientKind, NewClient, Profile};
use shared::server::listener::Listener;
use tests::{OAuthClient, PASSWORD, Stack};

/// A development stack that goes on under the strict profile, with a session from before.
async fn turned_strict() -> (tests::AuthHome, tests::AuthServer, OAuthClient, tests::Tokens) {
    let stack = Stack::with_ada("editor").await;
    let tokens = stack.client().open_session("ada", PASSWORD).await;
    let new = stack.new_client("batch", ClientKind::Confidential, &["password", "client_credentials"], "documents:read");
    let batch = stack.auth().register(NewClient { roles: vec!["reader".to_owned()], ..new }).await;
    let port: u16 = stack.auth().issuer().rsplit(':').next().expect("a port").parse().expect("a number");
    let issuer = stack.auth().issuer().to_owned();
    let (home, _) = stack.stop().await;
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("the port is free again");
    let change = |config: &mut auth_service::Config| {
        config.issuer = Some(issuer);
        config.profile = Profile::Strict;
        config.docs = false;
    };
    let auth = home.start_behind(listener, change).await.expect("it starts");
    (home, auth, batch, tokens)
}

#[tokio::test]
async fn md_05_the_password_grant_is_neither_listed_nor_taken() {
    let (_home, auth, batch, _) = turned_strict().await;

    let metadata = auth.http().get("/.well-known/oauth-authorization-server").send().await.assert_ok();
    let mut grants: Vec<_> = metadata["grant_types_supported"].as_array().expect("an array").iter().collect();
    grants.sort_by_key(ToString::to_string);
    assert_eq!(grants, ["client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"]);

    for client in [batch.clone(), auth.client(), auth.client().public("first-party")] {
        client.password("ada", PASSWORD).await.assert_oauth_error(400, "unsupported_grant_type");
        client.password("ada", "wrong").await.assert_oauth_error(400, "unsupported_grant_type");
    }
    batch.client_credentials().await.assert_tokens();
}

#[tokio::test]
async fn what_was_issued_before_goes_on() {
    let (_home, auth, _, tokens) = turned_strict().await;

    auth.client().next_tokens(&tokens.refresh).await;
}

#[tokio::test]
async fn md_05_every_url_that_is_listed_answers_and_nothing_else_does() {
    let (_home, auth, _, _) = turned_strict().await;
    let metadata = auth.http().get("/.well-known/oauth-authorization-server").send().await.assert_ok();

    let mut followed = 0;
    for (name, value) in metadata.as_object().expect("an object") {
        let path = value.as_str().and_then(|url| url.strip_prefix(auth.issuer())).filter(|path| !path.is_empty());
        let Some(path) = path else { continue };
        let answer = auth.http().get(path).send().await;
        assert!(matches!(answer.status(), 200 | 405), "{name}\n{answer}");
        followed += 1;
    }
    assert!(followed >= 5, "{metadata}");
    for path in ["/docs", "/openapi.json", "/oauth2/authorize", "/.well-known/openid-configuration"] {
        auth.http().get(path).send().await.assert_problem(404);
    }
}
