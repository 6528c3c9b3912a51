//! How an access token is presented, and how a request is refused (RFC 6750 §2, §3; RFC 9728 §5.1).

use serde_json::{Value, json};
use tests::{Answer, Call, Challenge, Http, OpenApi, PASSWORD, Stack, jwt::Token, wire};

/// What a challenge of resource-service always says.
#[track_caller]
fn assert_tells_where_to_learn_more(challenge: &Challenge, stack: &Stack) {
    let metadata = format!("{}/.well-known/oauth-protected-resource", stack.resource().id());
    assert_eq!(challenge.attribute("resource_metadata"), Some(&*metadata));
}

/// A.JV-01
#[tokio::test]
async fn without_credentials_the_challenge_has_no_error_code() {
    let stack = Stack::start().await;

    for call in [stack.api().get("/me"), stack.api().get("/documents"), stack.api().post("/documents").json(&json!({}))] {
        let challenge = call.send().await.assert_no_credentials();
        assert_eq!(challenge.names(), ["realm", "resource_metadata"]);
        assert_tells_where_to_learn_more(&challenge, &stack);
    }
}

#[tokio::test]
async fn credentials_of_another_scheme_are_none() {
    let stack = Stack::start().await;

    for header in ["Basic Og==", "Digest a=b", "BearerX abc", "DPoP abc", "Bear", "token abc"] {
        stack.api().get("/me").header("authorization", header).send().await.assert_no_credentials();
    }
}

/// A.JV-24
#[tokio::test]
async fn credentials_that_are_malformed_or_double_are_an_invalid_request() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["reader"]).await;
    let me = || stack.api().get("/me");

    for header in [
        "Bearer".to_owned(),
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer {token},x"),
        format!("Bearer \"{token}\""),
        format!("Bearer {token} {token}"),
    ] {
        let challenge = me().header("authorization", header).send().await.assert_challenge(400, Some("invalid_request"));
        assert_tells_where_to_learn_more(&challenge, &stack);
    }
    me().bearer(&token).bearer(&token).send().await.assert_challenge(400, Some("invalid_request"));
    me().bearer(&token).header("authorization", "Basic Og==").send().await.assert_challenge(400, Some("invalid_request"));
}

#[tokio::test]
async fn a_token_that_is_not_good_is_an_invalid_token() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["reader"]).await;
    let key = stack.auth_home().signing_key().await;
    let (input, _) = token.rsplit_once('.').expect("a token has three segments");

    for bad in [
        "abc".to_owned(),
        input.to_owned(),
        format!("{input}."),
        format!("{token}a"),
        token.replacen('e', "f", 1),
        Token::read(&token).moved(-3600).sign(&key),
        Token::read(&token).claim("aud", stack.auth().issuer()).sign(&key),
        Token::read(&token).header("typ", "JWT").sign(&key),
    ] {
        let challenge = stack.api().get("/me").bearer(&bad).send().await.assert_invalid_token();
        assert_eq!(challenge.names(), ["error", "error_description", "realm", "resource_metadata"]);
        assert_tells_where_to_learn_more(&challenge, &stack);
    }
    // The tool that makes bad tokens makes good ones, too.
    stack.api().get("/me").bearer(&Token::read(&token).sign(&key)).send().await.assert_ok();
}

/// A.JV-13
#[tokio::test]
async fn a_token_of_the_issuers_own_api_is_worth_nothing_elsewhere_and_the_other_way_round() {
    let stack = Stack::start().await;
    let documents = stack.token_of("ada", &["reader"]).await;
    let account = stack.client().scope("account").log_in("ada", PASSWORD).await;

    stack.api().get("/me").bearer(&account).send().await.assert_invalid_token();
    stack.auth().http().get("/account").bearer(&documents).send().await.assert_invalid_token();
    stack.api().get("/me").bearer(&documents).send().await.assert_ok();
    stack.auth().http().get("/account").bearer(&account).send().await.assert_ok();
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let stack = Stack::start().await;
    let reader = stack.token_of("ada", &["reader"]).await;

    let answer = stack.api().post("/documents").bearer(&reader).json(&json!({"title": "x", "content": ""})).send().await;

    let challenge = answer.assert_challenge(403, Some("insufficient_scope"));
    assert_eq!(challenge.attribute("scope"), Some("documents:write"));
    assert_tells_where_to_learn_more(&challenge, &stack);
}

