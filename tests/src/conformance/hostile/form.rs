//! The form: letters, segments, JSON (RFC 7515 §2 and §7.1, RFC 7519 §4, RFC 8725 §2.6 and §3.7).

use base64::{Engine, prelude::BASE64_URL_SAFE};
use serde_json::json;

use crate::{
    conformance::{Row, Trial, row::Cases},
    jwt,
};

/// Header and claims of a good token, as JSON.
fn parts(trial: &Trial) -> (String, String) {
    let token = trial.token();
    (json!(token.header).to_string(), json!(token.claims).to_string())
}

pub(super) fn repeated_members(trial: &Trial) -> Row {
    let key = trial.issuer().key();
    let (header, claims) = parts(trial);
    let with = |json: &str, member: &str| format!("{{{member},{}", &json[1..]);
    let mut cases = Cases::of(trial).should();
    for member in [r#""sub":"usr_other""#, r#""exp":9999999999"#, r#""roles":["admin"]"#, r#""\u0073ub":"usr_other""#] {
        cases = cases.refuses_text(format!("claim {member}"), &jwt::signed(key, &header, with(&claims, member)));
    }
    for member in [r#""alg":"RS256""#, r#""alg":"none""#, r#""kid":"x""#, r#""typ":"JWT""#] {
        cases = cases.refuses_text(format!("header {member}"), &jwt::signed(key, with(&header, member), &claims));
    }
    cases.row("A.JV-15", "a repeated member is an ambiguity, and refused")
}

pub(super) fn deep_and_large(trial: &Trial) -> Row {
    let key = trial.issuer().key();
    let (header, claims) = parts(trial);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deep_claims = |depth: usize| format!("{{\"deep\":{},{}", nested(depth), &claims[1..]);
    let deep_header = |depth: usize| format!("{{\"deep\":{},{}", nested(depth), &header[1..]);
    let forged = jwt::with_signature(&jwt::signing_input(&header, deep_claims(2500)), &[0; 256]);
    let large = trial.sign(&trial.token().claim("padding", "x".repeat(1 << 20)));
    Cases::of(trial)
        .rejects_text("claims 2,500 deep, not signed", &forged)
        .rejects_text("claims 100,000 deep", &jwt::signed(key, &header, deep_claims(100_000)))
        .rejects_text("a header 100,000 deep", &jwt::signed(key, deep_header(100_000), &claims))
        .rejects_text("1 MiB", &large)
        .should()
        .rejects_text("a header 2,500 deep", &jwt::signed(key, deep_header(2500), &claims))
        .rejects_text("claims 2,500 deep", &jwt::signed(key, &header, deep_claims(2500)))
        .row("A.JV-17", "what is deep or large costs nothing and breaks nothing")
}

pub(super) fn base64url(trial: &Trial) -> Row {
    let good = trial.sign(&trial.token());
    let segments: Vec<_> = good.split('.').collect();
    let [header, payload, signature] = segments[..] else { unreachable!("a token has three segments") };
    let key = trial.issuer().key();
    let signed = |input: String| jwt::with_signature(&input, &key.sign(input.as_bytes()));
    let (_, claims) = parts(trial);
    // One more space and the length calls for padding.
    let padded = (0..3).map(|spaces| BASE64_URL_SAFE.encode(format!("{claims}{}", " ".repeat(spaces))));
    let padded = padded.into_iter().find(|text| text.ends_with('=')).expect("two of three lengths do");
    // A signature of 256 bytes has 342 letters, the last of which carries four bits that must be zero.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = alphabet.iter().position(|letter| signature.as_bytes().last() == Some(letter)).expect("a letter of base64url");
    let trailing = format!("{}{}", &good[..good.len() - 1], char::from(alphabet[value + 1]));
    let (half, rest) = payload.split_at(8);
    Cases::of(trial)
        .rejects_text("a space inside", &format!("{header}.{half} {rest}.{signature}"))
        .rejects_text("a letter of no alphabet", &format!("{header}.{half}!{rest}.{signature}"))
        .should()
        .rejects_text("padding behind the signature", &format!("{good}=="))
        .rejects_text("padding behind the claims, signed", &signed(format!("{header}.{padded}")))
        .refuses_text("trailing bits that are not zero", &trailing)
        .rejects_text("the other alphabet", &signed(format!("{header}.{half}+/{rest}")))
        .row("A.JV-19", "base64url is strict: no padding, no other letters, no spare bits")
}

pub(super) fn segments(trial: &Trial) -> Row {
    let good = trial.sign(&trial.token());
    let segments: Vec<_> = good.split('.').collect();
    let [header, payload, signature] = segments[..] else { unreachable!("a token has three segments") };
    let json = json!({"protected": header, "payload": payload, "signature": signature}).to_string();
    let encryption = jwt::encode(json!({"alg": "RSA-OAEP", "enc": "A256GCM", "typ": "at+jwt", "cty": "JWT"}).to_string());
    let direct =
        jwt::encode(json!({"alg": "dir", "enc": "A128GCM", "typ": "at+jwt", "kid": trial.issuer().key().id()}).to_string());
    let unsigned = format!("{}.", trial.token().header("alg", "none").signing_input());
    Cases::of(trial)
        .refuses_text("two", &format!("{header}.{payload}"))
        .refuses_text("four", &format!("{good}.{signature}"))
        .refuses_text("a dot behind", &format!("{good}."))
        .refuses_text("a dot in front", &format!(".{good}"))
        .refuses_text("no claims", &format!("{header}..{signature}"))
        .refuses_text("dots only", "..")
        .refuses_text("five: encrypted, with nothing in it", &format!("{encryption}.AAAA.AAAA.AAAA.AAAA"))
        .refuses_text("five: around an unsigned token", &format!("{direct}..AAAAAAAAAAAAAAAA.{}.AAAA", jwt::encode(unsigned)))
        .rejects_text("the JSON serialization", &json)
        .row("A.JV-20", "a token has three segments, and is not encrypted")
}

pub(super) fn encoding(trial: &Trial) -> Row {
    let key = trial.issuer().key();
    let (header, claims) = parts(trial);
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let marked = claims.replace("usr_of_the_test", "usr_\u{7f}");
    let latin_1 = marked.bytes().map(|byte| if byte == 0x7f { 0xe9 } else { byte });
    let mut cases = Cases::of(trial);
    for (what, bad) in [
        ("UTF-16", utf_16(&claims)),
        ("Latin-1", latin_1.collect()),
        ("an array", format!("[{claims}]").into_bytes()),
        ("a string", b"\"claims\"".to_vec()),
        ("a number", b"1".to_vec()),
        ("null", b"null".to_vec()),
        ("nothing", Vec::new()),
        ("two objects", format!("{claims}{claims}").into_bytes()),
        ("single quotes", claims.replace('"', "'").into_bytes()),
    ] {
        cases = cases.refuses_text(format!("claims: {what}"), &jwt::signed(key, &header, bad));
    }
    for (what, bad) in
        [("UTF-16", utf_16(&header)), ("an array", b"[]".to_vec()), ("null", b"null".to_vec()), ("nothing", Vec::new())]
    {
        cases = cases.refuses_text(format!("header: {what}"), &jwt::signed(key, bad, &claims));
    }
    let bom = jwt::signed(key, &header, [b"\xef\xbb\xbf", claims.as_bytes()].concat());
    cases.should().refuses_text("claims: a byte order mark", &bom).row("A.JV-21", "header and claims are JSON objects in UTF-8")
}
