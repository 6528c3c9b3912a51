//! An API under test, and the issuer that it trusts.

use std::time::Duration;

use serde_json::{Map, Value, json};
use shared::access_token::status_list::StatusList;
use tokio::time::{Instant, sleep};

use crate::{
    Call, Http, MockIssuer, Reply,
    jwt::{SigningKey, Token},
};

/// Where hostile tokens say that their key is.
const LURE: &str = "/keys-of-somebody-else";
const LISTS: &str = "/status-lists";
const LIST: &str = "/status-lists/1";

/// The place of a revoked token in the status list.
pub(super) const REVOKED: u64 = 7;

/// The API under test.
pub struct Target {
    /// What the report calls it.
    pub name: String,
    /// Where it is.
    pub http: Http,
    /// The audience of its access tokens.
    pub audience: String,
    /// A path that a GET with a good token opens.
    pub path: String,
    /// The scope that this takes.
    pub scope: String,
    /// A path that takes a role besides.
    pub role_path: Option<String>,
    /// That role.
    pub role: String,
    /// By how many seconds its clock may differ from the issuer's.
    pub leeway: i64,
    /// Whether it says that it heeds status lists.
    pub heeds_status: bool,
}

/// An API under test, and the issuer that it trusts.
pub struct Trial {
    target: Target,
    issuer: MockIssuer,
    /// A key of the issuer with its modulus and the exponent 3, which no verifier should take.
    cube: Value,
}

impl Trial {
    /// Lets the issuer publish what the trial needs.
    pub fn new(target: Target, issuer: MockIssuer) -> Self {
        let mut cube = issuer.key().jwk();
        cube["e"] = json!("Aw");
        cube["kid"] = json!("cube");
        issuer.publish(&[issuer.key().jwk(), cube.clone()]);
        let mut metadata = issuer.metadata();
        metadata["status_list_aggregation_endpoint"] = json!(format!("{}{LISTS}", issuer.url()));
        issuer.describe(Reply::Json(metadata));
        let trial = Self { target, issuer, cube };
        trial.issuer.reply(LISTS, Reply::Json(json!({"status_lists": [trial.status_list()]})));
        trial.issuer.reply(LIST, trial.signed_status_list());
        trial
    }

    /// The API under test.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The issuer.
    pub const fn issuer(&self) -> &MockIssuer {
        &self.issuer
    }

    /// The key with the exponent 3.
    pub(super) const fn cube(&self) -> &Value {
        &self.cube
    }

    /// A good access token of an ordinary user, not yet signed.
    pub fn token(&self) -> Token {
        let token = self.issuer.token_for(&self.target.audience);
        token.claim("scope", self.target.scope.as_str()).claim("roles", json!(["reader"]))
    }

    /// Signs a token with the issuer's key.
    pub(super) fn sign(&self, token: &Token) -> String {
        token.sign(self.issuer.key())
    }

    /// A request with this as its bearer token.
    pub fn present(&self, token: &str) -> Call {
        self.ask().bearer(token)
    }

    /// A request without credentials.
    pub(super) fn ask(&self) -> Call {
        self.target.http.get(&self.target.path)
    }

    /// A key that nobody has published.
    pub(super) fn stranger() -> SigningKey {
        SigningKey::generate()
    }

    /// A URL at which a token may say that its key is.
    pub(super) fn lure(&self) -> String {
        format!("{}{LURE}", self.issuer.url())
    }

    /// Whether anybody believed that.
    pub(super) fn was_lured(&self) -> bool {
        self.issuer.requests().iter().any(|line| line.contains(LURE))
    }

    /// The URL of the status list.
    pub(super) fn status_list(&self) -> String {
        format!("{}{LIST}", self.issuer.url())
    }

    /// Waits until the API accepts a good token.
    pub async fn wait(&self, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        loop {
            let said = match self.present(&self.sign(&self.token())).try_send().await {
                Ok(answer) if (200..300).contains(&answer.status()) => return Ok(()),
                Ok(answer) => format!("it does not accept a good token:\n{answer}"),
                Err(error) => format!("it does not answer: {error}"),
            };
            if Instant::now() >= deadline {
                return Err(said);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn signed_status_list(&self) -> Reply {
        let mut statuses = StatusList::new(1, 1024).expect("lists have this size");
        statuses.set(REVOKED, 1).expect("the place is within the list");
        let good = self.issuer.token_for(&self.target.audience);
        let claims = json!({
            "sub": self.status_list(), "iat": good.claims["iat"], "exp": good.claims["exp"].as_i64().map(|end| end + 3600),
            "ttl": 60, "status_list": {"bits": 1, "lst": statuses.to_lst()},
        });
        let claims: Map<String, Value> = serde_json::from_value(claims).expect("it is an object");
        let list = Token { claims, ..good.header("typ", "statuslist+jwt") }.sign(self.issuer.key());
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/statuslist+jwt\r\nConnection: close\r\n";
        Reply::Raw(format!("{head}Content-Length: {}\r\n\r\n{list}", list.len()).into_bytes())
    }
}
