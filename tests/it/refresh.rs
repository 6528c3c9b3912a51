//! Refreshing (RFC 6749 §6, RFC 9700 §4.14, RFC 8707 §2.2).

use std::{collections::HashSet, time::Duration};

use auth_service::ClientKind;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tests::{Answer, PASSWORD, Stack, Tokens, jwt::Token};
use tokio::time::sleep;

/// The same, with a short grace for lost answers and status lists that are asked for often.
async fn stack_with_grace(grace: Duration) -> Stack {
    let stack = Stack::builder().auth(move |config| {
        config.refresh_grace = grace;
        config.status_list_ttl = Duration::from_secs(1);
    });
    let stack = stack.with_ada("editor").await;
    stack
}

/// Expects the one answer to every refresh token that is not good.
#[track_caller]
fn assert_refused(answer: &Answer) {
    answer.assert_oauth_error(400, "invalid_grant");
}

/// A token with one character in place of another.
fn altered(token: &str, at: usize) -> String {
    let replacement = if token.as_bytes()[at] == b'A' { 'B' } else { 'A' };
    token.char_indices().map(|(index, letter)| if index == at { replacement } else { letter }).collect()
}

/// Why sessions ended, as the audit log has it.
async fn ends(stack: &Stack) -> Vec<String> {
    let rows = stack.auth_home().database().rows("SELECT reason FROM audit_event WHERE action = 'session.end'").await;
    rows.iter().map(|row| row.try_get("", "reason").expect("an end has a reason")).collect()
}

#[tokio::test]
async fn rf_01_a_refresh_gives_the_next_pair_for_the_same_person() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let first = app.open_session("ada", PASSWORD).await;

    let answer = app.refresh(&first.refresh).await;

    let second = Tokens::of(&answer);
    assert_ne!(second.refresh, first.refresh);
    assert_eq!(answer.json()["token_type"], "Bearer");
    assert_eq!(answer.json()["scope"], "documents:read documents:write");
    let (before, after) = (Token::read(&first.access), Token::read(&second.access));
    for claim in ["iss", "sub", "aud", "client_id", "scope", "roles", "auth_time", "amr"] {
        assert_eq!(after.claims[claim], before.claims[claim], "{claim}");
    }
    assert_ne!(after.claims["jti"], before.claims["jti"]);
    stack.present(&second.access).await.assert_ok();
}

#[tokio::test]
async fn rf_01_whatever_is_wrong_with_a_token_is_answered_alike() {
    let stack = Stack::with_ada("editor").await;
    let (app, other) = (stack.app("app").await, stack.app("other").await);
    let unknown = format!("rt_{}", BASE64_URL_SAFE_NO_PAD.encode([7; 32]));
    let of_another = other.open_session("ada", PASSWORD).await.refresh;
    let revoked = app.open_session("ada", PASSWORD).await.refresh;
    app.revoke(&revoked).await.assert_status(200);

    let reference = app.refresh(&unknown).await;

    assert_refused(&reference);
    for token in [&revoked, &of_another, "rt_", "nonsense", "a.b.c"] {
        let answer = app.refresh(token).await;
        assert_refused(&answer);
        assert_eq!(answer.body(), reference.body(), "{token}");
    }
    let missing = app.request(&[("grant_type", "refresh_token")]).send().await;
    missing.assert_oauth_error(400, "invalid_request");
    let empty = app.refresh("").await;
    empty.assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn rf_02_a_rr_07_a_scope_can_be_narrowed_and_comes_back_and_cannot_be_widened() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let first = app.clone().scope("documents:read documents:write").open_session("ada", PASSWORD).await;

    let narrowed = app.clone().scope("documents:read").refresh(&first.refresh).await;
    let second = Tokens::of(&narrowed);
    assert_eq!(narrowed.json()["scope"], "documents:read");
    assert_eq!(Token::read(&second.access).claims["scope"], "documents:read");

    for wider in ["documents:read account", "documents:admin", "unheard-of", "a\"b"] {
        let refused = app.clone().scope(wider).refresh(&second.refresh).await;
        refused.assert_oauth_error(400, "invalid_scope");
    }
    let restored = app.refresh(&second.refresh).await;
    assert_eq!(restored.assert_ok()["scope"], "documents:read documents:write", "a refused request costs nothing");
}

#[tokio::test]
async fn rf_02_a_session_keeps_the_scope_of_its_login_however_much_the_client_may_have() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let small = app.clone().scope("documents:read").open_session("ada", PASSWORD).await;

    app.clone().scope("documents:read documents:write").refresh(&small.refresh).await.assert_oauth_error(400, "invalid_scope");

    assert_eq!(app.refresh(&small.refresh).await.assert_ok()["scope"], "documents:read");
}

#[tokio::test]
async fn rf_03_a_rr_01_a_replay_after_its_successor_was_used_ends_the_family() {
    let stack = stack_with_grace(Duration::from_secs(10)).await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    let third = client.next_tokens(&second.refresh).await;
    let bystander = client.open_session("ada", PASSWORD).await;
    stack.present(&third.access).await.assert_ok();

    assert_refused(&client.refresh(&first.refresh).await);

    for token in [&third, &second, &first] {
        assert_refused(&client.refresh(&token.refresh).await);
    }
    assert_eq!(ends(&stack).await, ["reused"]);
    for token in [&third, &second, &first] {
        stack.await_refusal(&token.access).await;
    }
    stack.present(&bystander.access).await.assert_ok();
    client.next_tokens(&bystander.refresh).await;
}

