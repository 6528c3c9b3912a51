//! What the claims of a token say: from whom, for whom, from when until when.

use serde_json::json;
use tests::jwt::Token;

use super::Trial;

/// A.JV-14
#[tokio::test]
async fn jv_03_the_issuer_is_compared_exactly() {
    let trial = Trial::start().await;
    let url = trial.issuer.url();

    for iss in [
        format!("{url}/"),
        url.to_uppercase(),
        url.replace("http:", "https:"),
        url.replace("localhost", "127.0.0.1"),
        url[..url.len() - 1].to_owned(),
        format!("{url}@evil.example"),
        format!("https://good@{}", &url[7..]),
        "https://issuer.example".to_owned(),
        String::new(),
    ] {
        trial.refuses(&trial.token().claim("iss", iss)).await;
    }
    trial.refuses(&trial.token().claim("iss", json!([url]))).await;
    trial.refuses(&trial.token().without("iss")).await;
}

/// A.JV-13
#[tokio::test]
async fn jv_04_the_audience_names_this_resource_exactly() {
    let trial = Trial::start().await;
    let id = trial.resource.id();

    for aud in [json!(id), json!([id]), json!(["https://other.example", id])] {
        trial.accepts(&trial.token().claim("aud", aud)).await;
    }
    for aud in [
        json!("https://other.example"),
        json!([]),
        json!(["https://other.example"]),
        json!(format!("{id}/")),
        json!(format!("{id}/documents")),
        json!(id[..id.len() - 1]),
        json!(id.to_uppercase()),
        json!(trial.issuer.url()),
        json!(""),
        json!(null),
        json!({"0": id}),
        json!([id, 1]),
        json!([[id]]),
    ] {
        trial.refuses(&trial.token().claim("aud", aud)).await;
    }
    trial.refuses(&trial.token().without("aud")).await;
}

/// A.JV-10, A.JV-11
#[tokio::test]
async fn jv_05_a_token_counts_between_its_dates_give_or_take_half_a_minute() {
    let trial = Trial::start().await;
    let now = trial.token().claims["iat"].as_i64().expect("a date");
    let lives_from_to =
        |iat: i64, exp: i64| trial.token().claim("iat", now + iat).claim("nbf", now + iat).claim("exp", now + exp);

    trial.accepts(&lives_from_to(-600, -15)).await;
    trial.accepts(&lives_from_to(15, 600)).await;
    trial.accepts(&lives_from_to(-1, 3599)).await;
    trial.refuses(&lives_from_to(-600, -40)).await;
    trial.refuses(&lives_from_to(-3600, -3000)).await;
    trial.refuses(&lives_from_to(60, 600)).await;
    trial.refuses(&trial.token().claim("nbf", now + 60)).await;
    trial.refuses(&trial.token().claim("iat", now + 60)).await;
    trial.refuses(&trial.token().claim("exp", now + 10 * 365 * 86_400)).await;
    trial.refuses(&lives_from_to(-10, -10)).await;
    trial.refuses(&lives_from_to(10, 5)).await;
}

#[tokio::test]
async fn jv_06_what_rfc_9068_requires_is_there_and_of_its_type() {
    let trial = Trial::start().await;

    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        trial.refuses(&trial.token().without(name)).await;
        trial.refuses(&trial.token().claim(name, json!(null))).await;
        trial.refuses(&trial.token().claim(name, json!({}))).await;
        trial.refuses(&trial.token().claim(name, json!(true))).await;
    }
    for name in ["sub", "client_id", "jti"] {
        trial.refuses(&trial.token().claim(name, "")).await;
        trial.refuses(&trial.token().claim(name, 1)).await;
    }
    for name in ["exp", "iat", "nbf"] {
        let date = trial.token().claims[name].clone();
        trial.refuses(&trial.token().claim(name, date.to_string())).await;
        trial.refuses(&trial.token().claim(name, json!(date.as_f64().expect("a number") + 0.5))).await;
    }
    for (name, value) in
        [("scope", json!(["documents:read"])), ("scope", json!("a  b")), ("roles", json!("admin")), ("scope", json!(1))]
    {
        trial.refuses(&trial.token().claim(name, value)).await;
    }
    trial.accepts(&trial.token().without("scope").without("roles").without("nbf").claim("unheard_of", json!({"a": [1]}))).await;
}

#[tokio::test]
async fn jv_11_a_token_that_is_bound_to_a_key_is_not_accepted_without_its_proof() {
    let trial = Trial::start().await;

    for cnf in [json!({"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}), json!({"x5t#S256": "x"}), json!({}), json!(null)] {
        trial.refuses(&trial.token().claim("cnf", cnf)).await;
    }
}

/// A.JV-26
#[tokio::test]
async fn a_token_of_another_kind_signed_with_the_same_key_is_none() {
    let trial = Trial::start().await;
    let now = trial.token().claims["iat"].clone();
    let id_token = Token {
        header: trial.token().header("typ", "JWT").header,
        claims: trial.token().without("client_id").without("jti").claim("nonce", "x").claim("auth_time", now).claims,
    };
    let assertion = Token { claims: trial.token().without("client_id").claim("sub", "batch").claims, ..trial.token() };

    trial.refuses(&id_token).await;
    trial.refuses(&assertion).await;
}
