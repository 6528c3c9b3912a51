//! The repository that this program was built from.

use std::path::{Path, PathBuf};

/// Its root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a crate of the workspace").to_owned()
}
