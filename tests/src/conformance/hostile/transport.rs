//! How a token is presented, and at which path (RFC 6750 §2, RFC 9110 §11).

use super::not_applicable;
use crate::conformance::{Expected, Row, Trial, row::Cases};

pub(super) fn no_credentials(trial: &Trial) -> Row {
    let cases = Cases::of(trial).add("no Authorization header", trial.ask(), Expected::NoCredentials).add(
        "another scheme",
        trial.ask().header("authorization", "Basic YTpi"),
        Expected::NoCredentials,
    );
    cases.row("A.JV-01", "without credentials: 401, a bearer challenge, no error code")
}

pub(super) fn elsewhere(trial: &Trial) -> Row {
    let token = trial.sign(&trial.token());
    let path = |separator: &str| format!("{}{separator}access_token={token}", trial.target().path);
    let query = trial.target().http.get(&path(if trial.target().path.contains('?') { "&" } else { "?" }));
    let form = trial.target().http.post(&trial.target().path).form(&[("access_token", &token)]);
    let cookie = trial.ask().header("cookie", format!("access_token={token}"));
    Cases::of(trial)
        .add("in the query", query.clone(), Expected::NoCredentials)
        .add("in a form", form, Expected::NotServed)
        .add("in a cookie", cookie, Expected::NoCredentials)
        .should()
        .add("in the header and in the query", query.bearer(&token), Expected::Malformed)
        .row("A.JV-23", "a token counts in the Authorization header only, and once")
}

pub(super) fn credentials(trial: &Trial) -> Row {
    let token = trial.sign(&trial.token());
    let say = |value: String| trial.ask().header("authorization", value);
    Cases::of(trial)
        .add("bearer in lower case", say(format!("bearer {token}")), Expected::Accepted)
        .add("BEARER in upper case", say(format!("BEARER {token}")), Expected::Accepted)
        .add("a comma and more", say(format!("Bearer {token},b")), Expected::Malformed)
        .add("a space and more", say(format!("Bearer {token} b")), Expected::Malformed)
        .add("no token", say("Bearer".to_owned()), Expected::Malformed)
        .add("in quotes", say(format!("Bearer \"{token}\"")), Expected::Malformed)
        .add("another name", say(format!("BearerX {token}")), Expected::Malformed)
        .add("two headers", trial.present(&token).bearer("abc"), Expected::Malformed)
        .add("two headers, the other way round", trial.present("abc").bearer(&token), Expected::Malformed)
        .should()
        .add("two spaces", say(format!("Bearer  {token}")), Expected::Malformed)
        .add("a tab", say(format!("Bearer\t{token}")), Expected::Malformed)
        .row("A.JV-24", "the scheme has no case, and the rest of the header no freedom")
}

pub(super) fn paths(trial: &Trial) -> Row {
    const ID: &str = "A.JV-27";
    const TITLE: &str = "another spelling of a path is no way around its role";
    let Some(path) = &trial.target().role_path else {
        return not_applicable(ID, TITLE, "no path that takes a role was named");
    };
    let token = trial.sign(&trial.token());
    let ask = |path: &str| trial.target().http.get(path).bearer(&token);
    let first = &path[1..].split('/').next().unwrap_or_default();
    let cases = Cases::of(trial)
        .add("the path as it is", ask(path), Expected::NoRole)
        .add("a slash behind", ask(&format!("{path}/")), Expected::NotServed)
        .add("two slashes in front", ask(&format!("/{path}")), Expected::NotServed)
        .add("upper case", ask(&path.to_uppercase()), Expected::NotServed)
        .add(
            "an encoded slash",
            ask(&format!("/{first}%2f{}", path[1 + first.len()..].trim_start_matches('/'))),
            Expected::NotServed,
        )
        .add("an encoded letter", ask(&format!("/%{:02x}{}", path.as_bytes()[1], &path[2..])), Expected::NotServed)
        .add("a parameter behind", ask(&format!("{path};x")), Expected::NotServed)
        .add("another method by header", ask(path).header("x-http-method-override", "OPTIONS"), Expected::NotServed);
    cases.row(ID, TITLE)
}
