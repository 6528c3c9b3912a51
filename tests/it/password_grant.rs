//! The password grant (RFC 6749 §4.3), shipped as a deviation from RFC 9700 §2.4.

use base64::{Engine, prelude::BASE64_STANDARD};
use tests::{Answer, PASSWORD, Stack, rows};

#[tokio::test]
async fn pg_01_a_password_is_exchanged_for_a_token() {
    let stack = Stack::with_ada("reader").await;

    let token = stack.client().log_in("ada", PASSWORD).await;

    stack.api().get("/me").bearer(&token).send().await.assert_ok();
}

#[tokio::test]
async fn pg_01_username_and_password_are_required() {
    let stack = Stack::with_ada("reader").await;
    let request = |parameters: &[(&str, &str)]| stack.client().request(parameters).send();

    request(&[("grant_type", "password"), ("password", PASSWORD)]).await.assert_oauth_error(400, "invalid_request");
    request(&[("grant_type", "password"), ("username", "ada")]).await.assert_oauth_error(400, "invalid_request");
    request(&[("grant_type", "password")]).await.assert_oauth_error(400, "invalid_request");
}

/// A.TE-10
#[tokio::test]
async fn pg_02_whatever_is_wrong_with_a_login_the_answer_is_one_and_the_same() {
    let stack = Stack::with_ada("reader").await;
    for username in ["gone", "fresh"] {
        stack.user(username, &["reader"]).await;
    }
    stack.operator().enable_user("gone", false).await.expect("there is such a user");
    rows::demand_new_password(stack.auth_home().database(), "fresh").await;

    let reference = stack.client().password("ada", "wrong").await;

    reference.assert_oauth_error(400, "invalid_grant");
    let long = "x".repeat(1025);
    for (username, password) in [
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("gone", "wrong"),
        ("fresh", PASSWORD),
        ("ada", &long),
        ("nobody", &long),
        ("no such name!", PASSWORD),
        (&long, PASSWORD),
        ("ada@example.com", PASSWORD),
    ] {
        assert_same(&stack.client().password(username, password).await, &reference);
    }
}

#[track_caller]
fn assert_same(answer: &Answer, reference: &Answer) {
    assert_eq!((answer.status(), answer.text()), (reference.status(), reference.text()));
    assert_eq!(answer.headers().len(), reference.headers().len(), "{answer}");
    for name in reference.headers().keys().filter(|name| !["date", "x-request-id"].contains(&name.as_str())) {
        assert_eq!(answer.header(name.as_str()), reference.header(name.as_str()), "{name}");
    }
}

#[tokio::test]
async fn pg_02_a_user_without_any_right_there_is_told_that_nothing_is_allowed() {
    let stack = Stack::start().await;
    stack.user("guest", &[]).await;

    stack.client().password("guest", PASSWORD).await.assert_oauth_error(400, "invalid_scope");
}

/// A.TE-18
#[tokio::test]
async fn pg_03_a_password_is_compared_to_the_last_byte() {
    let stack = Stack::with_ada("reader").await;
    let composed = "a password with an \u{e9} in it";
    let long = "0123456789".repeat(12);
    for (username, password) in [("emil", composed), ("lena", &long), ("rosa", " spaces around it ")] {
        stack.auth().user_with(username, password, &["reader"]).await;
        stack.client().log_in(username, password).await;
    }

    for (username, wrong) in [
        ("ada", &*format!("{PASSWORD} ")),
        ("ada", &format!(" {PASSWORD}")),
        ("ada", &PASSWORD.to_uppercase()),
        ("ada", &PASSWORD[..PASSWORD.len() - 1]),
        ("emil", "a password with an e\u{301} in it"),
        ("emil", "a password with an e in it"),
        ("lena", &long[..72]),
        ("lena", &long[..119]),
        ("rosa", "spaces around it"),
    ] {
        stack.client().password(username, wrong).await.assert_oauth_error(400, "invalid_grant");
    }
}

