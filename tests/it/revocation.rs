//! Revocation by the client that holds a token (RFC 7009).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tests::{AuthHome, OAuthClient, PASSWORD, Stack, jwt::Token, until};

const REVOKE: &str = "/oauth2/revoke";

/// A refresh token that was never issued.
fn unknown_refresh_token() -> String {
    format!("rt_{}", BASE64_URL_SAFE_NO_PAD.encode([7; 32]))
}

async fn assert_dead(client: &OAuthClient, refresh_token: &str) {
    client.refresh(refresh_token).await.assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn rv_01_a_request_is_a_form_with_a_token() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let http = stack.auth().http();

    stack.client().request_at(REVOKE, &[]).send().await.assert_oauth_error(400, "invalid_request");
    stack.client().revoke("").await.assert_oauth_error(400, "invalid_request");
    let twice = stack.client().request_at(REVOKE, &[("token", "a"), ("token", "b")]);
    twice.send().await.assert_oauth_error(400, "invalid_request");
    let json = http.post(REVOKE).json(&serde_json::json!({"token": "a", "client_id": "first-party"}));
    json.send().await.assert_oauth_error(400, "invalid_request");
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = http.request(method, REVOKE).send().await;
        answer.assert_problem(405);
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
}

#[tokio::test]
async fn rv_02_the_client_comes_first() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let app = stack.app("app").await;
    let tokens = app.open_session("ada", PASSWORD).await;

    for refused in [stack.client().unnamed(), stack.client().public("app"), stack.client().basic("app", "wrong")] {
        refused.revoke(&tokens.refresh).await.assert_invalid_client();
        refused.request_at(REVOKE, &[("token", "")]).send().await.assert_invalid_client();
    }

    app.next_tokens(&tokens.refresh).await;
}

#[tokio::test]
async fn rv_03_a_rr_12_a_token_that_is_none_needs_no_revoking() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let tokens = client.open_session("ada", PASSWORD).await;
    let forged = Token::read(&tokens.access).claim("jti", "another").sign(&tests::jwt::SigningKey::generate());

    for token in ["nonsense", &unknown_refresh_token(), "a.b.c", &forged, &format!("{}x", tokens.access)] {
        let answer = client.revoke(token).await;
        answer.assert_status(200).assert_never_stored().assert_hardened();
        assert_eq!(answer.text(), "", "{token}");
    }
    for _ in 0..3 {
        client.revoke(&tokens.refresh).await.assert_status(200);
        client.revoke(&tokens.access).await.assert_status(200);
    }
    assert_dead(&client, &tokens.refresh).await;
}

#[tokio::test]
async fn rv_03_a_rr_16_a_token_that_is_nearly_right_revokes_nothing() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let tokens = client.open_session("ada", PASSWORD).await;
    let good = &tokens.refresh;

    for near in
        [good[..good.len() - 1].to_owned(), format!("{good}A"), good.to_uppercase(), good.to_lowercase(), good[3..].to_owned()]
    {
        client.revoke(&near).await.assert_status(200);
    }
    let (signed, signature) = tokens.access.rsplit_once('.').expect("a token has a signature");
    for near in [signed.to_owned(), format!("{signed}."), format!("{signed}.{}", signature.to_uppercase())] {
        client.revoke(&near).await.assert_status(200);
    }

    let api = stack.introspecting_client().await;
    assert_eq!(api.introspect(&tokens.access).await.assert_ok()["active"], true);
    client.next_tokens(good).await;
}

#[tokio::test]
async fn rv_04_a_rr_12_a_token_of_another_client_is_refused_and_lives() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let (mine, other) = (stack.app("mine").await, stack.app("other").await);
    let api = stack.introspecting_client().await;
    let tokens = mine.open_session("ada", PASSWORD).await;

    for token in [&tokens.refresh, &tokens.access] {
        let refused = other.revoke(token).await;
        assert_eq!(refused.status(), 400, "{refused}");
        assert!(refused.json()["error"].is_string(), "{refused}");
    }

    assert_eq!(api.introspect(&tokens.access).await.assert_ok()["active"], true);
    mine.next_tokens(&tokens.refresh).await;
}

#[tokio::test]
async fn rv_05_a_rr_12_a_hint_is_no_more_than_a_hint() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let (client, api) = (stack.client(), stack.introspecting_client().await);

    for hint in ["access_token", "refresh_token", "nonsense", ""] {
        let tokens = client.open_session("ada", PASSWORD).await;
        let other = client.open_session("ada", PASSWORD).await;
        for token in [&tokens.refresh, &other.access] {
            let hinted = client.request_at(REVOKE, &[("token", token), ("token_type_hint", hint)]);
            hinted.send().await.assert_status(200);
        }
        assert_dead(&client, &tokens.refresh).await;
        assert_eq!(api.introspect(&other.access).await.text(), r#"{"active":false}"#, "{hint}");
    }
}

