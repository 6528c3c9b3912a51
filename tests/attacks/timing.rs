//! Whether time tells what an answer does not: kinds of request that are refused alike, one of each in turn.

use std::time::Instant;

use anyhow::{Context, ensure};

use crate::{Size, Verdicts, client::Connection, sample::Sample, scene::Scene};

/// How long the identifier of an API key is, with its prefix and what follows it.
const IDENTIFIER: usize = "ask_".len() + 32 + "_".len();

/// A kind of request, and its name.
type Kind = (&'static str, Vec<u8>);

pub(crate) async fn run(size: Size, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    let long = "x".repeat(1025);
    let logins: [Kind; 4] = [
        ("a wrong password", scene.login("ada", "another wrong password")),
        ("nobody's name", scene.login("nobody", "another wrong password")),
        ("a disabled user", scene.login("gone", tests::PASSWORD)),
        ("a password that is too long", scene.login("ada", &long)),
    ];
    compare(&scene, &logins, size.hashes, verdicts).await?;

    let clients: [Kind; 2] = [
        ("a wrong secret", scene.client_credentials("batch", "cs_wrong")),
        ("nobody's client", scene.client_credentials("bitch", "cs_wrong")),
    ];
    compare(&scene, &clients, size.lookups, verdicts).await?;

    let add = ["api-key", "add", "ada", "--name", "of the press", "--scope", "documents:read"];
    let key = scene.operate(&add).await.trim().to_owned();
    let (identifier, tail) = key.split_at_checked(IDENTIFIER).context("a key begins with its identifier")?;
    let wrong_tail = format!("{identifier}{}", "A".repeat(tail.len()));
    let nobodys = identifier.replace(|letter: char| letter.is_ascii_digit(), "7");
    ensure!(nobodys != identifier, "there are digits in an identifier");
    let wrong_head = format!("{nobodys}{tail}");
    let keys: [Kind; 2] =
        [("a wrong end of a key", scene.exchange(&wrong_tail)), ("nobody's key", scene.exchange(&wrong_head))];
    compare(&scene, &keys, size.lookups, verdicts).await
}

/// Times so many of each kind in turn, and tells of each whether it can be told from the first.
async fn compare(scene: &Scene, kinds: &[Kind], count: usize, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let mut connection = Connection::open(&scene.address()).await?;
    let mut samples: Vec<_> = kinds.iter().map(|(name, _)| Sample::new(name)).collect();
    for round in 0..count + count / 10 {
        for turn in 0..kinds.len() {
            // Another one first each time, so that none always follows the same.
            let at = (turn + round) % kinds.len();
            let began = Instant::now();
            let answer = connection.call(&kinds[at].1).await?;
            let took = began.elapsed();
            ensure!(matches!(answer.status, 400 | 401), "{} is answered with {}", kinds[at].0, answer.status);
            // The first tenth warms up.
            if round >= count / 10 {
                samples[at].times.push(took);
            }
        }
    }
    let (reference, others) = samples.split_first().expect("there are kinds to compare");
    for other in others {
        let (median, against) = (other.median().as_secs_f64(), reference.median().as_secs_f64());
        let difference = (median - against).abs() / against * 100.0;
        let (area, chance) = (other.separability(reference), Sample::chance(count));
        let figures = format!(
            "{} against {}: medians {:.2} and {:.2} ms, {difference:.1} % apart, told apart with {area:.3} (below {chance:.3}) in {count} of each",
            other.name,
            reference.name,
            median * 1e3,
            against * 1e3
        );
        verdicts.note(difference < 5.0 && area < chance, &figures);
    }
    Ok(())
}