#[tokio::test]
async fn rf_04_a_rr_05_a_lost_answer_is_given_again() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let lost = client.next_tokens(&first.refresh).await;

    let again = client.next_tokens(&first.refresh).await;
    let once_more = client.next_tokens(&first.refresh).await;

    assert_eq!([&again.refresh, &once_more.refresh], [&lost.refresh; 2], "the same successor");
    let access: HashSet<_> = [&lost.access, &again.access, &once_more.access].into_iter().collect();
    assert_eq!(access.len(), 3, "each time a fresh access token");
    for token in access {
        stack.present(token).await.assert_ok();
    }
    let next = client.next_tokens(&lost.refresh).await;
    client.next_tokens(&next.refresh).await;
    assert!(ends(&stack).await.is_empty());
}

#[tokio::test]
async fn rf_04_a_rr_05_what_is_asked_again_can_be_asked_otherwise() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let first = app.open_session("ada", PASSWORD).await;
    let lost = app.next_tokens(&first.refresh).await;

    let narrowed = app.clone().scope("documents:read").refresh(&first.refresh).await;

    assert_eq!(Tokens::of(&narrowed).refresh, lost.refresh);
    assert_eq!(narrowed.json()["scope"], "documents:read");
    app.clone().scope("account").refresh(&first.refresh).await.assert_oauth_error(400, "invalid_scope");
}

#[tokio::test]
async fn rf_04_every_access_token_of_a_repeated_refresh_ends_with_the_session() {
    let stack = stack_with_grace(Duration::from_secs(10)).await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    let again = client.next_tokens(&first.refresh).await;
    stack.present(&again.access).await.assert_ok();

    client.revoke(&second.refresh).await.assert_status(200);

    for token in [&first.access, &second.access, &again.access] {
        stack.await_refusal(token).await;
    }
}

/// A.RR-01
#[tokio::test]
async fn rf_04_after_the_grace_a_repeat_is_a_replay() {
    let stack = stack_with_grace(Duration::from_secs(1)).await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    sleep(Duration::from_secs(2)).await;

    assert_refused(&client.refresh(&first.refresh).await);

    assert_refused(&client.refresh(&second.refresh).await);
    assert_eq!(ends(&stack).await, ["reused"]);
}

/// A.RR-01
#[tokio::test]
async fn rf_04_without_a_grace_every_repeat_is_a_replay() {
    let stack = stack_with_grace(Duration::ZERO).await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    let third = client.next_tokens(&second.refresh).await;

    assert_refused(&client.refresh(&second.refresh).await);

    assert_refused(&client.refresh(&third.refresh).await);
    assert_eq!(ends(&stack).await, ["reused"]);
}

/// A.TE-17
#[tokio::test]
async fn rf_05_a_refresh_token_is_opaque_and_holds_256_random_bits() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();

    let mut seen = HashSet::new();
    let mut tokens = client.open_session("ada", PASSWORD).await;
    for _ in 0..10 {
        let random = tokens.refresh.strip_prefix("rt_").expect("scanners know it by its prefix");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(random).expect("the rest is base64url");
        assert_eq!(bytes.len(), 32);
        assert!(seen.insert(bytes), "no two are alike");
        tokens = client.next_tokens(&tokens.refresh).await;
    }
}

/// A.RR-07
#[tokio::test]
async fn rf_06_the_resource_of_the_login_can_be_named_and_no_other() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let (resource, issuer) = (stack.resource().id(), stack.auth().issuer());
    let tokens = app.open_session("ada", PASSWORD).await;

    for others in [vec![issuer], vec!["https://other.example"], vec![resource, issuer], vec!["nonsense"]] {
        let asking = others.iter().fold(app.clone(), |app, other| app.resource(other));
        asking.refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_target");
    }
    let next = app.clone().resource(resource).next_tokens(&tokens.refresh).await;
    assert_eq!(Token::read(&next.access).claims["aud"], resource);
}

#[tokio::test]
async fn a_rr_06_a_token_of_another_client_is_refused_and_its_family_lives() {
    let stack = Stack::with_ada("editor").await;
    let (mine, thief) = (stack.app("mine").await, stack.app("thief").await);
    let first = mine.open_session("ada", PASSWORD).await;
    let second = mine.next_tokens(&first.refresh).await;

    for stolen in [&first.refresh, &second.refresh] {
        assert_refused(&thief.refresh(stolen).await);
        assert_refused(&stack.client().refresh(stolen).await);
    }

    mine.next_tokens(&second.refresh).await;
    let record = "SELECT subject FROM audit_event WHERE action = 'refresh' AND reason = 'other_client' AND client_id = 'thief'";
    assert_eq!(stack.auth_home().database().rows(record).await.len(), 2);
}

