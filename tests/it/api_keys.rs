//! API keys: made by their owners, shown once, good in one header, and dead everywhere within seconds once they are revoked.

use std::time::Duration;

use auth_service::{ClientKind, NewApiKey, NewClient};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tests::{ADMIN_PASSWORD, Answer, MockIssuer, PASSWORD, Reply, ResourceHome, Stack, jwt::Token};
use tokio::task::JoinSet;

/// A stack whose revocations arrive at once, with Ada, an editor.
async fn stack_with_ada() -> Stack {
    let stack = Stack::builder().auth(|config| config.status_list_ttl = Duration::from_secs(1)).start().await;
    stack.user("ada", &["editor"]).await;
    stack.await_ready().await;
    stack
}

async fn account_token(stack: &Stack, username: &str) -> String {
    stack.client().scope("account").log_in(username, PASSWORD).await
}

async fn admin_token(stack: &Stack) -> String {
    stack.client().scope("admin:keys").log_in("admin", ADMIN_PASSWORD).await
}

async fn create(stack: &Stack, token: &str, body: &Value) -> Answer {
    stack.auth().http().post("/account/api-keys").bearer(token).json(body).send().await
}

/// Makes a key and returns its identifier and the key itself.
async fn made(stack: &Stack, token: &str, scope: &str) -> (String, String) {
    let answer = create(stack, token, &json!({"name": "ci", "scope": scope})).await;
    let key = answer.assert_status(201).json();
    let text = |name: &str| key[name].as_str().expect("text").to_owned();
    (text("id"), text("key"))
}

/// The identifier in a key.
fn id_of(key: &str) -> &str {
    key.rsplit_once('_').expect("an identifier").0
}

#[tokio::test]
async fn a_ak_01_a_key_is_shown_once_and_known_by_its_ends_afterwards() {
    let stack = stack_with_ada().await;
    let token = account_token(&stack, "ada").await;
    let http = stack.auth().http();

    let answer = create(&stack, &token, &json!({"name": "ci", "scope": "documents:read"})).await;

    answer.assert_status(201).assert_hardened();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let made = answer.json();
    let (id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    let path = format!("/account/api-keys/{id}");
    assert_eq!(answer.header("location"), Some(&*path));
    assert!(key.starts_with(&format!("{id}_")), "{made}");
    assert_eq!(key.rsplit_once('_').expect("a secret").1.len(), 64 + 8, "256 bits and a checksum");
    assert_eq!((&made["name"], &made["scopes"], &made["state"]), (&json!("ci"), &json!(["documents:read"]), &json!("active")));
    let read = http.get(&path).bearer(&token).send().await.assert_ok();
    let list = http.get("/account/api-keys").bearer(&token).send().await.assert_ok();
    assert_eq!(list["api_keys"], json!([read]));
    assert_eq!(read["last_four"], key[key.len() - 4..]);
    let mut without_key = made.clone();
    without_key.as_object_mut().expect("an object").remove("key");
    assert_eq!(read, without_key);
    let dump = format!("{:?}", stack.auth_home().database().dump().await);
    assert!(!dump.contains(key.rsplit_once('_').expect("a secret").1), "only a digest is kept");
}

#[tokio::test]
async fn a_key_opens_what_it_was_made_for() {
    let stack = stack_with_ada().await;
    let (_, reading) = made(&stack, &account_token(&stack, "ada").await, "documents:read").await;
    let (_, writing) = made(&stack, &account_token(&stack, "ada").await, "documents:read documents:write").await;
    let document = json!({"title": "Plan", "content": ""});

    let me = stack.present_key(&reading).await.assert_ok();
    let refused = stack.api().post("/documents").api_key(&reading).json(&document).send().await;
    stack.api().post("/documents").api_key(&writing).json(&document).send().await.assert_status(201);

    assert_eq!((&me["client"], &me["scopes"]), (&json!("api-key"), &json!(["documents:read"])));
    refused.assert_challenge(403, Some("insufficient_scope"));
    let documents = stack.api().get("/documents").api_key(&reading).send().await.assert_ok();
    assert_eq!(documents["documents"].as_array().map(Vec::len), Some(1), "both keys are Ada's");
}

#[tokio::test]
async fn a_key_is_exchanged_once_and_its_last_use_is_noted_once() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    for _ in 0..5 {
        stack.present_key(&key).await.assert_ok();
    }

    let database = stack.auth_home().database();
    let exchanges = database.rows("SELECT id FROM audit_event WHERE action = 'api_key.exchange'").await;
    assert_eq!(exchanges.len(), 1);
    database.run("UPDATE api_key SET last_used_at = last_used_at - 3000", []).await;
    let before = database.row("SELECT last_used_at FROM api_key").await.try_get::<i64>("", "last_used_at").expect("a time");
    stack.client().unnamed().exchange(&key).await.assert_tokens();
    let after = database.row("SELECT last_used_at FROM api_key").await.try_get::<i64>("", "last_used_at").expect("a time");
    assert_eq!(before, after, "within an hour it is not written again");
}

