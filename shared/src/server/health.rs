//! Liveness and readiness, as an orchestrator or a load balancer asks for them.
//!
//! `GET /health/live` says that the process runs and answers; nothing else can make it fail, or an orchestrator would
//! restart every replica when the database is away. `GET /health/ready` says whether requests can be served now: 200 or 503.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt, join_all};
use poem::{
    Endpoint, Response,
    endpoint::{make, make_sync},
    get,
    http::StatusCode,
};
use serde_json::{Map, Value, json};
use tokio::{sync::Mutex, time::Instant};

use super::mounts::Mounts;

/// How long one check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an answer is reused, so that the public endpoint cannot be used to press on the database.
const REUSE: Duration = Duration::from_secs(1);

/// What a check that succeeded has to tell: members of its entry in the answer.
pub type Detail = Map<String, Value>;

type Check = Box<dyn Fn() -> BoxFuture<'static, Result<Detail, String>> + Send + Sync>;

/// What readiness depends on.
pub struct Health {
    checks: Vec<(&'static str, Check)>,
    timeout: Duration,
    reuse: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self { checks: Vec::new(), timeout: CHECK_TIMEOUT, reuse: REUSE }
    }
}

impl Health {
    /// Ready as soon as it answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes readiness depend on `check`. What it tells on success is public; what it says on failure goes to the log only.
    #[must_use]
    pub fn check<C, F>(mut self, name: &'static str, check: C) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Detail, String>> + Send + 'static,
    {
        self.checks.push((name, Box::new(move || check().boxed())));
        self
    }

    /// Adds `/health/live` and `/health/ready` to `mounts`.
    pub fn mount(self, mounts: Mounts) -> Mounts {
        let live = make_sync(|_| answer(StatusCode::OK, &json!({ "status": "live" })));
        mounts.at("/health/live", get(live)).at("/health/ready", get(self.ready()))
    }

    fn ready(self) -> impl Endpoint<Output = Response> + 'static {
        let this = Arc::new(self);
        let last: Arc<Mutex<Option<(Instant, Report)>>> = Arc::default();
        make(move |_| {
            let (this, last) = (this.clone(), last.clone());
            async move {
                // Held across the checks: many askers at once share one round of them.
                let mut last = last.lock().await;
                let report = match last.take().filter(|(at, _)| at.elapsed() < this.reuse) {
                    Some(recent) => last.insert(recent),
                    None => last.insert((Instant::now(), this.report().await)),
                };
                answer(report.1.status, &report.1.body)
            }
        })
    }

    async fn report(&self) -> Report {
        let results = join_all(self.checks.iter().map(|(name, check)| async move {
            let outcome = tokio::time::timeout(self.timeout, check()).await;
            (*name, outcome.unwrap_or_else(|_| Err(format!("no answer within {:?}", self.timeout))))
        }));
        let mut is_ready = true;
        let mut checks = Map::new();
        for (name, outcome) in results.await {
            let entry = match outcome {
                Ok(detail) => [("status".to_owned(), "ok".into())].into_iter().chain(detail).collect(),
                Err(reason) => {
                    is_ready = false;
                    tracing::warn!(check = name, reason, "Not ready: {name}");
                    Map::from_iter([("status".to_owned(), "failed".into())])
                }
            };
            checks.insert(name.to_owned(), Value::Object(entry));
        }
        let (status, word) = if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
        Report { status, body: json!({ "status": word, "checks": checks }) }
    }
}

struct Report {
    status: StatusCode,
    body: Value,
}

fn answer(status: StatusCode, body: &Value) -> Response {
    Response::builder().status(status).header("cache-control", "no-store").content_type("application/json").body(body.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use poem::{Request, Route};

    use super::*;

    async fn ask(app: &impl Endpoint<Output = Response>, path: &str) -> (StatusCode, Value) {
        let response = app.get_response(Request::builder().uri(path.parse().unwrap()).finish()).await;
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let status = response.status();
        (status, response.into_body().into_json().await.unwrap())
    }

    #[tokio::test]
    async fn readiness_names_each_check_and_keeps_the_reason_to_itself() {
        let health = Health::new()
            .check("database", || async { Err("password authentication failed for user".to_owned()) })
            .check("issuer_keys", || async { Ok(Detail::from_iter([("keys".to_owned(), 2.into())])) });
        let app = health.mount(Mounts::new()).before(Route::new());

        let (status, body) = ask(&app, "/health/ready").await;

        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            body,
            json!({ "status": "not ready", "checks": { "database": { "status": "failed" }, "issuer_keys": { "status": "ok", "keys": 2 } } })
        );
        assert_eq!(ask(&app, "/health/live").await, (StatusCode::OK, json!({ "status": "live" })));
    }

    #[tokio::test]
    async fn a_check_that_hangs_fails_and_a_recent_answer_is_reused() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let health = Health::new().check("database", move || {
            let first = count.fetch_add(1, Ordering::SeqCst) == 0;
            async move { if first { std::future::pending().await } else { Ok(Detail::new()) } }
        });
        let reuse = Duration::from_millis(300);
        let app = Health { timeout: Duration::from_millis(20), reuse, ..health }.mount(Mounts::new()).before(Route::new());

        assert_eq!(ask(&app, "/health/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(&app, "/health/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
        tokio::time::sleep(reuse).await;
        assert_eq!(ask(&app, "/health/ready").await.0, StatusCode::OK);
        assert_eq!(ask(&app, "/health/ready").await.0, StatusCode::OK);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
