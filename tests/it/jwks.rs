//! The issuer's public keys (RFC 7517, RFC 7518 §6.3, RFC 7638).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use tests::{AuthHome, AuthServer};

const KEYS: &str = "/.well-known/jwks.json";

async fn started() -> (AuthHome, AuthServer) {
    let home = AuthHome::new().await;
    let auth = home.start(|_| {}).await.expect("it starts");
    (home, auth)
}

/// A.JK-01
#[tokio::test]
async fn jk_01_the_set_holds_public_members_only() {
    let (_home, auth) = started().await;

    let set = auth.http().get(KEYS).send().await.assert_ok();

    assert_eq!(set.as_object().expect("an object").keys().collect::<Vec<_>>(), ["keys"]);
    let key = set["keys"][0].as_object().expect("a key");
    let mut members: Vec<_> = key.keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
    assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&json!("RSA"), &json!("sig"), &json!("RS256")));
    let decode = |name| BASE64_URL_SAFE_NO_PAD.decode(key[name].as_str().expect("a string")).expect("base64url without padding");
    assert_eq!(decode("n").len(), 256, "2048 bits, and no leading zero");
    assert_eq!(decode("e"), [1, 0, 1]);
}

/// A.JK-01
#[tokio::test]
async fn jk_02_the_key_id_is_the_thumbprint() {
    let (home, auth) = started().await;

    let set = auth.http().get(KEYS).send().await.assert_ok();

    let key = home.signing_key().await;
    assert_eq!(set["keys"], json!([key.jwk()]), "the identifier is computed by the test");
    assert_eq!(set["keys"][0]["kid"].as_str().map(str::len), Some(43));
}

#[tokio::test]
async fn jk_03_a_restart_publishes_the_same_keys() {
    let (home, auth) = started().await;
    let before = auth.http().get(KEYS).send().await.assert_ok();
    let issuer = auth.issuer().to_owned();
    auth.stop().await;

    let auth = home.start(|config| config.issuer = Some(issuer)).await.expect("it starts again");

    assert_eq!(auth.http().get(KEYS).send().await.assert_ok(), before);
}

/// A.JK-02
#[tokio::test]
async fn jk_04_the_set_may_be_kept_for_five_minutes_by_anyone() {
    let (_home, auth) = started().await;

    let answer = auth.http().get(KEYS).header("origin", "https://anyone.example").send().await;

    answer.assert_hardened();
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert_eq!(answer.media_type(), Some("application/json"));
    let preferred = auth.http().get(KEYS).header("accept", "application/jwk-set+json").send().await;
    assert_eq!(preferred.media_type(), Some("application/jwk-set+json"));
    assert_eq!(preferred.body(), answer.body());
}

/// A.JK-02
#[tokio::test]
async fn jk_04_a_set_that_is_known_already_is_not_sent_again() {
    let (_home, auth) = started().await;
    let first = auth.http().get(KEYS).send().await;
    let tag = first.header("etag").expect("an entity tag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");

    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let answer = auth.http().get(KEYS).header("if-none-match", &known).send().await;
        answer.assert_status(304).assert_hardened();
        assert_eq!((answer.text(), answer.header("etag")), ("", Some(&*tag)), "{known}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    }
    auth.http().get(KEYS).header("if-none-match", "\"another\"").send().await.assert_ok();
}

/// A.JK-02
#[tokio::test]
async fn jk_04_head_is_answered_and_nothing_else_than_reading() {
    let (_home, auth) = started().await;

    let head = auth.http().request("HEAD", KEYS).send().await;
    head.assert_status(200);
    assert_eq!(head.text(), "");
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = auth.http().request(method, KEYS).send().await;
        answer.assert_problem(405);
        assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method}");
    }
}

#[tokio::test]
async fn a_larger_key_is_made_when_the_settings_ask_for_one() {
    let home = AuthHome::new().await;
    let auth = home.start(|config| config.signing_key_bits = 3072).await.expect("it starts");

    let set = auth.http().get(KEYS).send().await.assert_ok();

    let modulus = set["keys"][0]["n"].as_str().and_then(|n| BASE64_URL_SAFE_NO_PAD.decode(n).ok());
    assert_eq!(modulus.map(|n| n.len()), Some(384));
}

/// A.LD-06
#[tokio::test]
async fn the_key_set_is_served_from_memory() {
    let (home, auth) = started().await;
    let reference = auth.http().get(KEYS).send().await.assert_ok();

    home.database().run("ALTER TABLE signing_key RENAME TO signing_key_away", []).await;
    for _ in 0..100 {
        assert_eq!(auth.http().get(KEYS).send().await.assert_ok(), reference);
    }
    home.database().run("ALTER TABLE signing_key_away RENAME TO signing_key", []).await;
}

#[tokio::test]
async fn the_private_half_is_nowhere_in_the_database() {
    let (home, auth) = started().await;
    let key = home.signing_key().await;
    let (modulus, _) = key.components();

    let dump = home.database().dump().await;

    assert!(dump["signing_key"][0].contains(&modulus), "the public half is there");
    let dump = format!("{dump:?}").to_lowercase();
    // The private key's DER begins with the modulus, so a private half in clear would show it in hexadecimal.
    let in_clear = BASE64_URL_SAFE_NO_PAD.decode(&modulus).expect("base64url");
    let hexadecimal = in_clear[..32].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    assert!(!dump.contains(&hexadecimal));
    assert!(!dump.contains("begin"), "no PEM either");
    drop(auth);
}
