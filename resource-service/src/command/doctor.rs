//! `doctor`: what is wrong, and what to do about it.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::ensure;
use secrecy::ExposeSecret;
use shared::{access_token::look_at_issuer, database::Database, server::doctor::Examination};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use crate::{
    Config,
    config::Settings,
    store::schema::{self, Schema},
};

pub(super) async fn run(is_json: bool, settings: Settings) -> anyhow::Result<()> {
    let mut examination = Examination::default();
    match settings.check() {
        Ok(config) => examine(&mut examination, &config).await,
        Err(problems) => {
            examination.error("settings", problems.to_string(), "`resource-service --help` says what each of them takes");
        }
    }
    if is_json {
        println!("{}", examination.to_json());
    } else {
        print!("{}", examination.to_text());
    }
    ensure!(!examination.has_errors(), "something is broken");
    Ok(())
}

async fn examine(examination: &mut Examination, config: &Config) {
    examination.ok("settings", "complete");
    examination.is_private(&config.data_dir);
    look_at_database(examination, config).await;
    look_at_kept_keys(examination, config);
    let id = config.id_at(config.listen);
    match look_at_issuer(&config.issuer, config.issuer_connect_to.as_deref()).await {
        Ok(look) if look.issuer == config.issuer => {
            examination.ok("issuer", format!("{} answers; usable keys: {}", look.issuer, look.keys));
            if let Some(date) = look.date.as_deref().and_then(parse_http_date) {
                examination.clock("the issuer", now(), date);
            }
            match look.resources {
                Some(resources) if resources.contains(&id) => examination.ok("identifier", id),
                Some(_) => {
                    let advice = format!("set RESOURCE_ID to the audience of its tokens, or make {id} known to the issuer");
                    examination.error("identifier", format!("the issuer knows no resource {id}"), advice);
                }
                None => examination.ok("identifier", format!("{id}; the issuer does not say what it issues tokens for")),
            }
        }
        Ok(look) => {
            let advice = "set RESOURCE_ISSUER to exactly the name that the issuer gives itself";
            examination.error("issuer", format!("{} calls itself {}", config.issuer, look.issuer), advice);
        }
        Err(error) => {
            let advice = "start the issuer, and check RESOURCE_ISSUER, DNS, proxies and certificates on the way";
            examination.error("issuer", format!("{} cannot be reached: {error}", config.issuer), advice);
        }
    }
}

async fn look_at_database(examination: &mut Examination, config: &Config) {
    let url = config.database_url();
    let url = url.expose_secret();
    let file = url.strip_prefix("sqlite:").and_then(|rest| rest.split('?').next()).map(Path::new);
    if file.is_some_and(|file| !file.exists()) {
        return examination.warning("database", "it does not exist yet", "the first start makes it");
    }
    if let Some(file) = file {
        examination.is_private(file);
    }
    let asked = async {
        let database = Database::connect(url, 1).await.map_err(|error| error.to_string())?;
        let schema = schema::of(&database).await.map_err(|error| format!("{error:#}", error = anyhow::Error::from(error)));
        let _ = database.close().await;
        schema
    };
    match asked.await {
        Ok(schema) => {
            examination.ok("database", "it answers");
            look_at_schema(examination, schema);
        }
        Err(error) => {
            let advice = "check RESOURCE_DATABASE_URL, and that the server is up and lets this machine in";
            examination.error("database", error, advice);
        }
    }
}

fn look_at_schema(examination: &mut Examination, schema: Schema) {
    match schema {
        Schema::Current => examination.ok("schema", "up to date"),
        Schema::Behind(steps) => {
            let advice = "`resource-service migrate` or the next start brings it up to date";
            examination.warning("schema", format!("{steps} steps behind"), advice);
        }
        Schema::Newer => {
            let advice = "start the newer version again, or restore a backup made before the upgrade";
            examination.error("schema", "it was migrated by a newer version of this program", advice);
        }
    }
}

/// The issuer's last keys, with which the service can start while the issuer is away.
fn look_at_kept_keys(examination: &mut Examination, config: &Config) {
    let path = config.data_dir.join("issuer-keys.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return examination.warning("kept keys", "there are none yet", "the first start that reaches the issuer keeps them");
    };
    let kept: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let Some(confirmed) = kept.as_ref().and_then(|kept| kept["confirmed"].as_i64()) else {
        let advice = format!("remove {}; it is made anew", path.display());
        return examination.warning("kept keys", "they cannot be read", advice);
    };
    let (age, limit) = (now() - confirmed, config.keys_max_stale.as_secs().cast_signed());
    if age <= limit {
        examination.ok("kept keys", format!("confirmed {age} s ago"));
    } else {
        let advice = "the service cannot start without its issuer; a running one keeps them fresh";
        examination.warning("kept keys", format!("confirmed {age} s ago, and they count for {limit} s"), advice);
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

fn parse_http_date(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc2822).ok().map(OffsetDateTime::unix_timestamp)
}
