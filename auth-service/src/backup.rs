//! Backups of the embedded database: written while the service runs, and proved by opening them.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use secrecy::ExposeSecret;
use shared::database;

use crate::{
    app,
    audit::{Applied, Event, Origin},
    clock,
    config::Config,
    seal::Sealer,
    signing_key::KeyRing,
    store::{Store, audit_event, embedded},
};

/// How a backup is put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Also while a service holds the database; it must be restarted then.
    pub force: bool,
    /// Let the sessions of the backup live on, those included that were ended since.
    pub keep_sessions: bool,
}

/// Writes a consistent copy of the embedded database to a new file, and opens it to prove that it can be used.
pub async fn backup(config: &Config, to: &Path) -> anyhow::Result<()> {
    let from = embedded_file(config)?;
    ensure!(from.exists(), "there is no database at {} yet", from.display());
    // Made here, for its owner alone, and only if there is no file of that name.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    made.with_context(|| format!("{} cannot be made; an older backup is never written over", to.display()))?;
    let copied = async {
        let store = Store::connect(config.database_url.expose_secret()).await?;
        store.copy_into(to).await?;
        store.close().await?;
        prove(to, &config.sealer).await
    };
    copied.await.inspect_err(|_| {
        let _ = fs::remove_file(to);
    })
}

/// Puts a backup in the place of the embedded database, and returns where the database that was there is now.
pub async fn restore(config: &Config, from: &Path, options: RestoreOptions) -> anyhow::Result<Option<PathBuf>> {
    let place = embedded_file(config)?;
    let draft = beside(&place, "restoring");
    let _ = fs::remove_file(&draft);
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    made.with_context(|| format!("{} cannot be made", draft.display()))?;
    let restored = put(config, from, &draft, &place, options).await;
    let _ = fs::remove_file(&draft);
    restored
}

async fn put(
    config: &Config,
    from: &Path,
    draft: &Path,
    place: &Path,
    options: RestoreOptions,
) -> anyhow::Result<Option<PathBuf>> {
    fs::copy(from, draft).with_context(|| format!("{} cannot be read", from.display()))?;
    prove(draft, &config.sealer).await.with_context(|| format!("{} cannot be restored", from.display()))?;
    // Opening it brings its schema up to date.
    let store = Store::open(&embedded::url_of(draft), 1).await?;
    let event = Origin::local("command line").record(Event::Applied(Applied::Restored), None, None);
    if options.keep_sessions {
        audit_event::record(&store, event).await?;
    } else {
        store.end_everything(clock::now(), event).await?;
    }
    store.close().await?;
    let mut aside = None;
    if place.exists() {
        if !options.force && !embedded::is_free(place).await? {
            bail!("a service holds {}; stop it first, or use --force and restart it afterwards", place.display());
        }
        let old = beside(place, &format!("before-restore-{}", clock::now()));
        fs::rename(place, &old)?;
        for suffix in ["-wal", "-shm"] {
            let (log, old_log) = (with_suffix(place, suffix), with_suffix(&old, suffix));
            if log.exists() {
                fs::rename(log, old_log)?;
            }
        }
        aside = Some(old);
    }
    fs::rename(draft, place)?;
    Ok(aside)
}

/// Whether a copy is whole, and its keys can be unsealed.
async fn prove(copy: &Path, sealer: &Sealer) -> anyhow::Result<()> {
    let store = Store::connect(&embedded::url_of(copy)).await?;
    let condition = store.condition().await.context("it is no database of this service")?;
    if let Some(damage) = condition.damage {
        bail!("it is damaged: {damage}");
    }
    ensure!(condition.unknown.is_empty(), "it is of a newer version of this program");
    KeyRing::load(&store, sealer).await?;
    app::sealed_key(&store, sealer, app::AUDIT_KEY).await?;
    store.close().await?;
    Ok(())
}

fn embedded_file(config: &Config) -> anyhow::Result<PathBuf> {
    database::embedded_file(config.database_url.expose_secret())
        .context("the database is PostgreSQL; use pg_dump and pg_restore, which do this better")
}

fn beside(place: &Path, what: &str) -> PathBuf {
    with_suffix(place, &format!(".{what}"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