/// Many first uses of a key at once.
async fn crowd(stack: &Stack, key: &str) -> Vec<Answer> {
    let mut crowd = JoinSet::new();
    for _ in 0..20 {
        crowd.spawn(stack.api().get("/me").api_key(key).send());
    }
    crowd.join_all().await
}

#[tokio::test]
async fn concurrent_first_uses_of_a_key_are_one_exchange() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;

    let answers = crowd(&stack, &key).await;

    assert!(answers.iter().all(|answer| answer.status() == 200));
    let exchanges = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE action = 'api_key.exchange'").await;
    assert_eq!(exchanges.len(), 1);
}

#[tokio::test]
async fn a_ak_02_a_revoked_key_is_dead_everywhere_and_so_is_its_token() {
    let stack = stack_with_ada().await;
    let token = account_token(&stack, "ada").await;
    let (id, key) = made(&stack, &token, "documents:read").await;
    let other = stack.api_key("ada", "documents:read").await;
    let exchanged = stack.client().unnamed().exchange(&key).await.assert_tokens();
    stack.present_key(&key).await.assert_ok();
    stack.present_key(&other).await.assert_ok();
    stack.present(&exchanged).await.assert_ok();
    let path = format!("/account/api-keys/{id}");

    stack.auth().http().delete(&path).bearer(&token).send().await.assert_status(204);

    stack.await_refusal_of_key(&key).await;
    stack.await_refusal(&exchanged).await;
    stack.present_key(&other).await.assert_ok();
    assert_eq!(stack.auth().http().get(&path).bearer(&token).send().await.assert_ok()["state"], "revoked");
    stack.auth().http().delete(&path).bearer(&token).send().await.assert_status(204);
    let rotate = stack.auth().http().post(&format!("{path}/rotate")).bearer(&token).json(&json!({}));
    rotate.send().await.assert_problem(404);
}

#[tokio::test]
async fn a_ak_02_a_disabled_owner_takes_the_keys_along() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    let exchanged = stack.client().unnamed().exchange(&key).await.assert_tokens();
    stack.present_key(&key).await.assert_ok();
    stack.present(&exchanged).await.assert_ok();

    stack.operator().enable_user("ada", false).await.expect("there is such a user");

    stack.await_refusal_of_key(&key).await;
    stack.await_refusal(&exchanged).await;
}

#[tokio::test]
async fn a_ak_02_other_roles_end_the_tokens_and_the_key_follows_them() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read documents:write").await;
    let exchanged = stack.client().unnamed().exchange(&key).await.assert_tokens();
    stack.present(&exchanged).await.assert_ok();
    stack.present_key(&key).await.assert_ok();

    stack.operator().set_roles("ada", &["reader"]).await.expect("there is such a role");

    stack.await_refusal(&exchanged).await;
    // The guard notices that its token is revoked, and exchanges the key anew.
    let me = stack.present_key(&key).await.assert_ok();
    assert_eq!((&me["scopes"], &me["roles"]), (&json!(["documents:read"]), &json!(["reader"])));
    stack.operator().set_roles("ada", &[]).await.expect("nobody needs a role");
    stack.await_refusal_of_key(&key).await;
}

#[tokio::test]
async fn a_ak_02_a_new_password_ends_the_tokens_and_not_the_key() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    let exchanged = stack.client().unnamed().exchange(&key).await.assert_tokens();
    stack.present(&exchanged).await.assert_ok();
    stack.present_key(&key).await.assert_ok();

    stack.operator().set_password("ada", "another phrase that nobody guesses").await.expect("it is acceptable");

    stack.await_refusal(&exchanged).await;
    stack.present_key(&key).await.assert_ok();
}

