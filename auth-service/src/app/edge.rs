//! What stands around the endpoints: the rules of the network, how long a request may take, and whether all is well.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use secrecy::ExposeSecret;
use shared::server::{
    cors::{AllowedOrigins, Cors},
    edge::Edge,
    health::{Detail, Health},
    listener::Listener,
    metrics::Metrics,
    rate_limit::RateLimits,
    routes::Routes as RouteTable,
};

use crate::{config::Config, http, store::Store};

/// How long a token request may take. PostgreSQL may be frozen, or behind a network that swallows everything, and clients
/// should hear of it while they still listen.
const DEADLINE: Duration = Duration::from_millis(2800);
/// The same on an embedded database, where one waits for the writer, and no network is in between.
const EMBEDDED_DEADLINE: Duration = Duration::from_secs(9);
/// Whom anyone may ask from a browser, without credentials.
const PUBLIC_PATHS: [&str; 2] = ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"];

pub(super) async fn edge(
    config: &Config,
    address: SocketAddr,
    allowed: AllowedOrigins,
    document: &str,
    metrics: Metrics,
) -> anyhow::Result<Edge> {
    let (rules, issuer) = (config.rate_limits.clone(), config.issuer_at(address));
    let rate_limits = RateLimits::start(rules, config.redis.as_ref(), "auth-service", &issuer, &metrics).await;
    Ok(Edge {
        trusted_proxies: config.trusted_proxies.clone(),
        rate_limits,
        https_only: config.https_only,
        cors: Cors { allowed, public_paths: PUBLIC_PATHS.to_vec() },
        metrics,
        routes: RouteTable::from_document(document)?,
        hsts: config.tls.is_some() || config.issuer.as_ref().is_some_and(|issuer| issuer.starts_with("https:")),
        error_shape: Some(http::shape_error),
        ..Edge::default()
    })
}

pub(super) fn health(store: &Store) -> Health {
    let store = store.clone();
    Health::new().check("database", move || {
        let store = store.clone();
        async move { store.ping().await.map(|()| Detail::new()).map_err(|error| error.to_string()) }
    })
}

pub(super) fn deadline(config: &Config) -> Duration {
    if config.database_url.expose_secret().starts_with("sqlite:") { EMBEDDED_DEADLINE } else { DEADLINE }
}

pub(super) async fn metrics_listener(config: &Config) -> anyhow::Result<Option<Listener>> {
    let Some(address) = config.metrics_listen else { return Ok(None) };
    Listener::bind(address).await.map(Some).with_context(|| format!("cannot listen on {address}"))
}
