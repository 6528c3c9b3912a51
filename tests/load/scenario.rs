//! What the services are pressed with.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::time::sleep;

use crate::{
    client::{self, Answer, Connection, Each, Outcome, Same, Script},
    raw::Limits,
    report::{Line, Report, Target},
    services::{Services, Usage, get, member},
};

const CONCURRENCY: [usize; 3] = [1, 16, 64];
const KEYS: &str = "/.well-known/jwks.json";
/// How many tokens are made to be shown once each.
const FRESH_TOKENS: usize = 12_000;

/// A family of refresh tokens, each exchanged for the next.
struct Refreshing {
    head: String,
    token: String,
    request: Vec<u8>,
}

impl Script for Refreshing {
    fn next(&mut self) -> Option<&[u8]> {
        let body = format!("grant_type=refresh_token&refresh_token={}", self.token);
        self.request = format!("{}content-length: {}\r\n\r\n{body}", self.head, body.len()).into_bytes();
        Some(&self.request)
    }

    fn heed(&mut self, answer: &Answer<'_>) -> bool {
        match member(answer.body, "refresh_token") {
            Ok(token) if answer.status == 200 => {
                self.token = token;
                true
            }
            _ => false,
        }
    }
}

impl Refreshing {
    fn new(services: &Services, token: String) -> anyhow::Result<Self> {
        let text = String::from_utf8(services.form("/oauth2/token", Some(("first-party", "")), &[]))?;
        let (head, _) = text.split_once("content-length").context("a form has a length")?;
        Ok(Self { head: head.to_owned(), token, request: Vec::new() })
    }
}

/// The same request again and again.
struct Steady {
    name: &'static str,
    address: String,
    request: Vec<u8>,
    status: u16,
    target: Target,
}

/// The scenarios in which nothing changes.
async fn steady(services: &Services, connection: &mut Connection, token: &str, limits: Limits) -> anyhow::Result<Vec<Steady>> {
    let (auth, resource) = (services.auth_address(), services.resource_address());
    let issuer = |name, request, target| Steady { name, address: auth.clone(), request, status: 200, target };
    let api = |name, path, token: Option<&str>, status, target| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        Steady { name, address: resource.clone(), request: get(&resource, path, &headers), status, target }
    };
    let introspect = services.form("/oauth2/introspect", Some(("documents-api", &services.introspecting)), &[("token", token)]);
    let revoke = services.form("/oauth2/revoke", Some(("first-party", "")), &[("token", "rt_unknown")]);
    let as_bytes = Target::of(limits.hello, 0.95, "hello");
    let remembered = Target::of(limits.hello, 0.9, "hello");
    Ok(vec![
        issuer("client credentials", services.client_credentials(), Target::of(limits.sign, 0.85, "raw signing")),
        issuer("JWKS", get(&auth, KEYS, &[]), as_bytes),
        issuer("metadata", get(&auth, "/.well-known/oauth-authorization-server", &[]), as_bytes),
        issuer("status list", status_list(connection, &auth).await?, as_bytes),
        issuer("introspection", introspect, Target::none()),
        issuer("revocation of nothing", revoke, Target::none()),
        api("GET /me, remembered token", "/me", Some(token), 200, remembered),
        api("GET /documents, remembered token", "/documents", Some(token), 200, Target::none()),
        api("GET /me, no token", "/me", None, 401, Target::none()),
        api("GET /me, garbage", "/me", Some("aaaa.bbbb.cccc"), 401, Target::none()),
        api("GET /me, forged signature", "/me", Some(&forged(token)), 401, Target::none()),
    ])
}

/// Runs every scenario, or the one of that name.
pub(crate) async fn run_all(services: &Services, report: &mut Report, time: Duration, only: Option<&str>) -> anyhow::Result<()> {
    let (auth, resource) = (services.auth_address(), services.resource_address());
    let wanted = |name: &str| only.is_none_or(|only| name.starts_with(only));
    let limits = report.limits();
    let mut connection = Connection::open(&auth).await?;

    let tokens = connection.call(&services.login()).await?;
    ensure!(tokens.status == 200, "the login is refused");
    let token = member(tokens.body, "access_token")?;
    let steady = steady(services, &mut connection, &token, limits).await?;
    for Steady { name, address, request, status, target } in steady.into_iter().filter(|steady| wanted(steady.name)) {
        for concurrency in CONCURRENCY {
            let scripts = vec![Same { request: request.clone(), status }; concurrency];
            measure(services, report, Scenario { name, concurrency, address: &address, target }, scripts, time).await?;
        }
    }
    if wanted("password") {
        // More at once would be told to come back.
        for concurrency in [1, 16] {
            let scripts = vec![Same { request: services.login(), status: 200 }; concurrency];
            let target = Target::of(limits.hash, 0.95, "raw Argon2id");
            measure(services, report, Scenario { name: "password", concurrency, address: &auth, target }, scripts, time).await?;
        }
    }
    if wanted("refresh") {
        for concurrency in CONCURRENCY {
            let mut scripts = Vec::new();
            for _ in 0..concurrency {
                let answer = connection.call(&services.login()).await?;
                scripts.push(Refreshing::new(services, member(answer.body, "refresh_token")?)?);
            }
            let target = Target::of(limits.sign, 0.7, "raw signing");
            measure(services, report, Scenario { name: "refresh", concurrency, address: &auth, target }, scripts, time).await?;
        }
    }
    if wanted("GET /me, first-seen token") {
        for concurrency in CONCURRENCY {
            let scripts = fresh_tokens(services, &resource, concurrency).await?;
            let both = 1.0 / (1.0 / limits.hello + 1.0 / limits.verify);
            let target = Target::of(both, 0.9, "hello + raw verification");
            let scenario = Scenario { name: "GET /me, first-seen token", concurrency, address: &resource, target };
            measure(services, report, scenario, scripts, time).await?;
        }
    }
    if wanted("under a login storm") {
        storm(services, report, time).await?;
    }
    Ok(())
}

