//! The key set for everybody, while the database has none.

use crate::{
    Size, Verdicts,
    client::{self, Same},
    request::get,
    scene::Scene,
};

pub(crate) async fn run(size: Size, verdicts: &mut Verdicts) -> anyhow::Result<()> {
    let scene = Scene::start().await?;
    let address = scene.address();
    let keys = Same { request: get(&address, "/.well-known/jwks.json", &[]), status: 200 };

    // Whoever asked the database for them would be told that there is no such table.
    scene.database().run("ALTER TABLE signing_key RENAME TO signing_key_away", []).await;
    let pressed = client::press(&address, vec![keys; 32], size.time).await;
    scene.database().run("ALTER TABLE signing_key_away RENAME TO signing_key", []).await;

    let pressed = pressed?;
    let (rate, p99) = (pressed.rate(), pressed.percentile(99));
    verdicts.note(
        pressed.unexpected == 0 && rate >= size.key_sets,
        &format!("{rate:.0} key sets a second without a table of keys, {:.0} at the least, p99 {p99:.1} ms", size.key_sets),
    );
    Ok(())
}
