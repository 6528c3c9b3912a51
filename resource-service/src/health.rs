//! What it takes to serve requests: the database, and what the issuer says about its keys and its revoked tokens.

use std::future::ready;

use shared::{
    access_token::{IssuerKeys, Revocations, StalePolicy},
    database::Database,
    server::health::{Detail, Health},
};

/// The checks behind `/health/ready`.
pub(crate) fn checks(database: &Database, keys: IssuerKeys, revocations: Revocations) -> Health {
    let database = database.clone();
    let ping = move || {
        let database = database.clone();
        async move { database.ping().await.map(|()| Detail::new()).map_err(|error| error.to_string()) }
    };
    Health::new()
        .check("database", ping)
        .check("issuer_keys", move || ready(keys_at_hand(&keys)))
        .check("revocations", move || ready(revocations_at_hand(&revocations)))
}

fn keys_at_hand(keys: &IssuerKeys) -> Result<Detail, String> {
    let state = keys.state();
    match state.age {
        Some(age) if state.usable => {
            let count = ("keys".to_owned(), state.key_ids.len().into());
            Ok(Detail::from_iter([count, ("age_seconds".to_owned(), age.as_secs().into())]))
        }
        Some(_) | None => Err(state.last_error.unwrap_or_else(|| "the issuer has not been asked yet".to_owned())),
    }
}

/// Stale revocations keep us from serving only where the operator wants it so.
fn revocations_at_hand(revocations: &Revocations) -> Result<Detail, String> {
    let Some(state) = revocations.state() else { return Ok(Detail::new()) };
    if !state.fresh && state.policy == StalePolicy::FailClosed {
        return Err(state.last_error.unwrap_or_else(|| "a status list is too old".to_owned()));
    }
    let mut detail = Detail::from_iter([
        ("lists".to_owned(), state.lists.into()),
        ("fresh".to_owned(), state.fresh.into()),
        ("unchecked".to_owned(), state.unchecked.into()),
    ]);
    if let Some(oldest) = state.oldest {
        detail.insert("age_seconds".to_owned(), oldest.as_secs().into());
    }
    Ok(detail)
}
