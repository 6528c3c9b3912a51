//! The token endpoint, whatever the grant (RFC 6749 §3.2, §5).

use auth_service::{ClientKind, Profile};
use serde_json::Value;
use tests::{PASSWORD, Stack, jwt::Token, rows, wire};

const TOKEN: &str = "/oauth2/token";

/// A good password grant of the public client, as it stands on the wire.
fn good_grant() -> String {
    format!("grant_type=password&username=ada&password={}&client_id=first-party", PASSWORD.replace(' ', "+"))
}

/// A.TE-01
#[tokio::test]
async fn te_01_only_post_is_answered() {
    let stack = Stack::with_ada("reader").await;
    let with_query = format!("{TOKEN}?{}", good_grant());

    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = stack.auth().http().request(method, &with_query).send().await;
        answer.assert_problem(405);
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
    let head = stack.auth().http().request("HEAD", &with_query).send().await;
    head.assert_status(405).assert_hardened();
    assert_eq!((head.header("allow"), head.text()), (Some("POST"), ""));
}

/// A.TE-03
#[tokio::test]
async fn te_01_the_body_is_a_form_in_utf_8() {
    let stack = Stack::with_ada("reader").await;
    let post = || stack.auth().http().post(TOKEN);
    let grant = good_grant();

    for media_type in [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=\"utf-8\"",
    ] {
        post().body(media_type, &grant).send().await.assert_tokens();
    }
    for media_type in [
        "application/json",
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=iso-8859-1",
        "application/x-www-form-urlencodedx",
        "nonsense",
        "",
    ] {
        post().body(media_type, &grant).send().await.assert_oauth_error(400, "invalid_request");
    }
    let json = serde_json::json!({"grant_type": "password", "username": "ada", "password": PASSWORD, "client_id": "first-party"});
    post().json(&json).send().await.assert_oauth_error(400, "invalid_request");
    let part = "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\npassword\r\n--x--\r\n";
    post().body("multipart/form-data; boundary=x", part).send().await.assert_oauth_error(400, "invalid_request");
    post().bare_body(&grant).send().await.assert_oauth_error(400, "invalid_request");
    let form = "application/x-www-form-urlencoded";
    post().header("content-type", form).body(form, &grant).send().await.assert_oauth_error(400, "invalid_request");
    post().send().await.assert_oauth_error(400, "invalid_request");
    post().form_text("").send().await.assert_oauth_error(400, "invalid_request");
}

/// A.TE-02, A.TE-04
#[tokio::test]
async fn te_02_parameters_in_the_query_are_ignored_and_credentials_there_do_not_count() {
    let stack = Stack::with_ada("reader").await;
    stack.app("batch").await;
    let post = |query: &str| stack.auth().http().post(&format!("{TOKEN}?{query}"));

    post(&good_grant()).form_text("").send().await.assert_oauth_error(400, "invalid_request");
    post(&good_grant()).send().await.assert_oauth_error(400, "invalid_request");
    let without_password = "grant_type=password&username=ada&client_id=first-party";
    let password = format!("password={}", PASSWORD.replace(' ', "+"));
    post(&password).form_text(without_password).send().await.assert_oauth_error(400, "invalid_request");
    let of_batch = good_grant().replace("first-party", "batch");
    rows::choose_secret(stack.auth_home().database(), "batch", "chosen").await;
    post("").form_text(format!("{of_batch}&client_secret=chosen")).send().await.assert_tokens();
    post("client_secret=chosen").form_text(&of_batch).send().await.assert_invalid_client();
    post("scope=documents:write&username=admin").form_text(good_grant()).send().await.assert_tokens();
}

/// A.TE-05, A.TE-06
#[tokio::test]
async fn te_03_unknown_parameters_are_ignored_and_change_nothing() {
    let stack = Stack::with_ada("reader").await;
    let extra = "sub=usr_x&iss=https%3A%2F%2Fevil.example&aud=x&roles=admin&exp=9999999999&client_name=x&scopes=documents%3Aadmin&state=active";

    let plain = stack.auth().http().post(TOKEN).form_text(good_grant()).send().await.assert_tokens();
    let padded = stack.auth().http().post(TOKEN).form_text(format!("{}&{extra}", good_grant())).send().await.assert_tokens();

    let (plain, padded) = (Token::read(&plain), Token::read(&padded));
    for claim in ["iss", "sub", "aud", "roles", "scope", "client_id"] {
        assert_eq!(plain.claims[claim], padded.claims[claim], "{claim}");
    }
    assert!(padded.claims["exp"].as_i64() < Some(9_999_999_999));
}

