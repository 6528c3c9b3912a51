//! `/forward-auth`: what a reverse proxy is told about the requests it asks about.
//!
//! With a real proxy and a real program behind it: `tests/forward-auth/run`.

use serde_json::json;
use tests::{Answer, Call, MockIssuer, Reply, ResourceHome, ResourceServer, jwt::Token};

/// A resource-service that a proxy asks, and the issuer it trusts.
struct Door {
    issuer: MockIssuer,
    resource: ResourceServer,
    _home: ResourceHome,
}

const OTHER: &str = "https://orders.example";

impl Door {
    async fn start() -> Self {
        let (issuer, home) = (MockIssuer::start().await, ResourceHome::new().await);
        let resource = home.start(issuer.url(), |config| config.forward_auth_audiences = vec![OTHER.to_owned()]);
        let resource = resource.await.expect("it starts");
        Self { issuer, resource, _home: home }
    }

    /// A reader's token, until a test makes another of it.
    fn token(&self) -> Token {
        self.issuer.token_for(self.resource.id()).claim("scope", "documents:read").claim("roles", json!(["reader"]))
    }

    fn ask(&self, path: &str) -> Call {
        self.resource.http().get(path)
    }

    async fn ask_with(&self, path: &str, token: &Token) -> Answer {
        self.ask(path).bearer(&token.sign(self.issuer.key())).send().await
    }
}

/// Expects that the request may pass, as a request of this subject.
#[track_caller]
fn assert_passes(answer: &Answer, subject: &str) {
    answer.assert_status(200).assert_hardened();
    assert_eq!(answer.header("x-auth-subject"), Some(subject), "{answer}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer}");
    assert!(answer.body().is_empty(), "{answer}");
}

/// Expects that nobody is told who calls.
#[track_caller]
fn assert_says_nothing(answer: &Answer) {
    for name in ["x-auth-subject", "x-auth-client", "x-auth-scopes", "x-auth-roles"] {
        assert_eq!(answer.header(name), None, "{answer}");
    }
}

#[tokio::test]
async fn a_good_token_passes_and_says_who_calls() {
    let door = Door::start().await;

    let token = door.token().claim("scope", "documents:read documents:write").claim("roles", json!(["editor", "reader"]));
    for path in ["/forward-auth", "/forward-auth?scope=documents:read&role=editor", "/forward-auth/-/orders"] {
        let answer = door.ask_with(path, &token).await;
        assert_passes(&answer, "usr_of_the_test");
        assert_eq!(answer.header("x-auth-client"), Some("test"), "{answer}");
        assert_eq!(answer.header("x-auth-scopes"), Some("documents:read documents:write"), "{answer}");
        assert_eq!(answer.header("x-auth-roles"), Some("editor reader"), "{answer}");
    }
}

#[tokio::test]
async fn whoever_brings_no_token_or_a_bad_one_gets_the_challenge_of_any_api() {
    let door = Door::start().await;
    let metadata = format!("{}/.well-known/oauth-protected-resource", door.resource.id());

    let without = door.ask("/forward-auth").send().await;
    assert_eq!(without.assert_no_credentials().attribute("resource_metadata"), Some(&*metadata));
    assert_says_nothing(&without);
    for token in
        [door.token().moved(-7200), door.token().claim("aud", "https://elsewhere.example"), door.token().claim("aud", OTHER)]
    {
        let refused = door.ask_with("/forward-auth", &token).await;
        refused.assert_invalid_token();
        assert_says_nothing(&refused);
    }
    // Two tokens are none, and a token in the query of the request that is asked about is one too many.
    let good = door.token().sign(door.issuer.key());
    door.ask("/forward-auth").bearer(&good).bearer(&good).send().await.assert_challenge(400, Some("invalid_request"));
    let twice = door.ask(&format!("/forward-auth/-/orders?access_token={good}")).bearer(&good).send().await;
    twice.assert_challenge(400, Some("invalid_request"));
    door.ask(&format!("/forward-auth/-/orders?access_token={good}")).send().await.assert_no_credentials();
}

#[tokio::test]
async fn every_need_must_be_met() {
    let door = Door::start().await;
    let login = door.token().claims["iat"].clone();
    let token = door.token().claim("scope", "a b").claim("roles", json!(["x", "y"])).claim("auth_time", login);

    for needs in
        ["scope=a", "scope=a%20b", "scope=a&scope=b", "role=x", "role=x&role=y", "role=z,y", "max_age=600", "scope=a&role=x"]
    {
        assert_passes(&door.ask_with(&format!("/forward-auth?{needs}"), &token).await, "usr_of_the_test");
        assert_passes(&door.ask_with(&format!("/forward-auth/{needs}/orders/7?page=2"), &token).await, "usr_of_the_test");
    }
    for (needs, scope) in [("scope=c", "c"), ("scope=a%20c", "a c"), ("scope=a&scope=c", "a c"), ("scope=a,b", "a,b")] {
        let refused = door.ask_with(&format!("/forward-auth?{needs}"), &token).await;
        let challenge = refused.assert_challenge(403, Some("insufficient_scope"));
        assert_eq!(challenge.attribute("scope"), Some(scope), "{needs}");
        assert_says_nothing(&refused);
    }
    for needs in ["role=z", "role=X", "role=x&role=z", "role=z,w", "scope=a&role=z"] {
        let refused = door.ask_with(&format!("/forward-auth?{needs}"), &token).await;
        refused.assert_challenge(403, Some("insufficient_scope"));
        assert_says_nothing(&refused);
    }
    let long_ago = token.claim("auth_time", 1_000_000_000);
    let refused = door.ask_with("/forward-auth?max_age=600", &long_ago).await;
    let challenge = refused.assert_challenge(401, Some("insufficient_user_authentication"));
    assert_eq!(challenge.attribute("max_age"), Some("600"));
}

