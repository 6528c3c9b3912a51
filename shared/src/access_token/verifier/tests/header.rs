//! Attacks on the header, the signature and the way a token is written.

use aws_lc_rs::hmac;

use super::*;

#[tokio::test]
async fn jv_02_no_other_signature_will_do() {
    let token = good();
    let [header, payload, _] = segments(&token);
    let signed = key().sign(format!("{header}.{payload}").as_bytes());
    let with = |signature: &[u8]| format!("{header}.{payload}.{}", base64url(signature));
    let mut rows: Vec<Row> = vec![
        ("A.JV-02", with(&[]), Some("signature")),
        ("A.JV-02", with(&[0; 256]), Some("signature")),
        ("A.JV-02", with(&[0xff; 256]), Some("signature")),
        ("A.JV-02", with(&key().modulus()), Some("signature")),
        ("A.JV-02", with(&signed[..255]), Some("signature")),
        ("A.JV-02", with(&[signed.as_slice(), &[0]].concat()), Some("signature")),
        ("A.JV-02", with(&[&[0], signed.as_slice()].concat()), Some("signature")),
        ("A.JV-02", with(&signed), None),
    ];
    for index in 0..signed.len() {
        let mut flipped = signed.clone();
        flipped[index] ^= 1;
        rows.push(("A.JV-02", with(&flipped), Some("signature")));
    }
    check(rows).await;
}

#[tokio::test]
async fn jv_03_to_05_only_the_algorithm_of_the_key_is_accepted() {
    let token = good();
    let [_, payload, old_signature] = segments(&token);
    let mut rows = Vec::new();
    for algorithm in ["none", "None", "NONE", "nOnE", "none "] {
        let header = base64url(json!({ "typ": "at+jwt", "alg": algorithm, "kid": "key-1" }).to_string());
        rows.push(("A.JV-03", format!("{header}.{payload}."), Some("algorithm")));
        rows.push(("A.JV-03", format!("{header}.{payload}.{old_signature}"), Some("algorithm")));
    }
    for (algorithm, code) in [
        (json!("rs256"), "algorithm"),
        (json!("RS384"), "algorithm"),
        (json!("RS512"), "algorithm"),
        (json!("PS256"), "algorithm"),
        (json!("ES256"), "algorithm"),
        (json!("EdDSA"), "algorithm"),
        (json!("HS256"), "algorithm"),
        (json!("RS256\0"), "algorithm"),
        (json!(["RS256"]), "malformed"),
        (Value::Null, "algorithm"),
    ] {
        rows.push(("A.JV-04", with_header(&json!({ "typ": "at+jwt", "alg": algorithm, "kid": "key-1" })), Some(code)));
    }
    rows.push(("A.JV-04", with_header(&json!({ "typ": "at+jwt", "kid": "key-1" })), Some("algorithm")));
    for (name, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        for secret in [key().modulus(), key().jwk().to_string().into_bytes(), jwks(&[&key()]).into_bytes()] {
            let header = base64url(json!({ "typ": "at+jwt", "alg": name, "kid": "key-1" }).to_string());
            let input = format!("{header}.{payload}");
            let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), input.as_bytes());
            rows.push(("A.JV-05", format!("{input}.{}", base64url(tag)), Some("algorithm")));
        }
    }
    check(rows).await;
}

#[tokio::test]
async fn jv_06_a_key_id_is_a_name_and_nothing_else() {
    let long = "k".repeat(65);
    let mut rows: Vec<Row> = Vec::new();
    let ids = ["../../dev/null", "/dev/null", "x' UNION SELECT '1';--", "|sleep 10", "http://localhost/", "", "a\0b", "é", &long];
    for id in ids {
        rows.push(("A.JV-06", with_header(&json!({ "typ": "at+jwt", "alg": "RS256", "kid": id })), Some("malformed")));
    }
    for id in [json!(1), json!(["key-1"]), json!({ "key-1": 1 }), Value::Null] {
        rows.push(("A.JV-06", with_header(&json!({ "typ": "at+jwt", "alg": "RS256", "kid": id })), Some("malformed")));
    }
    rows.push(("A.JV-06", with_header(&json!({ "typ": "at+jwt", "alg": "RS256" })), Some("malformed")));
    rows.push(("A.JV-06", with_header(&json!({ "typ": "at+jwt", "alg": "RS256", "kid": "key-2" })), Some("unknown_key")));
    rows.push(("A.JV-06", with_header(&json!({ "typ": "at+jwt", "alg": "RS256", "kid": "KEY-1" })), Some("unknown_key")));
    let huge = "k".repeat(64 * 1024);
    rows.push(("A.JV-06", with_header(&json!({ "typ": "at+jwt", "alg": "RS256", "kid": huge })), Some("malformed")));
    check(rows).await;
}