/// A.TE-05
#[tokio::test]
async fn te_03_an_empty_parameter_is_an_omitted_one() {
    let stack = Stack::with_ada("reader").await;
    let post = |body: String| stack.auth().http().post(TOKEN).form_text(body);

    for empty in ["scope=", "resource=", "client_secret=", "unknown=", "scope", "&"] {
        post(format!("{}&{empty}", good_grant())).send().await.assert_tokens();
    }
    for name in ["grant_type", "username", "password"] {
        let emptied: Vec<_> = good_grant()
            .split('&')
            .map(|pair| if pair.starts_with(name) { format!("{name}=") } else { pair.to_owned() })
            .collect();
        post(emptied.join("&")).send().await.assert_oauth_error(400, "invalid_request");
    }
}

/// A.TE-04
#[tokio::test]
async fn te_03_a_repeated_parameter_is_an_invalid_request() {
    let stack = Stack::with_ada("reader").await;
    let post = |body: String| stack.auth().http().post(TOKEN).form_text(body);

    for repeated in [
        "grant_type=password",
        "grant_type=",
        "%67rant_type=password",
        "username=ada",
        "username=admin",
        "password=correct+horse+battery+staple",
        "password=another",
        "client_id=first-party",
        "client_id=other",
        "scope=documents:read&scope=documents:read",
        "scope=&scope=documents:read",
        "client_secret=&client_secret=",
        "refresh_token=a&refresh_token=b",
        "unknown=1&unknown=2",
    ] {
        post(format!("{}&{repeated}", good_grant())).send().await.assert_oauth_error(400, "invalid_request");
    }
    let resource = stack.resource().id();
    let twice = format!("{}&resource={resource}&resource={}", good_grant(), stack.auth().issuer());
    post(twice).send().await.assert_oauth_error(400, "invalid_target");
}

/// A.TE-07
#[tokio::test]
async fn te_04_a_grant_type_that_does_not_exist_is_unsupported() {
    let stack = Stack::with_ada("reader").await;
    let client = stack.client();

    for grant_type in [
        "implicit",
        "PASSWORD",
        "password ",
        " password",
        "pass",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "authorization_code",
    ] {
        let answer = client.request(&[("grant_type", grant_type), ("username", "ada"), ("password", PASSWORD)]).send().await;
        answer.assert_oauth_error(400, "unsupported_grant_type");
    }
    let missing = client.request(&[("username", "ada"), ("password", PASSWORD)]).send().await;
    missing.assert_oauth_error(400, "invalid_request");
    for (grant_type, status, code) in [
        ("canary".repeat(1000), 400, "unsupported_grant_type"),
        ("canary".repeat(11_000), 413, "invalid_request"),
        ("password\0canary".to_owned(), 400, "invalid_request"),
    ] {
        let answer = client.request(&[("grant_type", &grant_type), ("username", "ada"), ("password", PASSWORD)]).send().await;
        answer.assert_oauth_error(status, code).assert_no_echo("canary");
    }
}

/// A.TE-08
#[tokio::test]
async fn te_04_a_grant_that_the_client_may_not_use_is_unauthorized() {
    let stack = Stack::builder().auth(|config| config.login_throttle = true).with_ada("reader").await;
    let batch = stack.new_client("batch", ClientKind::Confidential, &["client_credentials"], "documents:read");
    let fresh = stack.new_client("fresh", ClientKind::Public, &[], "documents:read");

    for client in [stack.auth().register(batch).await, stack.auth().register(fresh).await] {
        client.password("ada", PASSWORD).await.assert_oauth_error(400, "unauthorized_client");
        // Nor does the answer tell whether the password would have been right.
        client.password("ada", "wrong").await.assert_oauth_error(400, "unauthorized_client");
    }
    let database = stack.auth_home().database();
    assert!(database.rows("SELECT * FROM login_attempt").await.is_empty(), "no guess was made");
    assert_eq!(stack.recorded("login", "refused", Some("wrong_password")).await, 0, "no password was looked at");
}

#[tokio::test]
async fn te_04_the_strict_profile_has_no_password_grant() {
    let stack = Stack::with_ada("reader").await;
    let issuer = stack.auth().issuer().to_owned();
    let (home, _) = stack.stop().await;

    let strict = home.start(|config| {
        config.issuer = Some(issuer);
        config.profile = Profile::Strict;
    });
    let strict = strict.await.expect("it starts on the same database");

    let answer = strict.client().password("ada", PASSWORD).await;

    answer.assert_oauth_error(400, "unsupported_grant_type");
}

