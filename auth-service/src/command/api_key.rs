//! `api-key`: making, seeing, rotating and revoking API keys.

use std::{process::ExitCode, time::Duration};

use clap::Subcommand;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use shared::{scope::Scope, server::settings};

use crate::{
    api_key::{NewApiKey, state_of},
    clock,
    config::Settings,
    operator::Operator,
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an API key for a user; prints it, once
    Add {
        /// Whose key
        username: String,
        /// What the key is called, so that its owner knows it again
        #[arg(long)]
        name: String,
        /// What it allows, separated by spaces, within what the user's roles hold
        #[arg(long, value_parser = super::scope::parse)]
        scope: Scope,
        /// How long it lives, a year at most
        #[arg(long, default_value = "90d", value_parser = settings::duration)]
        expires: Duration,
        /// A network it is good from, such as 192.0.2.0/24, once for each; without any, it is good from anywhere
        #[arg(long = "source")]
        sources: Vec<IpNet>,
    },
    /// List API keys, the newest first
    List {
        /// Whose keys; without it, everybody's
        username: Option<String>,
    },
    /// Give an API key another secret and let the old key end after a while; prints the new key, once
    Rotate {
        /// The key's identifier
        id: String,
        /// How long the old key stays good, a week at most
        #[arg(long, default_value = "1h", value_parser = settings::duration)]
        overlap: Duration,
    },
    /// Revoke an API key and the access tokens that it was exchanged for
    Revoke {
        /// The key's identifier
        id: String,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    super::operate(settings, async |operator| change(command, operator).await).await
}

async fn change(command: Command, operator: &Operator) -> anyhow::Result<()> {
    match command {
        Command::Add { username, name, scope, expires, sources } => {
            let new = NewApiKey { name: &name, scope: &scope, lifetime: expires, sources: &sources };
            show(&operator.add_api_key(&username, new).await?);
        }
        Command::List { username } => list(username.as_deref(), operator).await?,
        Command::Rotate { id, overlap } => show(&operator.rotate_api_key(&id, overlap).await?),
        Command::Revoke { id } => operator.revoke_api_key(&id).await?,
    }
    Ok(())
}

async fn list(username: Option<&str>, operator: &Operator) -> anyhow::Result<()> {
    let mut next = None;
    loop {
        let page = operator.api_keys(username, next.as_deref()).await?;
        let now = clock::now();
        for key in page.keys {
            let (state, expires) = (state_of(&key, now).name(), clock::rfc3339(key.expires_at));
            let used = key.last_used_at.map_or_else(|| "-".to_owned(), clock::rfc3339);
            println!("{}\t{}\t{state}\t{expires}\t{used}\t{}\t{}", key.id, key.user_id, key.scopes, key.name);
        }
        next = page.next;
        if next.is_none() {
            return Ok(());
        }
    }
}

fn show(key: &SecretString) {
    println!("{}", key.expose_secret());
}
