//! Changing one's own password, with a token, or without one where nothing else can be done with the old password.

use serde_json::{Value, json};
use tests::{Answer, PASSWORD, Stack, Tokens, rows};

const NEW: &str = "another phrase that nobody guesses";

/// A session of Ada's at the issuer's own API.
async fn account_session(stack: &Stack) -> Tokens {
    stack.client().scope("account").open_session("ada", PASSWORD).await
}

async fn change(stack: &Stack, token: &str, body: &Value) -> Answer {
    stack.auth().http().put("/account/password").bearer(token).json(body).send().await
}

async fn choose(stack: &Stack, username: &str, current: &str, new: &str) -> Answer {
    let body = json!({"username": username, "current_password": current, "new_password": new});
    stack.auth().http().post("/account/password").json(&body).send().await
}

fn from_to(current: &str, new: &str) -> Value {
    json!({"current_password": current, "new_password": new})
}

#[tokio::test]
async fn a_um_06_a_change_of_password_ends_the_other_sessions_and_keeps_this_one() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let other = client.open_session("ada", PASSWORD).await;
    let another = account_session(&stack).await;
    let this = account_session(&stack).await;
    stack.present(&other.access).await.assert_ok();

    let answer = change(&stack, &this.access, &from_to(PASSWORD, NEW)).await;

    answer.assert_status(204).assert_hardened();
    assert_eq!(answer.text(), "");
    client.refresh(&other.refresh).await.assert_oauth_error(400, "invalid_grant");
    stack.await_refusal(&other.access).await;
    let account = |token: &str| stack.auth().http().get("/account").bearer(token).send();
    account(&another.access).await.assert_invalid_token();
    account(&this.access).await.assert_ok();
    let next = client.next_tokens(&this.refresh).await;
    account(&next.access).await.assert_ok();
    client.password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_grant");
    client.open_session("ada", NEW).await;
    let event = stack.auth_home().database().row("SELECT * FROM audit_event WHERE action = 'user.change_password'").await;
    let id: String = event.try_get("", "subject").expect("about whom");
    assert_eq!(event.try_get::<String>("", "actor").expect("by whom"), id);
    assert_eq!(event.try_get::<String>("", "outcome").expect("text"), "ok");
}

#[tokio::test]
async fn a_um_06_without_the_current_password_nothing_is_changed() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let this = account_session(&stack).await;
    let before = stack.auth_home().database().dump().await["user"].clone();

    for wrong in ["", "wrong", NEW, &PASSWORD.to_uppercase(), &"x".repeat(1024)] {
        let answer = change(&stack, &this.access, &from_to(wrong, "a third phrase for nobody else")).await;
        answer.assert_problem(403).assert_no_echo("a third phrase");
        assert_eq!(answer.header("www-authenticate"), None, "it is not about the token:\n{answer}");
    }

    assert_eq!(stack.auth_home().database().dump().await["user"], before);
    let events = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE reason = 'wrong_password'").await;
    assert_eq!(events.len(), 5);
    stack.client().open_session("ada", PASSWORD).await;
}

#[tokio::test]
async fn an_unacceptable_new_password_is_refused_by_name() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let this = account_session(&stack).await;

    for new in ["too short", "passwordpassword", "ada ada ada ada ada", PASSWORD, &"x".repeat(257)] {
        let answer = change(&stack, &this.access, &from_to(PASSWORD, new)).await;
        answer.assert_problem(422).assert_no_echo(new);
        assert_eq!(answer.json()["errors"][0]["field"], "new_password", "{answer}");
    }
    stack.client().open_session("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_body_that_says_anything_else_is_refused() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let this = account_session(&stack).await;

    for body in [
        json!({"new_password": NEW}),
        json!({"current_password": PASSWORD}),
        json!({"current_password": PASSWORD, "new_password": NEW, "roles": ["admin"]}),
        json!({"current_password": PASSWORD, "new_password": 123_456_789_012_345_u64}),
        json!({"current_password": PASSWORD, "new_password": null}),
        json!([]),
    ] {
        change(&stack, &this.access, &body).await.assert_problem(400);
    }
    stack.client().open_session("ada", PASSWORD).await;
}

#[tokio::test]
async fn only_a_token_with_the_scope_account_changes_a_password() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let put = || stack.auth().http().put("/account/password").json(&from_to(PASSWORD, NEW));

    put().send().await.assert_no_credentials();
    put().bearer("nonsense").send().await.assert_invalid_token();
    put().bearer(&stack.client().log_in("ada", PASSWORD).await).send().await.assert_invalid_token();
    let admin = stack.client().scope("admin:users").log_in("admin", tests::ADMIN_PASSWORD).await;
    put().bearer(&admin).send().await.assert_challenge(403, Some("insufficient_scope"));
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_made() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let this = account_session(&stack).await;
    let phrases: Vec<String> = (0..6).map(|number| format!("a new phrase with the number {number}")).collect();

    let requests: Vec<_> = phrases
        .iter()
        .map(|new| {
            let call = stack.auth().http().put("/account/password").bearer(&this.access).json(&from_to(PASSWORD, new));
            tokio::spawn(async move { call.send().await })
        })
        .collect();
    let mut answers = Vec::new();
    for request in requests {
        answers.push(request.await.expect("it is answered"));
    }

    let changed: Vec<_> = answers.iter().enumerate().filter(|(_, answer)| answer.status() == 204).collect();
    assert_eq!(changed.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status(), 204 | 403 | 409 | 503)), "{answers:?}");
    stack.client().open_session("ada", &phrases[changed[0].0]).await;
}

#[tokio::test]
async fn a_password_that_must_be_changed_is_good_for_choosing_another_and_nothing_else() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    rows::demand_new_password(stack.auth_home().database(), "ada").await;
    stack.client().password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_grant");

    let same = choose(&stack, "ada", PASSWORD, PASSWORD).await;
    assert_eq!(same.assert_problem(422).json()["errors"][0]["field"], "new_password");
    choose(&stack, "Ada", PASSWORD, NEW).await.assert_status(204);

    stack.client().open_session("ada", NEW).await;
    stack.client().password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_grant");
    choose(&stack, "ada", NEW, "a third phrase for nobody else").await.assert_problem(403);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_forced_change_the_answer_is_one_and_the_same() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    for username in ["fresh", "gone"] {
        stack.user(username, &["reader"]).await;
        rows::demand_new_password(stack.auth_home().database(), username).await;
    }
    stack.operator().enable_user("gone", false).await.expect("there is such a user");
    let reference = choose(&stack, "fresh", "wrong", NEW).await;
    reference.assert_problem(403);

    for (username, password) in
        [("nobody", PASSWORD), ("gone", PASSWORD), ("ada", PASSWORD), ("ada", "wrong"), ("no such name!", PASSWORD), ("", "")]
    {
        let answer = choose(&stack, username, password, NEW).await;
        answer.assert_problem(403);
        assert_eq!(answer.json()["detail"], reference.json()["detail"], "{username}");
        assert_eq!(answer.headers().len(), reference.headers().len(), "{answer}");
    }
    stack.client().open_session("ada", PASSWORD).await;
}
