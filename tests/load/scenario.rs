//! What the services are pressed with.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::time::{sleep, sleep_until};

use crate::{
    client::{self, Answer, Connection, Same, Script, member},
    raw::Limits,
    report::{Line, Report, Target},
    request::get,
    script::{Each, Mixed, Refreshing},
    services::Services,
    storm,
    usage::Usage,
};

pub(crate) const KEYS: &str = "/.well-known/jwks.json";
const CONCURRENCY: [usize; 3] = [1, 16, 64];
/// How many tokens are made to be shown once each, and to be revoked once each.
const FRESH_TOKENS: usize = 20_000;
const REVOKED_TOKENS: usize = 1_500;
/// How long after its end a token is forgiven for clocks that differ, and a little more.
const LEEWAY: Duration = Duration::from_secs(32);
/// Of what is drawn by lot.
const SEED: u64 = 2026;

/// The same request again and again.
struct Steady {
    name: &'static str,
    address: String,
    request: Vec<u8>,
    status: u16,
    target: Target,
}

/// A scenario, as the report calls it.
struct Scenario<'a> {
    name: &'a str,
    concurrency: usize,
    address: &'a str,
    target: Target,
}

/// What is pressed, and how.
pub(crate) struct Plan<'a> {
    /// How long each scenario is pressed at each concurrency.
    pub(crate) time: Duration,
    /// Only the scenarios whose names begin like this.
    pub(crate) only: Option<&'a str>,
}

impl Plan<'_> {
    fn wants(&self, name: &str) -> bool {
        self.only.is_none_or(|only| name.starts_with(only))
    }
}

/// Runs every scenario that is wanted.
pub(crate) async fn run_all(services: &Services, report: &mut Report, plan: &Plan<'_>) -> anyhow::Result<()> {
    let (auth, resource) = (services.auth_address(), services.resource_address());
    let limits = report.limits();
    let mut connection = Connection::open(&auth).await?;
    let tokens = connection.call(&services.login()).await?;
    ensure!(tokens.status == 200, "the login is refused");
    let token = member(tokens.body, "access_token")?;
    let brief = member(connection.call(&services.client_credentials_of("brief", &services.brief)).await?.body, "access_token")?;
    let brief_until = Instant::now() + Services::BRIEF + LEEWAY;

    for steady in of_issuer(services, &mut connection, &token, limits).await? {
        run_steady(services, report, plan, steady).await?;
    }
    for steady in of_api(services, &token, limits).await? {
        run_steady(services, report, plan, steady).await?;
    }
    if plan.wants("password") {
        // More at once would be told to come back.
        for concurrency in [1, 16] {
            let scripts = vec![Same { request: services.login(), status: 200 }; concurrency];
            let target = Target::of(limits.hash, 0.95);
            measure(services, report, Scenario { name: "password", concurrency, address: &auth, target }, scripts, plan.time)
                .await?;
        }
    }
    if plan.wants("refresh") {
        for concurrency in CONCURRENCY {
            let scripts = families(services, concurrency).await?;
            let target = Target::of(limits.sign, 0.7);
            measure(services, report, Scenario { name: "refresh", concurrency, address: &auth, target }, scripts, plan.time)
                .await?;
        }
    }
    if plan.wants("refresh, PostgreSQL") {
        match Services::start_on_postgresql().await? {
            Some(services) => refresh_elsewhere(&services, report, plan.time).await?,
            None => eprintln!("refresh, PostgreSQL: not measured"),
        }
    }
    if plan.wants("revocation") {
        for concurrency in CONCURRENCY {
            let revoke = |token: String| services.form("/oauth2/revoke", Some(services.nightly()), &[("token", &token)]);
            let requests = fresh_tokens(services, REVOKED_TOKENS).await?.into_iter().map(revoke).collect();
            let scenario = Scenario { name: "revocation", concurrency, address: &auth, target: Target::none() };
            measure(services, report, scenario, Each::divided(requests, concurrency, 200), plan.time).await?;
        }
    }
    if plan.wants("GET /me, first-seen token") {
        for concurrency in CONCURRENCY {
            let show = |token: String| bearer(&resource, "/me", &token);
            let requests = fresh_tokens(services, FRESH_TOKENS).await?.into_iter().map(show).collect();
            let target = Target::of(limits.hello.with(limits.verify, "hello and a raw verification"), 0.9);
            let scenario = Scenario { name: "GET /me, first-seen token", concurrency, address: &resource, target };
            measure(services, report, scenario, Each::divided(requests, concurrency, 200), plan.time).await?;
        }
    }
    if plan.wants("GET /me, expired token") {
        sleep_until(brief_until.into()).await;
        let (name, request) = ("GET /me, expired token", bearer(&resource, "/me", &brief));
        let expired = Steady { name, address: resource.clone(), request, status: 401, target: Target::none() };
        run_steady(services, report, plan, expired).await?;
    }
    if plan.wants("mixed") {
        for concurrency in CONCURRENCY {
            let scripts = mixed(services, &token, concurrency).await?;
            let scenario = Scenario { name: "mixed, issuer", concurrency, address: &auth, target: Target::none() };
            measure(services, report, scenario, scripts, plan.time).await?;
        }
    }
    if plan.wants("storm") {
        storm::run(services, report, plan.time).await?;
    }
    Ok(())
}

