//! Five hundred people who log in at once, within 256 MiB.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use tests::PASSWORD;

use crate::{
    Size, Verdicts,
    client::{self, Answer, Connection, Heed, Same, Script, member},
    request::get,
    scene::{Scene, memory},
};

const CROWD: usize = 500;
const LIMIT_MIB: f64 = 256.0;
/// Of one password hash.
const HASH_MIB: f64 = 19.0;

/// A login that succeeds, or is told to come back.
#[derive(Clone)]
struct Login(Vec<u8>);

impl Script for Login {
    fn next(&mut self) -> Option<&[u8]> {
        Some(&self.0)
    }

    fn heed(&mut self, answer: &Answer<'_>) -> Heed {
        if matches!(answer.status, 200 | 429 | 503) { Heed::Expected } else { Heed::Unexpected }
    }
}

pub(crate) async fn run(size: Size, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    let resource = scene.resource().await?;
    let address = scene.address();
    let mut connection = Connection::open(&address).await?;
    let login = scene.login("ada", PASSWORD);
    let token = member(connection.call(&login).await?.body, "access_token")?;
    let process = scene.process.id();
    let limit = MemoryLimit::put_on(process);
    let base = memory(process, "VmRSS")?;

    let keys = Same { request: get(&address, "/.well-known/jwks.json", &[]), status: 200 };
    let bearer = format!("Bearer {token}");
    let api = Same { request: get(&resource.address, "/me", &[("authorization", &bearer)]), status: 200 };
    let (logins, keys, api) = tokio::join!(
        client::press(&address, vec![Login(login.clone()); CROWD], size.time),
        client::press(&address, vec![keys; 2], size.time),
        client::press(&resource.address, vec![api; 2], size.time),
    );
    let (logins, keys, api) = (logins?, keys?, api?);
    let ended = Instant::now();
    let after = loop {
        if connection.call(&login).await?.status == 200 {
            break ended.elapsed();
        }
    };
    let (peak, slots) = (memory(process, "VmHWM")?, thread::available_parallelism()?.get());

    #[expect(clippy::cast_precision_loss, reason = "a machine has few cores")]
    let allowed = base + slots as f64 * HASH_MIB + 64.0;
    let answered = logins.answered;
    verdicts.note(logins.unexpected == 0, &format!("{CROWD} logins at once: {answered} answers, all of them 200, 429 or 503"));
    verdicts.note(
        peak <= allowed,
        &format!("memory {base:.0} MiB before, {peak:.0} MiB at the most, {allowed:.0} allowed ({slots} slots)"),
    );
    let how = if limit.is_some() { "its control group" } else { "its peak (no control group may be made here)" };
    verdicts.note(peak <= LIMIT_MIB, &format!("within {LIMIT_MIB} MiB, by {how}"));
    for (name, outcome) in [("key sets", keys), ("an API", api)] {
        let p99 = outcome.percentile(99);
        verdicts.note(outcome.unexpected == 0 && p99 < size.patience, &format!("{name} meanwhile: p99 {p99:.1} ms"));
    }
    verdicts.note(after <= Duration::from_secs(5), &format!("a login {:.1} s after", after.as_secs_f64()));
    Ok(())
}

/// A control group with so much memory and no more, for as long as this is kept.
struct MemoryLimit(PathBuf);

impl MemoryLimit {
    /// None where no control group may be made, as in most containers.
    fn put_on(process: u32) -> Option<Self> {
        let group = Path::new("/sys/fs/cgroup").join(format!("attack-press-{process}"));
        fs::create_dir(&group).ok()?;
        let limit = Self(group);
        let set = |name: &str, value: String| fs::write(limit.0.join(name), value).ok();
        set("memory.max", "256M".to_owned())?;
        // Where there is no swap there is nothing to forbid.
        let _ = set("memory.swap.max", "0".to_owned());
        set("cgroup.procs", process.to_string())?;
        Some(limit)
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // Only a group without processes can go, so they move up.
        let processes = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        for process in processes.lines() {
            let _ = fs::write("/sys/fs/cgroup/cgroup.procs", process);
        }
        let _ = fs::remove_dir(&self.0);
    }
}
