//! Keys that cannot be read as they were written: they are refused, and never replaced.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    sync::Arc,
};

use auth_service::Sealer;
use rsa::{RsaPrivateKey, pkcs1::EncodeRsaPrivateKey, rand_core::OsRng};
use tests::TestDatabase;

use super::{OTHER_MASTER_KEY, assert_as_before, assert_refused, lived_in};

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

async fn seal(database: &TestDatabase, sealed: Vec<u8>) {
    database.run("UPDATE signing_key SET sealed = $1", [sealed.into()]).await;
}
