//! The schema: three that start at once, and a role that may not change it.

use sea_orm::{ConnectionTrait, Database};
use serde_json::json;
use tests::{AuthHome, AuthProgram, PASSWORD, PostgresqlServer, ResourceHome, until};

use super::Replicas;
use crate::command_line::resource;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_that_start_at_once_on_an_empty_database_make_one_of_everything() {
    let Some(replicas) = Replicas::start().await else { return };
    let database = replicas.home.database();

    let one = async |sql: &str| assert_eq!(database.rows(sql).await.len(), 1, "{sql}");
    one("SELECT id FROM signing_key").await;
    one(r#"SELECT id FROM "user""#).await;
    one("SELECT id FROM audit_event WHERE action = 'signing_key.create'").await;
    let steps = database.rows("SELECT version FROM seaql_migrations").await.len();
    let distinct = database.rows("SELECT DISTINCT version FROM seaql_migrations").await.len();
    assert!(steps > 0 && steps == distinct);
    drop(replicas.server);
}

/// A server with a database that the role `owner` owns, and where `app` may read and write rows.
async fn two_roles(server: &PostgresqlServer) -> (String, String) {
    let admin = Database::connect(server.url("postgres")).await.expect("it answers");
    for statement in ["CREATE ROLE owner LOGIN", "CREATE ROLE app LOGIN", "CREATE DATABASE apart OWNER owner"] {
        admin.execute_unprepared(statement).await.expect("the superuser may");
    }
    let url = |role: &str| server.url("apart").replace("postgres@", &format!("{role}@"));
    let owner = Database::connect(url("owner")).await.expect("it lets the owner in");
    for statement in
        ["GRANT USAGE ON SCHEMA public TO app", "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app"]
    {
        owner.execute_unprepared(statement).await.expect("the owner may");
    }
    (url("owner"), url("app"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_ddl_serves_once_the_owner_has_migrated_and_says_so_before() {
    let Some(server) = PostgresqlServer::start() else { return };
    let (owner, app) = two_roles(&server).await;
    let program = |url: &str| AuthProgram::living_in(env!("CARGO_BIN_EXE_command-line"), AuthHome::at(url).into());
    let (owner, app) = (program(&owner), program(&app));

    let too_early = app.run(&["serve"], "").await;
    let said = String::from_utf8_lossy(&too_early.stderr).into_owned();
    assert!(!too_early.status.success() && said.contains("steps behind") && said.contains("`migrate`"), "{said}");

    owner.expect(&["migrate"], "").await;
    let process = app.serve().await;
    app.expect(&["user", "add", "ada", "--role", "reader"], PASSWORD).await;
    let tokens = process.client().open_session("ada", PASSWORD).await;
    process.client().next_tokens(&tokens.refresh).await;
    let looked = app.run(&["doctor"], "").await;
    let looked = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(looked.contains("schema: up to date"), "{looked}");
    assert!(process.terminate().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resource_service_serves_without_ddl_once_the_owner_has_migrated_and_says_so_before() {
    let Some(server) = PostgresqlServer::start() else { return };
    let (owner, app) = two_roles(&server).await;
    let (owner, app) = (ResourceHome::at(&owner), ResourceHome::at(&app));
    let refused = async |command: &str| {
        let said = resource(&app, &["--listen", "127.0.0.1:0", "--metrics-listen", "off", command]).await;
        assert!(said.code == 1 && said.err.contains("steps behind") && said.err.contains("`migrate`"), "{said:?}");
    };

    refused("serve").await;
    refused("migrate").await;
    resource(&owner, &["migrate"]).await.done();
    resource(&app, &["migrate"]).await.done();

    let auth_home = AuthHome::embedded();
    let auth = auth_home.start(|_| {}).await.expect("it starts");
    auth.user("ada", &["editor"]).await;
    let token = auth.client().log_in("ada", PASSWORD).await;
    let service = app.start(auth.issuer(), |config| config.id = Some("http://localhost:8081".to_owned())).await;
    let service = service.expect("the schema is up to date");
    let api = service.http();
    until("it is ready", async || api.get("/health/ready").send().await.status() == 200).await;
    let text = json!({"title": "Notes", "content": "What they say."});
    let made = api.post("/documents").bearer(&token).json(&text).send().await;
    let path = made.assert_status(201).header("location").expect("a location");
    api.put(path).bearer(&token).json(&text).send().await.assert_status(200);
    api.delete(path).bearer(&token).send().await.assert_status(204);
    service.stop().await;
}
