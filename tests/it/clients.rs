//! Clients: how one is recognised, what it may do, and how its secrets change (RFC 6749 §2.3).

use std::time::Duration;

use auth_service::{ClientKind, NewClient};
use secrecy::ExposeSecret;
use tests::{Answer, Call, OAuthClient, PASSWORD, Stack, wire};
use tokio::time::sleep;

/// The endpoints at which clients authenticate.
const ENDPOINTS: [&str; 3] = ["/oauth2/token", "/oauth2/revoke", "/oauth2/introspect"];

/// A request that every one of the [`ENDPOINTS`] would answer, were it not for the client.
fn ask(client: &OAuthClient, endpoint: &str) -> Call {
    let grant = [("grant_type", "password"), ("username", "ada"), ("password", PASSWORD), ("token", "nonsense")];
    client.request_at(endpoint, &grant)
}

/// Expects the one answer to every client that is not recognised.
#[track_caller]
fn assert_alike(answer: &Answer, reference: &Answer) {
    answer.assert_invalid_client();
    assert_eq!(answer.body(), reference.body(), "{answer}");
    for name in reference.headers().keys().filter(|name| !["date", "x-request-id"].contains(&name.as_str())) {
        assert_eq!(answer.header(name.as_str()), reference.header(name.as_str()), "{name}");
    }
}

/// Another secret beside those the client has.
async fn add_secret(stack: &Stack, id: &str, overlap: Duration) -> OAuthClient {
    let secret = stack.operator().add_client_secret(id, overlap).await.expect("there is room for another one");
    stack.client().basic(id, secret.expose_secret())
}

