//! Wrong secrets of a client are counted by network.

use auth_service::{ClientKind, NewClient};
use tests::{OAuthClient, PASSWORD};

use super::{ELSEWHERE, HOME, assert_throttled, counting_stack, from, guess, set};

#[tokio::test]
async fn te_12_a_ca_08_wrong_secrets_of_a_client_are_counted_by_network() {
    let stack = counting_stack().await;
    let new = stack.new_client("batch", ClientKind::Confidential, &["client_credentials"], "documents:read");
    let batch = stack.auth().register(NewClient { roles: vec!["reader".to_owned()], ..new }).await;
    let wrong = stack.client().basic("batch", "cs_wrong");
    let ask = |client: &OAuthClient, source: &str| from(source, client.request(&[("grant_type", "client_credentials")])).send();

    let mut looked_at = 0;
    let stopped = loop {
        let answer = ask(&wrong, ELSEWHERE).await;
        if answer.status() == 429 || looked_at > 40 {
            break answer;
        }
        answer.assert_invalid_client();
        looked_at += 1;
    };

    assert!((20..=30).contains(&looked_at), "twenty a minute: {looked_at}");
    assert!((1..=3).contains(&assert_throttled(&stopped)), "{stopped}");
    set(&stack, "secret", 200).await;
    assert_throttled(&ask(&batch, ELSEWHERE).await);
    ask(&batch, HOME).await.assert_tokens();
    assert_throttled(&from(ELSEWHERE, wrong.request_at("/oauth2/introspect", &[("token", "x")])).send().await);
    assert_throttled(&from(ELSEWHERE, wrong.request_at("/oauth2/revoke", &[("token", "x")])).send().await);
}

#[tokio::test]
async fn a_public_client_cannot_be_closed_by_secrets_that_others_send_for_it() {
    let stack = counting_stack().await;
    let wrong = stack.client().in_body("first-party", "cs_wrong");
    guess(&wrong, HOME, "ada", PASSWORD).await.assert_invalid_client();
    set(&stack, "secret", 200).await;

    assert_throttled(&guess(&wrong, HOME, "ada", PASSWORD).await);
    guess(&stack.client(), HOME, "ada", PASSWORD).await.assert_tokens();
}
