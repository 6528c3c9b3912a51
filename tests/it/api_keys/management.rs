//! Who makes, sees and revokes keys, and what a key can be given.

use std::time::Duration;

use auth_service::{ClientKind, NewApiKey, NewClient};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tests::{ADMIN_PASSWORD, PASSWORD, jwt::Token};

use super::{account_token, admin_token, create, id_of, made, stack_with_ada};

#[tokio::test]
async fn a_ak_04_no_key_holds_a_scope_of_the_issuer_or_more_than_its_owner() {
    let stack = stack_with_ada().await;
    let token = account_token(&stack, "ada").await;

    for scope in ["account", "documents:read account", "admin:keys", "documents:admin", "unheard-of", "a  b", " "] {
        let answer = create(&stack, &token, &json!({"name": "ci", "scope": scope})).await;
        answer.assert_problem(422);
        assert_eq!(answer.json()["errors"][0]["field"], "scope", "{answer}");
        answer.assert_no_echo("unheard-of");
    }
    let admin = stack.client().scope("account").log_in("admin", ADMIN_PASSWORD).await;
    for scope in ["account", "admin:users", "admin:clients", "admin:keys", "admin:audit"] {
        create(&stack, &admin, &json!({"name": "ci", "scope": scope})).await.assert_problem(422);
        let scope = scope.parse().expect("a scope");
        let new = NewApiKey { name: "ci", scope: &scope, lifetime: Duration::from_hours(1), sources: &[] };
        stack.operator().add_api_key("admin", new).await.expect_err("not the issuer's");
    }
}

#[tokio::test]
async fn a_ak_04_the_issuers_own_api_takes_no_keys() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("admin", "documents:read documents:admin").await;
    let exchanged = stack.client().unnamed().exchange(&key).await.assert_tokens();
    let http = stack.auth().http();

    for path in ["/account", "/account/api-keys", "/admin/api-keys"] {
        let challenge = http.get(path).api_key(&key).send().await.assert_no_credentials();
        assert!(!challenge.takes_api_keys());
        http.get(path).bearer(&exchanged).send().await.assert_invalid_token();
    }
    let wanted = json!({"name": "another", "scope": "documents:read"});
    http.post("/account/api-keys").api_key(&key).json(&wanted).send().await.assert_no_credentials();
    create(&stack, &exchanged, &wanted).await.assert_invalid_token();
}

#[tokio::test]
async fn a_ak_04_nobody_gets_at_the_keys_of_somebody_else() {
    let stack = stack_with_ada().await;
    stack.user("rob", &["reader"]).await;
    let (ada, rob) = (account_token(&stack, "ada").await, account_token(&stack, "rob").await);
    let (id, key) = made(&stack, &ada, "documents:read").await;
    let http = stack.auth().http();
    let path = format!("/account/api-keys/{id}");

    for call in [
        http.get(&path),
        http.delete(&path),
        http.post(&format!("{path}/rotate")).json(&json!({})),
        http.get("/account/api-keys/ask_00000000000000000000000000000000"),
        http.get("/account/api-keys/1%27%20OR%201=1"),
    ] {
        let answer = call.bearer(&rob).send().await;
        answer.assert_problem(404);
        assert_eq!(answer.json()["detail"], "There is no such API key.");
    }
    assert_eq!(http.get("/account/api-keys").bearer(&rob).send().await.assert_ok()["api_keys"], json!([]));
    stack.present_key(&key).await.assert_ok();
    // Rob's key opens Rob's documents and not Ada's.
    let document = stack.api().post("/documents").bearer(&stack.client().log_in("ada", PASSWORD).await);
    let document = document.json(&json!({"title": "Plan", "content": ""})).send().await.assert_status(201).json();
    let of_rob = stack.api_key("rob", "documents:read").await;
    let path = format!("/documents/{}", document["id"].as_str().expect("an id"));
    stack.api().get(&path).api_key(&of_rob).send().await.assert_problem(404);
    stack.api().get(&path).api_key(&key).send().await.assert_ok();
}

#[tokio::test]
async fn a_body_that_is_not_acceptable_is_refused_with_the_members_name() {
    let stack = stack_with_ada().await;
    let token = account_token(&stack, "ada").await;

    for (body, status) in [
        (json!({"name": "ci", "scope": "documents:read", "owner": "usr_1"}), 400),
        (json!({"name": "ci", "scope": "documents:read", "expires_in_days": 366}), 400),
        (json!({"name": "ci", "scope": "documents:read", "expires_in_days": 0}), 400),
        (json!({"name": 1, "scope": "documents:read"}), 400),
        (json!({"name": "ci"}), 400),
        (json!({"name": "", "scope": "documents:read"}), 400),
        (json!({"name": " ", "scope": "documents:read"}), 422),
        (json!({"name": "a\nb", "scope": "documents:read"}), 422),
    ] {
        create(&stack, &token, &body).await.assert_problem(status);
    }
    let made = create(&stack, &token, &json!({"name": "ci", "scope": "documents:read", "expires_in_days": 365})).await;
    made.assert_status(201);
}

#[tokio::test]
async fn a_token_that_speaks_for_no_person_has_no_keys() {
    let stack = stack_with_ada().await;
    let new = stack.new_client("batch", ClientKind::Confidential, &["client_credentials"], "account documents:read");
    let batch = stack.auth().register(NewClient { roles: vec!["reader".to_owned()], ..new }).await;
    let token = batch.scope("account").client_credentials().await.assert_tokens();

    create(&stack, &token, &json!({"name": "ci", "scope": "documents:read"})).await.assert_problem(404);
}

