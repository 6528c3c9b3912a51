//! Whether time tells what an answer does not: kinds of request that are refused alike, one of each in turn.

use std::time::Instant;

use anyhow::{Context, ensure};
use aws_lc_rs::digest;

use crate::{Size, Verdicts, client::Connection, sample::Sample, scene::Scene};

/// How long the identifier of an API key is, with its prefix and what follows it.
const IDENTIFIER: usize = "ask_".len() + 32 + "_".len();

/// What the difference would tell.
#[derive(Clone, Copy)]
enum About {
    /// Who has an account, or how much of a secret is right: nothing of that may show.
    Secret,
    /// That there is a client or a key of this identifier, which is in the open anyway: no more than a row that is read shows.
    Name,
}

use About::{Name, Secret};

/// How long the checksum at the end of an API key is.
const CHECKSUM: usize = 8;

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
    compare(&scene, &logins, size, size.hashes, Secret, verdicts).await?;

    let (almost, nothing) = (with_another_end(&scene.secret), "cs_".to_owned() + &"A".repeat(scene.secret.len() - 3));
    let clients: [Kind; 2] = [
        ("a secret with another end", scene.client_credentials("batch", &almost)),
        ("a secret of which nothing is right", scene.client_credentials("batch", &nothing)),
    ];
    compare(&scene, &clients, size, size.lookups, Secret, verdicts).await?;
    let clients: [Kind; 2] = [
        ("a wrong secret", scene.client_credentials("batch", &nothing)),
        ("nobody's client", scene.client_credentials("bitch", &nothing)),
    ];
    compare(&scene, &clients, size, size.lookups, Name, verdicts).await?;

    let add = ["api-key", "add", "ada", "--name", "of the press", "--scope", "documents:read"];
    let key = scene.operate(&add).await.trim().to_owned();
    let (identifier, rest) = key.split_at_checked(IDENTIFIER).context("a key begins with its identifier")?;
    let nobodys = identifier.replace(|letter: char| letter.is_ascii_digit(), "7");
    ensure!(nobodys != identifier, "there are digits in an identifier");
    let (secret, wrong) = (&rest[..rest.len() - CHECKSUM], "0".repeat(rest.len() - CHECKSUM));
    let show = |identifier: &str, secret: &str| scene.exchange(&checked(&format!("{identifier}{secret}")));
    let keys: [Kind; 2] = [
        ("a key with another end", show(identifier, &with_another_end(secret))),
        ("a key of which nothing is right", show(identifier, &wrong)),
    ];
    compare(&scene, &keys, size, size.lookups, Secret, verdicts).await?;
    let keys: [Kind; 2] = [("a wrong key", show(identifier, &wrong)), ("nobody's key", show(&nobodys, &wrong))];
    compare(&scene, &keys, size, size.lookups, Name, verdicts).await
}

/// The text with another last letter.
fn with_another_end(text: &str) -> String {
    let (rest, end) = text.split_at(text.len() - 1);
    format!("{rest}{}", if end == "0" { '1' } else { '0' })
}

/// An API key with its checksum, which anybody can compute: one without is not even looked up.
fn checked(head: &str) -> String {
    let sum = digest::digest(&digest::SHA256, head.as_bytes());
    let letters = sum.as_ref()[..CHECKSUM / 2].iter().map(|byte| format!("{byte:02x}"));
    head.to_owned() + &letters.collect::<String>()
}

/// Times so many of each kind in turn, and tells of each whether it can be told from the first.
async fn compare(
    scene: &Scene,
    kinds: &[Kind],
    size: Size,
    count: usize,
    about: About,
    verdicts: &mut Verdicts,
) -> anyhow::Result<()> {
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
        let bound = match about {
            Secret => format!(" (below {chance:.3})"),
            Name => String::new(),
        };
        let figures = format!(
            "{} against {}: medians {:.2} and {:.2} ms, {difference:.1} % apart, told apart with {area:.3}{bound} in {count} of each",
            other.name,
            reference.name,
            median * 1e3,
            against * 1e3
        );
        let holds = match about {
            Secret => difference < size.medians && area < chance,
            Name => difference < size.medians,
        };
        verdicts.note(holds, &figures);
    }
    Ok(())
}
