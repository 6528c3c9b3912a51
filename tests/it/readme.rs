//! Every command of the README's tour does what the README says.
//!
//! A fenced block ```` ```sh tour ```` is run with bash, all of them in one shell and in their order, with `AUTH` and `API`
//! set to the services of a stack like that of `cargo demo`. A block ```` ```text ```` or ```` ```json ```` right behind shows
//! what is to be expected: its lines that begin with `HTTP/` are compared.

use tests::{
    Stack,
    page::{Block, bash, blocks, blocks_of},
};

/// A command block, and the status lines that the README shows for it.
#[derive(Debug, PartialEq)]
struct Step {
    commands: String,
    expected: Vec<String>,
}

/// The steps of a tour.
fn steps(blocks: &[Block]) -> Vec<Step> {
    let step = |(number, block): (usize, &Block)| {
        let shown = blocks.get(number + 1).filter(|next| next.is_right_behind && ["text", "json"].contains(&&*next.info));
        let expected = shown.map(|shown| status_lines(shown.text.lines())).unwrap_or_default();
        Step { commands: block.text.clone(), expected }
    };
    blocks.iter().enumerate().filter(|(_, block)| block.info == "sh tour").map(step).collect()
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
    assert_eq!(steps(&blocks(markdown)), [step("a\nb", &["HTTP/1.1 200 OK"]), step("c", &[])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_tour_does_what_is_shown() {
    let steps = steps(&blocks_of("README.md"));
    assert!(!steps.is_empty(), "the README has a tour");
    let stack = Stack::start().await;
    stack.welcome_people().await;
    let home = tempfile::tempdir().expect("a directory");

    // One shell runs all of it, so that a variable of one block is there in the next; a line of its own tells blocks apart.
    let mark = "@@@ the next step";
    let script = steps.iter().map(|step| format!("{}\necho; echo '{mark}'\n", step.commands)).collect::<Vec<_>>().concat();
    let urls = [("AUTH", stack.auth_url().to_owned()), ("API", stack.resource_url().to_owned())];
    let output = bash(&script, home.path(), urls).await;

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