#[tokio::test]
async fn a_ak_02_no_token_survives_a_race_with_the_end_of_its_key() {
    let stack = stack_with_ada().await;
    let api = stack.introspecting_client().await;
    let client = stack.client().unnamed();
    let mut issued = 0;
    for round in 0..6 {
        let key = stack.api_key("ada", "documents:read").await;
        let mut crowd = JoinSet::new();
        for _ in 0..8 {
            crowd.spawn(client.exchange_request(&key).send());
        }
        let mut tokens = Vec::new();
        for _ in 0..round {
            let answer = crowd.join_next().await.expect("there are eight").expect("it answers");
            tokens.push(answer.assert_tokens());
        }
        match round % 3 {
            0 => stack.operator().revoke_api_key(id_of(&key)).await.expect("there is such a key"),
            1 => stack.operator().enable_user("ada", false).await.expect("there is such a user"),
            _ => stack.operator().set_roles("ada", &[]).await.expect("nobody needs a role"),
        }
        for answer in crowd.join_all().await {
            match answer.status() {
                200 => tokens.push(answer.assert_tokens()),
                _ => assert!(["invalid_request", "invalid_scope"].contains(&answer.json()["error"].as_str().unwrap_or_default())),
            }
        }
        issued += tokens.len();
        for token in tokens {
            assert_eq!(api.introspect(&token).await.assert_ok(), json!({ "active": false }), "in round {round}");
        }
        stack.operator().enable_user("ada", true).await.expect("there is such a user");
        stack.operator().set_roles("ada", &["editor"]).await.expect("there is such a role");
    }
    assert!(issued > 0, "some were quicker");
}

#[tokio::test]
async fn a_ak_02_an_expired_key_is_dead() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    stack.auth_home().database().run("UPDATE api_key SET expires_at = created_at - 1", []).await;

    stack.present_key(&key).await.assert_invalid_token();

    let list = stack.auth().http().get("/account/api-keys").bearer(&account_token(&stack, "ada").await).send().await.assert_ok();
    assert_eq!(list["api_keys"][0]["state"], "expired");
}

#[tokio::test]
async fn a_rotated_key_overlaps_with_the_one_before() {
    let stack = stack_with_ada().await;
    let token = account_token(&stack, "ada").await;
    let (id, old) = made(&stack, &token, "documents:read").await;
    stack.present_key(&old).await.assert_ok();
    let rotate = |body: Value| stack.auth().http().post(&format!("/account/api-keys/{id}/rotate")).bearer(&token).json(&body);

    let rotated = rotate(json!({})).send().await.assert_ok();

    let new = rotated["key"].as_str().expect("a key").to_owned();
    assert_eq!((id_of(&new), id_of(&old)), (&*id, &*id));
    assert!(rotated["previous_until"].is_string() && new != old, "{rotated}");
    for key in [&old, &new] {
        stack.present_key(key).await.assert_ok();
    }
    // A third would have to end the first; that happens only when it is asked for.
    rotate(json!({"overlap_seconds": 60})).send().await.assert_problem(409);
    let third = rotate(json!({"overlap_seconds": 0})).send().await.assert_ok();
    assert_eq!(third.get("previous_until"), None);
    for key in [&old, &new] {
        stack.await_refusal_of_key(key).await;
    }
    stack.present_key(third["key"].as_str().expect("a key")).await.assert_ok();
    rotate(json!({"overlap_seconds": 604_801})).send().await.assert_problem(400);
}

#[tokio::test]
async fn a_ak_03_a_key_anywhere_but_in_its_header_is_none() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    let me = |query: &str| stack.api().get(&format!("/me{query}"));

    for call in [
        me(&format!("?api_key={key}")),
        me(&format!("?x-api-key={key}")),
        me("").header("cookie", format!("x-api-key={key}")),
        me("").header("authorization", format!("ApiKey {key}")),
        me("").header("authorization", format!("Basic {}", base64(&format!("ada:{key}")))),
    ] {
        let challenge = call.send().await.assert_no_credentials();
        assert!(challenge.takes_api_keys(), "{challenge:?}");
    }
    // As a bearer token it is no access token.
    me("").bearer(&key).send().await.assert_invalid_token();
    let exchanges = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE action = 'api_key.exchange'").await;
    assert!(exchanges.is_empty());
}

