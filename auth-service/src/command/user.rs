//! `user`: creating users, changing their passwords, letting them in or not.

use std::{
    io::{BufRead, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use shared::server::settings;
use zeroize::Zeroizing;

use super::output::Output;
use crate::{
    clock,
    config::Settings,
    operator::{NotFound, Operator},
    store::{desired_state::KnownUser, user::State},
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a user; the password is asked for, or read from standard input
    Add {
        /// The name to log in with
        username: String,
        /// Read the hash of the password from standard input instead: Argon2, bcrypt or PBKDF2
        #[arg(long)]
        password_hash_stdin: bool,
        /// A role to give, once for each
        #[arg(long = "role")]
        roles: Vec<String>,
    },
    /// List the users
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Show a user
    Show {
        /// Who
        username: String,
        #[command(flatten)]
        output: Output,
    },
    /// Delete a user; ends their sessions and revokes their access tokens
    Delete {
        /// Who
        username: String,
    },
    /// Set a user's password, which ends their sessions; it is asked for, or read from standard input
    Passwd {
        /// Whose password
        username: String,
    },
    /// Give a user exactly these roles
    Roles {
        /// Whose roles
        username: String,
        /// A role to give, once for each
        #[arg(long = "role")]
        roles: Vec<String>,
        /// Also if nobody is left then who holds the role `admin`
        #[arg(long)]
        even_the_last_admin: bool,
    },
    /// Make an invitation to register and print its code, once
    Invite {
        /// A role that it brings, once for each
        #[arg(long = "role")]
        roles: Vec<String>,
        /// How long it is good for
        #[arg(long, default_value = "7d", value_parser = settings::duration)]
        expires: Duration,
    },
    /// Forget the wrong passwords that strangers have tried on a user
    Unlock {
        /// Who
        username: String,
    },
    /// Let a user log in again
    Enable {
        /// Who
        username: String,
    },
    /// Keep a user from logging in; ends their sessions and revokes their access tokens
    Disable {
        /// Who
        username: String,
        /// Also if nobody is left then who holds the role `admin`
        #[arg(long)]
        even_the_last_admin: bool,
    },
}

pub(super) async fn run(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    super::operate(settings, async |operator| change(command, operator).await).await
}

async fn change(command: Command, operator: &Operator) -> anyhow::Result<()> {
    match command {
        Command::Add { username, password_hash_stdin: true, roles } => {
            let id = operator.import_user(&username, &read_line()?, &borrowed(&roles)).await?;
            println!("{id}");
        }
        Command::Add { username, password_hash_stdin: false, roles } => {
            let id = operator.add_user(&username, &read_password()?, &borrowed(&roles)).await?;
            println!("{id}");
        }
        Command::Invite { roles, expires } => {
            println!("{}", operator.invite(&borrowed(&roles), expires).await?.expose_secret());
        }
        Command::Unlock { username } => operator.unlock_user(&username).await?,
        Command::List { output } => {
            output.list(&COLUMNS, operator.snapshot().await?.users.values().map(values).collect());
        }
        Command::Show { username, output } => {
            let user = operator.user(&username).await?.ok_or(NotFound { noun: "user", name: username })?;
            output.show(&COLUMNS, values(&user));
        }
        Command::Delete { username } => operator.remove_user(&username).await?,
        Command::Passwd { username } => operator.set_password(&username, &read_password()?).await?,
        Command::Roles { username, roles, even_the_last_admin } => {
            told(operator, even_the_last_admin).set_roles(&username, &borrowed(&roles)).await?;
        }
        Command::Enable { username } => operator.enable_user(&username, true).await?,
        Command::Disable { username, even_the_last_admin } => {
            told(operator, even_the_last_admin).enable_user(&username, false).await?;
        }
    }
    Ok(())
}

/// The operator, with or without regard for the last administrator.
fn told(operator: &Operator, even_the_last_admin: bool) -> Operator {
    let operator = operator.clone();
    if even_the_last_admin { operator.even_the_last_admin() } else { operator }
}

const COLUMNS: [&str; 6] = ["id", "username", "state", "roles", "created_at", "must_change_password"];

fn values(user: &KnownUser) -> Vec<Value> {
    let KnownUser { row, roles } = user;
    let state = match row.state {
        State::Active => "active",
        State::Disabled => "disabled",
    };
    let created = clock::rfc3339(row.created_at);
    vec![json!(row.id), json!(row.username), json!(state), json!(roles), json!(created), json!(row.must_change_password)]
}

fn borrowed(roles: &[String]) -> Vec<&str> {
    roles.iter().map(String::as_str).collect()
}

/// From a person without echo, twice; from a program as the first line of standard input. Never from an argument: those
/// are for everyone on the machine to see.
fn read_password() -> anyhow::Result<Zeroizing<String>> {
    if std::io::stdin().is_terminal() {
        let first = Zeroizing::new(rpassword::prompt_password("Password: ")?);
        let second = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
        anyhow::ensure!(first == second, "the two passwords differ");
        return Ok(first);
    }
    read_line()
}

/// The first line of standard input.
fn read_line() -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut line).context("nothing can be read from standard input")?;
    Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()))
}
