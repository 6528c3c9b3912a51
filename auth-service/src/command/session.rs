//! `session`: seeing and ending people's sessions.

use std::process::ExitCode;

use clap::Subcommand;

use crate::{clock, config::Settings, operator::Operator};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List a user's sessions, the latest used first
    List {
        /// Whose sessions
        username: String,
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
        Command::List { username } => {
            for session in operator.sessions(&username).await? {
                let device = session.device.as_deref().unwrap_or("-");
                let (created, used) = (clock::rfc3339(session.created_at), clock::rfc3339(session.last_used_at));
                println!("{}\t{}\t{created}\t{used}\t{}\t{device}", session.id, session.client_id, session.ip);
            }
        }
        Command::End { id } => operator.end_session(&id).await?,
        Command::EndAll { username } => println!("{}", operator.end_sessions(&username).await?),
    }
    Ok(())
}
