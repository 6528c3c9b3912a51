//! Tokens that are almost good, and paths that are almost those of an administrator (A.JV-27, A.JV-29).

use std::sync::Arc;

use arc_swap::ArcSwap;
use shared::access_token::{AccessTokenVerifier, KeySet};
use tests::{Http, PASSWORD, Stack, wire};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";

/// Everything that is one change away from this text: a letter more, less, or another, two changed places, a cut.
fn neighbours(token: &str) -> impl Iterator<Item = Vec<u8>> {
    let bytes = token.as_bytes();
    let with = |at: usize, value: u8| {
        let mut changed = bytes.to_vec();
        changed[at] = value;
        changed
    };
    let letters = (0..bytes.len()).flat_map(move |at| ALPHABET.iter().map(move |letter| with(at, *letter)));
    let bits = (0..bytes.len()).flat_map(move |at| (0..8).map(move |bit| with(at, bytes[at] ^ (1 << bit))));
    let fewer = (0..bytes.len()).map(|at| [&bytes[..at], &bytes[at + 1..]].concat());
    let more = (0..=bytes.len()).flat_map(|at| {
        b"A.=\n %".iter().chain(bytes.get(at)).map(move |letter| [&bytes[..at], &[*letter], &bytes[at..]].concat())
    });
    let swapped = (1..bytes.len()).map(|at| [&bytes[..at - 1], &[bytes[at], bytes[at - 1]], &bytes[at + 1..]].concat());
    let cut = (0..bytes.len()).flat_map(|at| [bytes[..at].to_vec(), bytes[at..].to_vec()]);
    letters.chain(bits).chain(fewer).chain(more).chain(swapped).chain(cut)
}

/// All of them, at the verifier that the API has, with the keys that the issuer publishes.
#[tokio::test]
async fn a_jv_29_whatever_is_one_change_away_from_a_good_token_is_none() {
    let stack = Stack::start().await;
    let good = stack.token_of("rita", &["reader"]).await;
    let keys = stack.auth().http().get("/.well-known/jwks.json").send().await;
    let keys = Arc::new(ArcSwap::from_pointee(KeySet::from_jwks(keys.body()).expect("the issuer's keys")));
    let verifier = AccessTokenVerifier::with_local_keys(stack.auth_url(), stack.resource_url(), keys);
    assert!(verifier.verify(&good).await.is_ok());

    let mut refused = 0;
    for changed in neighbours(&good).filter(|changed| changed != good.as_bytes()) {
        let Ok(changed) = String::from_utf8(changed) else { continue };
        assert!(verifier.verify(&changed).await.is_err(), "{changed}");
        refused += 1;
    }
    assert!(refused > 50_000, "{refused} tokens");
    assert!(verifier.verify(&good).await.is_ok());
}

/// Spellings of a path that a proxy, or a router, could take for the path itself.
fn spellings(path: &str) -> Vec<String> {
    let (first, rest) = path[1..].split_once('/').expect("two segments");
    vec![
        format!("/./{first}/{rest}"),
        format!("/{first}/./{rest}"),
        format!("/{first}/../{first}/{rest}"),
        format!("/nowhere/../{first}/{rest}"),
        format!("/../{first}/{rest}"),
        format!("//{first}/{rest}"),
        format!("/{first}//{rest}"),
        format!("/{first}/{rest}/"),
        format!("/{first}/{rest}/."),
        format!("/{first}/{rest}/.."),
        format!("/{}/{rest}", first.to_uppercase()),
        format!("/{first}%2f{rest}"),
        format!("/{first}%2F{rest}"),
        format!("/{first}%5c{rest}"),
        format!("/{first}\\{rest}"),
        format!("/%2e/{first}/{rest}"),
        format!("/nowhere/%2e%2e/{first}/{rest}"),
        format!("/{first}/{rest};x"),
        format!("/{first};x/{rest}"),
        format!("/nowhere/..;/{first}/{rest}"),
        format!("/%{:02x}{}/{rest}", first.as_bytes()[0], &first[1..]),
        format!("/{first}/{rest}%00"),
        format!("/{first}/{rest}%20"),
        format!("/{first}/{rest}.json"),
    ]
}

/// As it is written: no library may put the path right before it is sent.
async fn status(http: &Http, path: &str, token: &str, more: &str) -> u16 {
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{more}Connection: close\r\n\r\n");
    let answer = wire::send(http, head).await;
    wire::status(&answer).unwrap_or_else(|| panic!("no answer to {path}: {answer}"))
}

#[tokio::test]
async fn a_jv_27_no_spelling_of_an_administrators_path_leads_around_the_check() {
    let stack = Stack::start().await;
    stack.user("rita", &["reader"]).await;
    let account = stack.client().scope("account").log_in("rita", PASSWORD).await;
    let documents = stack.client().scope("documents:read").log_in("rita", PASSWORD).await;

    for (http, path, token) in [(stack.api(), "/admin/documents", documents), (stack.auth().http(), "/admin/users", account)] {
        assert_eq!(status(http, path, &token, "").await, 403, "{path}");
        for spelling in spellings(path) {
            let status = status(http, &spelling, &token, "").await;
            assert!(matches!(status, 400 | 403 | 404), "{status} for {spelling}");
        }
        for header in [
            "X-HTTP-Method-Override: OPTIONS",
            "X-Method-Override: HEAD",
            "X-Original-URL: /health/live",
            "X-Rewrite-URL: /health/live",
            "X-Forwarded-Prefix: /health",
            "X-Forwarded-For: 127.0.0.1",
            "Forwarded: for=127.0.0.1",
        ] {
            assert_eq!(status(http, path, &token, &format!("{header}\r\n")).await, 403, "{header}");
            // And the other way round: no header turns an open path into an administrator's.
            let turned = format!("X-Original-URL: {path}\r\nX-Rewrite-URL: {path}\r\n");
            assert_eq!(status(http, "/health/live", &token, &turned).await, 200);
        }
    }
}
