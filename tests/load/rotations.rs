//! Many rotations of the signing key under load: no valid token may be refused, by either service.
//!
//! A key stays listed for an hour after it stopped, and no more than 32 may be, so 30 is about as many as an hour takes.
//! `keys::rotation::a_jk_07_twenty_rotations_under_load_refuse_no_valid_token` in `tests/it` is the short form.

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    client::{Connection, member},
    request::get,
    services::Services,
};

/// How many requests a second each of the clients makes at the most.
const PACE: Duration = Duration::from_millis(20);
const CLIENTS: usize = 16;
/// How long each key signs.
const REIGN: Duration = Duration::from_millis(1500);

/// What has been counted.
#[derive(Default)]
struct Counts {
    issued: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
}

/// Rotates the key so many times, each time at once, which is the hardest case for those who verify.
pub(crate) async fn run(count: u64) -> anyhow::Result<ExitCode> {
    let services = Services::start().await?;
    let (auth, resource) = (services.auth_address(), services.resource_address());
    let counts = Arc::new(Counts::default());
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (mut issuer, mut api) = (Connection::open(&auth).await?, Connection::open(&resource).await?);
        let (request, resource) = (services.client_credentials(), resource.clone());
        let (counts, stop) = (Arc::clone(&counts), Arc::clone(&stop));
        clients.spawn(async move {
            // The tokens of a while ago, by keys that have stopped signing, are valid too.
            let mut tokens: Vec<String> = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let answer = issuer.call(&request).await?;
                ensure!(answer.status == 200, "the issuer answered {}", answer.status);
                tokens.push(member(answer.body, "access_token")?);
                counts.issued.fetch_add(1, Ordering::Relaxed);
                let oldest = tokens.len().saturating_sub(200);
                for token in [tokens.last(), tokens.get(oldest)].into_iter().flatten() {
                    let request = get(&resource, "/me", &[("authorization", &format!("Bearer {token}"))]);
                    let answer = api.call(&request).await?;
                    let counter = if answer.status == 200 { &counts.accepted } else { &counts.refused };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                sleep(PACE).await;
            }
            anyhow::Ok(())
        });
    }
    for _ in 0..count {
        services.operate(&["key", "rotate", "--now"], "").await?;
        sleep(REIGN).await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    let (issued, accepted, refused) = (&counts.issued, &counts.accepted, &counts.refused);
    let (issued, accepted, refused) =
        (issued.load(Ordering::Relaxed), accepted.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    println!(
        "{count} rotations in {:.0} s: {issued} tokens issued, {accepted} accepted, {refused} refused",
        began.elapsed().as_secs_f64()
    );
    Ok(if refused == 0 && accepted > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
