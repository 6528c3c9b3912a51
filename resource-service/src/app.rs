//! Puts the parts together: connects, migrates, follows the issuer, mounts the routes, binds and runs.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use futures_util::FutureExt;
use poem::{EndpointExt, Response, endpoint::BoxEndpoint, http::Method};
use secrecy::ExposeSecret;
use shared::{
    access_token::{AccessTokenVerifier, ApiKeys, IssuerKeys, Revocations},
    database::{Database, make_private_directory},
    guard::{Guard, Refusals},
    server::{
        cors::{AllowedOrigins, Cors},
        edge::Edge,
        listener::Listener,
        metrics::Metrics,
        rate_limit::RateLimits,
        routes::Routes,
        tls::Tls,
    },
};

use crate::{
    Config, Profile,
    document::Documents,
    health,
    http::{self, About, ForwardAuth},
    metrics,
    store::migration::Migrator,
};

const POOL_SIZE: u32 = 10;
/// The `realm` of every challenge.
const REALM: &str = "documents";

/// The service, bound to its address and ready to run.
pub struct App {
    url: String,
    document: String,
    listener: Listener,
    service: BoxEndpoint<'static, Response>,
    metrics_listener: Option<Listener>,
    metrics: Metrics,
    database: Database,
}

impl App {
    /// Binds the address of the settings and gets everything ready.
    ///
    /// It waits for its database, but not for its issuer: that is followed in the background, and until its keys are
    /// there, requests are answered with 503.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let listener = bind(config.listen).await?;
        Self::start_on(listener, config).await
    }

    /// Gets everything ready behind a socket that is bound already.
    pub async fn start_on(listener: Listener, config: Config) -> anyhow::Result<Self> {
        let metrics = Metrics::new();
        metrics.identify(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let tls = config.tls.clone().map(Tls::load).transpose()?;
        let listener = listener.trusting(config.trusted_proxies.clone(), config.proxy_protocol).metrics(&metrics).tls(tls);
        let metrics_listener = match config.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let database = open_database(&config).await?;
        let keys = IssuerKeys::builder(&config.issuer)
            .connect_to(config.issuer_connect_to.clone())
            .keep_in(Some(config.data_dir.clone()))
            .max_stale(config.keys_max_stale)
            .start()?;
        let revocations = Revocations::following(&keys)
            .max_stale(config.revocations_max_stale)
            .when_stale(config.revocations_when_stale)
            .start();

        let url = config.local_url(listener.local_addr());
        let id = config.id_at(listener.local_addr());
        let refusals = Refusals::default();
        metrics.publish_refusals(&refusals);
        metrics.publish_database(&database);
        metrics::publish(&keys, &revocations, &metrics);
        let guard = |audience: &str, realm: &str, metadata: Option<String>| {
            let verifier = AccessTokenVerifier::following(keys.clone(), audience).revocations(revocations.clone());
            let guard = Guard::new(verifier, realm, metadata).counting(&refusals);
            if config.api_keys { guard.api_keys(ApiKeys::new(keys.clone(), audience)) } else { guard }
        };
        let own = guard(&id, REALM, http::metadata_url(&id));
        // Of a program that this service guards it knows the name only.
        let others = config.forward_auth_audiences.iter().map(|audience| (audience.clone(), guard(audience, audience, None)));
        let forward_auth = ForwardAuth::new((id.clone(), own.clone()), others);
        let documents = Documents::new(database.clone(), config.documents_per_owner);
        let about = About { id, issuer: config.issuer.clone(), has_docs: config.docs, takes_api_keys: config.api_keys };
        let api = http::api(&about, &documents);
        let document = http::document(&api, &about);
        let rate_limits =
            RateLimits::start(config.rate_limits.clone(), config.redis.as_ref(), "resource-service", &about.id, &metrics).await;
        let edge = edge(&config, &about, &document, metrics.clone(), rate_limits)?;
        let guard = own.enforcing(&document)?;
        let routes = http::routes(api, &about, guard, forward_auth, health::checks(&database, keys, revocations));
        let service = edge.wrap(routes).boxed();
        Ok(Self { url, document, listener, service, metrics_listener, metrics, database })
    }

    /// Where the service can be reached on this machine.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its metrics can be reached on this machine, if it serves them.
    pub fn metrics_url(&self) -> Option<String> {
        self.metrics_listener.as_ref().map(|listener| format!("http://localhost:{}/metrics", listener.local_addr().port()))
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The document that `/openapi.json` serves.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// Serves until `shutdown` is done, then finishes what is in flight.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let shutdown = shutdown.shared();
        let metrics = async {
            match self.metrics_listener {
                Some(listener) => listener.serve(self.metrics.endpoint(), shutdown.clone()).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(self.listener.serve(self.service, shutdown.clone()), metrics)?;
        self.database.close().await.context("the database was not closed properly")
    }
}

/// Opens the database of the settings, and with it the directory where it may be, and brings its schema up to date.
pub(crate) async fn open_database(config: &Config) -> anyhow::Result<Database> {
    make_private_directory(&config.data_dir).with_context(|| format!("cannot make {}", config.data_dir.display()))?;
    Ok(Database::open::<Migrator>(config.database_url().expose_secret(), POOL_SIZE).await?)
}

async fn bind(address: SocketAddr) -> anyhow::Result<Listener> {
    Listener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

fn edge(
    config: &Config,
    about: &About,
    document: &str,
    metrics: Metrics,
    rate_limits: Option<Arc<RateLimits>>,
) -> anyhow::Result<Edge> {
    let routes = Routes::from_document(document)?.with(&http::metadata_path(&about.id), &[Method::GET]);
    let forward_auth = http::FORWARD_AUTH_TEMPLATES.into_iter();
    Ok(Edge {
        routes: forward_auth.fold(routes, |routes, template| routes.with(template, &http::FORWARD_AUTH_METHODS)),
        trusted_proxies: config.trusted_proxies.clone(),
        rate_limits,
        https_only: config.https_only,
        cors: Cors {
            allowed: AllowedOrigins::new(config.cors_origins.clone(), config.profile == Profile::Development),
            public_paths: http::public_paths(about),
        },
        metrics,
        hsts: about.id.starts_with("https:"),
        ..Edge::default()
    })
}
