//! `client`: registering clients and rotating their secrets.

use std::{process::ExitCode, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use shared::{scope::Scope, server::settings};

use super::output::Output;
use crate::{
    client::{Kind, NewClient},
    clock,
    config::Settings,
    operator::{NotFound, Operator},
    store::{ClientRow, client::State, desired_state::KnownClient},
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Register a client, which may do nothing but what is told here; prints the secret of a confidential one, once
    Add(Add),
    /// Add a secret and let the old one end after a while; prints the new one, once
    Rotate {
        /// The client
        id: String,
        /// How long the old secret stays good
        #[arg(long, default_value = "7d", value_parser = settings::duration)]
        overlap: Duration,
    },
    /// List the clients
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Show a client
    Show {
        /// The client
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// Remove a client; ends its sessions and revokes everything it was issued
    Remove {
        /// The client
        id: String,
    },
    /// Let a client be used again
    Enable {
        /// The client
        id: String,
    },
    /// Keep a client from being used; ends its sessions and revokes everything it was issued
    Disable {
        /// The client
        id: String,
    },
}

#[derive(Args)]
pub(super) struct Add {
    /// The identifier
    id: String,
    /// Whether it can keep a secret
    #[arg(long, value_enum, default_value = "confidential")]
    kind: KindArgument,
    /// A grant type it may use, once for each: `password`, `client_credentials`, `refresh_token`
    #[arg(long = "grant")]
    grants: Vec<String>,
    /// What it may ask for, separated by spaces
    #[arg(long, default_value = "", value_parser = super::scope::parse)]
    scope: Scope,
    /// A role of the client itself, once for each: what `client_credentials` gives is within its roles
    #[arg(long = "role")]
    roles: Vec<String>,
    /// The resource it means when a request names neither scope nor resource
    #[arg(long)]
    default_resource: Option<String>,
    /// The resource that this client is: it may introspect tokens for it
    #[arg(long)]
    serves: Option<String>,
    /// A browser origin it is loaded from, once for each
    #[arg(long = "cors-origin", value_parser = settings::origin)]
    cors_origins: Vec<String>,
    /// How long its access tokens live, an hour at most
    #[arg(long, value_parser = settings::duration)]
    access_token_lifetime: Option<Duration>,
    /// How long its refresh tokens may lie unused
    #[arg(long, value_parser = settings::duration)]
    refresh_idle_lifetime: Option<Duration>,
    /// How long its sessions live
    #[arg(long, value_parser = settings::duration)]
    refresh_absolute_lifetime: Option<Duration>,
}

#[derive(Clone, Copy, ValueEnum)]
enum KindArgument {
    Public,
    Confidential,
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    super::operate(settings, async |operator| change(command, operator).await).await
}

async fn change(command: Command, operator: &Operator) -> anyhow::Result<()> {
    match command {
        Command::Add(add) => {
            if let Some(secret) = operator.add_client(add.into()).await? {
                show(&secret);
            }
        }
        Command::Rotate { id, overlap } => show(&operator.add_client_secret(&id, overlap).await?),
        Command::List { output } => {
            let clients = operator.clients().await?;
            let row =
                |row: ClientRow| vec![json!(row.id), json!(state(&row)), json!(words(&row.grants)), json!(words(&row.scopes))];
            output.list(&["id", "state", "grants", "scopes"], clients.into_iter().map(row).collect());
        }
        Command::Show { id, output } => {
            let KnownClient { row, roles, secrets } = operator.client(&id).await?.ok_or(NotFound { noun: "client", name: id })?;
            let columns = [
                "id",
                "kind",
                "state",
                "grants",
                "scopes",
                "roles",
                "default_resource",
                "serves",
                "cors_origins",
                "secrets",
                "created_at",
            ];
            let kind = match row.kind {
                Kind::Public => "public",
                Kind::Confidential => "confidential",
            };
            let values = vec![
                json!(row.id),
                json!(kind),
                json!(state(&row)),
                json!(words(&row.grants)),
                json!(words(&row.scopes)),
                json!(roles),
                json!(row.default_resource),
                json!(row.serves),
                json!(words(&row.cors_origins)),
                json!(secrets.len()),
                json!(clock::rfc3339(row.created_at)),
            ];
            output.show(&columns, values);
        }
        Command::Remove { id } => operator.remove_client(&id).await?,
        Command::Enable { id } => operator.enable_client(&id, true).await?,
        Command::Disable { id } => operator.enable_client(&id, false).await?,
    }
    Ok(())
}

fn state(client: &ClientRow) -> &'static str {
    match client.state {
        State::Active => "active",
        State::Disabled => "disabled",
    }
}

fn words(list: &str) -> Vec<&str> {
    list.split_whitespace().collect()
}

fn show(secret: &SecretString) {
    println!("{}", secret.expose_secret());
}

impl From<Add> for NewClient {
    fn from(add: Add) -> Self {
        let kind = match add.kind {
            KindArgument::Public => Kind::Public,
            KindArgument::Confidential => Kind::Confidential,
        };
        Self {
            id: add.id,
            kind,
            grants: add.grants,
            scope: add.scope,
            roles: add.roles,
            default_resource: add.default_resource,
            serves: add.serves,
            cors_origins: add.cors_origins,
            access_token_lifetime: add.access_token_lifetime,
            refresh_idle_lifetime: add.refresh_idle_lifetime,
            refresh_absolute_lifetime: add.refresh_absolute_lifetime,
        }
    }
}
