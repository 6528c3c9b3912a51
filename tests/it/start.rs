//! What a service refuses to start with: it says why, and leaves everything as it was.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    sync::Arc,
};

use auth_service::Sealer;
use rsa::{RsaPrivateKey, pkcs1::EncodeRsaPrivateKey, rand_core::OsRng};
use tests::{AuthHome, AuthProgram, PASSWORD, PATIENCE, ResourceHome, Stack, TestDatabase};
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

/// A.FA-10
#[tokio::test]
async fn a_key_that_another_master_key_sealed_is_refused_and_never_replaced() {
    let (home, issuer) = lived_in().await;
    let key = home.signing_key().await.id();

    let name = issuer.clone();
    let with_other_master_key = |config: &mut auth_service::Config| {
        config.issuer = Some(name);
        config.sealer = Arc::new(Sealer::parse(OTHER_MASTER_KEY).expect("it is well formed"));
    };
    assert_refused(&home, with_other_master_key, &[&key, "cannot be unsealed", "AUTH_MASTER_KEYS"]).await;

    assert_as_before(&home, &issuer).await;
    assert_eq!(home.signing_key().await.id(), key);
}

/// A.FA-10
#[tokio::test]
async fn a_sealed_key_that_was_cut_or_altered_is_refused_and_never_replaced() {
    let (home, issuer) = lived_in().await;
    let key = home.signing_key().await.id();
    let row = home.database().row("SELECT sealed FROM signing_key").await;
    let sealed: Vec<u8> = row.try_get("", "sealed").expect("bytes");
    let mut altered = sealed.clone();
    altered[100] ^= 1;

    for damaged in
        [Vec::new(), sealed[..sealed.len() / 2].to_vec(), sealed[..sealed.len() - 1].to_vec(), vec![0; sealed.len()], altered]
    {
        seal(home.database(), damaged).await;
        let issuer = issuer.clone();
        assert_refused(&home, |config| config.issuer = Some(issuer), &[&key]).await;
    }

    seal(home.database(), sealed).await;
    assert_as_before(&home, &issuer).await;
    assert_eq!(home.signing_key().await.id(), key);
}

/// A.FA-10
#[tokio::test]
async fn a_sealed_key_that_is_missing_or_no_key_is_refused() {
    let (home, issuer) = lived_in().await;
    let key = home.signing_key().await.id();
    let row = home.database().row("SELECT sealed FROM signing_key").await;
    let sealed: Vec<u8> = row.try_get("", "sealed").expect("bytes");
    let known = Arc::new(Sealer::parse(OTHER_MASTER_KEY).expect("it is well formed"));

    for not_a_key in [Some(known.seal(b"-----BEGIN PRIVATE KEY-----", &key)), Some(known.seal(b"", &key)), None] {
        home.database().run("UPDATE signing_key SET sealed = $1", [not_a_key.into()]).await;
        let (issuer, known) = (issuer.clone(), Arc::clone(&known));
        let change = |config: &mut auth_service::Config| {
            config.issuer = Some(issuer);
            config.sealer = known;
        };
        assert_refused(&home, change, &[&key]).await;
    }

    seal(home.database(), sealed).await;
    assert_as_before(&home, &issuer).await;
}

/// A.FA-10
#[tokio::test]
async fn a_key_of_another_pair_or_too_short_is_refused_and_never_replaced() {
    let (home, issuer) = lived_in().await;
    let key = home.signing_key().await.id();
    let row = home.database().row("SELECT sealed FROM signing_key").await;
    let kept: Vec<u8> = row.try_get("", "sealed").expect("bytes");
    let sealer = Sealer::keep_in(&home.directory().join("master.key")).expect("it is there");

    for bits in [2048, 1024] {
        let other = RsaPrivateKey::new(&mut OsRng, bits).expect("a pair of this size can be made");
        let other = other.to_pkcs1_der().expect("it can be encoded");
        seal(home.database(), sealer.seal(other.as_bytes(), &key)).await;
        let issuer = issuer.clone();
        assert_refused(&home, |config| config.issuer = Some(issuer), &[&key]).await;
    }

    seal(home.database(), kept).await;
    assert_as_before(&home, &issuer).await;
}

/// A.FA-10
#[tokio::test]
async fn a_file_of_the_master_key_that_is_damaged_is_refused_and_never_replaced() {
    let (home, _) = lived_in().await;
    let file = home.directory().join("master.key");
    let kept = fs::read(&file).expect("it is there");
    let pem = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_vec();

    for damaged in [Vec::new(), kept[..kept.len() / 2].to_vec(), vec![0; kept.len()], pem, vec![0xff; 32]] {
        fs::write(&file, &damaged).expect("it can be written");
        let refused = auth_service::Config::development(home.directory());
        let message = format!("{:#}", refused.err().expect("no settings come of it"));
        assert!(message.contains("master.key"), "{message}");
        let kept = String::from_utf8_lossy(&kept);
        assert!(!message.contains(&*kept) && !message.contains(&kept[..20]), "no byte of a key is told: {message}");
        assert_eq!(fs::read(&file).expect("it is there"), damaged, "nothing is written over it");
    }
}

