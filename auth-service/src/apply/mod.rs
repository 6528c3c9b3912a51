//! The desired state in a file: read it, compare it with what there is, make the difference.
//!
//! What the file does not say stays as it is. A second time there is nothing to do.

mod file;
mod plan;

use std::path::Path;

use anyhow::{Context, ensure};

use self::{file::Desired, plan::Planner};
use crate::{
    account::PasswordHashing,
    audit::Origin,
    clock,
    store::{
        Store,
        desired_state::{self, Executed},
        role::ADMIN,
        setting,
    },
};

pub(crate) use self::plan::Plan;

/// How far a file goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Only say what would be done.
    pub dry_run: bool,
    /// Remove what the file does not name.
    pub prune: bool,
    /// Set the passwords of users that exist already, too.
    pub reset_passwords: bool,
}

/// How often it is planned anew when somebody else changes the same things meanwhile.
const ATTEMPTS: usize = 2;

/// Brings the database to the state that a file describes, and returns what that took, a line for each difference.
pub(crate) async fn apply(
    store: &Store,
    hashing: &PasswordHashing,
    path: &Path,
    options: ApplyOptions,
    origin: &Origin,
) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let desired = Desired::parse(&text, path.parent().unwrap_or(Path::new("."))).with_context(|| path.display().to_string())?;
    let issuer = setting::find(store, "issuer").await?;
    let mut attempt = 1;
    loop {
        let snapshot = desired_state::snapshot(store).await?;
        let planner = Planner { snapshot: &snapshot, hashing, issuer: issuer.as_deref(), options, now: clock::now(), origin };
        let Plan { lines, changes } = planner.plan(&desired).await.with_context(|| path.display().to_string())?;
        if options.dry_run || changes.is_empty() {
            return Ok(lines);
        }
        match desired_state::execute(store, changes, ADMIN, clock::now()).await {
            Ok(executed) => {
                ensure!(executed == Executed::Done, "nobody who may log in would hold the role `{ADMIN}`; nothing was changed");
                return Ok(lines);
            }
            // Another replica may be applying the same file at its start.
            Err(error) if attempt < ATTEMPTS => {
                tracing::warn!(error = &error as &dyn std::error::Error, "The desired state is planned anew");
                attempt += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
