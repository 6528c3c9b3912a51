//! `token explain`: what a token is, and why it is refused (RFC 9068 §4).

use serde_json::Value;
use tests::{PASSWORD, Stack};

use crate::command_line::auth;

/// The report of a token, and whether the exit code called it good.
async fn explain(stack: &Stack, token: &str, flags: &[&str]) -> (Value, bool) {
    let said = auth(stack.auth_home(), &[&["token", "explain", "-", "--output", "json"], flags].concat(), token).await;
    assert!(said.code <= 1, "{said:?}");
    let report = said.json();
    assert_eq!(report["good"].as_bool(), Some(said.code == 0), "{report}");
    (report, said.code == 0)
}

/// The rules that a token fails.
fn failed(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().expect("checks").iter().filter(|check| check["outcome"] == "fail");
    checks.map(|check| check["rule"].as_str().expect("a rule")).collect()
}

#[tokio::test]
async fn a_good_token_passes_every_check_of_rfc_9068() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["editor"]).await;

    let (report, is_good) = explain(&stack, &token, &["--resource", stack.resource().id(), "--scope", "documents:read"]).await;

    assert!(is_good, "{report}");
    assert_eq!((failed(&report), &report["kind"]), (vec![], &"access token".into()));
    let sections: Vec<_> = report["checks"].as_array().expect("checks").iter().map(|check| &check["section"]).collect();
    assert!(sections.iter().filter(|section| section.as_str().is_some_and(|text| text.contains("RFC 9068"))).count() >= 7);
    let text = auth(stack.auth_home(), &["token", "explain", &token], "").await;
    assert!(text.done().contains("active (") && text.out.contains(" s left"), "{text:?}");
    assert!(!text.out.contains(&token), "the token is not repeated");
}

#[tokio::test]
async fn the_check_that_fails_is_named() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["reader"]).await;
    let other = stack.token_of("bob", &["reader"]).await;
    let forged = format!("{}.{}", token.rsplit_once('.').expect("a JWS").0, other.rsplit_once('.').expect("a JWS").1);

    for (token, flags, rule) in [
        (&*token, vec!["--resource", "https://other.example"], "`aud` names the resource"),
        (&token, vec!["--scope", "documents:write"], "a guard that asks for `documents:write` lets it pass"),
        (&forged, vec![], "the signature holds"),
        ("a.b", vec![], "a compact JWS with acceptable JSON"),
        ("", vec![], "a compact JWS with acceptable JSON"),
    ] {
        let (report, is_good) = explain(&stack, token, &flags).await;
        assert_eq!((failed(&report), is_good), (vec![rule], false), "{report}");
    }
}

#[tokio::test]
async fn a_token_of_another_issuer_is_signed_with_a_key_that_nobody_here_publishes() {
    let (stack, other) = (Stack::start().await, Stack::start().await);

    let (report, is_good) = explain(&stack, &other.token_of("ada", &["reader"]).await, &[]).await;

    assert!(!is_good);
    assert_eq!(failed(&report), ["`kid` names a key that the issuer publishes", "`iss` is the issuer"]);
    assert!(report["facts"].to_string().contains("unknown here"), "{report}");
}

#[tokio::test]
async fn a_revoked_token_is_told_from_a_living_one() {
    let stack = Stack::with_ada("reader").await;
    let tokens = stack.client().open_session("ada", PASSWORD).await;
    assert!(explain(&stack, &tokens.access, &[]).await.1);

    stack.client().revoke(&tokens.refresh).await.assert_status(200);

    let (report, _) = explain(&stack, &tokens.access, &[]).await;
    assert_eq!(failed(&report), ["its bit in the status list is not set"]);
    let (report, _) = explain(&stack, &tokens.refresh, &[]).await;
    assert_eq!((failed(&report), &report["kind"]), (vec!["its session goes on"], &"refresh token".into()));
}

#[tokio::test]
async fn a_refresh_token_says_whether_it_can_still_be_used() {
    let stack = Stack::with_ada("reader").await;
    let first = stack.client().open_session("ada", PASSWORD).await;
    let (report, is_good) = explain(&stack, &first.refresh, &[]).await;
    assert!(is_good && report["facts"].to_string().contains("ada (usr_"), "{report}");

    let second = stack.client().next_tokens(&first.refresh).await;

    assert_eq!(failed(&explain(&stack, &first.refresh, &[]).await.0), ["it is unused"]);
    assert!(explain(&stack, &second.refresh, &[]).await.1);
}

#[tokio::test]
async fn what_is_no_token_is_said_to_be_what_it_is() {
    let stack = Stack::start().await;

    for (text, kind) in [("cs_abc", "client secret"), ("ask_abc_def", "API key"), ("rt_abc", "access token")] {
        let (report, is_good) = explain(&stack, text, &[]).await;
        assert_eq!((&report["kind"], is_good), (&kind.into(), false), "{report}");
        assert!(!report.to_string().contains(text), "{report}");
    }
}