/// A.TE-18
#[tokio::test]
async fn pg_03_what_follows_a_nul_character_is_not_cut_off() {
    let stack = Stack::with_ada("reader").await;

    let answer = stack.client().password("ada", &format!("{PASSWORD}\0tail")).await;

    // A form with a NUL character is none that RFC 6749 knows, whatever the parameter.
    answer.assert_oauth_error(400, "invalid_request");
}

/// A.TE-18, A.TE-19
#[tokio::test]
async fn pg_03_a_password_is_as_long_as_1024_bytes_and_no_longer() {
    let stack = Stack::with_ada("reader").await;
    let longest = "\u{1f511}".repeat(256);
    stack.auth().user_with("emil", &longest, &["reader"]).await;

    stack.client().log_in("emil", &longest).await;
    stack.client().password("emil", &format!("{longest}x")).await.assert_oauth_error(400, "invalid_grant");
    stack.client().password("ada", &"x".repeat(10_000)).await.assert_oauth_error(400, "invalid_grant");
    for length in [1 << 20, 10 << 20] {
        let answer = stack.client().password("ada", &"x".repeat(length)).await;
        answer.assert_oauth_error(413, "invalid_request").assert_no_echo("xxx");
    }
}

#[tokio::test]
async fn a_username_has_no_case() {
    let stack = Stack::with_ada("reader").await;

    stack.client().log_in("ADA", PASSWORD).await;
    stack.client().log_in("Ada", PASSWORD).await;
}

#[tokio::test]
async fn pg_04_the_form_of_a_fastapi_application_works_unmodified() {
    let stack = Stack::with_ada("reader").await;
    // What `OAuth2PasswordRequestForm` reads, as its documentation sends it: every field, most of them empty.
    let form = [
        ("grant_type", "password"),
        ("username", "ada"),
        ("password", PASSWORD),
        ("scope", ""),
        ("client_id", ""),
        ("client_secret", ""),
    ];

    let answer = stack.auth().http().post("/oauth2/token").header("accept", "application/json").form(&form).send().await;

    stack.api().get("/documents").bearer(&answer.assert_tokens()).send().await.assert_ok();
}

#[tokio::test]
async fn pg_04_the_dialog_of_swagger_ui_works_unmodified() {
    let stack = Stack::with_ada("reader").await;
    let form = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD), ("scope", "documents:read")];
    let post = |authorization: &str| {
        let call = stack.auth().http().post("/oauth2/token").header("authorization", authorization);
        call.header("x-requested-with", "XMLHttpRequest").header("origin", stack.resource_url()).form(&form).send()
    };

    // The client's name and secret are whatever the person left in the dialog: nothing, or the name.
    for typed in [":", "first-party:"] {
        let answer = post(&format!("Basic {}", BASE64_STANDARD.encode(typed))).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(stack.resource_url()));
        answer.assert_tokens();
    }
}

#[tokio::test]
async fn pg_05_every_login_is_on_record_with_its_client_and_user() {
    let stack = Stack::start().await;
    let id = stack.user("ada", &["reader"]).await;

    let granted = stack.client().password("ada", PASSWORD).await;
    let refused = stack.client().password("ada", "wrong").await;

    let record =
        "SELECT outcome, reason, subject, client_id, request_id, ip FROM audit_event WHERE action = 'login' ORDER BY at, id";
    let rows = stack.auth_home().database().rows(record).await;
    let expected = [(&granted, "ok", None), (&refused, "refused", Some("wrong_password"))];
    assert_eq!(rows.len(), expected.len());
    for (row, (answer, outcome, reason)) in rows.iter().zip(expected) {
        let text = |column| row.try_get::<Option<String>>("", column).expect("the column is text");
        assert_eq!((text("outcome").as_deref(), text("reason").as_deref()), (Some(outcome), reason));
        assert_eq!((text("subject").as_deref(), text("client_id").as_deref()), (Some(&*id), Some("first-party")));
        assert_eq!((text("request_id").as_deref(), text("ip").as_deref()), (answer.header("x-request-id"), Some("127.0.0.1")));
    }
}
