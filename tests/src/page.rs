//! A page whose commands are run as its readers would run them: with bash, all of them in one shell and in their order.

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
};

use tokio::{io::AsyncWriteExt, process::Command};

use crate::repository;

/// A fenced block of a page in Markdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands behind the opening fence: the language, and what is to be done with it.
    pub info: String,
    /// The lines between the fences.
    pub text: String,
    /// Whether there is nothing but blank lines between the block before and this one.
    pub is_right_behind: bool,
}

/// The fenced blocks of a page of the repository.
pub fn blocks_of(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(repository().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    blocks(&text)
}

/// The fenced blocks of a text in Markdown.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, Vec<&str>)> = None;
    let mut is_right_behind = false;
    for line in markdown.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                open = Some((Block { info: info.trim().to_owned(), text: String::new(), is_right_behind }, Vec::new()));
            }
            (None, None) => is_right_behind &= line.trim().is_empty(),
            (Some((_, lines)), None) => lines.push(line),
            (Some(_), Some(_)) => {
                let (block, lines) = open.take().expect("a fence is open");
                blocks.push(Block { text: lines.join("\n"), ..block });
                is_right_behind = true;
            }
        }
    }
    blocks
}

/// Runs a script in this directory, with this in its environment, until it ends or a command of it fails.
pub async fn bash<'a>(script: &str, directory: &Path, environment: impl IntoIterator<Item = (&'a str, String)>) -> Output {
    let mut bash = Command::new("bash")
        .args(["-euo", "pipefail", "-x", "-s"])
        .current_dir(directory)
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash is there");
    bash.stdin.take().expect("it is piped").write_all(script.as_bytes()).await.expect("bash reads");
    bash.wait_with_output().await.expect("bash ends")
}
