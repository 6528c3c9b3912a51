//! What the header of a token says: its type, its algorithm, its key.

use aws_lc_rs::signature::{RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use tests::jwt::{self, SigningKey};

use super::Trial;

/// A.JV-09
#[tokio::test]
async fn jv_01_only_an_access_token_is_one() {
    let trial = Trial::start().await;

    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        trial.accepts(&trial.token().header("typ", typ)).await;
    }
    for typ in [
        "JWT",
        "jwt",
        "refresh+jwt",
        "logout+jwt",
        "id+jwt",
        "at",
        "at+jwt ",
        "text/at+jwt",
        "application/application/at+jwt",
        "",
    ] {
        trial.refuses(&trial.token().header("typ", typ)).await;
    }
    trial.refuses(&trial.token().without_header("typ")).await;
    for typ in [json!(null), json!(["at+jwt"]), json!(1)] {
        trial.refuses(&trial.token().header("typ", typ)).await;
    }
}

/// A.JV-04
#[tokio::test]
async fn jv_02_the_algorithm_is_the_keys_and_not_the_tokens() {
    let trial = Trial::start().await;
    let key = trial.issuer.key();

    for alg in ["rs256", "Rs256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "HS256", "RS256 ", "RS256\0", "RSA"] {
        trial.refuses(&trial.token().header("alg", alg)).await;
    }
    for alg in [json!(["RS256"]), json!(null), json!(256), json!({"RS256": 1})] {
        trial.refuses(&trial.token().header("alg", alg)).await;
    }
    trial.refuses(&trial.token().without_header("alg")).await;
    for (alg, signed) in [
        ("PS256", key.sign_with(&RSA_PSS_SHA256, trial.token().header("alg", "PS256").signing_input().as_bytes())),
        ("RS384", key.sign_with(&RSA_PKCS1_SHA384, trial.token().header("alg", "RS384").signing_input().as_bytes())),
        ("RS512", key.sign_with(&RSA_PKCS1_SHA512, trial.token().header("alg", "RS512").signing_input().as_bytes())),
    ] {
        let input = trial.token().header("alg", alg).signing_input();
        trial.refuses_text(&jwt::with_signature(&input, &signed)).await;
    }
}

/// A.JV-07, A.JK-12
#[tokio::test]
async fn jv_07_a_token_cannot_bring_its_own_key() {
    let trial = Trial::start().await;
    let theirs = SigningKey::generate();
    let here = format!("{}/keys-of-somebody-else", trial.issuer.url());
    trial.accepts(&trial.token()).await;
    let requests = trial.issuer.requests().len();

    for (name, value) in [
        ("jku", json!(here)),
        ("x5u", json!(here)),
        ("jwk", theirs.jwk()),
        ("x5c", json!([BASE64_STANDARD.encode(theirs.public_der())])),
    ] {
        trial.refuses_text(&trial.token().header(name, value.clone()).sign(&theirs)).await;
        // What they say is ignored, rather than refused, in a token that is good without them.
        trial.accepts(&trial.token().header(name, value)).await;
    }
    assert_eq!(trial.issuer.requests().len(), requests, "nobody was asked for a key");
}

#[tokio::test]
async fn jv_07_an_extension_that_is_not_understood_is_fatal() {
    let trial = Trial::start().await;

    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!("exp"), json!(null)] {
        trial.refuses(&trial.token().header("crit", crit).header("b64", true)).await;
    }
}

/// A.JV-06
#[tokio::test]
async fn jv_08_a_key_id_is_looked_up_in_memory_and_nowhere_else() {
    let trial = Trial::start().await;
    trial.accepts(&trial.token()).await;
    let requests = trial.issuer.requests().len();

    trial.refuses(&trial.token().without_header("kid")).await;
    for kid in [
        "../../dev/null",
        "/dev/null",
        "/etc/passwd",
        "x' UNION SELECT '1';--",
        "|sleep 10",
        "$(sleep 10)",
        "http://localhost/keys",
        "\0",
        "",
        "ключ",
        &"x".repeat(2000),
    ] {
        trial.refuses(&trial.token().header("kid", kid)).await;
    }
    for kid in [json!(null), json!(1), json!([trial.issuer.key().id()]), json!({"kid": trial.issuer.key().id()})] {
        trial.refuses(&trial.token().header("kid", kid)).await;
    }
    // Not even a key ID that could be one makes anybody ask, if the token would be no good anyway.
    let expired = trial.token().moved(-7200).header("kid", "another-key");
    trial.refuses(&expired).await;
    trial.refuses(&trial.token().header("kid", "another-key").claim("aud", "https://other.example")).await;
    assert_eq!(trial.issuer.requests().len(), requests);
}

#[tokio::test]
async fn jv_08_a_key_that_is_published_later_is_found() {
    let trial = Trial::start().await;
    trial.accepts(&trial.token()).await;
    let next = SigningKey::generate();
    let token = trial.token().header("kid", next.id()).sign(&next);

    trial.issuer.publish(&[next.jwk(), trial.issuer.key().jwk()]);

    trial.present(&token).await.assert_ok();
    trial.accepts(&trial.token()).await;
    trial.refuses(&trial.token().header("kid", "never-published")).await;
}