#[tokio::test]
async fn a_missing_role_is_refused_even_with_the_scope() {
    let stack = Stack::start().await;
    let key = stack.auth_home().signing_key().await;
    let token = Token::read(&stack.token_of("ada", &["reader"]).await);
    let all = token.claim("scope", "documents:admin documents:read documents:write");

    for roles in [json!([]), json!(["reader", "editor"]), json!(["ADMIN"]), json!(["admin "]), json!(["administrator"])] {
        let answer = stack.api().get("/admin/documents").bearer(&all.clone().claim("roles", roles).sign(&key)).send().await;
        answer.assert_challenge(403, Some("insufficient_scope"));
    }
    stack.api().get("/admin/documents").bearer(&all.claim("roles", json!(["admin"])).sign(&key)).send().await.assert_ok();
}

#[tokio::test]
async fn a_role_is_refused_without_the_scope() {
    let stack = Stack::start().await;
    let narrow = stack.client().scope("documents:read").log_in("admin", tests::ADMIN_PASSWORD).await;

    let answer = stack.api().get("/admin/documents").bearer(&narrow).send().await;

    let challenge = answer.assert_challenge(403, Some("insufficient_scope"));
    assert_eq!(challenge.attribute("scope"), Some("documents:admin"));
}

/// A.JV-24
#[tokio::test]
async fn be_01_the_scheme_has_no_case_and_one_space_behind_it() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["reader"]).await;

    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        stack.api().get("/me").header("authorization", format!("{scheme} {token}")).send().await.assert_ok();
    }
}

/// A.JV-23
#[tokio::test]
async fn be_02_a_token_anywhere_else_is_as_good_as_none() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let api = stack.api();

    api.get(&format!("/me?access_token={token}")).send().await.assert_no_credentials();
    api.get(&format!("/me?bearer_token={token}&token={token}")).send().await.assert_no_credentials();
    api.get("/me")
        .header("cookie", format!("access_token={token}; Authorization=Bearer%20{token}"))
        .send()
        .await
        .assert_no_credentials();
    api.get("/me").header("x-access-token", &token).send().await.assert_no_credentials();
    api.get("/me").header("x-api-key", &token).send().await.assert_invalid_token();
    api.get("/me").header("proxy-authorization", format!("Bearer {token}")).send().await.assert_no_credentials();
    api.post("/documents").form(&[("access_token", &token)]).send().await.assert_no_credentials();
    api.post("/documents")
        .json(&json!({"access_token": token, "title": "x", "content": ""}))
        .send()
        .await
        .assert_no_credentials();
}

/// A.JV-23
#[tokio::test]
async fn be_02_a_token_in_two_places_is_an_invalid_request() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let api = stack.api();

    for call in [
        api.get(&format!("/me?access_token={token}")),
        api.get("/me?access_token=another"),
        api.get(&format!("/documents?limit=1&access_token={token}")),
    ] {
        call.bearer(&token).send().await.assert_challenge(400, Some("invalid_request"));
    }
}

/// A.JV-23
#[tokio::test]
async fn be_02_a_token_in_the_header_and_in_a_form_is_an_invalid_request() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;

    for form in [&[("access_token", &*token)][..], &[("title", "x"), ("access_token", "another")]] {
        let answer = stack.api().post("/documents").bearer(&token).form(form).send().await;
        answer.assert_challenge(400, Some("invalid_request"));
    }
}

#[tokio::test]
async fn be_03_a_challenge_says_each_thing_once_and_in_plain_characters() {
    let stack = Stack::start().await;
    let reader = stack.token_of("ada", &["reader"]).await;
    let api = stack.api();

    // What is asserted is in `Challenge::parse`, which reads no attribute twice and no character that is not allowed.
    for call in [
        api.get("/me"),
        api.get("/me").bearer("x"),
        api.get("/me").header("authorization", "Bearer \"\\\u{e9}"),
        api.get("/me").header("authorization", "Bearer x, realm=\"y\", error=\"z\""),
        api.get("/admin/documents").bearer(&reader),
    ] {
        let answer = call.send().await;
        let challenge = Challenge::parse(answer.header("www-authenticate").expect("there is one"));
        assert_eq!(challenge.attribute("realm"), Some("documents"), "{answer}");
    }
}