async fn seal(database: &TestDatabase, sealed: Vec<u8>) {
    database.run("UPDATE signing_key SET sealed = $1", [sealed.into()]).await;
}

/// Makes a database look as if a newer version of the program had been here.
async fn migrate_beyond(database: &TestDatabase) {
    database.run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_of_the_future', 0)", []).await;
}

/// A.FA-11
#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let (home, issuer) = lived_in().await;
    migrate_beyond(home.database()).await;

    let name = issuer.clone();
    assert_refused(&home, |config| config.issuer = Some(name), &["newer version", "m9999_of_the_future"]).await;

    home.database().run("DELETE FROM seaql_migrations WHERE version = 'm9999_of_the_future'", []).await;
    assert_as_before(&home, &issuer).await;
}

/// A.FA-11
#[tokio::test]
async fn a_documents_database_of_a_newer_version_is_refused() {
    let home = ResourceHome::new().await;
    let issuer = "http://localhost:1";
    home.start(issuer, |_| {}).await.expect("it starts").stop().await;
    migrate_beyond(home.database()).await;
    let before = home.database().dump().await;

    let Err(error) = home.start(issuer, |_| {}).await else { panic!("it starts, but must not") };

    assert!(format!("{error:#}").contains("newer version"), "{error:#}");
    assert_eq!(home.database().dump().await, before);
}

/// A.FA-11
#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("precious.db");
    std::fs::write(&file, "this is no database".repeat(1000)).expect("it can be written");
    let url = format!("sqlite:{}?mode=rwc", file.display());

    let (auth_home, resource_home) = (AuthHome::new().await, ResourceHome::new().await);
    let auth = auth_home.start(|config| config.database_url = url.as_str().into()).await;
    let resource = resource_home.start("http://localhost:1", |config| config.database_url = Some(url.as_str().into())).await;

    assert!(auth.is_err() && resource.is_err());
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "this is no database".repeat(1000));
}

/// A.FA-11
#[tokio::test]
async fn an_embedded_database_that_was_overwritten_is_refused_and_left_alone() {
    let home = AuthHome::embedded();
    home.start(|_| {}).await.expect("it starts").stop().await;
    let file = home.directory().join("test.db");
    let mut bytes = fs::read(&file).expect("it is there");
    // Behind the header, which alone would still pass for a database.
    bytes[100..8192].fill(0xa5);
    fs::write(&file, &bytes).expect("it can be written");

    let Err(error) = home.start(|_| {}).await else { panic!("it starts, but must not") };

    assert!(format!("{error:#}").contains("database"), "{error:#}");
    assert_eq!(fs::read(&file).expect("it is there"), bytes);
}

/// A.FA-11
#[tokio::test]
async fn a_migration_that_was_made_by_half_is_refused() {
    let (home, issuer) = lived_in().await;
    let rows = home.database().rows("SELECT version FROM seaql_migrations ORDER BY version").await;
    let last: String = rows.last().and_then(|row| row.try_get("", "version").ok()).expect("there are migrations");
    // Its tables are there, and it does not say that it was here.
    home.database().run("DELETE FROM seaql_migrations WHERE version = $1", [last.as_str().into()]).await;

    let name = issuer.clone();
    assert_refused(&home, |config| config.issuer = Some(name), &["could not be migrated"]).await;

    let again = "INSERT INTO seaql_migrations (version, applied_at) VALUES ($1, 0)";
    home.database().run(again, [last.into()]).await;
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

/// A.FA-10
#[tokio::test]
async fn a_master_key_that_others_may_read_is_told_of_and_one_that_cannot_be_read_stops_everything() {
    let (home, _) = lived_in().await;
    let file = home.directory().join("master.key");
    let kept = fs::read(&file).expect("it is there");

    // Even root cannot read a directory as a file.
    fs::remove_file(&file).expect("it can be removed");
    fs::create_dir(&file).expect("a directory can be made");
    let message = auth_service::Config::development(home.directory()).err().expect("no settings come of it").to_string();
    assert!(message.contains("master.key"), "{message}");
    fs::remove_dir(&file).expect("it can be removed");

    fs::write(&file, kept).expect("it can be written");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("its mode can be changed");
    let refused = auth_service::Config::development(home.directory()).err().expect("no settings come of it").to_string();
    assert!(refused.contains("master.key") && refused.contains("600"), "{refused}");
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
