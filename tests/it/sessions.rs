//! Sessions: one login at one client, to be ended by itself or with all the others of a person.

use serde_json::json;
use tests::{OAuthClient, PASSWORD, Stack, Tokens, jwt::Token};

/// Expects that nothing of a session is worth anything any more, here or at resource-service.
async fn assert_ended(stack: &Stack, client: &OAuthClient, tokens: &Tokens) {
    client.refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    stack.await_refusal(&tokens.access).await;
}

/// Expects that a session goes on.
async fn assert_alive(stack: &Stack, client: &OAuthClient, tokens: &Tokens) {
    stack.present(&tokens.access).await.assert_ok();
    client.next_tokens(&tokens.refresh).await;
}

/// The identifiers of the sessions, oldest first.
async fn session_ids(stack: &Stack) -> Vec<String> {
    let rows = stack.auth_home().database().rows("SELECT id FROM session ORDER BY id").await;
    rows.iter().map(|row| row.try_get("", "id").expect("a session has an identifier")).collect()
}

#[tokio::test]
async fn a_session_remembers_where_it_was_opened_and_when_it_was_used() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let request = stack.client().password_request("ada", PASSWORD).header("user-agent", "the phone of ada");
    let tokens = Tokens::of(&request.send().await);
    let database = stack.auth_home().database();
    database.run("UPDATE session SET created_at = created_at - 1000, last_used_at = last_used_at - 1000", []).await;

    stack.client().next_tokens(&tokens.refresh).await;

    let session = database.row("SELECT device, ip, last_used_at - created_at AS used_after, client_id FROM session").await;
    assert_eq!(session.try_get::<String>("", "device").expect("text"), "the phone of ada");
    assert_eq!(session.try_get::<String>("", "ip").expect("text"), "127.0.0.1");
    assert_eq!(session.try_get::<String>("", "client_id").expect("text"), "first-party");
    assert!(session.try_get::<i64>("", "used_after").expect("seconds") >= 1000);
}

#[tokio::test]
async fn a_session_can_be_ended_by_itself() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let ended = client.open_session("ada", PASSWORD).await;
    let ended_id = session_ids(&stack).await.remove(0);
    let other = client.open_session("ada", PASSWORD).await;
    stack.present(&ended.access).await.assert_ok();

    stack.operator().end_session(&ended_id).await.expect("there is such a session");

    assert_ended(&stack, &client, &ended).await;
    assert_alive(&stack, &client, &other).await;
    stack.operator().end_session(&ended_id).await.expect_err("it has ended");
    stack.operator().end_session("unheard-of").await.expect_err("there is none");
}

#[tokio::test]
async fn a_rr_18_all_sessions_of_a_person_end_at_once_and_nobody_elses() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    stack.user("rob", &["reader"]).await;
    let (client, app) = (stack.client(), stack.app("app").await);
    let mine = [
        (&client, client.open_session("ada", PASSWORD).await),
        (&client, client.open_session("ada", PASSWORD).await),
        (&app, app.open_session("ada", PASSWORD).await),
    ];
    let of_rob = client.open_session("rob", PASSWORD).await;
    for (_, tokens) in &mine {
        stack.present(&tokens.access).await.assert_ok();
    }

    let ended = stack.operator().end_sessions("ada").await.expect("there is such a user");

    assert_eq!(ended, 3);
    for (client, tokens) in &mine {
        assert_ended(&stack, client, tokens).await;
    }
    assert_alive(&stack, &client, &of_rob).await;
    assert_eq!(stack.operator().end_sessions("ada").await.expect("there is such a user"), 0);
    client.open_session("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_rr_18_a_session_without_refresh_token_ends_too() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let new = stack.new_client("brief", auth_service::ClientKind::Public, &["password"], "documents:read");
    let token = stack.auth().register(new).await.log_in("ada", PASSWORD).await;
    stack.present(&token).await.assert_ok();

    assert_eq!(stack.operator().end_sessions("ada").await.expect("there is such a user"), 1);

    stack.await_refusal(&token).await;
}

/// A.JV-28
#[tokio::test]
async fn a_rr_09_a_disabled_user_has_nothing_left_and_gets_nothing_back() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let tokens = client.open_session("ada", PASSWORD).await;
    let account = client.clone().scope("account").log_in("ada", PASSWORD).await;
    stack.present(&tokens.access).await.assert_ok();
    stack.auth().http().get("/account").bearer(&account).send().await.assert_ok();

    stack.operator().enable_user("ada", false).await.expect("there is such a user");

    client.password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_grant");
    assert_ended(&stack, &client, &tokens).await;
    stack.auth().http().get("/account").bearer(&account).send().await.assert_invalid_token();

    stack.operator().enable_user("ada", true).await.expect("there is such a user");
    assert_ended(&stack, &client, &tokens).await;
    client.open_session("ada", PASSWORD).await;
}

#[tokio::test]
async fn rf_05_a_new_password_ends_what_was_issued_under_the_old_one() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    stack.present(&second.access).await.assert_ok();

    stack.operator().set_password("ada", "another phrase that nobody guesses").await.expect("it is acceptable");

    assert_ended(&stack, &client, &second).await;
    let fresh = client.open_session("ada", "another phrase that nobody guesses").await;
    assert_alive(&stack, &client, &fresh).await;
}

#[tokio::test]
async fn a_rr_09_roles_are_read_anew_at_every_refresh() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let mut tokens = client.open_session("ada", PASSWORD).await;

    for (roles, scope) in [
        (vec!["reader"], "documents:read"),
        (vec!["editor", "reader"], "documents:read documents:write"),
        (vec!["admin"], "documents:read documents:write"),
    ] {
        stack.operator().set_roles("ada", &roles).await.expect("there are such roles");
        tokens = client.next_tokens(&tokens.refresh).await;
        let claims = Token::read(&tokens.access).claims;
        assert_eq!((&claims["roles"], &claims["scope"]), (&json!(roles), &json!(scope)), "never more than at the login");
    }
}

#[tokio::test]
async fn a_rr_09_without_any_role_nothing_is_refreshed() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let tokens = client.open_session("ada", PASSWORD).await;

    stack.operator().set_roles("ada", &[]).await.expect("nobody needs a role");

    client.refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    stack.operator().set_roles("ada", &["unheard-of"]).await.expect_err("there is no such role");
    stack.operator().set_roles("ada", &["reader"]).await.expect("there is such a role");
    client.next_tokens(&tokens.refresh).await;
}
