//! A fresh database for one service: a file, or one of its own on the PostgreSQL server that `TEST_DATABASE_URL` names.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    env,
    fmt::Write,
    path::Path,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, QueryResult, Statement, Value};
use tokio::time::sleep;
use url::Url;

/// The environment variable that names a PostgreSQL server where databases may be made and dropped.
const SERVER: &str = "TEST_DATABASE_URL";

/// Within this time a service sees what another process has changed: keep in step with `RECENT` in its store, and above it.
const SEEN_AFTER: Duration = Duration::from_millis(400);

/// A database that is dropped at the end.
pub struct TestDatabase {
    url: String,
    /// The server and the database's name there; none for SQLite, whose file goes with its directory.
    on_server: Option<(String, String)>,
}

impl TestDatabase {
    /// An empty database in this directory, whatever the environment says.
    pub(crate) fn embedded(directory: &Path) -> Self {
        Self { url: format!("sqlite:{}?mode=rwc", directory.join("test.db").display()), on_server: None }
    }

    /// Makes an empty database: on the server, if there is one, or else in this directory.
    pub(crate) async fn create(directory: &Path) -> Self {
        let Ok(server) = env::var(SERVER) else { return Self::embedded(directory) };
        let name = random_name();
        run_on_server(&server, &format!("CREATE DATABASE {name}")).await;
        let mut url = Url::parse(&server).expect("TEST_DATABASE_URL is a URL");
        url.set_path(&name);
        Self { url: url.into(), on_server: Some((server, name)) }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a statement with `$1`, `$2` and so on for values.
    pub async fn run<const N: usize>(&self, sql: &str, values: [Value; N]) {
        let database = self.connect().await;
        database.execute_raw(statement(&database, sql, values)).await.expect("the statement is good");
        database.close().await.expect("the connection closes");
    }

    /// Leaves the mark that every change of a client, a resource or a role leaves, for a change that was made in the tables
    /// themselves, and waits for as long as a service may take to see it.
    pub async fn mark_rights(&self) {
        let mark = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos().to_string();
        let sql = "INSERT INTO setting (name, value) VALUES ('rights_mark', $1) \
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.run(sql, [mark.into()]).await;
        sleep(SEEN_AFTER).await;
    }

    /// The one row that a query finds.
    pub async fn row(&self, sql: &str) -> QueryResult {
        let mut rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}");
        rows.remove(0)
    }

    /// The rows that a query finds.
    pub async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let database = self.connect().await;
        let rows = database.query_all_raw(statement(&database, sql, [])).await.expect("the query is good");
        database.close().await.expect("the connection closes");
        rows
    }

    /// Everything in it, by table, to be compared with what is in it later.
    pub async fn dump(&self) -> BTreeMap<String, Vec<String>> {
        let mut dump = BTreeMap::new();
        for table in self.texts(&self.tables()).await {
            let rows = if self.on_server.is_some() {
                format!(r#"SELECT CAST(t AS text) AS text FROM "{table}" AS t ORDER BY 1"#)
            } else {
                let columns = self.texts(&format!("SELECT name AS text FROM pragma_table_info('{table}')")).await;
                let quoted: Vec<_> = columns.iter().map(|column| format!(r#"quote("{column}")"#)).collect();
                format!(r#"SELECT {} AS text FROM "{table}" ORDER BY 1"#, quoted.join("||','||"))
            };
            dump.insert(table, self.texts(&rows).await);
        }
        dump
    }

    fn tables(&self) -> String {
        let tables = if self.on_server.is_some() {
            "SELECT CAST(table_name AS text) AS text FROM information_schema.tables WHERE table_schema = 'public'"
        } else {
            "SELECT name AS text FROM sqlite_master WHERE type = 'table'"
        };
        tables.to_owned()
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        self.rows(sql).await.iter().map(|row| row.try_get("", "text").expect("the query selects `text`")).collect()
    }

    async fn connect(&self) -> DatabaseConnection {
        Database::connect(&self.url).await.expect("the database is there")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some(database) = self.on_server.take() {
            DOOMED.with_borrow_mut(|doomed| doomed.0.push(database));
        }
    }
}

thread_local! {
    static DOOMED: RefCell<Doomed> = const { RefCell::new(Doomed(Vec::new())) };
}

/// The databases of a thread's tests, dropped when the thread ends.
///
/// Not earlier: PostgreSQL drops a database only once every connection has taken note, and one that a service was about to
/// make can do so only after the runtime that it belonged to has gone.
struct Doomed(Vec<(String, String)>);

impl Drop for Doomed {
    fn drop(&mut self) {
        let doomed = std::mem::take(&mut self.0);
        if doomed.is_empty() {
            return;
        }
        let drop_all = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
            for (server, name) in doomed {
                runtime.block_on(run_on_server(&server, &format!("DROP DATABASE {name} WITH (FORCE)")));
            }
        };
        // In a thread of its own, since this one has lost what a runtime keeps with its thread.
        if thread::spawn(drop_all).join().is_err() {
            eprintln!("A test database could not be dropped");
        }
    }
}

fn statement<const N: usize>(database: &DatabaseConnection, sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(database.get_database_backend(), sql, values)
}

async fn run_on_server(server: &str, sql: &str) {
    let connection = Database::connect(server).await.expect("TEST_DATABASE_URL names a server that answers");
    assert_eq!(connection.get_database_backend(), DbBackend::Postgres, "TEST_DATABASE_URL begins with postgres:");
    connection.execute_unprepared(sql).await.expect("TEST_DATABASE_URL names a user who may make and drop databases");
    connection.close().await.expect("the connection closes");
}

fn random_name() -> String {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random source answers");
    bytes.iter().fold("test_".to_owned(), |mut name, byte| {
        write!(name, "{byte:02x}").expect("a String takes any text");
        name
    })
}
