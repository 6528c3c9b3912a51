//! A release that changes the schema expands it first, and the version before it goes on serving beside the new one.

use serde_json::json;
use tests::{PASSWORD, Stack, TestDatabase, load::Worker};

use crate::{
    command_line::{auth, resource},
    faults::{assert_kept, progress},
};

/// Does to every table what a later version may do while this one serves, and says that it was done.
async fn expand(database: &TestDatabase) {
    let tables = database.dump().await.into_keys();
    for table in tables.filter(|name| name != "seaql_migrations" && !name.starts_with("sqlite_")) {
        database.run(&format!(r#"ALTER TABLE "{table}" ADD COLUMN of_the_future TEXT"#), []).await;
        database.run(&format!(r#"ALTER TABLE "{table}" ADD COLUMN set_in_the_future INTEGER NOT NULL DEFAULT 7"#), []).await;
        database.run(&format!(r#"CREATE INDEX "{table}_of_the_future" ON "{table}" (of_the_future)"#), []).await;
    }
    database.run("CREATE TABLE of_the_future (id TEXT PRIMARY KEY)", []).await;
    database.run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_of_the_future', 0)", []).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_version_goes_on_while_the_schema_is_ahead_of_it() {
    let stack = Stack::builder().auth(|config| config.rate_limits = Vec::new()).with_ada("editor").await;
    let (client, api) = (stack.client(), stack.api());
    let first = client.open_session("ada", PASSWORD).await;
    let text = json!({"title": "Notes", "content": "What they say."});
    let made = api.post("/documents").bearer(&first.access).json(&text).send().await;
    let path = made.assert_status(201).header("location").expect("a location");
    // Whatever a connection has prepared was prepared for the schema as it was.
    let load = Worker::start(Worker::hire(2, stack.auth().http()).await);
    progress(&load, 30).await;

    expand(stack.auth_home().database()).await;
    expand(stack.resource_home().database()).await;

    progress(&load, 60).await;
    let next = client.next_tokens(&first.refresh).await;
    let other = client.open_session("ada", PASSWORD).await;
    api.get(path).bearer(&next.access).send().await.assert_ok();
    api.put(path).bearer(&next.access).json(&text).send().await.assert_ok();
    api.post("/documents").bearer(&other.access).json(&text).send().await.assert_status(201);
    client.revoke(&next.refresh).await.assert_status(200);
    client.refresh(&next.refresh).await.assert_oauth_error(400, "invalid_grant");
    stack.await_refusal(&next.access).await;
    stack.present(&client.next_tokens(&other.refresh).await.access).await.assert_status(200);
    let mut workers = load.stop().await;
    assert_kept(&mut workers, stack.auth_home().database()).await;

    // It goes on, and does not start: neither the service nor its command line.
    for said in [
        auth(stack.auth_home(), &["user", "list"], "").await,
        auth(stack.auth_home(), &["migrate"], "").await,
        resource(stack.resource_home(), &["migrate"]).await,
    ] {
        assert!(said.code == 1 && said.err.contains("newer version"), "{said:?}");
    }
}