#[tokio::test]
async fn a_rr_08_a_token_of_one_kind_is_none_of_another() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();
    let tokens = client.open_session("ada", PASSWORD).await;

    stack.present(&tokens.refresh).await.assert_invalid_token();
    stack.auth().http().get("/account").bearer(&tokens.refresh).send().await.assert_invalid_token();
    assert_refused(&client.refresh(&tokens.access).await);
    client.password("ada", &tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    stack.client().in_body("first-party", &tokens.refresh).client_credentials().await.assert_invalid_client();
}

#[tokio::test]
async fn a_rr_14_a_token_that_lies_unused_ends() {
    let stack = Stack::builder().auth(|config| config.refresh_idle_lifetime = Duration::from_secs(1)).with_ada("reader").await;
    let tokens = stack.client().open_session("ada", PASSWORD).await;

    sleep(Duration::from_secs(2)).await;

    assert_refused(&stack.client().refresh(&tokens.refresh).await);
    stack.present(&tokens.access).await.assert_ok();
}

#[tokio::test]
async fn a_rr_14_a_session_ends_however_busy_it_is() {
    let stack =
        Stack::builder().auth(|config| config.refresh_absolute_lifetime = Duration::from_secs(2)).with_ada("reader").await;
    let mut tokens = stack.client().open_session("ada", PASSWORD).await;

    // Far more often than it takes, so that it ends although it was never idle.
    for _ in 0..100 {
        let answer = stack.client().refresh(&tokens.refresh).await;
        if answer.status() != 200 {
            return assert_refused(&answer);
        }
        tokens = Tokens::of(&answer);
        sleep(Duration::from_millis(100)).await;
    }
    panic!("the session goes on for ever");
}

#[tokio::test]
async fn a_rr_14_the_lifetimes_of_a_client_go_before_those_of_the_service() {
    let stack = Stack::with_ada("editor").await;
    let mut new = stack.new_client("brief", ClientKind::Public, &["password", "refresh_token"], "documents:read");
    new.refresh_idle_lifetime = Some(Duration::from_secs(1));
    new.access_token_lifetime = Some(Duration::from_mins(1));
    let brief = stack.auth().register(new).await;

    let answer = brief.password("ada", PASSWORD).await;
    assert_eq!(answer.assert_ok()["expires_in"], 60);
    sleep(Duration::from_secs(2)).await;

    assert_refused(&brief.refresh(&Tokens::of(&answer).refresh).await);
}

#[tokio::test]
async fn a_rr_16_a_damaged_token_is_refused_and_ends_nothing() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let tokens = client.next_tokens(&first.refresh).await;
    let good = &tokens.refresh;

    let mut damaged: Vec<String> = (0..good.len()).step_by(5).map(|at| altered(good, at)).collect();
    damaged.extend((0..good.len()).step_by(9).map(|length| good[..length].to_owned()).filter(|cut| !cut.is_empty()));
    damaged.extend([
        good[..good.len() - 1].to_owned(),
        good[1..].to_owned(),
        format!("{good}A"),
        format!("{good}="),
        format!(" {good}"),
        format!("{good} "),
        good.to_uppercase(),
        good.to_lowercase(),
        good.replacen("rt_", "RT_", 1),
        good.replacen("rt_", "cs_", 1),
        altered(&first.refresh, 10),
        first.refresh.to_uppercase(),
    ]);
    for token in damaged {
        assert_refused(&client.refresh(&token).await);
    }

    client.next_tokens(good).await;
    assert!(ends(&stack).await.is_empty());
}

#[tokio::test]
async fn a_client_that_may_not_refresh_gets_no_refresh_token_and_cannot_use_one() {
    let stack = Stack::with_ada("editor").await;
    let new = stack.new_client("no-refresh", ClientKind::Confidential, &["password"], "documents:read");
    let app = stack.auth().register(new).await;

    let answer = app.password("ada", PASSWORD).await;
    assert_eq!(answer.assert_ok().get("refresh_token"), None);

    let other = stack.client().open_session("ada", PASSWORD).await;
    app.refresh(&other.refresh).await.assert_oauth_error(400, "unauthorized_client");
}

#[tokio::test]
async fn a_confidential_client_authenticates_to_refresh() {
    let stack = Stack::with_ada("editor").await;
    let app = stack.app("app").await;
    let tokens = app.open_session("ada", PASSWORD).await;

    app.clone().public("app").refresh(&tokens.refresh).await.assert_invalid_client();
    app.clone().basic("app", "wrong").refresh(&tokens.refresh).await.assert_invalid_client();

    app.next_tokens(&tokens.refresh).await;
}

#[tokio::test]
async fn while_the_database_fails_a_refresh_is_put_off_and_never_refused() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();
    let tokens = client.open_session("ada", PASSWORD).await;
    let database = stack.auth_home().database();

    database.run("ALTER TABLE refresh_token RENAME TO refresh_token_away", []).await;
    let answer = client.refresh(&tokens.refresh).await;
    database.run("ALTER TABLE refresh_token_away RENAME TO refresh_token", []).await;

    answer.assert_oauth_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").is_some(), "{answer}");
    client.next_tokens(&tokens.refresh).await;
}