#[tokio::test]
async fn rv_06_a_refresh_token_is_revoked_with_its_whole_family() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    let bystander = client.open_session("ada", PASSWORD).await;
    stack.present(&second.access).await.assert_ok();

    // The one that was used already is as good a name for the family as any.
    client.revoke(&first.refresh).await.assert_status(200);

    assert_dead(&client, &second.refresh).await;
    assert_dead(&client, &first.refresh).await;
    for token in [&first.access, &second.access] {
        stack.await_refusal(token).await;
    }
    stack.present(&bystander.access).await.assert_ok();
    client.next_tokens(&bystander.refresh).await;
}

#[tokio::test]
async fn rv_06_an_access_token_is_revoked_by_itself() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let (client, api) = (stack.client(), stack.introspecting_client().await);
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    stack.present(&first.access).await.assert_ok();

    client.revoke(&first.access).await.assert_status(200);

    assert_eq!(api.introspect(&first.access).await.text(), r#"{"active":false}"#);
    stack.await_refusal(&first.access).await;
    stack.present(&second.access).await.assert_ok();
    client.next_tokens(&second.refresh).await;
}

#[tokio::test]
async fn rv_06_the_issuers_own_api_obeys_at_once() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client().scope("account");
    let tokens = client.open_session("ada", PASSWORD).await;
    let account = || stack.auth().http().get("/account").bearer(&tokens.access);
    account().send().await.assert_ok();

    client.revoke(&tokens.refresh).await.assert_status(200);

    account().send().await.assert_invalid_token();
}

#[tokio::test]
async fn rv_06_the_token_of_a_client_on_its_own_behalf_can_be_revoked() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let mut new = stack.new_client("batch", auth_service::ClientKind::Confidential, &["client_credentials"], "documents:read");
    new.roles = vec!["reader".to_owned()];
    let batch = stack.auth().register(new).await;
    let (revoked, other) = (batch.client_credentials().await.assert_tokens(), batch.client_credentials().await.assert_tokens());
    stack.present(&revoked).await.assert_ok();

    batch.revoke(&revoked).await.assert_status(200);

    stack.await_refusal(&revoked).await;
    stack.present(&other).await.assert_ok();
}

#[tokio::test]
async fn rv_07_a_rr_13_a_revocation_that_failed_is_never_told_as_done() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let tokens = client.open_session("ada", PASSWORD).await;
    let database = stack.auth_home().database();

    database.run("ALTER TABLE revoked_status RENAME TO revoked_status_away", []).await;
    let answers = [client.revoke(&tokens.refresh).await, client.revoke(&tokens.access).await];
    database.run("ALTER TABLE revoked_status_away RENAME TO revoked_status", []).await;

    for answer in answers {
        answer.assert_oauth_error(503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some(), "{answer}");
    }
    let next = client.next_tokens(&tokens.refresh).await;
    client.revoke(&next.refresh).await.assert_status(200);
    assert_dead(&client, &next.refresh).await;
}

#[tokio::test]
async fn rv_08_a_browser_may_revoke_from_an_origin_that_was_registered() {
    let origin = "https://app.example";
    let stack = Stack::builder().auth(move |config| config.cors_origins = vec![origin.to_owned()]).with_ada("editor").await;
    let tokens = stack.client().open_session("ada", PASSWORD).await;
    let preflight = |from: &str| {
        let call = stack.auth().http().request("OPTIONS", REVOKE).header("origin", from);
        call.header("access-control-request-method", "POST").header("access-control-request-headers", "content-type").send()
    };

    let allowed = preflight(origin).await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some(origin), "{allowed}");
    assert_eq!(preflight("https://evil.example").await.header("access-control-allow-origin"), None);

    let done = stack.client().request_at(REVOKE, &[("token", &tokens.refresh)]).header("origin", origin).send().await;
    done.assert_status(200);
    assert_eq!(done.header("access-control-allow-origin"), Some(origin), "{done}");
    assert_dead(&stack.client(), &tokens.refresh).await;
}

#[tokio::test]
async fn two_replicas_share_what_was_revoked() {
    let home = AuthHome::new().await;
    let [one, other] = home.start_two().await;
    one.user("ada", &["editor"]).await;
    let tokens = one.client().scope("account").open_session("ada", PASSWORD).await;
    let account = || other.http().get("/account").bearer(&tokens.access).send();
    account().await.assert_ok();

    one.client().revoke(&tokens.refresh).await.assert_status(200);

    other.client().refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    until("the other one follows", async || account().await.status() != 200).await;
    account().await.assert_invalid_token();
}
