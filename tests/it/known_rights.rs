//! What one replica changes the others know a moment later; it knows it itself at once.

use std::time::Duration;

use auth_service::{ClientKind, NewClient};
use secrecy::ExposeSecret;
use tests::{Answer, AuthHome, AuthServer, OAuthClient};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// A program with a secret, at both replicas.
async fn nightly([one, other]: [&AuthServer; 2]) -> [OAuthClient; 2] {
    let new = NewClient {
        grants: vec!["client_credentials".to_owned()],
        scope: "account".parse().expect("that is a scope"),
        roles: vec!["reader".to_owned()],
        default_resource: Some(one.issuer().to_owned()),
        ..NewClient::new("nightly", ClientKind::Confidential)
    };
    let secret = one.operator().add_client(new).await.expect("there is none of that name").expect("it has a secret");
    let clients = [one, other].map(|replica| replica.client().basic("nightly", secret.expose_secret()));
    for client in &clients {
        client.client_credentials().await.assert_tokens();
    }
    clients
}

/// Asks until the answer is of another kind, and returns it with the tokens that were given meanwhile.
async fn await_refusal(client: &OAuthClient) -> (Answer, Vec<String>) {
    let mut tokens = Vec::new();
    let refused = async {
        loop {
            let answer = client.client_credentials().await;
            match answer.status() {
                200 => tokens.push(answer.assert_tokens()),
                // Its places were used up in that moment, and it is not given others.
                503 => {}
                _ => return answer,
            }
        }
    };
    let refusal = timeout(PATIENCE, refused).await.expect("the other one hears of it");
    (refusal, tokens)
}

#[tokio::test]
async fn a_client_that_one_disables_is_soon_none_at_the_other_and_what_it_got_meanwhile_is_revoked() {
    let home = AuthHome::new().await;
    let [one, other] = home.start_two().await;
    let api = NewClient { serves: Some(one.issuer().to_owned()), ..NewClient::new("api", ClientKind::Confidential) };
    let api = one.register(api).await;
    let [at_one, at_other] = nightly([&one, &other]).await;

    one.operator().enable_client("nightly", false).await.expect("there is such a client");

    at_one.client_credentials().await.assert_invalid_client();
    let (refusal, late) = await_refusal(&at_other).await;
    refusal.assert_invalid_client();
    for token in late {
        assert_eq!(api.introspect(&token).await.text(), r#"{"active":false}"#, "it was born revoked");
    }
}

#[tokio::test]
async fn a_secret_that_one_ends_is_soon_worth_nothing_at_the_other() {
    let home = AuthHome::new().await;
    let [one, other] = home.start_two().await;
    let [at_one, at_other] = nightly([&one, &other]).await;

    let next = one.operator().add_client_secret("nightly", Duration::ZERO).await.expect("there is room for another one");

    at_one.client_credentials().await.assert_invalid_client();
    await_refusal(&at_other).await.0.assert_invalid_client();
    for replica in [&one, &other] {
        replica.client().basic("nightly", next.expose_secret()).client_credentials().await.assert_tokens();
    }
}

#[tokio::test]
async fn a_secret_that_one_gives_out_is_good_at_the_other_at_once() {
    let home = AuthHome::new().await;
    let [one, other] = home.start_two().await;
    nightly([&one, &other]).await;

    let overlap = Duration::from_mins(5);
    let next = one.operator().add_client_secret("nightly", overlap).await.expect("there is room for another one");

    other.client().basic("nightly", next.expose_secret()).client_credentials().await.assert_tokens();
}
