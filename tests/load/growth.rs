//! What the same costs as the database grows: flat is the goal.
//!
//! The rows are copies of those of the one user, session, role and client that were made in the ordinary way, by SQL in the
//! store's own tables, while nobody else is there.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, ensure};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};

use crate::{
    client::{self, Connection, Same},
    scenario,
    services::{Services, member},
};

const PEOPLE: [u64; 3] = [10, 10_000, 1_000_000];
const RULES: [u64; 3] = [1, 100, 10_000];
const TIME: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 16;

/// Prints the table: as people become many, and as roles and clients do.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    println!("| users and refresh tokens | roles and clients | {COLUMNS} |");
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for people in PEOPLE {
        measure(people, 1).await?;
    }
    for rules in RULES {
        measure(10, rules).await?;
    }
    Ok(ExitCode::SUCCESS)
}

const COLUMNS: &str = "client credentials/s | refresh/s | password/s | introspection/s | first token ms | MiB | database MiB";

async fn measure(people: u64, rules: u64) -> anyhow::Result<()> {
    let mut services = Services::start().await?;
    let auth = services.auth_address();
    // Something to copy.
    let answer = Connection::open(&auth).await?.call(&services.login()).await?.status;
    ensure!(answer == 200, "the login is refused");
    services.stop_issuer().await?;
    fill(&services, people, rules).await?;
    let size = std::fs::metadata(services.database())?.len() / 1024 / 1024;
    let first_token = services.restart().await?;

    let mut connection = Connection::open(&auth).await?;
    let token = member(connection.call(&services.login()).await?.body, "access_token")?;
    let introspect = services.form("/oauth2/introspect", Some(services.introspecting()), &[("token", &token)]);
    let same = |request| vec![Same { request, status: 200 }; CONNECTIONS];
    let machines = client::press(&auth, same(services.client_credentials()), TIME).await?;
    let families = scenario::families(&services, CONNECTIONS).await?;
    let refreshes = client::press(&auth, families, TIME).await?;
    let logins = client::press(&auth, same(services.login()), TIME).await?;
    let introspections = client::press(&auth, same(introspect), TIME).await?;
    for outcome in [&machines, &refreshes, &logins, &introspections] {
        ensure!(outcome.unexpected == 0, "{} unexpected answers", outcome.unexpected);
    }
    println!(
        "| {people} | {rules} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {size} |",
        machines.rate(),
        refreshes.rate(),
        logins.rate(),
        introspections.rate(),
        first_token.as_secs_f64() * 1000.0,
        services.auth_usage().memory,
    );
    Ok(())
}

async fn fill(services: &Services, people: u64, rules: u64) -> anyhow::Result<()> {
    let database = Database::connect(format!("sqlite:{}", services.database().display())).await?;
    for statement in ["PRAGMA synchronous = OFF", "PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE"] {
        database.execute_unprepared(statement).await?;
    }
    let ada = "user_id = (SELECT id FROM user WHERE username = 'ada')";
    let of_ada = format!("session_id = (SELECT id FROM session WHERE {ada} LIMIT 1)");
    let user = "'usr_fill' || i";
    let session = "'ses_fill' || i";
    for (table, which, columns, count) in [
        ("user", "username = 'ada'", vec![("id", user), ("username", "'filler' || i"), ("canonical", "'filler' || i")], people),
        ("user_role", ada, vec![("user_id", user)], people),
        ("session", ada, vec![("id", session), ("user_id", user)], people),
        ("refresh_token", &of_ada, vec![("session_id", session), ("digest", "'fill' || i")], people),
        ("role", "name = 'reader'", vec![("name", "'role' || i")], rules),
        ("role_scope", "role = 'reader'", vec![("role", "'role' || i")], rules),
        ("client", "id = 'nightly'", vec![("id", "'client' || i")], rules),
        ("client_secret", "client_id = 'nightly'", vec![("id", "'sec_fill' || i"), ("client_id", "'client' || i")], rules),
        ("client_role", "client_id = 'nightly'", vec![("client_id", "'client' || i"), ("role", "'role' || i")], rules),
    ] {
        copy(&database, table, which, &columns, count).await.with_context(|| format!("`{table}` cannot be filled"))?;
    }
    database.execute_unprepared("COMMIT").await?;
    Ok(database.close().await?)
}

/// Copies one row of a table so many times, with other values in these columns; `i` counts the copies.
async fn copy(
    database: &DatabaseConnection,
    table: &str,
    which: &str,
    columns: &[(&str, &str)],
    count: u64,
) -> anyhow::Result<()> {
    let names = format!("SELECT name FROM pragma_table_info('{table}')");
    let rows = database.query_all_raw(Statement::from_string(database.get_database_backend(), names)).await?;
    let names: Vec<String> = rows.iter().map(|row| row.try_get("", "name")).collect::<Result<_, _>>()?;
    let value = |name: &String| {
        let other = columns.iter().find(|(column, _)| column == name).map(|(_, value)| (*value).to_owned());
        other.unwrap_or_else(|| format!("one.\"{name}\""))
    };
    let values: Vec<String> = names.iter().map(value).collect();
    database
        .execute_unprepared(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}), \
             one AS MATERIALIZED (SELECT * FROM \"{table}\" WHERE {which} LIMIT 1) \
             INSERT INTO \"{table}\" SELECT {} FROM n, one",
            values.join(", ")
        ))
        .await?;
    Ok(())
}
