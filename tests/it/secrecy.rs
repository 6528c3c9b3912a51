//! What must never be written down: no log, at whatever level, holds a password, a secret or a token.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use auth_service::ClientKind;
use tests::{PASSWORD, Stack, jwt::Token, rows};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Everything that was logged on this thread, where the services of the test run.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A.TE-02, A.CA-06, A.AK-03, A.RR-15
#[tokio::test]
async fn pg_03_no_log_holds_a_secret() {
    let log = Log::default();
    // The test's own HTTP client stands in the same process, and may log what it likes.
    let filter = EnvFilter::new("trace,reqwest=off,hyper_util::client=off,hyper=off");
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_env_filter(filter).finish();
    let _guard = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);

    let stack = Stack::start().await;
    let client_secret = "cs_canary-of-the-client";
    stack.auth().register(stack.new_client("batch", ClientKind::Confidential, &["password"], "documents:read")).await;
    rows::choose_secret(stack.auth_home().database(), "batch", client_secret).await;
    stack.user("ada", &["reader"]).await;
    let wrong = "a canary that is the wrong password";
    let token = stack.client().basic("batch", client_secret).log_in("ada", PASSWORD).await;
    stack.client().in_body("batch", client_secret).log_in("ada", PASSWORD).await;
    stack.client().password("ada", wrong).await.assert_oauth_error(400, "invalid_grant");
    stack.client().password("canary-of-a-name", wrong).await.assert_oauth_error(400, "invalid_grant");
    stack.client().in_body("batch", "cs_canary-wrong").password("ada", PASSWORD).await.assert_invalid_client();
    let in_query = format!("/oauth2/token?grant_type=password&password={}", PASSWORD.replace(' ', "+"));
    stack.auth().http().post(&in_query).send().await.assert_oauth_error(400, "invalid_request");
    let api_key = stack.api_key("ada", "documents:read").await;
    stack.present_key(&api_key).await.assert_ok();
    stack.client().unnamed().exchange(&api_key).await.assert_tokens();
    stack.api().get(&format!("/me?api_key={api_key}")).send().await.assert_no_credentials();
    stack.present_key(&format!("{api_key}0")).await.assert_invalid_token();
    stack.api().get("/me").api_key(&api_key).api_key(&api_key).send().await.assert_challenge(400, Some("invalid_request"));
    stack.api().get("/me").bearer(&token).send().await.assert_ok();
    stack.api().get(&format!("/me?access_token={token}")).send().await.assert_no_credentials();
    stack.api().get("/me").bearer(&format!("{token}x")).send().await.assert_invalid_token();

    let text = log.text();
    assert!(text.contains("Refused a login"), "what is logged is looked at:\n{text}");
    let signature = token.rsplit('.').next().expect("a signature");
    let key = stack.auth_home().signing_key().await;
    let sealed_with = Token::read(&token).header["kid"].clone();
    assert_eq!(sealed_with, key.id());
    for secret in [
        PASSWORD,
        &PASSWORD.replace(' ', "+"),
        &PASSWORD.replace(' ', "%20"),
        wrong,
        client_secret,
        "cs_canary-wrong",
        signature,
        api_key.rsplit_once('_').expect("a secret").1,
        tests::ADMIN_PASSWORD,
        "canary-of-a-name",
    ] {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "`{secret}` was logged");
    }
}
