//! Every command of the README's tour does what the README says.
//!
//! A fenced block ```` ```sh tour ```` is run with bash, all of them in one shell and in their order, with `AUTH` and `API`
//! set to the services of a stack like that of `cargo demo`. A block ```` ```text ```` or ```` ```json ```` right behind shows
//! what is to be expected: its lines that begin with `HTTP/` are compared.

use std::{fs, path::Path, process::Stdio};

use tests::Stack;
use tokio::{io::AsyncWriteExt, process::Command};

/// A command block, and the status lines that the README shows for it.
#[derive(Debug, PartialEq)]
struct Step {
    commands: String,
    expected: Vec<String>,
}

/// The steps of a tour.
fn steps(markdown: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut fence: Option<(&str, Vec<&str>)> = None;
    // Whether an output block may still belong to the last step: nothing but blank lines in between.
    let mut is_behind_step = false;
    for line in markdown.lines() {
        match (&mut fence, line.strip_prefix("```")) {
            (None, Some(info)) => fence = Some((info.trim(), Vec::new())),
            (None, None) => is_behind_step &= line.trim().is_empty(),
            (Some((_, lines)), None) => lines.push(line),
            (Some(_), Some(_)) => {
                let (info, lines) = fence.take().expect("a fence is open");
                if info == "sh tour" {
                    steps.push(Step { commands: lines.join("\n"), expected: Vec::new() });
                } else if is_behind_step && let (Some(step), "text" | "json") = (steps.last_mut(), info) {
                    step.expected = status_lines(lines);
                }
                is_behind_step = info == "sh tour";
            }
        }
    }
    steps
}

fn status_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    lines.into_iter().map(str::trim_end).filter(|line| line.starts_with("HTTP/")).map(str::to_owned).collect()
}

#[test]
fn a_tour_is_made_of_its_marked_blocks_and_what_is_shown_behind_them() {
    let markdown = "x\n```sh\nnot run\n```\n```sh tour\na\nb\n```\n\n```text\nHTTP/1.1 200 OK\nx: y\n```\n\n```sh tour\nc\n```\nwords\n```json\nHTTP/1.1 201 Created\n```\n";

    let step = |commands: &str, expected: &[&str]| Step {
        commands: commands.to_owned(),
        expected: expected.iter().map(|&line| line.to_owned()).collect(),
    };
    assert_eq!(steps(markdown), [step("a\nb", &["HTTP/1.1 200 OK"]), step("c", &[])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_tour_does_what_is_shown() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&readme).expect("there is a README");
    let steps = steps(&readme);
    assert!(!steps.is_empty(), "the README has a tour");
    let stack = Stack::start().await;
    stack.welcome_people().await;
    let home = tempfile::tempdir().expect("a directory");

    // One shell runs all of it, so that a variable of one block is there in the next; a line of its own tells blocks apart.
    let mark = "@@@ the next step";
    let script = steps.iter().map(|step| format!("{}\necho; echo '{mark}'\n", step.commands)).collect::<Vec<_>>().concat();
    let mut bash = Command::new("bash")
        .args(["-euo", "pipefail", "-s"])
        .current_dir(home.path())
        .env("AUTH", stack.auth_url())
        .env("API", stack.resource_url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash is there");
    bash.stdin.take().expect("it is piped").write_all(script.as_bytes()).await.expect("bash reads");
    let output = bash.wait_with_output().await.expect("bash ends");

    let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let outputs: Vec<_> = said.split(mark).collect();
    for (step, output) in steps.iter().zip(&outputs) {
        assert_eq!(status_lines(output.lines()), step.expected, "\n{}\n{output}\n{complaints}", step.commands);
    }
    let done = outputs.len() - 1;
    assert!(
        output.status.success() && done == steps.len(),
        "step {} of {} failed:\n{}\n{said}\n{complaints}",
        done + 1,
        steps.len(),
        steps[done.min(steps.len() - 1)].commands
    );
}