fn base64(text: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(text)
}

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
async fn a_ak_05_made_up_keys_are_refused_and_cost_the_issuer_a_bounded_number_of_questions() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    stack.present_key(&key).await.assert_ok();
    let made_up = |number: u16| {
        let mut secret = [0; 32];
        secret[..2].copy_from_slice(&number.to_be_bytes());
        shared::access_token::ApiKey::compose(id_of(&key), &secret)
    };

    let mut away = 0;
    for number in 0..300 {
        let answer = stack.present_key(&made_up(number)).await;
        if answer.status() == 503 {
            away += 1;
            answer.assert_problem(503);
            assert!(answer.header("retry-after").is_some());
            assert_eq!(answer.header("www-authenticate"), None);
        } else {
            assert!(answer.assert_invalid_token().takes_api_keys());
        }
    }
    for wrong in [format!("{}_{}", id_of(&key), "0".repeat(72)), key.replacen("ask_", "sk__", 1)] {
        stack.present_key(&wrong).await.assert_invalid_token();
    }

    assert!(away > 0, "the flood is slowed down");
    stack.present_key(&key).await.assert_ok();
    let asked = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE reason = 'wrong_secret'").await;
    assert_eq!(asked.len() + away, 300);
}

#[tokio::test]
async fn a_ak_05_a_refused_key_is_not_asked_about_again_at_once() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    stack.operator().revoke_api_key(id_of(&key)).await.expect("there is such a key");

    for _ in 0..10 {
        stack.present_key(&key).await.assert_invalid_token();
    }

    let asked = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE reason = 'revoked'").await;
    assert!(asked.len() <= 2, "{} questions", asked.len());
}

#[tokio::test]
async fn a_ak_06_two_credentials_are_ambiguous_and_neither_counts() {
    let stack = stack_with_ada().await;
    stack.user("rob", &["reader"]).await;
    let (key, other) = (stack.api_key("admin", "documents:admin").await, stack.api_key("ada", "documents:read").await);
    let bearer = stack.client().log_in("rob", PASSWORD).await;
    let me = || stack.api().get("/me");

    for call in [
        me().api_key(&key).bearer(&bearer),
        me().bearer(&bearer).api_key(&key),
        me().api_key(&key).api_key(&other),
        me().api_key(&key).api_key(&key),
        me().api_key(&key).header("authorization", "Basic Og=="),
        me().api_key("").bearer(&bearer),
        me().api_key("nonsense").bearer(&bearer),
    ] {
        let challenge = call.send().await.assert_challenge(400, Some("invalid_request"));
        assert!(!challenge.takes_api_keys());
    }
    let in_both = stack.api().get(&format!("/me?access_token={bearer}")).api_key(&key).send().await;
    in_both.assert_challenge(400, Some("invalid_request"));
}

#[tokio::test]
async fn a_ak_08_what_is_no_key_is_refused_at_once_and_by_nobody_but_the_guard() {
    let stack = stack_with_ada().await;
    let key = stack.api_key("ada", "documents:read").await;
    let spaced = format!("{key} ");

    for bad in [b"".as_slice(), b" ", b"ask_", b"a b", "ask_é".as_bytes(), b"ask_\xff\xfe", &[b'a'; 8000]] {
        let challenge = stack.api().get("/me").header("x-api-key", bad).send().await.assert_invalid_token();
        assert_eq!(challenge.attribute("error_description"), Some("the API key is malformed"));
    }
    // HTTP itself takes the space off (RFC 9110 §5.5).
    stack.present_key(&spaced).await.assert_ok();
    let huge = stack.api().get("/me").header("x-api-key", vec![b'a'; 100_000]).send().await;
    assert!((400..500).contains(&huge.status()), "{huge}");
    let asked = stack.auth_home().database().rows("SELECT id FROM audit_event WHERE action = 'api_key.exchange'").await;
    assert_eq!(asked.len(), 1, "the good one");
}

