//! What else goes on while 64 people log in at once.
//!
//! Their passwords are right at first, and then wrong; against wrong ones the throttle is off for this, for they would soon
//! be turned away before they cost anything. Who is told that there are too many comes again a second later. Beside them the
//! key set and a token for a machine are asked for at a steady pace, which shows how long they wait, and takes little away
//! from the logins.

use std::time::Duration;

use anyhow::ensure;

use crate::{
    client::{self, Outcome, Same},
    report::{Goal, Line, Report, Target},
    request::get,
    scenario::KEYS,
    script::{Paced, Patient},
    services::Services,
};

const LOGINS: usize = 64;
const PACE: Duration = Duration::from_millis(20);
/// Long enough for a thousand answers at that pace.
const LEAST: Duration = Duration::from_secs(12);
/// How many times as long as on a calm day the slowest in a hundred may take.
const SLOWER: f64 = 3.0;
/// What a hash takes of the memory, and what a storm may take beside that, in MiB. Pinned to one core, there is one slot.
const HASH: f64 = 19.0;
const SPARE: f64 = 64.0;

pub(crate) async fn run(services: &Services, report: &mut Report, time: Duration) -> anyhow::Result<()> {
    let time = time.max(LEAST);
    let auth = services.auth_address();
    let logins = || vec![Patient::new(services.login(), 200); LOGINS];

    let calm = beside(services, time).await?;
    let unhindered = client::press(&auth, logins(), time).await?;
    let (hindered, stormy) = tokio::try_join!(client::press(&auth, logins(), time), beside(services, time))?;

    let memory = services.auth_usage().memory;
    let mut add = |name: &str, concurrency: usize, outcome: &Outcome| -> anyhow::Result<()> {
        ensure!(outcome.unexpected == 0, "{name}: {} unexpected answers", outcome.unexpected);
        let mut line = Line::new(name, concurrency, outcome, Duration::ZERO, memory, Target::none());
        line.cpu_micros = f64::NAN;
        report.add(line);
        Ok(())
    };
    add("storm: JWKS, nobody logs in", 2, &calm.keys)?;
    add("storm: client credentials, nobody logs in", 2, &calm.machines)?;
    add("storm: logins alone", LOGINS, &unhindered)?;
    add("storm: logins", LOGINS, &hindered)?;
    add("storm: JWKS", 2, &stormy.keys)?;
    add("storm: client credentials", 2, &stormy.machines)?;
    report.want(Goal::at_most("JWKS p99 while 64 log in", 10.0, "ms", stormy.keys.percentile(99)));
    report.want(Goal::at_most("client credentials p99 while 64 log in", 50.0, "ms", stormy.machines.percentile(99)));
    let kept = hindered.rate() / unhindered.rate();
    report.want(Goal::share("logins while keys and tokens are asked for", 0.9, "their unhindered rate", kept));
    wrong_passwords(report, time).await
}

/// What was asked for beside the logins.
struct Beside {
    keys: Outcome,
    machines: Outcome,
}

async fn beside(services: &Services, time: Duration) -> anyhow::Result<Beside> {
    let auth = services.auth_address();
    let paced = |request| vec![Paced(Same { request, status: 200 }, PACE); 2];
    let (keys, machines) = tokio::try_join!(
        client::press(&auth, paced(get(&auth, KEYS, &[])), time),
        client::press(&auth, paced(services.client_credentials()), time)
    )?;
    Ok(Beside { keys, machines })
}

/// Each of them costs as much as a right one; and an issuer that has not been used otherwise shows what they take.
async fn wrong_passwords(report: &mut Report, time: Duration) -> anyhow::Result<()> {
    let services = Services::start_unthrottled().await?;
    let auth = services.auth_address();
    let logins = vec![Patient::new(services.login_with("not the password of anybody here"), 400); LOGINS];
    let calm = beside(&services, time).await?;
    let before = services.auth_usage().memory;
    let (logins, stormy) = tokio::try_join!(client::press(&auth, logins, time), beside(&services, time))?;
    ensure!(logins.unexpected + stormy.keys.unexpected + stormy.machines.unexpected == 0, "there were unexpected answers");
    for (what, calm, stormy) in [("JWKS", calm.keys, stormy.keys), ("client credentials", calm.machines, stormy.machines)] {
        let (calm, stormy) = (calm.percentile(99), stormy.percentile(99));
        let goal = Goal::at_most(&format!("{what} p99 while 64 wrong passwords are tried"), calm * SLOWER, "ms", stormy);
        let wanted = format!("≤ {SLOWER:.0} × {calm:.1} ms without them");
        report.want(Goal { wanted, ..goal });
    }
    let most = before + HASH + SPARE;
    report.want(Goal::at_most("memory while 64 wrong passwords are tried", most, "MiB", services.auth_usage().memory));
    Ok(())
}