#[tokio::test]
async fn be_04_an_answer_to_an_authorised_request_is_never_shared() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["reader"]).await;

    for path in ["/me", "/documents"] {
        let answer = stack.api().get(path).bearer(&token).send().await;
        answer.assert_ok();
        assert_eq!(answer.assert_hardened().header("cache-control"), Some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn be_05_every_error_is_a_problem_that_names_its_request() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let api = || stack.api();
    let document = json!({"title": "x", "content": ""});

    api().get("/nowhere").send().await.assert_problem(404);
    api().request("PATCH", "/documents").bearer(&token).send().await.assert_problem(405);
    api().post("/documents").bearer(&token).body("text/plain", "x").send().await.assert_problem(415);
    api().post("/documents").bearer(&token).body("application/json", "{").send().await.assert_problem(400);
    api().post("/documents").bearer(&token).json(&json!({"title": " ", "content": ""})).send().await.assert_problem(422);
    api().post("/documents").bearer(&token).body("application/json", "x".repeat(1 << 20)).send().await.assert_problem(413);
    api().get(&format!("/{}", "x".repeat(8 * 1024))).send().await.assert_problem(414);
    api().get("/me").header("x-padding", "x".repeat(20 * 1024)).send().await.assert_problem(431);
    api().get("/documents?limit=0").bearer(&token).send().await.assert_problem(400);
    let made = api().post("/documents").bearer(&token).json(&document).send().await;
    let path = made.assert_status(201).header("location").expect("a location").to_owned();
    api().put(&path).bearer(&token).header("if-match", "\"9\"").json(&document).send().await.assert_problem(412);
    for path in ["/nowhere", "/account/nowhere", "/oauth2/nowhere"] {
        stack.auth().http().get(path).send().await.assert_problem(404);
    }
    let own = api().get("/nowhere").header("x-request-id", "chosen-by-the-client").send().await;
    own.assert_problem(404).assert_no_echo("chosen-by-the-client");
}

#[tokio::test]
async fn every_operation_that_the_documents_call_guarded_is_guarded() {
    let stack = Stack::start().await;
    let account = stack.client().scope("account").log_in("admin", tests::ADMIN_PASSWORD).await;
    let documents = stack.client().log_in("admin", tests::ADMIN_PASSWORD).await;

    let mut tried = 0;
    for (http, foreign) in [(stack.api(), &account), (stack.auth().http(), &documents)] {
        for call in guarded_operations(http).await {
            call.clone().send().await.assert_no_credentials();
            call.clone().bearer("eyJ.eyJ.x").send().await.assert_invalid_token();
            call.bearer(foreign).send().await.assert_invalid_token();
            tried += 1;
        }
    }
    assert!(tried >= 8, "{tried} operations");
}

/// A request for each operation of a service's document that asks for an access token.
async fn guarded_operations(http: &Http) -> Vec<Call> {
    let operations = OpenApi::of(http).await.operations();
    let guarded = operations.iter().filter(|operation| operation.scopes().is_some());
    guarded.map(|operation| http.request(&operation.method, &operation.path_with("x"))).collect()
}

/// A.JV-27
#[tokio::test]
async fn a_path_that_only_looks_like_the_guarded_one_leads_nowhere() {
    let stack = Stack::start().await;
    let reader = stack.token_of("ada", &["reader"]).await;

    for path in [
        "//admin/documents",
        "/ADMIN/documents",
        "/admin%2fdocuments",
        "/./admin/documents",
        "/x/../admin/documents",
        "/admin;x/documents",
        "/admin/documents;x",
        "/admin/documents/",
        "/admin//documents",
        "/%61dmin/documents",
        "/admin/documents%20",
        "/admin/documents%00",
        "/..;/admin/documents",
        "/%2e%2e/admin/documents",
        "/.%252e/admin/documents",
    ] {
        for method in ["GET", "POST"] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {reader}\r\nX-HTTP-Method-Override: GET\r\n\
                 X-Original-URL: /admin/documents\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let answer = wire::send(stack.api(), request).await;
            assert!(matches!(wire::status(&answer), Some(400 | 403 | 404 | 405)), "{method} {path}\n{answer}");
        }
    }
}

/// A.JV-22
#[tokio::test]
async fn roles_of_another_shape_make_nobody_an_administrator() {
    let stack = Stack::start().await;
    let key = stack.auth_home().signing_key().await;
    let token = Token::read(&stack.token_of("ada", &["reader"]).await).claim("scope", "documents:admin");
    let present = |roles: Value| {
        let token = token.clone().claim("roles", roles).sign(&key);
        stack.api().get("/admin/documents").bearer(&token).send()
    };

    for roles in [json!("admin"), json!({"admin": true}), json!([null]), json!([["admin"]]), json!([{"name": "admin"}]), json!(1)]
    {
        let answer: Answer = present(roles).await;
        answer.assert_invalid_token();
    }
    present(json!(null)).await.assert_invalid_token();
    let many: Vec<_> = (0..700).map(|number| format!("r{number}")).collect();
    assert!(matches!(present(json!(many)).await.status(), 401 | 403 | 431));
}