/// A scenario, as the report calls it.
struct Scenario<'a> {
    name: &'a str,
    concurrency: usize,
    address: &'a str,
    target: Target,
}

async fn measure<S: Script>(
    services: &Services,
    report: &mut Report,
    scenario: Scenario<'_>,
    scripts: Vec<S>,
    time: Duration,
) -> anyhow::Result<()> {
    let used = |services: &Services| -> Usage {
        if scenario.address == services.auth_address() { services.auth_usage() } else { services.resource_usage() }
    };
    let before = used(services);
    let outcome = client::press(scenario.address, scripts, time).await?;
    let after = used(services);
    ensure!(outcome.unexpected == 0, "{}: {} unexpected answers", scenario.name, outcome.unexpected);
    report.add(line(&scenario, &outcome, after.cpu.saturating_sub(before.cpu), after.memory));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
fn line(scenario: &Scenario<'_>, outcome: &Outcome, cpu: Duration, memory: f64) -> Line {
    // The warm-up is not counted, but used the processor as well.
    let all = outcome.answered as f64 * 1.25;
    Line {
        name: scenario.name.to_owned(),
        concurrency: scenario.concurrency,
        rate: outcome.rate(),
        p50: outcome.percentile(50),
        p99: outcome.percentile(99),
        cpu_micros: cpu.as_secs_f64() * 1e6 / all,
        memory,
        target: scenario.target,
    }
}

/// What else goes on while 64 people log in at once.
async fn storm(services: &Services, report: &mut Report, time: Duration) -> anyhow::Result<()> {
    let auth = services.auth_address();
    let jwks = get(&auth, KEYS, &[]);
    let login = services.login();
    // Beyond the queue an answer is 503, which is what a storm is told.
    let logins = client::press(&auth, vec![Any(login); 64], time);
    let keys = client::press(&auth, vec![Same { request: jwks, status: 200 }], time);
    let machines = client::press(&auth, vec![Same { request: services.client_credentials(), status: 200 }], time);
    let (logins, keys, machines) = tokio::join!(logins, keys, machines);
    for (name, outcome) in [("JWKS", keys?), ("client credentials", machines?), ("logins and 503", logins?)] {
        ensure!(outcome.unexpected == 0, "{name} under a login storm: {} unexpected answers", outcome.unexpected);
        let name = format!("{name}, under a login storm");
        let scenario = Scenario { name: &name, concurrency: 64, address: &auth, target: Target::none() };
        report.add(line(&scenario, &outcome, Duration::ZERO, services.auth_usage().memory));
    }
    Ok(())
}

/// A login that succeeds or is told to come back.
#[derive(Clone)]
struct Any(Vec<u8>);

impl Script for Any {
    fn next(&mut self) -> Option<&[u8]> {
        Some(&self.0)
    }

    fn heed(&mut self, answer: &Answer<'_>) -> bool {
        matches!(answer.status, 200 | 503)
    }
}

async fn fresh_tokens(services: &Services, resource: &str, concurrency: usize) -> anyhow::Result<Vec<Each>> {
    let mut connection = Connection::open(&services.auth_address()).await?;
    let mut requests: Vec<Vec<Vec<u8>>> = vec![Vec::new(); concurrency];
    for number in 0..FRESH_TOKENS {
        let answer = connection.call(&services.client_credentials()).await?;
        let token = member(answer.body, "access_token")?;
        requests[number % concurrency].push(get(resource, "/me", &[("authorization", &format!("Bearer {token}"))]));
    }
    let each = |requests: Vec<Vec<u8>>| Each { requests: requests.into_iter(), current: Vec::new(), status: 200 };
    Ok(requests.into_iter().map(each).collect())
}

async fn status_list(connection: &mut Connection, auth: &str) -> anyhow::Result<Vec<u8>> {
    // A list that was opened a moment ago is named a moment later.
    for _ in 0..100 {
        let answer = connection.call(&get(auth, "/oauth2/status-lists", &[])).await?;
        let lists: serde_json::Value = serde_json::from_slice(answer.body)?;
        if let Some(list) = lists["status_lists"][0].as_str() {
            return Ok(get(auth, url::Url::parse(list)?.path(), &[]));
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("there is no status list after a login")
}

/// The token with another last byte of its signature but one.
fn forged(token: &str) -> String {
    let (rest, end) = token.split_at(token.len() - 8);
    let other = if end.starts_with('A') { 'B' } else { 'A' };
    format!("{rest}{other}{}", &end[1..])
}
