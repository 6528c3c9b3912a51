//! The header: type, algorithm, key, extensions (RFC 9068 §4, RFC 8725 §3, RFC 7515 §4.1).

use aws_lc_rs::signature::{RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    conformance::{Row, Trial, row::Cases},
    jwt,
};

pub(super) fn algorithm(trial: &Trial) -> Row {
    let key = trial.issuer().key();
    let mut cases = Cases::of(trial);
    for alg in ["rs256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "HS256", "RS256 ", "RS256\0"] {
        cases = cases.refuses(format!("{alg:?}"), &trial.token().header("alg", alg));
    }
    for alg in [json!(["RS256"]), json!(null), json!(256), json!({"RS256": 1})] {
        cases = cases.refuses(alg.to_string(), &trial.token().header("alg", alg));
    }
    cases = cases.refuses("absent", &trial.token().without_header("alg"));
    let input = |alg: &str| trial.token().header("alg", alg).signing_input();
    for (alg, signature) in [
        ("PS256", key.sign_with(&RSA_PSS_SHA256, input("PS256").as_bytes())),
        ("RS384", key.sign_with(&RSA_PKCS1_SHA384, input("RS384").as_bytes())),
        ("RS512", key.sign_with(&RSA_PKCS1_SHA512, input("RS512").as_bytes())),
    ] {
        let token = jwt::with_signature(&input(alg), &signature);
        cases = cases.refuses_text(format!("{alg}, and signed so, with a key for RS256"), &token);
    }
    cases.row("A.JV-04", "the algorithm is the key's and not the token's")
}

pub(super) fn key_id(trial: &Trial) -> Row {
    let mut cases = Cases::of(trial).refuses("absent", &trial.token().without_header("kid"));
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
        "never-published",
    ] {
        cases = cases.refuses(format!("{kid:?}"), &trial.token().header("kid", kid));
    }
    cases = cases.refuses("a URL of the issuer", &trial.token().header("kid", trial.lure()));
    let id = trial.issuer().key().id();
    for (what, kid) in
        [("null", json!(null)), ("a number", json!(1)), ("an array", json!([id])), ("an object", json!({"kid": id}))]
    {
        cases = cases.refuses(what, &trial.token().header("kid", kid));
    }
    let long = trial.sign(&trial.token().header("kid", "x".repeat(64 * 1024)));
    cases.rejects_text("64 KiB", &long).row("A.JV-06", "a key ID is looked up among the issuer's, and nowhere else")
}

pub(super) fn own_key(trial: &Trial) -> Row {
    let theirs = Trial::stranger();
    let url = trial.lure();
    let mut cases = Cases::of(trial);
    for (name, value) in [
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("jwk", theirs.jwk()),
        ("x5c", json!([BASE64_STANDARD.encode(theirs.public_der())])),
    ] {
        let token = trial.token().header(name, value);
        cases = cases
            .refuses_text(format!("{name} under the issuer's key ID"), &token.sign(&theirs))
            .refuses_text(format!("{name} under its own key ID"), &token.header("kid", theirs.id()).sign(&theirs));
    }
    cases.row("A.JV-07", "a token cannot bring its own key, nor say where to get it")
}

pub(super) fn extension(trial: &Trial) -> Row {
    let mut cases = Cases::of(trial);
    for crit in [json!(["unheard-of"]), json!(["b64"]), json!(["exp"])] {
        let token = trial.token().header("crit", crit.clone()).header("unheard-of", true).header("b64", false).header("exp", 1);
        cases = cases.refuses(format!("crit {crit}"), &token);
    }
    cases = cases.should();
    for crit in [json!([]), json!("exp"), json!(null)] {
        cases = cases.refuses(format!("crit {crit}"), &trial.token().header("crit", crit));
    }
    cases.row("JV-07", "an extension that is not understood is fatal")
}

pub(super) fn typ(trial: &Trial) -> Row {
    let mut cases = Cases::of(trial);
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        cases = cases.accepts(format!("{typ:?}"), &trial.token().header("typ", typ));
    }
    for typ in ["JWT", "jwt", "refresh+jwt", "logout+jwt", "id+jwt", "at", "at+jwt ", "text/at+jwt", ""] {
        cases = cases.refuses(format!("{typ:?}"), &trial.token().header("typ", typ));
    }
    for typ in [json!(null), json!(["at+jwt"]), json!(1)] {
        cases = cases.refuses(typ.to_string(), &trial.token().header("typ", typ));
    }
    cases.refuses("absent", &trial.token().without_header("typ")).row("A.JV-09", "only an access token is one")
}
