//! The claims: from whom, for whom, from when until when, for what (RFC 9068 §4, RFC 7519 §4.1).

use serde_json::{Value, json};

use super::not_applicable;
use crate::{
    conformance::{Expected, Row, Trial, row::Cases, trial::REVOKED},
    jwt::Token,
};

fn issued_at(trial: &Trial) -> i64 {
    trial.token().claims["iat"].as_i64().unwrap_or_default()
}

/// A token whose life is this part of now, in seconds.
fn lives(trial: &Trial, from: i64, to: i64) -> Token {
    let now = issued_at(trial);
    trial.token().claim("iat", now + from).claim("nbf", now + from).claim("exp", now + to)
}

pub(super) fn dates(trial: &Trial) -> Row {
    let (now, leeway) = (issued_at(trial), trial.target().leeway);
    let mut cases = Cases::of(trial)
        .refuses("ended, and the leeway is over", &lives(trial, -600, -leeway - 5))
        .refuses("ended an hour ago", &lives(trial, -3900, -3600))
        .refuses("without an end", &trial.token().without("exp"))
        .refuses("an end of null", &trial.token().claim("exp", json!(null)))
        .refuses("an end in letters", &trial.token().claim("exp", (now + 300).to_string()))
        .refuses("not before the leeway is over", &trial.token().claim("nbf", now + leeway + 30))
        .should()
        .refuses("issued in the future", &trial.token().claim("iat", now + leeway + 30))
        .refuses("issued after it ends", &lives(trial, 10, 5));
    if leeway >= 20 {
        cases = cases.accepts("ended, within the leeway", &lives(trial, -300, 15 - leeway));
    }
    cases.row("A.JV-10", "a token counts between its dates, give or take the leeway")
}

pub(super) fn lifetime(trial: &Trial) -> Row {
    let cases = Cases::of(trial).should().refuses("ten years", &lives(trial, 0, 10 * 365 * 86_400));
    cases.refuses("beyond all dates", &lives(trial, 0, i64::MAX / 2)).row("A.JV-11", "no access token lives for years")
}

pub(super) fn audience(trial: &Trial) -> Row {
    let id = trial.target().audience.as_str();
    let mut cases = Cases::of(trial)
        .accepts("an array of one", &trial.token().claim("aud", json!([id])))
        .accepts("one of two", &trial.token().claim("aud", json!(["https://other.example", id])))
        .refuses("absent", &trial.token().without("aud"));
    for (what, aud) in [
        ("another", json!("https://other.example")),
        ("none", json!([])),
        ("others", json!(["https://other.example"])),
        ("a slash behind", json!(format!("{id}/"))),
        ("a path behind", json!(format!("{id}/orders"))),
        ("a beginning", json!(id[..id.len() - 1])),
        ("upper case", json!(id.to_uppercase())),
        ("the issuer", json!(trial.issuer().url())),
        ("empty", json!("")),
        ("null", json!(null)),
        ("an object", json!({"0": id})),
        ("an array in an array", json!([[id]])),
    ] {
        cases = cases.refuses(what, &trial.token().claim("aud", aud));
    }
    cases.row("A.JV-13", "the audience names this API, exactly")
}

pub(super) fn issuer(trial: &Trial) -> Row {
    let url = trial.issuer().url();
    let authority = url.split_once("://").map_or(url, |(_, authority)| authority);
    let mut cases = Cases::of(trial).refuses("absent", &trial.token().without("iss"));
    for (what, iss) in [
        ("a slash behind", json!(format!("{url}/"))),
        ("upper case", json!(url.to_uppercase())),
        ("another scheme", json!(format!("ftp://{authority}"))),
        ("a beginning", json!(url[..url.len() - 1])),
        ("as a user name", json!(format!("{url}@evil.example"))),
        ("with a user name", json!(format!("https://good@{authority}"))),
        ("a sibling", json!(format!("{url}.evil.example"))),
        ("another", json!("https://issuer.example")),
        ("empty", json!("")),
        ("an array", json!([url])),
        ("null", json!(null)),
    ] {
        cases = cases.refuses(what, &trial.token().claim("iss", iss));
    }
    cases.row("A.JV-14", "the issuer is compared exactly")
}

