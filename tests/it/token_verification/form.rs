//! The form of a token: how long, in how many parts, in which letters.

use base64::{Engine, prelude::BASE64_URL_SAFE};
use serde_json::json;
use tests::jwt;

use super::Trial;

/// A.JV-17
#[tokio::test]
async fn jv_09_a_token_longer_than_8_kib_is_not_looked_at() {
    let trial = Trial::start().await;
    let of_length = |padding: usize| trial.token().claim("padding", "x".repeat(padding)).sign(trial.issuer.key());

    let longest = (5000..6000).rev().step_by(50).map(of_length).find(|token| token.len() < 8000).expect("there is one");
    trial.present(&longest).await.assert_ok();
    for padding in [7000, 10_000] {
        let answer = trial.present(&of_length(padding)).await;
        assert!(matches!(answer.status(), 401 | 431), "{answer}");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(2500), "]".repeat(2500));
    trial.refuses_text(&jwt::signed(trial.issuer.key(), json!(trial.token().header).to_string(), &deep)).await;
    trial.refuses_text(&jwt::signed(trial.issuer.key(), &deep, "{}")).await;
}

/// A.JV-19, A.JV-20
#[tokio::test]
async fn jv_10_a_token_has_three_segments_of_strict_base64url() {
    let trial = Trial::start().await;
    let good = trial.token().sign(trial.issuer.key());
    let segments: Vec<_> = good.split('.').collect();
    let [header, payload, signature] = segments[..] else { panic!("three segments") };
    let signed_over = |input: String| jwt::with_signature(&input, &trial.issuer.key().sign(input.as_bytes()));

    for bad in [
        format!("{header}.{payload}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{good}.{signature}"),
        format!("{good}.{payload}.{signature}"),
        format!("{good}="),
        format!("{good}=="),
        format!("{header}=.{payload}.{signature}"),
        signed_over(format!("{header}=.{payload}")),
        signed_over(format!("{}.{payload}", BASE64_URL_SAFE.encode(b"{\"alg\":\"RS256\"} "))),
        "...".to_owned(),
        ".".to_owned(),
    ] {
        trial.refuses_text(&bad).await;
    }
    // A signature of 256 bytes has 342 characters, the last of which carries four bits that must be zero.
    let (most, last) = good.split_at(good.len() - 1);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = alphabet.iter().position(|letter| *letter == last.as_bytes()[0]).expect("a letter of base64url");
    trial.refuses_text(&format!("{most}{}", char::from(alphabet[value + 1]))).await;
    let json = json!({"protected": header, "payload": payload, "signature": signature}).to_string();
    trial.present(&json).await.assert_challenge(400, Some("invalid_request"));
}

/// A.JV-15
#[tokio::test]
async fn jv_10_a_repeated_member_is_an_ambiguity_and_refused() {
    let trial = Trial::start().await;
    let key = trial.issuer.key();
    let (header, claims) = (json!(trial.token().header).to_string(), json!(trial.token().claims).to_string());
    let with = |json: &str, member: &str| format!("{{{member},{}", &json[1..]);

    trial.present(&jwt::signed(key, &header, &claims)).await.assert_ok();
    for member in [
        r#""sub":"usr_other""#,
        r#""exp":9999999999"#,
        r#""roles":["reader"]"#,
        r#""roles":["admin"]"#,
        r#""\u0073ub":"usr_other""#,
        r#""unknown":1,"unknown":2"#,
        r#""unknown":{"a":1,"a":1}"#,
    ] {
        trial.refuses_text(&jwt::signed(key, &header, with(&claims, member))).await;
    }
    for member in [r#""alg":"RS256""#, r#""alg":"none""#, r#""kid":"x""#, r#""typ":"JWT""#, r#""\u0061lg":"none""#] {
        trial.refuses_text(&jwt::signed(key, with(&header, member), &claims)).await;
    }
}

/// A.JV-21
#[tokio::test]
async fn jv_10_header_and_claims_are_objects_in_utf_8() {
    let trial = Trial::start().await;
    let key = trial.issuer.key();
    let (header, claims) = (json!(trial.token().header).to_string(), json!(trial.token().claims).to_string());
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let broken = |text: &str| {
        text.replace("usr_of_the_test", "usr_\u{7f}")
            .replace("at+jwt", "at+j\u{7f}t")
            .into_bytes()
            .into_iter()
            .map(|byte| if byte == 0x7f { 0xff } else { byte })
            .collect::<Vec<_>>()
    };

    for bad in [
        utf_16(&claims),
        [b"\xef\xbb\xbf", claims.as_bytes()].concat(),
        broken(&claims),
        format!("[{claims}]").into_bytes(),
        b"\"claims\"".to_vec(),
        b"1".to_vec(),
        b"null".to_vec(),
        Vec::new(),
        format!("{claims}{claims}").into_bytes(),
        claims.replace('}', ",}").into_bytes(),
        claims.replace('"', "'").into_bytes(),
    ] {
        trial.refuses_text(&jwt::signed(key, &header, bad)).await;
    }
    for bad in [
        utf_16(&header),
        [b"\xef\xbb\xbf", header.as_bytes()].concat(),
        broken(&header),
        b"[]".to_vec(),
        b"null".to_vec(),
        Vec::new(),
    ] {
        trial.refuses_text(&jwt::signed(key, bad, &claims)).await;
    }
}
