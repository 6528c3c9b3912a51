//! A long run of everything at once: memory must stay where it is.

use std::{process::ExitCode, time::Duration};

use anyhow::ensure;

use crate::{
    client::{self, Connection, member},
    scenario,
    services::Services,
};

const CONNECTIONS: usize = 16;
/// How much more than after the first tenth the last tenth may take, in MiB.
const DRIFT: f64 = 4.0;
const PARTS: u32 = 10;

/// Presses the issuer for so long, and looks at its memory ten times.
pub(crate) async fn run(minutes: u64) -> anyhow::Result<ExitCode> {
    let services = Services::start().await?;
    let auth = services.auth_address();
    let mut connection = Connection::open(&auth).await?;
    let token = member(connection.call(&services.login()).await?.body, "access_token")?;
    let mut sizes = Vec::new();
    for part in 1..=PARTS {
        let scripts = scenario::mixed(&services, &token, CONNECTIONS).await?;
        let outcome = client::press(&auth, scripts, Duration::from_secs(minutes * 60) / PARTS).await?;
        ensure!(outcome.unexpected == 0, "{} unexpected answers", outcome.unexpected);
        let memory = services.auth_usage().memory;
        println!("{part}/{PARTS}: {:.0} requests/s, {memory:.1} MiB", outcome.rate());
        sizes.push(memory);
    }
    let drift = sizes[sizes.len() - 1] - sizes[0];
    println!("{drift:+.1} MiB from the first tenth of {minutes} minutes to the last");
    Ok(if drift < DRIFT { ExitCode::SUCCESS } else { ExitCode::from(2) })
}
