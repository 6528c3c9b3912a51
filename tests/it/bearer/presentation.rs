//! How an access token is presented: in one header, in one way, once.

use serde_json::json;
use tests::Stack;

use super::assert_tells_where_to_learn_more;

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