#[tokio::test]
async fn a_key_that_is_bound_to_networks_is_good_from_there_only() {
    let proxy = "127.0.0.1/32".parse().expect("a network");
    let stack = Stack::builder().resource(move |config| config.trusted_proxies = vec![proxy]).start().await;
    stack.user("ada", &["editor"]).await;
    stack.await_ready().await;
    let token = account_token(&stack, "ada").await;
    let wanted = json!({"name": "ci", "scope": "documents:read", "sources": ["10.1.2.3/8", "2001:db8::1"]});
    let made = create(&stack, &token, &wanted).await.assert_status(201).json();
    let key = made["key"].as_str().expect("a key");
    let exchanged = stack.client().unnamed().exchange(key).await.assert_tokens();
    let me = || stack.api().get("/me");

    assert_eq!(made["sources"], json!(["10.0.0.0/8", "2001:db8::1/128"]));
    for (address, is_good) in
        [("10.9.9.9", true), ("2001:db8::1", true), ("::ffff:10.0.0.1", true), ("11.0.0.1", false), ("2001:db8::2", false)]
    {
        for call in [me().api_key(key), me().bearer(&exchanged)] {
            let answer = call.header("x-forwarded-for", address).send().await;
            if is_good {
                answer.assert_ok();
            } else {
                let challenge = answer.assert_invalid_token();
                assert_eq!(challenge.attribute("error_description"), Some("the credentials are not good from this address"));
            }
        }
    }
    me().api_key(key).send().await.assert_invalid_token();
    for sources in [json!(["10.0.0.0/33"]), json!([""]), json!(["anywhere"])] {
        let wanted = json!({"name": "ci", "scope": "documents:read", "sources": sources});
        create(&stack, &token, &wanted).await.assert_problem(422);
    }
    let wanted = json!({"name": "ci", "scope": "documents:read", "sources": vec!["10.0.0.0/8"; 17]});
    create(&stack, &token, &wanted).await.assert_problem(400);
}

#[tokio::test]
async fn a_wrong_key_does_not_close_what_is_open_to_everybody() {
    let stack = stack_with_ada().await;
    stack.api().get("/.well-known/oauth-protected-resource").api_key("nonsense").send().await.assert_ok();
}

#[tokio::test]
async fn a_service_that_takes_no_keys_does_not_look_at_them() {
    let stack = Stack::builder().resource(|config| config.api_keys = false).start().await;
    stack.user("ada", &["editor"]).await;
    let key = stack.api_key("ada", "documents:read").await;

    let challenge = stack.present_key(&key).await.assert_no_credentials();

    assert!(!challenge.takes_api_keys());
    let document = stack.api().get("/openapi.json").send().await.assert_ok();
    assert_eq!(document["components"]["securitySchemes"].get("ApiKey"), None);
}

#[tokio::test]
async fn the_document_and_the_page_say_that_a_key_does_as_well() {
    let stack = Stack::start().await;

    let document = stack.api().get("/openapi.json").send().await.assert_ok();

    assert_eq!(document["components"]["securitySchemes"]["ApiKey"]["name"], "X-API-Key");
    let security = &document["paths"]["/documents"]["get"]["security"];
    assert_eq!(security, &json!([{"OAuth2": ["documents:read"]}, {"ApiKey": []}]));
    let own = stack.auth().http().get("/openapi.json").send().await.assert_ok();
    assert_eq!(own["components"]["securitySchemes"].get("ApiKey"), None);
    assert!(stack.api().get("/docs").send().await.text().contains("X-API-Key"));
}

#[tokio::test]
async fn an_issuer_that_is_away_is_not_the_keys_fault() {
    let issuer = MockIssuer::start().await;
    let home = ResourceHome::new().await;
    let resource = home.start(issuer.url(), |_| {}).await.expect("it starts");
    let key = |number: u8| shared::access_token::ApiKey::compose("ask_0123456789abcdef0123456789abcdef", &[number; 32]);
    let me = |number| resource.http().get("/me").api_key(&key(number)).send();
    let token = issuer.token_for(resource.id()).sign(issuer.key());

    // Nobody is at the token endpoint; it answers nonsense; it wants something else; it sends us elsewhere.
    let elsewhere =
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (number, reply) in [
        (1, None),
        (2, Some(Reply::Json(json!({"unexpected": true})))),
        (3, Some(Reply::Raw(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()))),
        (4, Some(Reply::Raw(elsewhere.to_vec()))),
    ] {
        if let Some(reply) = reply {
            issuer.reply("/token", reply);
        }
        let answer = me(number).await;
        answer.assert_problem(503);
        assert!(answer.header("retry-after").is_some(), "{answer}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    // A bearer token needs nobody.
    resource.http().get("/me").bearer(&token).send().await.assert_ok();
    // And once the issuer is back, so are the keys.
    issuer.reply("/token", Reply::Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 300})));
    tokio::time::timeout(Duration::from_mins(1), async { while me(5).await.status() != 200 {} }).await.expect("it recovers");
    let asked = issuer.requests().iter().filter(|line| line.starts_with("POST /token")).count();
    for _ in 0..5 {
        me(5).await.assert_ok();
    }
    assert_eq!(issuer.requests().iter().filter(|line| line.starts_with("POST /token")).count(), asked);
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
