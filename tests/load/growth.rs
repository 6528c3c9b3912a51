//! What the same costs as the database grows: flat is the goal.
//!
//! The rows are copies of those of the one user, session, role, client and record that were made in the ordinary way, by SQL
//! in the store's own tables, while nobody else is there.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, ensure};
use sea_orm::{ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, Statement};

use crate::{
    client::{self, Connection, Same, member},
    scenario,
    services::Services,
};

const PEOPLE: [u64; 3] = [10, 10_000, 1_000_000];
const RULES: [u64; 3] = [1, 100, 10_000];
const TIME: Duration = Duration::from_secs(5);
/// A login takes a core for a hash: it takes a while to have enough of them to speak of the slowest in a hundred.
const LOGINS: Duration = Duration::from_secs(20);
const CONNECTIONS: usize = 16;
/// How much slower than with few rows the slowest in a hundred may be.
const SLOWER: f64 = 1.2;

const COLUMNS: &str = "client credentials/s | refresh/s | refresh p50, p99 ms | password/s | password p50, p99 ms \
                       | introspection/s | first token ms | MiB | database MiB";

/// Prints the table: as people become many, and as roles and clients do. Exit code 2: a refresh or a login becomes slower.
pub(crate) async fn run(on_postgresql: bool) -> anyhow::Result<ExitCode> {
    println!("{}:", if on_postgresql { "PostgreSQL" } else { "SQLite" });
    println!("| users, sessions, refresh tokens, audit events | roles and clients | {COLUMNS} |");
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let few = measure(on_postgresql, PEOPLE[0], RULES[0]).await?;
    let mut many = few;
    for people in PEOPLE.into_iter().skip(1) {
        many = measure(on_postgresql, people, RULES[0]).await?;
    }
    for rules in RULES.into_iter().skip(1) {
        measure(on_postgresql, PEOPLE[0], rules).await?;
    }
    let mut is_flat = true;
    for (what, few, many) in [("refresh", few.refresh, many.refresh), ("password", few.login, many.login)] {
        is_flat &= many <= few * SLOWER;
        println!("p99 of {what} with {} people: {:.2} times that with {}", PEOPLE[2], many / few, PEOPLE[0]);
    }
    Ok(if is_flat { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// How long the slowest in a hundred took, in milliseconds, one at a time.
#[derive(Clone, Copy)]
struct Slowest {
    refresh: f64,
    login: f64,
}

async fn measure(on_postgresql: bool, people: u64, rules: u64) -> anyhow::Result<Slowest> {
    let services = if on_postgresql { Services::start_on_postgresql().await? } else { Some(Services::start().await?) };
    let mut services = services.context("there is no PostgreSQL")?;
    let auth = services.auth_address();
    // Something to copy.
    let answer = Connection::open(&auth).await?.call(&services.login()).await?.status;
    ensure!(answer == 200, "the login is refused");
    services.stop_issuer().await?;
    let size = fill(&services, people, rules).await?;
    let first_token = services.restart().await?;

    let mut connection = Connection::open(&auth).await?;
    let token = member(connection.call(&services.login()).await?.body, "access_token")?;
    let introspect = services.form("/oauth2/introspect", Some(services.introspecting()), &[("token", &token)]);
    let same = |request, connections| vec![Same { request, status: 200 }; connections];
    let machines = client::press(&auth, same(services.client_credentials(), CONNECTIONS), TIME).await?;
    let refreshes = client::press(&auth, scenario::families(&services, CONNECTIONS).await?, TIME).await?;
    let refresh = client::press(&auth, scenario::families(&services, 1).await?, TIME).await?;
    let login = client::press(&auth, same(services.login(), 1), LOGINS).await?;
    let introspections = client::press(&auth, same(introspect, CONNECTIONS), TIME).await?;
    for outcome in [&machines, &refreshes, &refresh, &login, &introspections] {
        ensure!(outcome.unexpected == 0, "{} unexpected answers", outcome.unexpected);
    }
    println!(
        "| {people} | {rules} | {:.0} | {:.0} | {:.2}, {:.2} | {:.0} | {:.1}, {:.1} | {:.0} | {:.0} | {:.0} | {size} |",
        machines.rate(),
        refreshes.rate(),
        refresh.percentile(50),
        refresh.percentile(99),
        login.rate(),
        login.percentile(50),
        login.percentile(99),
        introspections.rate(),
        first_token.as_secs_f64() * 1000.0,
        services.auth_usage().memory,
    );
    Ok(Slowest { refresh: refresh.percentile(99), login: login.percentile(99) })
}

/// Fills the tables, and says how large the database is then, in MiB.
async fn fill(services: &Services, people: u64, rules: u64) -> anyhow::Result<i64> {
    let database = Database::connect(services.database_url()).await?;
    let is_postgresql = database.get_database_backend() == DatabaseBackend::Postgres;
    // The order of the tables is no concern here.
    let begin: &[&str] = if is_postgresql {
        &["BEGIN", "SET LOCAL session_replication_role = replica"]
    } else {
        &["PRAGMA synchronous = OFF", "PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE"]
    };
    let mut script: Vec<String> = begin.iter().map(|&statement| statement.to_owned()).collect();
    let ada = "user_id = (SELECT id FROM \"user\" WHERE username = 'ada')";
    let of_ada = format!("session_id = (SELECT id FROM session WHERE {ada} LIMIT 1)");
    let user = "'usr_fill' || i";
    let session = "'ses_fill' || i";
    for (table, which, columns, count) in [
        ("user", "username = 'ada'", vec![("id", user), ("username", "'filler' || i"), ("canonical", "'filler' || i")], people),
        ("user_role", ada, vec![("user_id", user)], people),
        ("session", ada, vec![("id", session), ("user_id", user)], people),
        ("refresh_token", &of_ada, vec![("session_id", session), ("digest", "'fill' || i")], people),
        // As if it were long sealed, or the service would have to do that first.
        ("audit_event", "action = 'login'", vec![("id", "'aud_fill' || i"), ("seq", "1000000 + i"), ("hash", "'fill'")], people),
        ("role", "name = 'reader'", vec![("name", "'role' || i")], rules),
        ("role_scope", "role = 'reader'", vec![("role", "'role' || i")], rules),
        ("client", "id = 'nightly'", vec![("id", "'client' || i")], rules),
        ("client_secret", "client_id = 'nightly'", vec![("id", "'sec_fill' || i"), ("client_id", "'client' || i")], rules),
        ("client_role", "client_id = 'nightly'", vec![("client_id", "'client' || i"), ("role", "'role' || i")], rules),
    ] {
        script.push(copy(&database, table, which, &columns, count).await?);
    }
    script.push("COMMIT".to_owned());
    if is_postgresql {
        script.push("ANALYZE".to_owned());
    }
    // In one go, for a pool could give each of them another connection.
    database.execute_unprepared(&script.join(";\n")).await.context("the tables cannot be filled")?;
    for (table, least) in [("refresh_token", people), ("audit_event", people), ("client_role", rules)] {
        let count = format!("SELECT count(*) AS rows FROM {table} HAVING count(*) >= {least}");
        let found = database.query_one_raw(Statement::from_string(database.get_database_backend(), count)).await?;
        ensure!(found.is_some(), "`{table}` was not filled");
    }
    let size = if is_postgresql {
        "SELECT pg_database_size(current_database()) / 1048576 AS size"
    } else {
        "SELECT page_count * page_size / 1048576 AS size FROM pragma_page_count(), pragma_page_size()"
    };
    let row = database.query_one_raw(Statement::from_string(database.get_database_backend(), size)).await?;
    let size = row.context("a database has a size")?.try_get("", "size")?;
    database.close().await?;
    Ok(size)
}

/// The statement that copies one row of a table so many times, with other values in these columns; `i` counts the copies.
async fn copy(
    database: &DatabaseConnection,
    table: &str,
    which: &str,
    columns: &[(&str, &str)],
    count: u64,
) -> anyhow::Result<String> {
    let names = match database.get_database_backend() {
        DatabaseBackend::Postgres => format!(
            "SELECT column_name AS name FROM information_schema.columns WHERE table_name = '{table}' \
             AND table_schema = 'public' ORDER BY ordinal_position"
        ),
        _ => format!("SELECT name FROM pragma_table_info('{table}')"),
    };
    let rows = database.query_all_raw(Statement::from_string(database.get_database_backend(), names)).await?;
    let names: Vec<String> = rows.iter().map(|row| row.try_get("", "name")).collect::<Result<_, _>>()?;
    let value = |name: &String| {
        let other = columns.iter().find(|(column, _)| column == name).map(|(_, value)| (*value).to_owned());
        other.unwrap_or_else(|| format!("one.\"{name}\""))
    };
    let values: Vec<String> = names.iter().map(value).collect();
    Ok(format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}), \
         one AS MATERIALIZED (SELECT * FROM \"{table}\" WHERE {which} LIMIT 1) \
         INSERT INTO \"{table}\" SELECT {} FROM n, one",
        values.join(", ")
    ))
}
