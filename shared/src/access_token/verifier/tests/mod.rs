//! The attacks of the project's catalogue (`A.JV-…`) that can be shown at the verifier itself.

use serde_json::{Value, json};

use super::*;
use crate::access_token::testing::{ISSUER, RESOURCE, SigningKey, base64url, claims, jwks, now, verifier};

mod header;
mod padding;
mod wycheproof;

/// A row: its ID, the token, and the code of the expected error; none if the token is good.
type Row = (&'static str, String, Option<&'static str>);

async fn check(rows: Vec<Row>) {
    check_at(now(), rows).await;
}

async fn check_at(now: i64, rows: Vec<Row>) {
    let (verifier, _) = verifier(&[&key()]);
    for (row, (id, token, expected)) in rows.into_iter().enumerate() {
        let outcome = verifier.verify_at(&token, now).await;
        assert_eq!(outcome.as_ref().err().map(AccessTokenError::code), expected, "{id}, row {row}: {outcome:?}");
    }
}

fn key() -> SigningKey {
    SigningKey::new("key-1", 0)
}

fn good() -> String {
    key().token(&claims(json!({})))
}

/// The good token with another header, signed with the right key.
fn with_header(header: &Value) -> String {
    with_raw_header(header.to_string().as_bytes())
}

fn with_raw_header(header: &[u8]) -> String {
    key().jws(header, claims(json!({})).to_string().as_bytes())
}

