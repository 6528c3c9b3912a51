//! The last good key set on disk, so that a resource server can start while its issuer is away.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::IssuerMetadata;

/// The name of the file in the directory given.
const FILE_NAME: &str = "issuer-keys.json";

/// More than any file we wrote.
const LIMIT: u64 = 1024 * 1024;

/// A directory where the last good key set is kept.
pub(super) struct Disk(PathBuf);

/// What is kept: public information all of it, but nobody else may change whom we trust.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    /// What the issuer said about itself, its identifier included.
    pub(super) metadata: IssuerMetadata,
    /// When the issuer last confirmed the set, in seconds since 1970.
    pub(super) confirmed: u64,
    /// The key set as it came.
    pub(super) jwks: String,
}

impl Disk {
    /// Keeps it in this directory.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Reads what is kept, if there is anything.
    pub(super) fn load(&self) -> io::Result<Option<Kept>> {
        let file = match File::open(self.0.join(FILE_NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut json = Vec::new();
        file.take(LIMIT).read_to_end(&mut json)?;
        Ok(Some(serde_json::from_slice(&json)?))
    }

    /// Replaces what is kept: whoever reads at any time reads the old or the new, whole.
    pub(super) fn save(&self, kept: &Kept) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let draft = self.0.join(format!(".{FILE_NAME}.{}", std::process::id()));
        let _ = fs::remove_file(&draft);
        let written = write_private(&draft, &serde_json::to_vec(kept)?);
        written.and_then(|()| fs::rename(&draft, self.0.join(FILE_NAME))).inspect_err(|_| {
            let _ = fs::remove_file(&draft);
        })
    }
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}
