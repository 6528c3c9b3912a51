//! Keys that are kept on disk.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::*;

/// A directory of one test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("shared-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(AsRef::<Path>::as_ref(&self.0));
    }
}

#[tokio::test]
async fn kept_keys_let_a_verifier_start_while_the_issuer_is_away() {
    let directory = Directory::new("kept");
    let ([key, _], server) = (keys(), WebServer::start().await);
    server.publish(&server.url, &[&key]);
    let issuer = server.url.clone();
    let token = token(&issuer, &key);
    let keep = || lazy(&issuer).keep_in(Some(directory.0.clone()));
    let file = directory.0.join("issuer-keys.json");
    let followed = keep().start().unwrap();
    until("the keys are kept", || file.exists()).await;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    drop((followed, server));

    let followed = keep().start().unwrap();
    assert!(AccessTokenVerifier::following(followed.clone(), RESOURCE).verify(&token).await.is_ok());
    assert!(followed.state().age.is_some() && followed.metadata().is_some());

    let change = |from: &str, to: &str| {
        let kept = fs::read_to_string(&file).unwrap();
        fs::write(&file, kept.replace(from, to)).unwrap();
    };
    let is_refused = async || {
        let verifier = AccessTokenVerifier::following(keep().start().unwrap(), RESOURCE);
        verifier.verify(&token).await.unwrap_err().code() == "keys_unavailable"
    };
    change("\"confirmed\":1", "\"confirmed\":9");
    assert!(is_refused().await, "a time in the future proves nothing");
    change("\"confirmed\":9", "\"confirmed\":0");
    assert!(is_refused().await, "too old");
    change("\"confirmed\":0", "\"confirmed\":1");
    change(&format!("\"issuer\":\"{issuer}\""), "\"issuer\":\"http://other.example\"");
    assert!(is_refused().await, "of another issuer");
    fs::write(&file, "{").unwrap();
    assert!(is_refused().await, "broken");
}