fn with_payload(payload: impl AsRef<[u8]>) -> String {
    key().jws(br#"{"typ":"at+jwt","alg":"RS256","kid":"key-1"}"#, payload.as_ref())
}

fn with_claims(changes: Value) -> String {
    key().token(&claims(changes))
}

fn segments(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

#[tokio::test]
async fn a_good_token_is_accepted_and_says_who_calls() {
    let (verifier, _) = verifier(&[&key()]);
    let claims = verifier.verify(&good()).await.unwrap();
    assert_eq!((claims.sub.as_str(), claims.client_id.as_str()), ("usr_1", "first-party"));
    assert!(claims.scope.contains("documents:read") && claims.roles == ["reader"]);
}

#[tokio::test]
async fn jv_10_and_11_a_token_has_its_time() {
    let now = now();
    let with_claims = |mut changes: Value| {
        let times = json!({ "iat": now, "nbf": now, "exp": now + 600 });
        for (name, value) in times.as_object().unwrap() {
            changes.as_object_mut().unwrap().entry(name).or_insert(value.clone());
        }
        with_claims(changes)
    };
    check_at(
        now,
        vec![
            ("A.JV-10", with_claims(json!({ "exp": now - 32, "iat": now - 600, "nbf": null })), Some("expired")),
            ("A.JV-10", with_claims(json!({ "exp": now - 25, "iat": now - 600, "nbf": null })), None),
            ("A.JV-10", with_claims(json!({ "exp": null })), Some("missing_claim")),
            ("A.JV-10", with_claims(json!({ "exp": "soon" })), Some("malformed")),
            ("A.JV-10", with_claims(json!({ "exp": 1e300 })), Some("malformed")),
            ("A.JV-10", with_claims(json!({ "exp": i64::MAX })), Some("lifetime")),
            ("A.JV-10", with_claims(json!({ "exp": i64::MIN })), Some("expired")),
            ("A.JV-10", with_claims(json!({ "nbf": now + 35 })), Some("not_yet_valid")),
            ("A.JV-10", with_claims(json!({ "nbf": now + 25 })), None),
            ("A.JV-10", with_claims(json!({ "iat": now + 86_400, "exp": now + 87_000 })), Some("not_yet_valid")),
            ("A.JV-10", with_claims(json!({ "iat": null })), Some("missing_claim")),
            ("A.JV-11", with_claims(json!({ "exp": now + 315_360_000 })), Some("lifetime")),
            ("A.JV-11", with_claims(json!({ "exp": now + 3600 })), None),
            ("A.JV-11", with_claims(json!({ "exp": now + 3601 })), Some("lifetime")),
            ("A.JV-11", with_claims(json!({ "exp": now + 10, "iat": i64::MIN })), Some("lifetime")),
            ("A.JV-11", with_claims(json!({ "exp": now + 10, "iat": now + 20, "nbf": null })), Some("lifetime")),
        ],
    )
    .await;
}

#[tokio::test]
async fn jv_13_and_14_a_token_is_from_our_issuer_and_for_us() {
    let mut rows: Vec<Row> = vec![
        ("A.JV-13", with_claims(json!({ "aud": null })), Some("missing_claim")),
        ("A.JV-13", with_claims(json!({ "aud": [RESOURCE, "other"] })), None),
        ("A.JV-13", with_claims(json!({ "aud": [RESOURCE, 1] })), Some("malformed")),
        ("A.JV-14", with_claims(json!({ "iss": null })), Some("missing_claim")),
        ("A.JV-14", with_claims(json!({ "iss": [ISSUER] })), Some("malformed")),
    ];
    for audience in [
        json!("https://other.example"),
        json!([]),
        json!(["other"]),
        json!("https://api"),
        json!("https://api.example/"),
        json!("https://API.example"),
        json!(""),
    ] {
        rows.push(("A.JV-13", with_claims(json!({ "aud": audience })), Some("audience")));
    }
    for issuer in [
        "https://auth.example/",
        "https://AUTH.example",
        "https://auth",
        "https://auth.example@evil.example",
        "https://auth.example.evil.example",
        "",
    ] {
        rows.push(("A.JV-14", with_claims(json!({ "iss": issuer })), Some("issuer")));
    }
    check(rows).await;
}

#[tokio::test]
async fn jv_15_a_repeated_member_is_refused_rather_than_picked() {
    let claims = claims(json!({})).to_string();
    let doubled = |member: &str| with_payload(format!("{{{member},{}", &claims[1..]));
    check(vec![
        ("A.JV-15", doubled(r#""roles":["admin"]"#), Some("malformed")),
        ("A.JV-15", doubled(r#""sub":"usr_2""#), Some("malformed")),
        ("A.JV-15", doubled(r#""\u0073ub":"usr_2""#), Some("malformed")),
        ("A.JV-15", doubled(&format!(r#""exp":{}"#, now() + 60)), Some("malformed")),
        ("A.JV-15", doubled(r#""unknown":1,"unknown":2"#), Some("malformed")),
        ("A.JV-15", doubled(r#""act":{"sub":"a","sub":"b"}"#), Some("malformed")),
        ("A.JV-15", doubled(r#""unknown":1"#), None),
        ("A.JV-15", with_raw_header(br#"{"typ":"at+jwt","alg":"none","alg":"RS256","kid":"key-1"}"#), Some("malformed")),
        ("A.JV-15", with_raw_header(br#"{"typ":"at+jwt","alg":"RS256","kid":"key-2","kid":"key-1"}"#), Some("malformed")),
    ])
    .await;
}

#[tokio::test]
async fn jv_17_depth_and_size_are_bounded() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let claims = claims(json!({})).to_string();
    let deep = |levels| with_payload(format!("{{\"deep\":{},{}", nested(levels), &claims[1..]));
    check(vec![
        ("A.JV-17", deep(10), None),
        ("A.JV-17", deep(1_000), Some("malformed")),
        ("A.JV-17", deep(100_000), Some("malformed")),
        ("A.JV-17", with_raw_header(nested(2_000).as_bytes()), Some("malformed")),
        ("A.JV-17", with_claims(json!({ "pad": "x".repeat(1024 * 1024) })), Some("malformed")),
        ("A.JV-22", with_claims(json!({ "roles": vec!["admin"; 10_000] })), Some("malformed")),
    ])
    .await;
}

#[tokio::test]
async fn jv_21_claims_are_one_json_object_in_utf_8() {
    let claims = claims(json!({})).to_string();
    let utf16: Vec<u8> = claims.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut rows = vec![
        ("A.JV-21", with_payload(utf16), Some("malformed")),
        ("A.JV-21", with_payload(format!("\u{feff}{claims}")), Some("malformed")),
        ("A.JV-21", with_payload(claims.replace("usr_1", "usr_\u{fffd}").replace('\u{fffd}', "\\ud800")), Some("malformed")),
        ("A.JV-21", with_payload(format!("{claims}{claims}")), Some("malformed")),
    ];
    let mut broken = claims.into_bytes();
    let at = broken.windows(5).position(|window| window == b"usr_1").unwrap();
    broken[at] = 0xff;
    rows.push(("A.JV-21", with_payload(broken), Some("malformed")));
    for root in ["[]", "\"a\"", "1", "null", "", "{"] {
        rows.push(("A.JV-21", with_payload(root), Some("malformed")));
    }
    check(rows).await;
}

#[tokio::test]
async fn jv_22_roles_are_exactly_what_they_are() {
    let (verifier, _) = verifier(&[&key()]);
    for roles in [json!("admin"), json!({ "admin": true }), json!([null]), json!([["admin"]])] {
        let outcome = verifier.verify(&with_claims(json!({ "roles": roles }))).await;
        assert_eq!(outcome.unwrap_err().code(), "malformed", "A.JV-22");
    }
    for role in ["ADMIN", "admin ", "admin\0"] {
        let claims = verifier.verify(&with_claims(json!({ "roles": [role] }))).await.unwrap();
        assert!(!claims.roles.iter().any(|held| held == "admin"), "A.JV-22");
    }
}

#[tokio::test]
async fn required_claims_are_required_and_extensions_are_not_ignored() {
    let mut rows: Vec<Row> = Vec::new();
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        rows.push(("JV-06", with_claims(json!({ name: null })), Some("missing_claim")));
    }
    for name in ["sub", "client_id", "jti"] {
        rows.push(("JV-06", with_claims(json!({ name: "" })), Some("missing_claim")));
    }
    rows.push(("JV-06", with_claims(json!({ "scope": "a  b" })), Some("malformed")));
    rows.push(("JV-06", with_claims(json!({ "scope": ["a"] })), Some("malformed")));
    rows.push(("JV-11", with_claims(json!({ "cnf": { "jkt": "x" } })), Some("bound")));
    rows.push((
        "JV-07",
        with_header(&json!({ "typ": "at+jwt", "alg": "RS256", "kid": "key-1", "crit": ["exp"] })),
        Some("critical"),
    ));
    rows.push((
        "JV-07",
        with_header(&json!({ "typ": "at+jwt", "alg": "RS256", "kid": "key-1", "crit": null })),
        Some("critical"),
    ));
    check(rows).await;
}

#[tokio::test]
async fn a_remembered_token_is_not_good_beyond_its_time_or_its_key() {
    let (old, new, imposter) = (key(), SigningKey::new("key-2", 1), SigningKey::new("key-1", 1));
    let (verifier, keys) = verifier(&[&old]);
    let publish = |key: &SigningKey| keys.store(Arc::new(KeySet::from_jwks(jwks(&[key]).as_bytes()).unwrap()));
    let token = good();
    assert!(verifier.verify(&token).await.is_ok());
    assert!(verifier.verify_at(&token, now() + 629).await.is_ok());
    assert_eq!(verifier.verify_at(&token, now() + 631).await.unwrap_err().code(), "expired");
    assert!(verifier.verify(&token).await.is_ok());
    publish(&new);
    assert_eq!(verifier.verify(&token).await.unwrap_err().code(), "unknown_key");
    publish(&old);
    assert!(verifier.verify(&token).await.is_ok());
    // A.JK-11: the same ID for another key is another key.
    publish(&imposter);
    assert_eq!(verifier.verify(&token).await.unwrap_err().code(), "signature");
    keys.store(Arc::default());
    assert!(verifier.verify(&token).await.unwrap_err().is_our_fault());
}

#[tokio::test]
async fn jv_29_no_token_that_differs_in_one_bit_is_accepted() {
    let (verifier, _) = verifier(&[&key()]);
    let token = good();
    for index in 0..token.len() {
        for bit in 0..7 {
            let mut mutated = token.clone().into_bytes();
            mutated[index] ^= 1 << bit;
            let mutated = String::from_utf8(mutated).unwrap();
            assert!(verifier.verify(&mutated).await.is_err(), "A.JV-29: bit {bit} of character {index}");
        }
    }
}