/// The refresh once more, where the database is a program of its own.
async fn refresh_elsewhere(services: &Services, report: &mut Report, time: Duration) -> anyhow::Result<()> {
    let auth = services.auth_address();
    let target = Target::of(report.limits().sign, 0.6);
    for concurrency in CONCURRENCY {
        let scripts = families(services, concurrency).await?;
        let scenario = Scenario { name: "refresh, PostgreSQL", concurrency, address: &auth, target };
        measure(services, report, scenario, scripts, time).await?;
    }
    Ok(())
}

/// What is asked of the issuer and changes nothing.
async fn of_issuer(services: &Services, connection: &mut Connection, token: &str, limits: Limits) -> anyhow::Result<Vec<Steady>> {
    let auth = services.auth_address();
    let steady = |name, request, status, target| Steady { name, address: auth.clone(), request, status, target };
    let introspect = services.form("/oauth2/introspect", Some(services.introspecting()), &[("token", token)]);
    let entity_tag = connection.call(&get(&auth, KEYS, &[])).await?.header("etag").context("the key set has an entity tag")?;
    let as_bytes = Target::of(limits.hello, 0.95);
    Ok(vec![
        steady("client credentials", services.client_credentials(), 200, Target::of(limits.sign, 0.85)),
        steady("JWKS", get(&auth, KEYS, &[]), 200, as_bytes),
        steady("JWKS, not modified", get(&auth, KEYS, &[("if-none-match", &entity_tag)]), 304, as_bytes),
        steady("metadata", get(&auth, "/.well-known/oauth-authorization-server", &[]), 200, as_bytes),
        steady("status list", status_list(connection, &auth).await?, 200, as_bytes),
        steady("introspection", introspect, 200, Target::none()),
    ])
}

/// What is asked of the API and changes nothing.
async fn of_api(services: &Services, token: &str, limits: Limits) -> anyhow::Result<Vec<Steady>> {
    let resource = services.resource_address();
    let steady = |name, request, status, target| Steady { name, address: resource.clone(), request, status, target };
    let key = services.api_key().await?;
    let remembered = Target::of(limits.hello, 0.9);
    Ok(vec![
        steady("GET /me, remembered token", bearer(&resource, "/me", token), 200, remembered),
        steady("GET /documents, remembered token", bearer(&resource, "/documents", token), 200, Target::none()),
        steady("GET /me, API key", get(&resource, "/me", &[("x-api-key", &key)]), 200, Target::none()),
        steady("forward auth", bearer(&resource, "/forward-auth?scope=documents:read", token), 200, remembered),
        steady("GET /me, no token", get(&resource, "/me", &[]), 401, Target::none()),
        steady("GET /me, garbage", bearer(&resource, "/me", "aaaa.bbbb.cccc"), 401, Target::none()),
        steady("GET /me, forged signature", bearer(&resource, "/me", &forged(token)), 401, Target::none()),
    ])
}

async fn run_steady(services: &Services, report: &mut Report, plan: &Plan<'_>, steady: Steady) -> anyhow::Result<()> {
    let Steady { name, address, request, status, target } = steady;
    if plan.wants(name) {
        for concurrency in CONCURRENCY {
            let scripts = vec![Same { request: request.clone(), status }; concurrency];
            measure(services, report, Scenario { name, concurrency, address: &address, target }, scripts, plan.time).await?;
        }
    }
    Ok(())
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
    let cpu = after.cpu.saturating_sub(before.cpu);
    report.add(Line::new(scenario.name, scenario.concurrency, &outcome, cpu, after.memory, scenario.target));
    Ok(())
}

/// What a day at the issuer may look like, in proportion.
pub(crate) async fn mixed(services: &Services, token: &str, connections: usize) -> anyhow::Result<Vec<Mixed>> {
    let auth = services.auth_address();
    let introspect = services.form("/oauth2/introspect", Some(services.introspecting()), &[("token", token)]);
    let mut mixes = Vec::new();
    for (seed, family) in (SEED..).zip(families(services, connections).await?) {
        let same = |request| -> Box<dyn Script> { Box::new(Same { request, status: 200 }) };
        mixes.push(Mixed::new(
            seed,
            vec![
                (40, same(get(&auth, KEYS, &[]))),
                (25, same(services.client_credentials())),
                (20, Box::new(family)),
                (15, same(introspect.clone())),
            ],
        ));
    }
    Ok(mixes)
}

/// A session for each connection.
pub(crate) async fn families(services: &Services, count: usize) -> anyhow::Result<Vec<Refreshing>> {
    // Of its own: one that was open since the beginning may have been idle for too long.
    let mut connection = Connection::open(&services.auth_address()).await?;
    let mut families = Vec::new();
    for _ in 0..count {
        let answer = connection.call(&services.login()).await?;
        families.push(Refreshing::new(services, member(answer.body, "refresh_token")?)?);
    }
    Ok(families)
}

async fn fresh_tokens(services: &Services, count: usize) -> anyhow::Result<Vec<String>> {
    let mut connection = Connection::open(&services.auth_address()).await?;
    let mut tokens = Vec::with_capacity(count);
    for _ in 0..count {
        let answer: Answer<'_> = connection.call(&services.client_credentials()).await?;
        tokens.push(member(answer.body, "access_token")?);
    }
    Ok(tokens)
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

fn bearer(address: &str, path: &str, token: &str) -> Vec<u8> {
    get(address, path, &[("authorization", &format!("Bearer {token}"))])
}

/// The token with another last byte of its signature but one.
fn forged(token: &str) -> String {
    let (rest, end) = token.split_at(token.len() - 8);
    let other = if end.starts_with('A') { 'B' } else { 'A' };
    format!("{rest}{other}{}", &end[1..])
}
