//! Worthless tokens by the thousand, and one client with a good one.

use std::time::{Duration, Instant};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::{
    Size, Verdicts,
    client::{self, Connection, Same, member},
    request::get,
    scene::Scene,
};

/// Over how many connections they come.
const CONNECTIONS: usize = 50;

/// Below this nobody notices, and a scheduler's mood is most of it.
const UNNOTICED_MS: f64 = 20.0;

pub(crate) async fn run(size: Size, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    let resource = scene.resource().await?;
    let mut connection = Connection::open(&scene.address()).await?;
    let granted = connection.call(&scene.client_credentials("batch", &scene.secret)).await?;
    let token = member(granted.body, "access_token")?;
    let show = |token: &str| get(&resource.address, "/me", &[("authorization", &format!("Bearer {token}"))]);
    let good = Same { request: show(&token), status: 200 };

    let idle = client::press(&resource.address, vec![good.clone(); 2], size.time).await?.percentile(99);
    let worthless = [
        "x".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(7000),
        format!("{token}x"),
        token.replacen('.', "..", 1),
        format!("eyJhbGciOiJub25lIn0.{}.", "e30".repeat(100)),
        token.split_once('.').map_or_else(String::new, |(_, rest)| format!("eyJhbGciOiJSUzI1NiIsImtpZCI6Im5vYm9keSJ9.{rest}")),
    ];
    let mut flood = JoinSet::new();
    let pause = Duration::from_secs_f64(1.0) * u32::try_from(CONNECTIONS)? / u32::try_from(size.garbage)?;
    for at in 0..CONNECTIONS {
        let (address, request) = (resource.address.clone(), show(&worthless[at % worthless.len()]));
        let until = Instant::now() + size.time;
        flood.spawn(async move {
            let mut connection = Connection::open(&address).await?;
            let mut beat = interval(pause);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let (mut refused, mut other) = (0_usize, 0_usize);
            while Instant::now() < until {
                beat.tick().await;
                if connection.call(&request).await?.status == 401 { refused += 1 } else { other += 1 }
            }
            anyhow::Ok((refused, other))
        });
    }
    let pressed = client::press(&resource.address, vec![good; 2], size.time).await?;
    let (mut refused, mut other) = (0, 0);
    while let Some(counts) = flood.join_next().await {
        let counts = counts??;
        refused += counts.0;
        other += counts.1;
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
    let rate = refused as f64 / size.time.as_secs_f64();
    let p99 = pressed.percentile(99);
    verdicts.note(other == 0, &format!("{rate:.0} worthless tokens a second, each refused with 401"));
    verdicts.note(
        pressed.unexpected == 0 && p99 <= (3.0 * idle).max(UNNOTICED_MS),
        &format!("a good token meanwhile: p99 {p99:.2} ms, {idle:.2} ms without them"),
    );
    Ok(())
}