#[tokio::test]
async fn every_operation_needs_its_scope() {
    let stack = stack_with_ada().await;
    let http = stack.auth().http();
    let (account, admin) = (account_token(&stack, "ada").await, admin_token(&stack).await);
    let (id, _) = made(&stack, &account, "documents:read").await;

    for (token, scope, prefix) in [(&admin, "account", "/account"), (&account, "admin:keys", "/admin")] {
        let path = format!("{prefix}/api-keys");
        let one = format!("{path}/{id}");
        let mut calls = vec![http.get(&path), http.get(&one), http.delete(&one)];
        if prefix == "/account" {
            calls.push(http.post(&path).json(&json!({"name": "ci", "scope": "documents:read"})));
            calls.push(http.post(&format!("{one}/rotate")).json(&json!({})));
        }
        for call in calls {
            call.clone().send().await.assert_no_credentials();
            let challenge = call.bearer(token).send().await.assert_challenge(403, Some("insufficient_scope"));
            assert_eq!(challenge.attribute("scope"), Some(scope));
        }
    }
}

/// A.AK-01
#[tokio::test]
async fn an_administrator_sees_everybodys_keys_in_pages_and_revokes_any() {
    let stack = stack_with_ada().await;
    let rob = stack.user("rob", &["reader"]).await;
    let token = admin_token(&stack).await;
    let http = stack.auth().http();
    let mut keys = Vec::new();
    for username in ["ada", "rob", "ada", "rob", "ada"] {
        keys.push(stack.api_key(username, "documents:read").await);
    }
    let ids = |answer: &Value| -> Vec<String> {
        answer["api_keys"].as_array().expect("keys").iter().map(|key| key["id"].as_str().expect("an id").to_owned()).collect()
    };

    let mut seen = Vec::new();
    let mut path = "/admin/api-keys?limit=2".to_owned();
    loop {
        let answer = http.get(&path).bearer(&token).send().await;
        let page = answer.assert_ok();
        assert!(!page.to_string().contains("digest"), "{page}");
        seen.extend(ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/admin/api-keys?limit=2&cursor={cursor}");
        assert_eq!(answer.header("link"), Some(&*format!("<{path}>; rel=\"next\"")));
    }
    let mut expected: Vec<_> = keys.iter().map(|key| id_of(key).to_owned()).collect();
    expected.sort_unstable_by(|left, right| right.cmp(left));
    assert_eq!(seen, expected);
    let of_rob = http.get(&format!("/admin/api-keys?owner={rob}")).bearer(&token).send().await.assert_ok();
    assert_eq!(ids(&of_rob).len(), 2);
    http.get("/admin/api-keys?cursor=nonsense").bearer(&token).send().await.assert_problem(400);

    let path = format!("/admin/api-keys/{}", id_of(&keys[1]));
    stack.present_key(&keys[1]).await.assert_ok();
    assert_eq!(http.get(&path).bearer(&token).send().await.assert_ok()["owner"], rob);
    http.delete(&path).bearer(&token).send().await.assert_status(204);
    stack.await_refusal_of_key(&keys[1]).await;
    http.delete("/admin/api-keys/ask_00000000000000000000000000000000").bearer(&token).send().await.assert_problem(404);
    let row = stack.auth_home().database().row("SELECT actor, subject FROM audit_event WHERE action = 'api_key.revoke'").await;
    assert_eq!(row.try_get::<String>("", "actor").expect("text"), Token::read(&token).claims["sub"]);
    assert_eq!(row.try_get::<String>("", "subject").expect("text"), rob);
}

#[tokio::test]
async fn an_owner_has_a_hundred_living_keys_at_most() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    let database = stack.auth_home().database();
    for number in 0..99 {
        let sql = "INSERT INTO api_key (id, user_id, name, scopes, sources, digest, last_four, created_at, expires_at) \
                   SELECT $1, user_id, name, scopes, sources, $1, last_four, created_at, expires_at FROM api_key LIMIT 1";
        database.run(sql, [format!("ask_{number:032x}").into()]).await;
    }
    let token = account_token(&stack, "ada").await;
    let wanted = json!({"name": "ci", "scope": "documents:read"});

    create(&stack, &token, &wanted).await.assert_problem(409);

    stack.operator().revoke_api_key(id_of(&key)).await.expect("there is such a key");
    create(&stack, &token, &wanted).await.assert_status(201);
}

#[tokio::test]
async fn the_operator_makes_rotates_and_revokes_keys_too() {
    let stack = stack_with_ada().await;
    let operator = stack.operator();
    let (read, admin) = ("documents:read".parse().expect("a scope"), "documents:admin".parse().expect("a scope"));
    let good = NewApiKey { name: "ci", scope: &read, lifetime: Duration::from_hours(1), sources: &[] };
    operator.add_api_key("nobody", good).await.expect_err("there is no such user");
    for bad in [
        NewApiKey { lifetime: Duration::from_hours(366 * 24), ..good },
        NewApiKey { lifetime: Duration::ZERO, ..good },
        NewApiKey { scope: &admin, ..good },
        NewApiKey { sources: &["10.0.0.0/8".parse().expect("a network"); 17], ..good },
    ] {
        operator.add_api_key("ada", bad).await.expect_err("it is not acceptable");
    }
    let old = stack.api_key("ada", "documents:read").await;
    stack.present_key(&old).await.assert_ok();

    let new = operator.rotate_api_key(id_of(&old), Duration::ZERO).await.expect("there is such a key");

    stack.await_refusal_of_key(&old).await;
    stack.present_key(new.expose_secret()).await.assert_ok();
    operator.revoke_api_key(id_of(&old)).await.expect("there is such a key");
    stack.await_refusal_of_key(new.expose_secret()).await;
    operator.revoke_api_key("unheard-of").await.expect_err("there is none");
    operator.rotate_api_key(id_of(&old), Duration::ZERO).await.expect_err("it has ended");
}
