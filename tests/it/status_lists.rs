//! Revocation that verifiers hear of by themselves (draft-ietf-oauth-status-list).

use std::collections::HashSet;

use auth_service::{ClientKind, NewClient};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Value, json};
use shared::access_token::status_list::StatusList;
use tests::{Answer, PASSWORD, Stack, jwt::Token, until, until_some};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const MEDIA_TYPE: &str = "application/statuslist+jwt";

/// The longest list that the tests are ready to read, decompressed.
const LONGEST: usize = 1 << 20;

/// Where a token can be revoked: its place, and the URL of the list.
fn place_of(token: &str) -> (u64, String) {
    let reference = Token::read(token).claims["status"]["status_list"].clone();
    let idx = reference["idx"].as_u64().expect("a place is a number");
    (idx, reference["uri"].as_str().expect("a list has a URI").to_owned())
}

/// Asks for a list as a verifier would.
async fn list_at(stack: &Stack, uri: &str) -> Answer {
    let path = uri.strip_prefix(stack.auth().issuer()).expect("the list is at the issuer's origin");
    stack.auth().http().get(path).header("accept", MEDIA_TYPE).send().await
}

/// Verifies a list with the issuer's published keys, and returns its claims.
async fn verified(stack: &Stack, answer: &Answer) -> Value {
    answer.assert_status(200);
    assert_eq!(answer.media_type(), Some(MEDIA_TYPE), "{answer}");
    let header = jsonwebtoken::decode_header(answer.text()).expect("it is a JWT");
    assert_eq!(header.typ.as_deref(), Some("statuslist+jwt"));
    let keys = stack.auth().http().get("/.well-known/jwks.json").send().await.assert_ok();
    let keys: JwkSet = serde_json::from_value(keys).expect("it is a key set");
    let key = keys.find(&header.kid.expect("it names its key")).expect("the key is published");
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_required_spec_claims(&["exp", "sub"]);
    validation.validate_aud = false;
    let key = DecodingKey::from_jwk(key).expect("it is a public key");
    jsonwebtoken::decode::<Value>(answer.text(), &key, &validation).expect("the signature holds").claims
}

/// The statuses that a list holds.
fn statuses(claims: &Value) -> StatusList {
    let list = &claims["status_list"];
    let bits = u8::try_from(list["bits"].as_u64().expect("a number")).expect("1, 2, 4 or 8");
    StatusList::from_lst(bits, list["lst"].as_str().expect("text"), LONGEST).expect("a list is ZLIB in base64url")
}

/// What the list of a token says about it now.
async fn status_of(stack: &Stack, token: &str) -> Option<u8> {
    let (idx, uri) = place_of(token);
    statuses(&verified(stack, &list_at(stack, &uri).await).await).get(idx)
}

#[tokio::test]
async fn every_access_token_has_a_place_of_its_own_that_tells_nothing() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();

    let mut tokens = client.open_session("ada", PASSWORD).await;
    let mut places = Vec::new();
    for _ in 0..20 {
        let (idx, uri) = place_of(&tokens.access);
        assert!(uri.starts_with(&format!("{}/oauth2/status-lists/", stack.auth().issuer())), "{uri}");
        places.push((uri, idx));
        tokens = client.next_tokens(&tokens.refresh).await;
    }

    let distinct: HashSet<_> = places.iter().collect();
    assert_eq!(distinct.len(), places.len());
    assert!(!places.is_sorted(), "who was issued a token before whom is nobody's business");
    let gaps: HashSet<u64> = places.windows(2).map(|pair| pair[0].1.abs_diff(pair[1].1)).collect();
    assert!(gaps.len() > 10, "neighbours in time are none in the list: {places:?}");
}

#[tokio::test]
async fn a_list_is_signed_and_says_how_long_it_keeps() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let token = stack.client().log_in("ada", PASSWORD).await;
    let (idx, uri) = place_of(&token);

    let answer = list_at(&stack, &uri).await;

    let claims = verified(&stack, &answer).await;
    assert_eq!((&claims["sub"], &claims["ttl"]), (&json!(uri), &json!(1)));
    assert!(claims["exp"].as_i64() > claims["iat"].as_i64(), "{claims}");
    assert_eq!(claims["status_list"]["bits"], 1);
    let list = statuses(&claims);
    assert!(list.size() >= 1 << 17, "a small list would tell one token from another: {}", list.size());
    assert_eq!(list.get(idx), Some(0));
    answer.assert_hardened();
    assert_eq!(answer.header("cache-control"), Some("public, max-age=1"));
}

#[tokio::test]
async fn a_list_that_is_known_already_is_not_sent_again_until_it_changes() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let token = stack.client().log_in("ada", PASSWORD).await;
    let (_, uri) = place_of(&token);
    let path = uri.strip_prefix(stack.auth().issuer()).expect("the list is at the issuer").to_owned();
    let first = list_at(&stack, &uri).await;
    let tag = first.header("etag").expect("an entity tag").to_owned();
    let again = || stack.auth().http().get(&path).header("if-none-match", &tag).send();

    let known = again().await;
    known.assert_status(304);
    assert_eq!((known.text(), known.header("etag")), ("", Some(&*tag)));

    stack.client().revoke(&token).await.assert_status(200);
    let changed = again().await;
    changed.assert_status(200);
    assert_ne!(changed.header("etag"), Some(&*tag));
}

