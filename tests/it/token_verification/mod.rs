//! Which access tokens resource-service accepts (RFC 9068 §4, RFC 8725, RFC 7515).
//!
//! The issuer is a mock whose key the test owns, so "signed" means signed by the very key that is trusted.

mod claims;
mod form;
mod header;
mod signature;

use serde_json::{Value, json};
use tests::{Answer, MockIssuer, ResourceHome, ResourceServer, jwt::Token};

/// A resource-service that trusts an issuer whose key the test owns.
struct Trial {
    issuer: MockIssuer,
    resource: ResourceServer,
    _home: ResourceHome,
}

impl Trial {
    async fn start() -> Self {
        let (issuer, home) = (MockIssuer::start().await, ResourceHome::new().await);
        let resource = home.start(issuer.url(), |_| {}).await.expect("it starts");
        Self { issuer, resource, _home: home }
    }

    /// A token that is good, until a test makes it bad.
    fn token(&self) -> Token {
        self.issuer.token_for(self.resource.id())
    }

    async fn present(&self, token: &str) -> Answer {
        self.resource.http().get("/me").bearer(token).send().await
    }

    async fn accepts(&self, token: &Token) {
        self.present(&token.sign(self.issuer.key())).await.assert_ok();
    }

    async fn refuses(&self, token: &Token) {
        self.refuses_text(&token.sign(self.issuer.key())).await;
    }

    async fn refuses_text(&self, token: &str) {
        self.present(token).await.assert_invalid_token();
    }
}

#[tokio::test]
async fn a_good_token_is_accepted_and_read() {
    let trial = Trial::start().await;

    let me = trial.present(&trial.token().sign(trial.issuer.key())).await.assert_ok();

    assert_eq!(me["subject"], "usr_of_the_test");
    assert_eq!(me["client"], "test");
    assert_eq!(me["scopes"], json!(["documents:admin", "documents:read", "documents:write"]));
    assert_eq!(me["roles"], json!(["admin"]));
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_answer_repeats_nothing_of_it() {
    let trial = Trial::start().await;

    for token in [
        trial.token().header("typ", "canary"),
        trial.token().header("alg", "canary"),
        trial.token().header("kid", "canary"),
        trial.token().claim("iss", "canary"),
        trial.token().claim("aud", "canary"),
        trial.token().claim("exp", "canary"),
        trial.token().claim("scope", "canary  canary"),
    ] {
        let answer = trial.present(&token.sign(trial.issuer.key())).await;
        answer.assert_invalid_token();
        answer.assert_no_echo("canary");
    }
    let me = trial.present(&trial.token().claim("roles", json!(["<script>\r\n"])).sign(trial.issuer.key())).await;
    assert_eq!(me.assert_ok()["roles"], Value::from(vec!["<script>\r\n"]));
}