pub(super) fn roles(trial: &Trial) -> Row {
    const ID: &str = "A.JV-22";
    const TITLE: &str = "a role is a whole name in a list";
    let Some(path) = &trial.target().role_path else {
        return not_applicable(ID, TITLE, "no path that takes a role was named");
    };
    let role = trial.target().role.as_str();
    let ask = |roles: Value| trial.target().http.get(path).bearer(&trial.sign(&trial.token().claim("roles", roles)));
    let crowd = || (0..10_000).map(|number| format!("role-{number}"));
    Cases::of(trial)
        .add("the role", ask(json!([role])), Expected::Accepted)
        .add("the role among others", ask(json!(["reader", role])), Expected::Accepted)
        .add("absent", trial.target().http.get(path).bearer(&trial.sign(&trial.token().without("roles"))), Expected::NoRole)
        .add("a string", ask(json!(role)), Expected::NoRole)
        .add("an object", ask(json!({role: true})), Expected::NoRole)
        .add("upper case", ask(json!([role.to_uppercase()])), Expected::NoRole)
        .add("a space behind", ask(json!([format!("{role} ")])), Expected::NoRole)
        .add("a longer name", ask(json!([format!("{role}istrator")])), Expected::NoRole)
        .add("null in the list", ask(json!([null])), Expected::NoRole)
        .add("a list in the list", ask(json!([[role]])), Expected::NoRole)
        .add("10,000 others", ask(crowd().collect()), Expected::Malformed)
        .row(ID, TITLE)
}

pub(super) fn another_kind(trial: &Trial) -> Row {
    let now = issued_at(trial);
    let bare = |typ: &str| trial.token().header("typ", typ).without("client_id").without("scope");
    Cases::of(trial)
        .refuses("an ID token", &bare("JWT").claim("nonce", "x").claim("auth_time", now))
        .refuses("a client assertion", &bare("JWT").claim("sub", "batch").claim("iss", "batch"))
        .refuses("an API key", &bare("ak+jwt"))
        .refuses("a refresh token", &bare("rt+jwt"))
        .refuses("a logout token", &bare("logout+jwt").claim("events", json!({})))
        .refuses("a status list", &bare("statuslist+jwt").claim("status_list", json!({"bits": 1, "lst": "eNoDAAAAAAE"})))
        .row("A.JV-26", "a token of another kind by the same key is no access token")
}

pub(super) fn required(trial: &Trial) -> Row {
    let mut cases = Cases::of(trial).should();
    for name in ["sub", "client_id", "iat", "jti"] {
        cases = cases
            .refuses(format!("{name} absent"), &trial.token().without(name))
            .refuses(format!("{name} null"), &trial.token().claim(name, json!(null)))
            .refuses(format!("{name} an object"), &trial.token().claim(name, json!({})));
    }
    for name in ["sub", "client_id", "jti"] {
        cases = cases.refuses(format!("{name} a number"), &trial.token().claim(name, 1));
    }
    cases = cases.accepts("a claim that is unheard of", &trial.token().claim("unheard_of", json!({"a": [1]})));
    cases.row("JV-06", "what RFC 9068 requires is there, and of its type")
}

pub(super) fn bound(trial: &Trial) -> Row {
    let mut cases = Cases::of(trial).should();
    for cnf in [json!({"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}), json!({"x5t#S256": "x"})] {
        cases = cases.refuses(cnf.to_string(), &trial.token().claim("cnf", cnf));
    }
    cases.row("JV-11", "a token that is bound to a key is worth nothing without proof of it")
}

pub(super) fn revoked(trial: &Trial) -> Row {
    const ID: &str = "JV-12";
    const TITLE: &str = "a token on the issuer's list of revoked ones is refused";
    if !trial.target().heeds_status {
        return not_applicable(ID, TITLE, "the API does not say that it heeds status lists");
    }
    let at = |place: u64, uri: String| trial.token().claim("status", json!({"status_list": {"idx": place, "uri": uri}}));
    let list = trial.status_list();
    Cases::of(trial)
        .accepts("a place that is not revoked", &at(REVOKED + 1, list.clone()))
        .refuses("a revoked place", &at(REVOKED, list))
        .row(ID, TITLE)
}

pub(super) fn scope(trial: &Trial) -> Row {
    let with = |scope: Value| trial.present(&trial.sign(&trial.token().claim("scope", scope)));
    let needed = trial.target().scope.split(' ').next().unwrap_or_default();
    Cases::of(trial)
        .add("another", with(json!("something:else")), Expected::InsufficientScope)
        .add("absent", trial.present(&trial.sign(&trial.token().without("scope"))), Expected::InsufficientScope)
        .add("a longer name", with(json!(format!("{needed}er"))), Expected::InsufficientScope)
        .add("upper case", with(json!(needed.to_uppercase())), Expected::InsufficientScope)
        .should()
        .add("an array", with(json!([needed])), Expected::NoRole)
        .row("JW-03", "the scope that the operation takes is there: 403, insufficient_scope")
}
