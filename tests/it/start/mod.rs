//! What a service refuses to start with: it says why, and leaves everything as it was.

mod database;
mod keys;

use tests::{AuthHome, AuthProgram, PASSWORD, PATIENCE, ResourceHome, Stack};
use tokio::time::timeout;

/// Thirty-two bytes in base64 that were never anybody's master key.
const OTHER_MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A home in which auth-service has been started and stopped, and the issuer it had.
async fn lived_in() -> (AuthHome, String) {
    let home = AuthHome::new().await;
    let auth = home.start(|_| {}).await.expect("it starts");
    let issuer = auth.issuer().to_owned();
    auth.user("ada", &["reader"]).await;
    auth.stop().await;
    (home, issuer)
}

/// Expects that a start with these settings is refused with a message that holds all of these, and that it changes nothing.
async fn assert_refused(home: &AuthHome, change: impl FnOnce(&mut auth_service::Config), said: &[&str]) {
    let before = home.database().dump().await;
    let Err(error) = home.start(change).await else { panic!("it starts, but must not: {said:?}") };
    let message = format!("{error:#}");
    for text in said {
        assert!(message.contains(text), "`{text}` is not in: {message}");
    }
    assert_eq!(home.database().dump().await, before, "nothing is touched");
}

/// Expects that nothing was lost: the service starts, and knows its users.
async fn assert_as_before(home: &AuthHome, issuer: &str) {
    let issuer = issuer.to_owned();
    let auth = home.start(|config| config.issuer = Some(issuer)).await.expect("it starts as before");
    auth.client().log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn an_issuer_that_changed_is_refused() {
    let (home, issuer) = lived_in().await;

    assert_refused(
        &home,
        |config| config.issuer = Some("https://login.example.com".to_owned()),
        &[&issuer, "https://login.example.com"],
    )
    .await;

    assert_as_before(&home, &issuer).await;
}

/// A.FA-18
#[tokio::test]
async fn settings_that_are_not_safe_end_the_program_with_the_name_of_each() {
    const PRODUCTION: (&str, &str) = ("AUTH_PROFILE", "production");
    let keys = ("AUTH_MASTER_KEYS", OTHER_MASTER_KEY);
    let public = ("AUTH_ISSUER", "https://login.example");

    for (settings, named) in [
        (&[PRODUCTION, keys][..], "AUTH_ISSUER"),
        (&[PRODUCTION, keys, ("AUTH_ISSUER", "http://login.example")], "AUTH_ISSUER"),
        (&[PRODUCTION, public], "AUTH_MASTER_KEYS"),
        (&[PRODUCTION, public, ("AUTH_MASTER_KEYS", "too short")], "AUTH_MASTER_KEYS"),
        (&[("AUTH_ISSUER", "https://login.example")], "AUTH_PROFILE"),
        (&[("AUTH_PROFIL", "production")], "AUTH_PROFIL"),
        (&[("AUTH_BOOTSTRAP_ADMIN_PASSWORD", "passwordpassword")], "admin"),
    ] {
        let mut program = AuthProgram::new(env!("CARGO_BIN_EXE_command-line")).await;
        for (name, value) in settings {
            program = program.setting(name, value);
        }
        let ended = timeout(PATIENCE, program.run(&["serve"], "")).await.expect("it does not start");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains(named), "{settings:?}: {said}");
        assert!(!said.contains(OTHER_MASTER_KEY) && !said.contains("passwordpassword"), "{said}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let stack = Stack::start().await;
    let port = stack.auth_url().rsplit(':').next().expect("a port").to_owned();

    let home = ResourceHome::new().await;
    let address = format!("127.0.0.1:{port}").parse().expect("an address");
    let Err(error) = home.start(stack.auth_url(), |config| config.listen = address).await else {
        panic!("it starts, but must not")
    };

    assert!(format!("{error:#}").contains(&port), "{error:#}");
}

#[tokio::test]
async fn users_and_keys_outlive_a_restart() {
    let (home, issuer) = lived_in().await;
    let key = home.signing_key().await.id();

    assert_as_before(&home, &issuer).await;

    assert_eq!(home.signing_key().await.id(), key);
}

#[tokio::test]
async fn an_administrator_is_made_once_and_has_the_password_of_the_settings() {
    let (home, issuer) = lived_in().await;
    let name = issuer.clone();
    let changed = |config: &mut auth_service::Config| {
        config.issuer = Some(name);
        config.bootstrap_admin_password = Some("another one that comes too late".into());
    };

    let auth = home.start(changed).await.expect("it starts");

    auth.client().log_in("admin", tests::ADMIN_PASSWORD).await;
    auth.client().password("admin", "another one that comes too late").await.assert_oauth_error(400, "invalid_grant");
}
