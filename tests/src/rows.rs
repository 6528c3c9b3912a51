//! What an operator cannot do, or cannot do yet: written into the tables of auth-service by hand.
//!
//! A function goes from here as soon as the service has a verb for it.

use aws_lc_rs::digest::{SHA256, digest};

use crate::{TestDatabase, jwt};

/// Gives a confidential client one more secret, of the test's own choosing: the service only gives out such as it has made.
pub async fn choose_secret(database: &TestDatabase, client_id: &str, secret: &str) {
    let row = "INSERT INTO client_secret (id, client_id, digest, created_at) VALUES ($1, $2, $3, 0)";
    let kept = jwt::encode(digest(&SHA256, secret.as_bytes()));
    database.run(row, [format!("chosen-for-{client_id}").into(), client_id.into(), kept.into()]).await;
    database.mark_rights().await;
}

/// Demands that a user choose another password before anything else.
pub async fn demand_new_password(database: &TestDatabase, username: &str) {
    database.run(r#"UPDATE "user" SET must_change_password = TRUE WHERE canonical = $1"#, [username.into()]).await;
}

/// Makes it so that nobody has had the turn at forgetting what has ended. A start begins with that, if nobody had it within the
/// last minute: so whoever was started before would make the next one wait.
pub async fn give_back_the_turn(database: &TestDatabase) {
    database.run("DELETE FROM setting WHERE name = 'turn_purge'", []).await;
}
