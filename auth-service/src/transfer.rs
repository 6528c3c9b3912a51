//! `export` and `import`: a whole deployment as a file, to be moved to another database or another host.
//!
//! The file is lines of JSON. The first is the header: the format and its version, the issuer, and the steps of the schema.
//! Then come tables, each announced by a line with its name and columns and followed by an array for each row; bytes are
//! base64. The last line has the number of rows and the SHA-256 of everything before it, without which nothing is imported.
//! Secrets are in it as they are in the database: hashed, or sealed by the master key, which is not in it.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, bail, ensure};
use aws_lc_rs::digest::{self, SHA256};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    app,
    audit::{Applied, Event, Origin},
    clock,
    config::Config,
    operator::Operator,
    signing_key::KeyRing,
    store::{
        Store, setting,
        transfer::{Page, schema},
    },
};

const FORMAT: &str = "auth-service export";
const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    issuer: String,
    exported_at: String,
    /// The steps of the schema that the rows are in.
    schema: Vec<String>,
}

/// A line that announces the rows of a table.
#[derive(Debug, Serialize, Deserialize)]
struct Announcement {
    table: String,
    columns: Vec<String>,
}

/// The last line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Footer {
    rows: u64,
    /// Of all bytes before this line, base64url.
    sha256: String,
}

/// A line behind the header.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Row(Vec<Value>),
    Announcement(Announcement),
    Footer(Footer),
}

/// Writes everything in the database to a new file, and returns how many rows that are.
pub(crate) async fn export(config: &Config, to: &Path) -> anyhow::Result<u64> {
    let store = Store::connect(config.database_url.expose_secret()).await?;
    let condition = store.condition().await?;
    ensure!(condition.unknown.is_empty(), "the database is of a newer version of this program");
    ensure!(condition.pending.is_empty(), "the schema is behind; bring it up to date with `migrate` first");
    let issuer = setting::find(&store, "issuer").await?.context("no service has been started on this database yet")?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let file = file.with_context(|| format!("{} cannot be made; an older export is never written over", to.display()))?;
    let written = async {
        let mut writer = Writer::new(file);
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            issuer,
            exported_at: clock::rfc3339(clock::now()),
            schema: schema(),
        };
        writer.line(&header)?;
        store.export(|page| writer.page(page)).await?;
        anyhow::Ok(writer.finish()?)
    };
    let rows = written.await.inspect_err(|_| {
        let _ = std::fs::remove_file(to);
    })?;
    store.close().await?;
    Ok(rows)
}

/// Puts an export into an empty database, proves that its keys can be unsealed and its audit trail holds, and returns how
/// many rows that are.
pub(crate) async fn import(config: &Config, from: &Path) -> anyhow::Result<u64> {
    let file = File::open(from).with_context(|| format!("{} cannot be read", from.display()))?;
    let mut reader = Reader::new(file);
    let header: Header = reader.header().with_context(|| format!("{} is no export", from.display()))?;
    ensure!(
        header.format == FORMAT && header.version == VERSION,
        "it is version {} of the format, and this program reads {VERSION}",
        header.version
    );
    if header.schema != schema() {
        bail!(
            "it was exported by another version of this program, whose schema ends with {}; bring both to the same version first",
            header.schema.last().map_or("nothing", String::as_str)
        );
    }
    if let Some(issuer) = config.issuer.as_ref().filter(|issuer| **issuer != header.issuer) {
        bail!("it belongs to the issuer {}, and the settings say {issuer}", header.issuer);
    }
    let store = Store::open(config.database_url.expose_secret(), app::POOL_SIZE).await?;
    let event = Origin::local("command line").record(Event::Applied(Applied::Imported), None, None);
    store.import(|| reader.page(), event).await.context("nothing was imported")?;
    let proved = KeyRing::load(&store, &config.sealer).await;
    store.close().await?;
    proved.context("it was imported, but its keys cannot be unsealed; set AUTH_MASTER_KEYS to those of the old host")?;
    let operator = Operator::open(config).await?;
    let findings = operator.verify_audit().await;
    operator.close().await?;
    let findings = findings?;
    ensure!(findings.is_empty(), "it was imported, but its audit trail does not hold: {}", findings.join("; "));
    Ok(reader.rows)
}

/// Writes lines, and keeps the digest of them.
struct Writer {
    file: BufWriter<File>,
    digest: digest::Context,
    table: String,
    rows: u64,
}

impl Writer {
    fn new(file: File) -> Self {
        Self { file: BufWriter::new(file), digest: digest::Context::new(&SHA256), table: String::new(), rows: 0 }
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        self.digest.update(&line);
        self.file.write_all(&line)
    }

    fn page(&mut self, page: Page) -> io::Result<()> {
        if self.table != page.table {
            self.table.clone_from(&page.table);
            self.line(&Announcement { table: page.table, columns: page.columns })?;
        }
        self.rows += page.rows.len() as u64;
        page.rows.iter().try_for_each(|row| self.line(row))
    }

    fn finish(mut self) -> io::Result<u64> {
        let footer = Footer { rows: self.rows, sha256: encoded(self.digest.clone()) };
        self.line(&footer)?;
        self.file.into_inner()?.sync_all()?;
        Ok(self.rows)
    }
}

/// Reads lines, and compares their digest at the end.
struct Reader {
    file: BufReader<File>,
    digest: digest::Context,
    /// The table that rows belong to at the moment.
    table: Option<(String, Vec<String>)>,
    rows: u64,
    is_finished: bool,
}

impl Reader {
    /// How many rows one page has at the most.
    const PAGE: usize = 500;

    fn new(file: File) -> Self {
        Self { file: BufReader::new(file), digest: digest::Context::new(&SHA256), table: None, rows: 0, is_finished: false }
    }

    fn header(&mut self) -> io::Result<Header> {
        let line = self.line()?;
        self.digest.update(line.as_bytes());
        Ok(serde_json::from_str(&line)?)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.file.read_line(&mut line)? == 0 {
            return Err(bad("the file ends before its last line; it was cut off"));
        }
        Ok(line)
    }

    /// The next rows; none behind the last, once the digest has been compared.
    fn page(&mut self) -> io::Result<Option<Page>> {
        let mut rows = Vec::new();
        while !self.is_finished {
            let line = self.line()?;
            match serde_json::from_str(&line)? {
                Line::Row(row) => rows.push(row),
                Line::Announcement(next) => {
                    self.digest.update(line.as_bytes());
                    let before = self.table.replace((next.table, next.columns));
                    if let Some(page) = self.counted(before, &mut rows)? {
                        return Ok(Some(page));
                    }
                    continue;
                }
                Line::Footer(footer) => {
                    let found = Footer { rows: self.rows + rows.len() as u64, sha256: encoded(self.digest.clone()) };
                    if found != footer || self.file.fill_buf().is_ok_and(|rest| !rest.is_empty()) {
                        return Err(bad("the file was altered or damaged: it is not what its last line says"));
                    }
                    self.is_finished = true;
                    break;
                }
            }
            self.digest.update(line.as_bytes());
            if rows.len() >= Self::PAGE {
                break;
            }
        }
        let table = self.table.clone();
        self.counted(table, &mut rows)
    }

    fn counted(&mut self, table: Option<(String, Vec<String>)>, rows: &mut Vec<Vec<Value>>) -> io::Result<Option<Page>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let (table, columns) = table.ok_or_else(|| bad("a row belongs to no table"))?;
        self.rows += rows.len() as u64;
        Ok(Some(Page { table, columns, rows: std::mem::take(rows) }))
    }
}

fn encoded(digest: digest::Context) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest.finish())
}

fn bad(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
