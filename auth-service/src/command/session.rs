//! `session`: seeing and ending people's sessions.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::output::Output;
use crate::{account::Session, clock, config::Settings, operator::Operator};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List a user's sessions, the latest used first
    List {
        /// Whose sessions
        username: String,
        #[command(flatten)]
        output: Output,
    },
    /// End a session and revoke its access tokens
    End {
        /// The session's identifier
        id: String,
    },
    /// End every session of a user
    EndAll {
        /// Whose sessions
        username: String,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    super::operate(settings, async |operator| change(command, operator).await).await
}

async fn change(command: Command, operator: &Operator) -> anyhow::Result<()> {
    match command {
        Command::List { username, output } => {
            let row = |session: Session| {
                let (created, used) = (clock::rfc3339(session.created_at), clock::rfc3339(session.last_used_at));
                let (id, client) = (session.id, session.client_id);
                vec![json!(id), json!(client), json!(created), json!(used), json!(session.ip), json!(session.device)]
            };
            let rows = operator.sessions(&username).await?.into_iter().map(row).collect();
            output.list(&["id", "client_id", "created_at", "last_used_at", "ip", "device"], rows);
        }
        Command::End { id } => operator.end_session(&id).await?,
        Command::EndAll { username } => println!("{}", operator.end_sessions(&username).await?),
    }
    Ok(())
}