#[tokio::test]
async fn jv_07_a_token_cannot_bring_its_own_key() {
    let attacker = SigningKey::new("key-1", 1);
    let mut rows: Vec<Row> = Vec::new();
    for (member, value) in [
        ("jku", json!("http://127.0.0.1:9/jwks.json")),
        ("x5u", json!("http://127.0.0.1:9/cert.pem")),
        ("jwk", attacker.jwk()),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = json!({ "typ": "at+jwt", "alg": "RS256", "kid": "key-1" });
        header[member] = value;
        let payload = claims(json!({})).to_string();
        rows.push(("A.JV-07", attacker.jws(header.to_string().as_bytes(), payload.as_bytes()), Some("signature")));
        // The issuer itself may send them; they mean nothing to us.
        rows.push(("A.JV-07", key().jws(header.to_string().as_bytes(), payload.as_bytes()), None));
    }
    check(rows).await;
}

#[tokio::test]
async fn jv_09_and_26_only_access_tokens_are_access_tokens() {
    let mut rows: Vec<Row> = Vec::new();
    for typ in ["JWT", "refresh+jwt", "logout+jwt", "statuslist+jwt", "at+jwt ", "application/at+jwt/x", ""] {
        rows.push(("A.JV-09", key().jwt(typ, &claims(json!({}))), Some("type")));
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        rows.push(("A.JV-09", key().jwt(typ, &claims(json!({}))), None));
    }
    rows.push(("A.JV-09", with_header(&json!({ "alg": "RS256", "kid": "key-1" })), Some("type")));
    rows.push(("A.JV-09", with_header(&json!({ "typ": 1, "alg": "RS256", "kid": "key-1" })), Some("malformed")));
    let id_token = json!({ "iss": ISSUER, "sub": "usr_1", "aud": "first-party", "iat": now(), "exp": now() + 600, "nonce": "n" });
    rows.push(("A.JV-26", key().jwt("JWT", &id_token), Some("type")));
    rows.push(("A.JV-26", key().jwt("at+jwt", &id_token), Some("missing_claim")));
    check(rows).await;
}

#[tokio::test]
async fn jv_19_and_20_there_is_one_way_to_write_a_token() {
    let token = good();
    let [header, payload, signature] = segments(&token);
    // 256 bytes leave four bits over in the last character of the signature: another one decodes to the same bytes.
    let (start, last) = signature.split_at(signature.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let twin = &alphabet[alphabet.find(last).unwrap() + 1..][..1];
    let mut rows: Vec<Row> = vec![
        ("A.JV-19", format!("{token}="), Some("malformed")),
        ("A.JV-19", format!("{token}=="), Some("malformed")),
        ("A.JV-19", format!("{header}=.{payload}.{signature}"), Some("malformed")),
        ("A.JV-19", format!("{header}.{payload}.{start}{twin}"), Some("malformed")),
        ("A.JV-19", format!("{header}.{payload}\n.{signature}"), Some("malformed")),
        ("A.JV-19", format!("{header}. {payload}.{signature}"), Some("malformed")),
        ("A.JV-19", format!("{header}.{payload}.{}+/", &signature[2..]), Some("malformed")),
        ("A.JV-20", String::new(), Some("malformed")),
        ("A.JV-20", "..".into(), Some("malformed")),
        ("A.JV-20", format!("{header}.{payload}"), Some("malformed")),
        ("A.JV-20", format!("{token}.{signature}"), Some("malformed")),
        ("A.JV-20", format!("{token}.{signature}.{signature}"), Some("malformed")),
        ("A.JV-20", format!(".{token}"), Some("malformed")),
        ("A.JV-20", format!("{token}."), Some("malformed")),
    ];
    let flattened = json!({ "payload": payload, "protected": header, "signature": signature });
    rows.push(("A.JV-20", flattened.to_string(), Some("malformed")));
    let unsigned = format!("{}.{payload}.", base64url(r#"{"alg":"none"}"#));
    rows.push(("A.JV-20", with_payload(unsigned), Some("malformed")));
    check(rows).await;
}
