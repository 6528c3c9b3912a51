//! Whether a service is alive and ready, for whatever watches over it.

use serde_json::json;
use tests::{Http, Stack};

async fn ready(http: &Http) -> tests::Answer {
    http.get("/health/ready").send().await
}

#[tokio::test]
async fn both_services_are_alive_and_ready() {
    let stack = Stack::start().await;
    // The issuer's keys are there as soon as somebody has needed them.
    let token = stack.token_of("ada", &["reader"]).await;
    stack.api().get("/me").bearer(&token).send().await.assert_ok();

    for http in [stack.auth().http(), stack.api()] {
        let live = http.get("/health/live").send().await;
        live.assert_status(200).assert_hardened();
        assert_eq!(live.header("cache-control"), Some("no-store"));
        let answer = ready(http).await;
        let body = answer.assert_ok();
        assert_eq!((&body["status"], answer.header("cache-control")), (&json!("ready"), Some("no-store")));
        assert_eq!(body["checks"]["database"]["status"], "ok");
    }
    assert_eq!(ready(stack.api()).await.json()["checks"]["issuer_keys"]["status"], "ok");
}

#[tokio::test]
async fn metrics_are_not_served_where_the_service_is() {
    let stack = Stack::start().await;

    for http in [stack.auth().http(), stack.api()] {
        http.get("/metrics").send().await.assert_problem(404);
    }
}
