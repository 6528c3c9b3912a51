//! `doctor`: looks at everything that the service stands on, and changes nothing.

use std::path::Path;

use secrecy::ExposeSecret;
use shared::{access_token::look_at_issuer, database::embedded_file, server::doctor::Examination};

use crate::{
    clock,
    config::Config,
    signing_key::{KeyRing, State, state_of},
    store::{Store, setting, signing_key},
};

/// Looks at everything; `data_dir` is where the embedded database and the development master key would be.
pub(crate) async fn examine(config: &Config, data_dir: &Path) -> Examination {
    let mut examination = Examination::default();
    examination.ok("settings", format!("profile {}", config.profile.name()));
    for path in [data_dir.to_owned(), data_dir.join("master.key")] {
        examination.is_private(&path);
    }
    let mut issuer = config.issuer.clone();
    let url = config.database_url.expose_secret();
    let file = embedded_file(url);
    if let Some(file) = &file {
        examination.is_private(file);
    }
    if file.is_some_and(|file| !file.exists()) {
        examination.warning("database", "it does not exist yet", "the first start makes it");
    } else {
        match Store::connect(url).await {
            Ok(store) => {
                look_at_database(&mut examination, &store, config, &mut issuer).await;
                let _ = store.close().await;
            }
            Err(error) => {
                let advice = "check AUTH_DATABASE_URL, and that the server is up and lets this machine in";
                examination.error("database", chain(&error), advice);
            }
        }
    }
    let issuer = issuer.unwrap_or_else(|| config.issuer_at(config.listen));
    look_at_itself(&mut examination, &issuer).await;
    examination
}

async fn look_at_database(examination: &mut Examination, store: &Store, config: &Config, issuer: &mut Option<String>) {
    let condition = match store.condition().await {
        Ok(condition) => condition,
        Err(error) => return examination.error("database", chain(&error), "restore a backup if it is damaged"),
    };
    match condition.damage {
        Some(damage) => examination.error("database", damage, "it is damaged: restore a backup"),
        None => examination.ok("database", condition.version),
    }
    examination.clock("the database", clock::now(), condition.now);
    if !condition.unknown.is_empty() {
        let advice = "start the newer version again, or restore a backup made before the upgrade";
        return examination.error("schema", "it was migrated by a newer version of this program", advice);
    }
    if !condition.pending.is_empty() {
        let advice = "`auth-service migrate` or the next start brings it up to date";
        return examination.warning("schema", format!("{} steps behind", condition.pending.len()), advice);
    }
    examination.ok("schema", "up to date");
    match setting::find(store, "issuer").await {
        Ok(Some(kept)) if issuer.as_ref().is_some_and(|given| *given != kept) => {
            let advice = format!("set AUTH_ISSUER={kept}, or start with an empty database");
            examination.error("issuer", "the database belongs to another issuer than the settings name", advice);
        }
        Ok(Some(kept)) => {
            examination.ok("issuer", kept.clone());
            *issuer = Some(kept);
        }
        Ok(None) => examination.warning("issuer", "no service has been started on this database yet", "start it once"),
        Err(error) => examination.error("issuer", chain(&error), "look at the database"),
    }
    look_at_keys(examination, store, config).await;
}

async fn look_at_keys(examination: &mut Examination, store: &Store, config: &Config) {
    let rows = match signing_key::all(store).await {
        Ok(rows) => rows,
        Err(error) => return examination.error("signing keys", chain(&error), "look at the database"),
    };
    if rows.is_empty() {
        return examination.warning("signing keys", "there is none yet", "the first start makes one");
    }
    match KeyRing::load(store, &config.sealer).await {
        Ok(ring) => examination.ok("signing keys", format!("{} signs and can be unsealed", ring.key_id())),
        Err(error) => {
            let advice = "put the master key that sealed it into AUTH_MASTER_KEYS, or restore a backup";
            examination.error("signing keys", chain(&error), advice);
        }
    }
    let now = clock::now();
    let newest = rows.iter().max_by_key(|row| row.slot);
    let is_late = newest.is_some_and(|newest| {
        let period = clock::seconds(config.key_rotation_period);
        state_of(newest, now) == State::Active && now > newest.sign_from + period
    });
    if is_late {
        let advice = "a running service announces the next key in time; is one running?";
        examination.warning("key rotation", "the next key should have been announced", advice);
    } else {
        examination.ok("key rotation", "on schedule");
    }
}

async fn look_at_itself(examination: &mut Examination, issuer: &str) {
    match look_at_issuer(issuer, None).await {
        Ok(look) if look.issuer == issuer => {
            examination.ok("issuer URL", format!("{issuer} answers; usable keys: {}", look.keys));
            if let Some(date) = look.date.as_deref().and_then(clock::parse_http_date) {
                examination.clock("the issuer", clock::now(), date);
            }
        }
        Ok(_) => {
            let advice = "clients compare it exactly: AUTH_ISSUER must be the URL that leads here";
            examination.error("issuer URL", format!("{issuer} answers as another issuer"), advice);
        }
        Err(error) => {
            let advice = "start the service, and check that DNS and the proxy lead to it";
            examination.warning("issuer URL", format!("{issuer} cannot be reached: {error}"), advice);
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
