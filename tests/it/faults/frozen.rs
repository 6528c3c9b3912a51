//! The issuer itself is frozen for a while, as by a hypervisor or a debugger.

use std::{sync::Arc, time::Duration};

use tests::{AuthHome, AuthProgram, PASSWORD, ResourceHome, load::Worker, until};
use tokio::time::sleep;

use super::{assert_kept, progress};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fa_16_verifiers_go_on_while_the_issuer_is_frozen_and_its_clients_after() {
    let home = Arc::new(AuthHome::new().await);
    let program = AuthProgram::living_in(env!("CARGO_BIN_EXE_command-line"), home).setting("AUTH_REFRESH_GRACE", "1m");
    let process = program.serve().await;
    program.expect(&["user", "add", "ada", "--role", "reader"], PASSWORD).await;
    let token = process.client().log_in("ada", PASSWORD).await;
    let resource_home = ResourceHome::new().await;
    let issuer = process.http().base().to_owned();
    let resource = resource_home.start(&issuer, |config| config.id = Some("http://localhost:8081".to_owned())).await;
    let resource = resource.expect("it starts");
    let present = async || resource.http().get("/me").bearer(&token).send().await.status();
    until("the verifier has the keys", async || present().await == 200).await;
    let load = Worker::start(Worker::hire(4, process.http()).await);
    progress(&load, 20).await;

    process.freeze().await;
    for _ in 0..20 {
        assert_eq!(present().await, 200, "what was fetched before is good");
        sleep(Duration::from_millis(500)).await;
    }
    process.thaw().await;

    progress(&load, 40).await;
    let mut workers = load.stop().await;
    assert_kept(&mut workers, program.home().database()).await;
}