/// A.TE-20
#[tokio::test]
async fn te_05_an_error_never_repeats_what_was_sent() {
    let stack = Stack::with_ada("reader").await;
    let post = |body: &str| stack.auth().http().post(TOKEN).form_text(body);

    for hostile in [
        "%3Cscript%3Ecanary%3C%2Fscript%3E",
        "canary%22%5C",
        "canary%0D%0ASet-Cookie%3A+x%3D1",
        "canary%C3%A9%C2%80",
        "canary%7F",
    ] {
        for body in [
            format!("grant_type={hostile}"),
            format!("grant_type=password&username={hostile}&password=x&client_id=first-party"),
            format!("grant_type=password&username=ada&password={hostile}&client_id=first-party"),
            format!("{}&scope={hostile}", good_grant()),
            format!("{}&resource={hostile}", good_grant()),
            format!("grant_type=password&username=ada&password=x&client_id={hostile}"),
            format!("grant_type=password&username=ada&password=x&client_id=first-party&client_secret={hostile}"),
            format!("{hostile}=1&{hostile}=2&grant_type=password"),
        ] {
            let answer = post(&body).send().await;
            assert!(matches!(answer.status(), 400 | 401), "{body}\n{answer}");
            let code = answer.json()["error"].as_str().unwrap_or_default().to_owned();
            answer.assert_oauth_error(answer.status(), &code).assert_no_echo("canary");
        }
    }
}

/// A.TE-15
#[tokio::test]
async fn te_06_tokens_come_with_type_lifetime_and_scope() {
    let stack = Stack::with_ada("reader").await;

    let answer = stack.client().password("ada", PASSWORD).await;

    let body = answer.assert_ok();
    answer.assert_hardened();
    let mut members: Vec<_> = body.as_object().expect("an object").keys().map(String::as_str).collect();
    members.retain(|name| *name != "refresh_token");
    assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["scope"], "documents:read");
    let claims = Token::read(body["access_token"].as_str().expect("a token")).claims;
    let lifetime = claims["exp"].as_i64().expect("a date") - claims["iat"].as_i64().expect("a date");
    assert_eq!(body["expires_in"], Value::from(lifetime));
    assert_eq!(body["expires_in"], 600);
}

/// A.TE-15
#[tokio::test]
async fn te_07_nothing_the_endpoint_answers_is_ever_stored() {
    let stack = Stack::with_ada("reader").await;

    stack.client().password("ada", PASSWORD).await.assert_status(200).assert_never_stored();
    stack.client().password("ada", "wrong").await.assert_status(400).assert_never_stored();
    stack.client().public("nobody").password("ada", PASSWORD).await.assert_status(401).assert_never_stored();
    stack.auth().http().post(TOKEN).json(&Value::Null).send().await.assert_status(400).assert_never_stored();
}

#[tokio::test]
async fn a_request_that_is_no_good_leaves_the_service_as_it_was() {
    let stack = Stack::with_ada("reader").await;
    let post = |body: Vec<u8>| stack.auth().http().post(TOKEN).form_text(body);
    let broken: [&[u8]; 6] =
        [b"grant_type=password&username=%FF", b"grant_type=\xff\xfe", b"%", b"%zz", b"=", b"grant_type=pass\xc0\xafword"];

    for body in broken {
        post(body.to_vec()).send().await.assert_oauth_error(400, "invalid_request");
    }
    for name in ["grant_type", "username", "password", "scope", "client_id", "client_secret", "resource", "unknown"] {
        let body = format!("{}&{name}=a%00b", good_grant().replace(&format!("{name}="), "other="));
        post(body.into()).send().await.assert_oauth_error(400, "invalid_request");
    }
    let further = |count: usize| (0..count).map(|number| format!("&p{number}=")).collect::<Vec<_>>().concat();
    assert!(matches!(post(further(10_000).into()).send().await.status(), 400 | 413));
    post((good_grant() + &further(100)).into()).send().await.assert_oauth_error(400, "invalid_request");

    stack.client().log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_body_larger_than_any_that_makes_sense_is_refused_unread() {
    let stack = Stack::with_ada("reader").await;
    let long = format!("{}&padding={}", good_grant(), "x".repeat(16 * 1024));
    let post = |body: &str| stack.auth().http().post(TOKEN).form_text(body);

    post(&long).send().await.assert_oauth_error(413, "invalid_request");
    let head = format!("POST {TOKEN} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    let announced = wire::send(stack.auth().http(), format!("{head}Content-Length: 1000000000\r\n\r\n")).await;
    assert_eq!(wire::status(&announced), Some(413), "{announced}");
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    let endless = wire::send(stack.auth().http(), format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(4))).await;
    assert_eq!(wire::status(&endless), Some(413), "{endless}");
    post(&good_grant()).header("content-encoding", "gzip").send().await.assert_oauth_error(400, "invalid_request");

    stack.client().log_in("ada", PASSWORD).await;
}
