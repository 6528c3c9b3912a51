//! The image builds: its first stage has manifests and empty sources only, which cargo must be content with, whatever targets
//! the manifests have come to name.

use std::{fs, process::Command};

use tests::repository;

/// Does what the Dockerfile's first stage does, up to where it would fetch: copies as it copies, and runs what it runs.
#[test]
fn cargo_is_content_with_what_the_first_stage_has() {
    let repository = repository();
    let dockerfile = fs::read_to_string(repository.join("Dockerfile")).expect("there is a Dockerfile");
    let stage = dockerfile.split("\nFROM ").nth(1).expect("there is a stage").replace("\\\n", " ");
    let source = tempfile::tempdir().expect("a directory");
    let mut script = String::new();
    for line in stage.lines() {
        if let Some(copied) = line.strip_prefix("COPY ") {
            let (files, target) = copied.rsplit_once(' ').expect("what, and where to");
            let target = source.path().join(target);
            fs::create_dir_all(&target).expect("a directory can be made");
            for file in files.split(' ') {
                let path = repository.join(file);
                fs::copy(&path, target.join(path.file_name().expect("a file"))).expect("the file is there");
            }
        } else if let Some(command) = line.strip_prefix("RUN ")
            && let Some((before, _)) = command.split_once("&& cargo fetch")
        {
            script.push_str(before);
        }
    }
    assert!(!script.is_empty(), "the first stage fetches");

    let script = format!("set -e; {script} && cargo metadata --offline --locked --format-version 1 > metadata.json");
    let output = Command::new("sh").args(["-c", &script]).current_dir(source.path()).output().expect("a shell is there");

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata = fs::read_to_string(source.path().join("metadata.json")).expect("cargo has written it");
    for program in ["auth-service", "resource-service"] {
        assert!(metadata.contains(&format!(r#""kind":["bin"],"crate_types":["bin"],"name":"{program}""#)), "{program} is built");
    }
}
