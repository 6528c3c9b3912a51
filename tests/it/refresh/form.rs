//! What a refresh token looks like, and that nothing else passes for one.

use std::collections::HashSet;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tests::{PASSWORD, Stack};

use super::{assert_refused, ends};

/// A token with one character in place of another.
fn altered(token: &str, at: usize) -> String {
    let replacement = if token.as_bytes()[at] == b'A' { 'B' } else { 'A' };
    token.char_indices().map(|(index, letter)| if index == at { replacement } else { letter }).collect()
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
