//! What else goes on while 64 people log in at once.
//!
//! Their passwords are right: wrong ones would soon be turned away before they cost anything. Who is told that there are too
//! many comes again a second later. Beside them the key set and a token for a machine are asked for at a steady pace, which
//! shows how long they wait, and takes little away from the logins.

use std::time::Duration;

use anyhow::ensure;

use crate::{
    client::{self, Outcome, Same},
    report::{Goal, Line, Report, Target},
    scenario::KEYS,
    script::{Paced, Patient},
    services::{Services, get},
};

const LOGINS: usize = 64;
const PACE: Duration = Duration::from_millis(20);
/// Long enough for a few hundred answers at that pace.
const LEAST: Duration = Duration::from_secs(6);

pub(crate) async fn run(services: &Services, report: &mut Report, time: Duration) -> anyhow::Result<()> {
    let time = time.max(LEAST);
    let auth = services.auth_address();
    let logins = || vec![Patient { request: services.login(), pause: Duration::ZERO }; LOGINS];
    let paced = |request| vec![Paced(Same { request, status: 200 }, PACE); 2];
    let (keys, machines) = (get(&auth, KEYS, &[]), services.client_credentials());

    let calm = tokio::try_join!(
        client::press(&auth, paced(keys.clone()), time / 2),
        client::press(&auth, paced(machines.clone()), time / 2)
    )?;
    let unhindered = client::press(&auth, logins(), time).await?;
    let stormy = tokio::try_join!(
        client::press(&auth, logins(), time),
        client::press(&auth, paced(keys), time),
        client::press(&auth, paced(machines), time)
    )?;

    let memory = services.auth_usage().memory;
    let mut add = |name: &str, concurrency: usize, outcome: &Outcome| -> anyhow::Result<()> {
        ensure!(outcome.unexpected == 0, "{name}: {} unexpected answers", outcome.unexpected);
        let mut line = Line::new(name, concurrency, outcome, Duration::ZERO, memory, Target::none());
        line.cpu_micros = f64::NAN;
        report.add(line);
        Ok(())
    };
    add("storm: JWKS, nobody logs in", 2, &calm.0)?;
    add("storm: client credentials, nobody logs in", 2, &calm.1)?;
    add("storm: logins alone", LOGINS, &unhindered)?;
    add("storm: logins", LOGINS, &stormy.0)?;
    add("storm: JWKS", 2, &stormy.1)?;
    add("storm: client credentials", 2, &stormy.2)?;
    report.want(Goal::at_most("JWKS p99 while 64 log in", 10.0, "ms", stormy.1.percentile(99)));
    report.want(Goal::at_most("client credentials p99 while 64 log in", 50.0, "ms", stormy.2.percentile(99)));
    let kept = stormy.0.rate() / unhindered.rate();
    report.want(Goal::share("logins while keys and tokens are asked for", 0.9, "their unhindered rate", kept));
    Ok(())
}