#[tokio::test]
async fn a_te_09_a_new_client_may_do_nothing_until_told() {
    let stack = Stack::with_ada("editor").await;
    let tokens = stack.client().open_session("ada", PASSWORD).await;
    let confidential = stack.auth().register(NewClient::new("confidential", ClientKind::Confidential)).await;
    let public = stack.auth().register(NewClient::new("public", ClientKind::Public)).await;

    for client in [&confidential, &public] {
        client.password("ada", PASSWORD).await.assert_oauth_error(400, "unauthorized_client");
        client.refresh(&tokens.refresh).await.assert_oauth_error(400, "unauthorized_client");
        client.client_credentials().await.assert_oauth_error(400, "unauthorized_client");
    }
    let inactive = confidential.introspect(&tokens.access).await.assert_ok();
    assert_eq!(inactive.to_string(), r#"{"active":false}"#);
    stack.client().next_tokens(&tokens.refresh).await;
}

#[tokio::test]
async fn a_te_09_a_grant_alone_brings_no_scope() {
    let stack = Stack::with_ada("editor").await;
    let new = stack.new_client("bare", ClientKind::Confidential, &["password"], "");
    let bare = stack.auth().register(new).await;

    bare.password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_scope");
    bare.scope("documents:read").password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_scope");
}

#[tokio::test]
async fn a_ca_01_a_confidential_client_without_its_secret_is_refused_everywhere() {
    let stack = Stack::with_ada("editor").await;
    stack.app("app").await;

    for endpoint in ENDPOINTS {
        ask(&stack.client().public("app"), endpoint).send().await.assert_invalid_client();
    }
    for endpoint in &ENDPOINTS[1..] {
        ask(&stack.client().unnamed(), endpoint).send().await.assert_invalid_client();
    }
}

#[tokio::test]
async fn a_ca_02_wrong_and_unknown_cannot_be_told_apart_anywhere() {
    let stack = Stack::with_ada("editor").await;
    stack.app("app").await;
    stack.app("gone").await;
    stack.operator().enable_client("gone", false).await.expect("there is such a client");
    let client = stack.client();

    for endpoint in ENDPOINTS {
        let reference = ask(&client.clone().basic("app", "wrong"), endpoint).send().await;
        for refused in [
            client.clone().basic("nobody", "wrong"),
            client.clone().basic("gone", "wrong"),
            client.clone().in_body("app", "wrong"),
            client.clone().in_body("nobody", "wrong"),
            client.clone().public("app"),
            client.clone().public("nobody"),
        ] {
            assert_alike(&ask(&refused, endpoint).send().await, &reference);
        }
    }
}

#[tokio::test]
async fn a_ca_03_a_client_authenticates_in_one_way_everywhere() {
    let stack = Stack::with_ada("editor").await;
    let secret = stack.operator().add_client(stack.new_client("app", ClientKind::Confidential, &["password"], "documents:read"));
    let secret = secret.await.expect("it is acceptable").expect("it is confidential");
    let both = stack.client().basic("app", secret.expose_secret());

    for endpoint in ENDPOINTS {
        let further = [("client_secret", secret.expose_secret()), ("token", "nonsense"), ("grant_type", "password")];
        both.request_at(endpoint, &further).send().await.assert_oauth_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_ca_04_two_names_are_no_client_at_all() {
    let stack = Stack::with_ada("editor").await;
    let (app, _) = (stack.app("app").await, stack.app("other").await);
    let sessions = "SELECT id FROM session";

    for endpoint in ENDPOINTS {
        let further = [
            ("client_id", "other"),
            ("token", "nonsense"),
            ("grant_type", "password"),
            ("username", "ada"),
            ("password", PASSWORD),
        ];
        app.request_at(endpoint, &further).send().await.assert_oauth_error(400, "invalid_request");
    }

    assert!(stack.auth_home().database().rows(sessions).await.is_empty(), "nobody was logged in");
    let events = "SELECT client_id, detail FROM audit_event WHERE action = 'client.authenticate' AND reason = 'two_clients'";
    let events = stack.auth_home().database().rows(events).await;
    let named = |column: &str| events.iter().map(|event| event.try_get("", column).expect("text")).collect::<Vec<String>>();
    assert_eq!((named("client_id"), named("detail")), (vec!["app".to_owned(); 3], vec!["other".to_owned(); 3]));
}

#[tokio::test]
async fn a_ca_06_a_secret_in_the_url_is_no_secret() {
    let stack = Stack::with_ada("editor").await;
    let secret = stack.operator().add_client(stack.new_client("app", ClientKind::Confidential, &["password"], "documents:read"));
    let secret = secret.await.expect("it is acceptable").expect("it is confidential");

    for endpoint in ENDPOINTS {
        let path = format!("{endpoint}?client_id=app&client_secret={}", secret.expose_secret());
        for client in [stack.client().public("app"), stack.client().basic("app", "wrong")] {
            let refused = ask(&client, &path).send().await;
            refused.assert_invalid_client();
            refused.assert_no_echo(secret.expose_secret());
        }
    }
}

#[tokio::test]
async fn a_ca_09_a_secret_is_shown_once_and_nothing_of_it_is_kept() {
    let stack = Stack::with_ada("editor").await;
    let new = stack.new_client("app", ClientKind::Confidential, &["password"], "documents:read");

    let first = stack.operator().add_client(new).await.expect("it is acceptable").expect("it is confidential");
    let second = stack.operator().add_client_secret("app", Duration::from_mins(1)).await.expect("there is room");

    for secret in [&first, &second] {
        let random = secret.expose_secret().strip_prefix("cs_").expect("scanners know it by its prefix");
        assert_eq!(random.len(), 43, "256 bits");
        let dump = format!("{:?}", stack.auth_home().database().dump().await);
        assert!(!dump.contains(random));
        assert!(!format!("{secret:?}").contains(random), "it does not print itself");
    }
    let public = stack.new_client("browser", ClientKind::Public, &["password"], "documents:read");
    assert!(stack.operator().add_client(public).await.expect("it is acceptable").is_none());
}

#[tokio::test]
async fn a_ca_10_two_secrets_live_while_a_client_changes_over() {
    let stack = Stack::with_ada("editor").await;
    let old = stack.app("app").await;
    let tokens = old.open_session("ada", PASSWORD).await;

    let new = add_secret(&stack, "app", Duration::from_mins(1)).await;

    let next = new.next_tokens(&tokens.refresh).await;
    old.next_tokens(&next.refresh).await;
    let third = stack.operator().add_client_secret("app", Duration::from_mins(1)).await;
    third.expect_err("two are enough, and a third would end one that is in use");
    old.log_in("ada", PASSWORD).await;
    new.log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_ca_10_after_the_overlap_the_old_secret_is_none() {
    let stack = Stack::with_ada("editor").await;
    let old = stack.app("app").await;

    let new = add_secret(&stack, "app", Duration::from_secs(1)).await;
    sleep(Duration::from_secs(2)).await;

    old.password("ada", PASSWORD).await.assert_invalid_client();
    new.log_in("ada", PASSWORD).await;
    let newest = add_secret(&stack, "app", Duration::ZERO).await;
    new.password("ada", PASSWORD).await.assert_invalid_client();
    newest.log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_ca_10_a_secret_is_for_a_client_that_can_keep_one() {
    let stack = Stack::with_ada("editor").await;
    let operator = stack.operator();

    operator.add_client_secret("first-party", Duration::ZERO).await.expect_err("it is public");
    operator.add_client_secret("nobody", Duration::ZERO).await.expect_err("it does not exist");

    stack.client().log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn enabling_a_client_that_is_enabled_leaves_what_is_under_way_alone() {
    let stack = Stack::start().await;
    let generation =
        || async { stack.auth_home().database().row("SELECT generation FROM client WHERE id = 'first-party'").await };
    let before: i64 = generation().await.try_get("", "generation").expect("a number");

    stack.operator().enable_client("first-party", true).await.expect("there is such a client");

    assert_eq!(generation().await.try_get::<i64>("", "generation").expect("a number"), before);
}

#[tokio::test]
async fn a_ca_11_a_disabled_client_is_none_and_its_tokens_are_worth_nothing() {
    let stack = Stack::with_ada("editor").await;
    let (app, api) = (stack.app("app").await, stack.introspecting_client().await);
    let tokens = app.open_session("ada", PASSWORD).await;
    assert_eq!(api.introspect(&tokens.access).await.assert_ok()["active"], true);

    stack.operator().enable_client("app", false).await.expect("there is such a client");

    app.password("ada", PASSWORD).await.assert_invalid_client();
    app.refresh(&tokens.refresh).await.assert_invalid_client();
    app.introspect(&tokens.access).await.assert_invalid_client();
    app.revoke(&tokens.refresh).await.assert_invalid_client();
    assert_eq!(api.introspect(&tokens.access).await.text(), r#"{"active":false}"#);

    stack.operator().enable_client("app", true).await.expect("there is such a client");
    app.refresh(&tokens.refresh).await.assert_oauth_error(400, "invalid_grant");
    assert_eq!(api.introspect(&tokens.access).await.text(), r#"{"active":false}"#, "what was revoked stays so");
    let fresh = app.open_session("ada", PASSWORD).await;
    assert_eq!(api.introspect(&fresh.access).await.assert_ok()["active"], true);
}

#[tokio::test]
async fn a_ca_12_no_secret_and_an_empty_one_are_the_same() {
    let stack = Stack::with_ada("editor").await;
    stack.app("app").await;

    for endpoint in ENDPOINTS {
        for empty in [stack.client().basic("app", ""), stack.client().in_body("app", ""), stack.client().public("app")] {
            ask(&empty, endpoint).send().await.assert_invalid_client();
        }
        for shown in [stack.client().basic("first-party", "secret"), stack.client().in_body("first-party", "secret")] {
            ask(&shown, endpoint).send().await.assert_invalid_client();
        }
    }
}

#[tokio::test]
async fn a_ca_13_an_identifier_is_compared_exactly_everywhere() {
    let stack = Stack::with_ada("editor").await;
    let secret = stack.operator().add_client(stack.new_client("app", ClientKind::Confidential, &["password"], "documents:read"));
    let secret = secret.await.expect("it is acceptable").expect("it is confidential");
    let with = |id: &str| stack.client().basic(id, secret.expose_secret());

    for id in ["App", "APP", "app ", " app", "ａpp", "app\u{200b}", "ap", "app2", "*", "%", "a' OR '1'='1"] {
        for endpoint in ENDPOINTS {
            ask(&with(id), endpoint).send().await.assert_invalid_client();
        }
        let in_body = stack.client().in_body(id, secret.expose_secret());
        ask(&in_body, "/oauth2/token").send().await.assert_invalid_client();
    }
    ask(&with("app\0"), "/oauth2/token").send().await.assert_invalid_client();
    with("app").log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_ca_13_an_identifier_of_a_megabyte_is_not_even_read() {
    let stack = Stack::with_ada("editor").await;
    let body = format!("grant_type=password&username=ada&password=x&client_id={}", "a".repeat(1 << 20));
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );

    let answer = wire::send(stack.auth().http(), head + &body).await;

    assert_eq!(wire::status(&answer), Some(413), "{answer}");
    stack.client().log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_client_that_makes_no_sense_is_not_registered() {
    let stack = Stack::with_ada("editor").await;
    let good = || stack.new_client("app", ClientKind::Confidential, &["password"], "documents:read");
    let some = |text: &str| vec![text.to_owned()];

    for (why, new) in [
        ("the identifier is empty", NewClient { id: String::new(), ..good() }),
        ("the identifier has a space", NewClient { id: "my app".to_owned(), ..good() }),
        ("the identifier is too long", NewClient { id: "a".repeat(65), ..good() }),
        ("the identifier is a user's", NewClient { id: "usr_app".to_owned(), ..good() }),
        ("the identifier is taken", NewClient { id: "first-party".to_owned(), ..good() }),
        ("there is no such grant", NewClient { grants: some("implicit"), ..good() }),
        ("there is no such scope", NewClient { scope: "unheard-of".parse().expect("a scope"), ..good() }),
        ("there is no such role", NewClient { roles: some("unheard-of"), ..good() }),
        ("there is no such resource", NewClient { default_resource: Some("https://other.example".to_owned()), ..good() }),
        ("its tokens would live too briefly", NewClient { access_token_lifetime: Some(Duration::from_secs(4)), ..good() }),
        ("its tokens would live too long", NewClient { access_token_lifetime: Some(Duration::from_mins(61)), ..good() }),
    ] {
        stack.operator().add_client(new).await.expect_err(why);
    }

    stack.operator().add_client(good()).await.expect("nothing of them was left behind");
}