#[tokio::test]
async fn the_metadata_leads_to_every_list_with_living_tokens() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let token = stack.client().log_in("ada", PASSWORD).await;
    let metadata = stack.auth().http().get(METADATA).send().await.assert_ok();
    let aggregation = metadata["status_list_aggregation_endpoint"].as_str().expect("the draft's member");
    let path = aggregation.strip_prefix(stack.auth().issuer()).expect("it is at the issuer").to_owned();

    let (_, uri) = place_of(&token);
    let lists = until_some("a list that was opened is named", async || {
        let aggregation = stack.auth().http().get(&path).send().await.assert_ok();
        let lists = aggregation["status_lists"].as_array().expect("an array").clone();
        lists.contains(&json!(uri)).then_some(lists)
    });
    let lists = lists.await;

    let lists: Vec<&str> = lists.iter().filter_map(Value::as_str).collect();
    for uri in lists {
        let claims = verified(&stack, &list_at(&stack, uri).await).await;
        assert_eq!(claims["sub"], uri);
    }
}

#[tokio::test]
async fn a_list_that_is_none_is_not_found() {
    let stack = Stack::builder().prompt().with_ada("editor").await;

    for id in ["unheard-of", "..%2f..%2fetc%2fpasswd", "%00", "' OR 1=1 --", &"a".repeat(1000)] {
        let answer = stack.auth().http().get(&format!("/oauth2/status-lists/{}", id.replace(' ', "%20"))).send().await;
        assert!(matches!(answer.status(), 400 | 404), "{answer}");
        answer.assert_problem(answer.status());
    }
}

#[tokio::test]
async fn only_what_was_revoked_is_marked() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let first = client.open_session("ada", PASSWORD).await;
    let second = client.next_tokens(&first.refresh).await;
    let other = client.open_session("ada", PASSWORD).await;
    assert_eq!(status_of(&stack, &first.access).await, Some(0));

    client.revoke(&second.refresh).await.assert_status(200);

    let (_, uri) = place_of(&second.access);
    let list = statuses(&verified(&stack, &list_at(&stack, &uri).await).await);
    let size = u64::try_from(list.size()).expect("a size");
    let marked: HashSet<u64> = (0..size).filter(|idx| list.get(*idx) != Some(0)).collect();
    assert_eq!(marked, [&first, &second].map(|tokens| place_of(&tokens.access).0).into(), "{other:?}");
}

/// A.JV-28
#[tokio::test]
async fn after_a_revocation_the_access_token_is_refused_without_anybody_asking_about_it() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let tokens = client.open_session("ada", PASSWORD).await;
    let other = client.open_session("ada", PASSWORD).await;
    stack.present(&tokens.access).await.assert_ok();

    client.revoke(&tokens.refresh).await.assert_status(200);

    stack.await_refusal(&tokens.access).await;
    stack.present(&other.access).await.assert_ok();
}

#[tokio::test]
async fn a_token_that_was_never_seen_before_its_revocation_is_refused_at_first_sight() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let client = stack.client();
    let tokens = client.open_session("ada", PASSWORD).await;

    client.revoke(&tokens.refresh).await.assert_status(200);

    // Either the list is not known yet and is fetched for the first token that needs it, or it is followed already.
    stack.await_refusal(&tokens.access).await;
}

#[tokio::test]
async fn a_ca_11_disabling_a_client_revokes_everything_it_was_issued() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let new = stack.new_client("batch", ClientKind::Confidential, &["client_credentials"], "documents:read");
    let batch = stack.auth().register(NewClient { roles: vec!["reader".to_owned()], ..new }).await;
    let app = stack.app("app").await;
    let mut issued = Vec::new();
    for _ in 0..3 {
        issued.push(batch.client_credentials().await.assert_tokens());
        issued.push(app.log_in("ada", PASSWORD).await);
    }
    let bystander = stack.client().log_in("ada", PASSWORD).await;
    for token in &issued {
        stack.present(token).await.assert_ok();
    }

    for id in ["batch", "app"] {
        stack.operator().enable_client(id, false).await.expect("there is such a client");
    }

    for token in &issued {
        stack.await_refusal(token).await;
    }
    stack.present(&bystander).await.assert_ok();
    stack.operator().enable_client("batch", true).await.expect("there is such a client");
    stack.present(&batch.client_credentials().await.assert_tokens()).await.assert_ok();
    stack.present(&issued[0]).await.assert_invalid_token();
}

#[tokio::test]
async fn a_list_is_dropped_when_its_last_token_has_ended() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let (_, uri) = place_of(&stack.client().log_in("ada", PASSWORD).await);
    list_at(&stack, &uri).await.assert_status(200);

    let database = stack.auth_home().database();
    database.run("UPDATE status_list SET expires_at = expires_at - 100000, closes_at = closes_at - 100000", []).await;

    until("it is not offered any more", async || list_at(&stack, &uri).await.status() == 404).await;
}

#[tokio::test]
async fn a_jk_08_a_list_is_signed_anew_when_its_key_was_revoked() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let (_, uri) = place_of(&stack.client().log_in("ada", PASSWORD).await);
    let key_of = |answer: &Answer| jsonwebtoken::decode_header(answer.text()).expect("a JWT").kid.expect("it names its key");
    let revoked = key_of(&list_at(&stack, &uri).await);

    stack.operator().revoke_key(&revoked).await.expect("there is such a key");

    let by_another = async || Some(list_at(&stack, &uri).await).filter(|list| key_of(list) != revoked);
    let list = until_some("it is signed by another key: no verifier could believe the old one", by_another).await;
    verified(&stack, &list).await;
}

#[tokio::test]
async fn places_are_not_handed_out_twice_after_a_restart() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let before = place_of(&stack.client().log_in("ada", PASSWORD).await);
    let issuer = stack.auth().issuer().to_owned();
    let (home, _resource_home) = stack.stop().await;

    let auth = home.start(|config| config.issuer = Some(issuer)).await.expect("it starts again");

    let mut seen = HashSet::from([before]);
    for _ in 0..20 {
        let place = place_of(&auth.client().log_in("ada", PASSWORD).await);
        assert!(seen.insert(place), "{seen:?}");
    }
}