#[tokio::test]
async fn a_proxy_with_a_mistake_in_its_settings_lets_nobody_in() {
    let door = Door::start().await;

    for path in [
        "/forward-auth?scopes=documents:read",
        "/forward-auth?scope=documents:read&page=2",
        "/forward-auth?scope=",
        "/forward-auth?role=",
        "/forward-auth?role=a,,b",
        "/forward-auth?max_age=soon",
        "/forward-auth?audience=https://unheard.example",
        "/forward-auth?x",
        "/forward-auth/",
        "/forward-auth/orders",
        "/forward-auth/orders?scope=documents:read",
        "/forward-auth/need=a/orders",
    ] {
        let refused = door.ask_with(path, &door.token()).await;
        refused.assert_problem(500);
        assert_says_nothing(&refused);
        assert_eq!(refused.header("www-authenticate"), None, "{refused}");
    }
}

#[tokio::test]
async fn what_the_client_says_about_itself_is_not_repeated() {
    let door = Door::start().await;

    let mut forged = door.ask("/forward-auth?role=reader").bearer(&door.token().sign(door.issuer.key()));
    for name in ["x-auth-subject", "x-auth-client", "x-auth-scopes", "x-auth-roles"] {
        forged = forged.header(name, "canary");
    }
    let answer = forged.send().await;

    assert_passes(&answer, "usr_of_the_test");
    answer.assert_no_echo("canary");
}

#[tokio::test]
async fn a_name_in_a_token_cannot_become_two_or_another_header() {
    let door = Door::start().await;

    let token = door.token().claim("sub", "a\r\nX-Auth-Roles: admin").claim("roles", json!(["x admin", "é", "b,c"]));
    let answer = door.ask_with("/forward-auth", &token).await;

    assert_passes(&answer, "a%0D%0AX-Auth-Roles:%20admin");
    assert_eq!(answer.header("x-auth-roles"), Some("x%20admin %C3%A9 b%2Cc"), "{answer}");
    assert_passes(&door.ask_with("/forward-auth?role=x%20admin", &token).await, "a%0D%0AX-Auth-Roles:%20admin");
    door.ask_with("/forward-auth?role=admin", &token).await.assert_challenge(403, Some("insufficient_scope"));
}

#[tokio::test]
async fn another_program_has_an_audience_of_its_own() {
    let door = Door::start().await;
    let theirs = door.token().claim("aud", OTHER);

    assert_passes(&door.ask_with(&format!("/forward-auth?audience={OTHER}"), &theirs).await, "usr_of_the_test");
    let escaped = "audience=https%3A%2F%2Forders.example";
    assert_passes(&door.ask_with(&format!("/forward-auth/{escaped}/orders"), &theirs).await, "usr_of_the_test");
    let refused = door.ask_with(&format!("/forward-auth?audience={OTHER}"), &door.token()).await;
    let challenge = refused.assert_invalid_token();
    assert_eq!(challenge.attribute("resource_metadata"), None, "where theirs is, we do not know");
    assert_eq!(challenge.attribute("realm"), Some(OTHER));
}

#[tokio::test]
async fn a_proxy_may_repeat_the_method_of_the_request_it_asks_about() {
    let door = Door::start().await;
    let token = door.token().sign(door.issuer.key());

    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "GET"] {
        for path in ["/forward-auth?scope=documents:read", "/forward-auth/scope=documents:read/orders?page=2"] {
            let asked = door.resource.http().request(method, path);
            assert_passes(&asked.clone().bearer(&token).send().await, "usr_of_the_test");
            // Not even the preflight of a page that may call this service: the answer would be taken for the program's.
            let preflight = asked.header("origin", "http://localhost:3000").header("access-control-request-method", "GET");
            preflight.send().await.assert_status(401);
        }
    }
}

#[tokio::test]
async fn while_nobody_can_tell_the_answer_is_503_and_no_challenge() {
    let issuer = MockIssuer::start().await;
    issuer.answer_for_keys(Reply::Raw(Vec::new()));
    let home = ResourceHome::new().await;
    let resource = home.start(issuer.url(), |_| {}).await.expect("it starts");

    let token = issuer.token_for(resource.id()).sign(issuer.key());
    let answer = resource.http().get("/forward-auth").bearer(&token).send().await;

    answer.assert_problem(503);
    assert!(answer.header("retry-after").is_some(), "{answer}");
    assert_eq!(answer.header("www-authenticate"), None, "{answer}");
    assert_says_nothing(&answer);
}
