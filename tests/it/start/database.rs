//! A database that is newer, damaged or none: it is refused, and left alone.

use std::fs;

use tests::{AuthHome, ResourceHome, TestDatabase};

use super::{assert_as_before, assert_refused, lived_in};

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
    fs::write(&file, "this is no database".repeat(1000)).expect("it can be written");
    let url = format!("sqlite:{}?mode=rwc", file.display());

    let (auth_home, resource_home) = (AuthHome::new().await, ResourceHome::new().await);
    let auth = auth_home.start(|config| config.database_url = url.as_str().into()).await;
    let resource = resource_home.start("http://localhost:1", |config| config.database_url = Some(url.as_str().into())).await;

    assert!(auth.is_err() && resource.is_err());
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "this is no database".repeat(1000));
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
