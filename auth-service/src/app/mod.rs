//! Puts the parts together: connects, migrates, unseals the keys, mounts the routes, binds and runs.

mod database;
mod edge;
mod parts;

use std::{future::Future, sync::Arc};

use anyhow::Context;
use poem::{EndpointExt, Response, endpoint::BoxEndpoint};
use secrecy::ExposeSecret;
use shared::{
    access_token::AccessTokenVerifier,
    guard::Refusals,
    server::{cors::AllowedOrigins, listener::Listener, metrics::Metrics, tls::Tls},
};

use self::{
    database::filled_store,
    edge::{deadline, edge, health, metrics_listener},
    parts::{administration, enabled_grants, metadata, registrations, sessions},
};
use crate::{
    account::{Logins, PasswordChange, PasswordHashing, Profiles, SessionList},
    api_key::ApiKeys,
    apply::{self, ApplyOptions},
    audit::{AuditLog, Chain, NameKey, Origin},
    client::Clients,
    clock,
    config::{Config, Profile},
    first_content::{self, FirstAdmin},
    grant::Grants,
    http::{self, Domain, TokenRequests},
    operator::Operator,
    signing_key::{KeyRing, Lifecycle},
    store::Store,
    throttle::Throttle,
    token::{Introspector, Issuer, Places, Revoker, StatusLists},
    upkeep::{self, Progress, Upkeep},
};

pub(crate) use self::{
    database::sealed_key,
    parts::{hashing, rotator, throttle},
};

pub(crate) const POOL_SIZE: u32 = 10;
/// What the key behind refresh tokens is kept as, and the one behind the audit trail.
const REFRESH_KEY: &str = "refresh_token_derivation";
pub(crate) const AUDIT_KEY: &str = "audit";

/// The service, bound and ready to run.
pub struct App {
    listener: Listener,
    metrics: Metrics,
    metrics_listener: Option<Listener>,
    endpoint: BoxEndpoint<'static, Response>,
    upkeep: upkeep::Running,
    operator: Operator,
    url: String,
    document: String,
    first_admin: Option<FirstAdmin>,
}

impl App {
    /// Gets everything ready and binds the address of the settings.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let listener = Listener::bind(config.listen).await.with_context(|| format!("cannot listen on {}", config.listen))?;
        // Boxed, or all of the start would be part of every caller's own future.
        Box::pin(Self::start_on(listener, config)).await
    }

    /// Gets everything ready behind a socket that is bound already.
    pub async fn start_on(listener: Listener, config: Config) -> anyhow::Result<Self> {
        let metrics = Metrics::new();
        metrics.identify(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let tls = config.tls.clone().map(Tls::load).transpose()?;
        let listener = listener.trusting(config.trusted_proxies.clone(), config.proxy_protocol).metrics(&metrics).tls(tls);
        let address = listener.local_addr();
        let issuer_name = config.issuer_at(address);
        let store = filled_store(&config, &issuer_name).await?;
        let rotator = rotator(&config, &store);
        rotator.keep_up(clock::now()).await?;
        let ring = Arc::new(KeyRing::load(&store, &config.sealer).await?);
        let verifier = AccessTokenVerifier::for_any_resource(&*issuer_name, ring.verification());
        let places = Places::new(store.clone(), &issuer_name);
        let lists = StatusLists::new(store.clone(), Arc::clone(&ring), places.clone(), config.status_list_ttl);

        let audit_key = NameKey(sealed_key(&store, &config.sealer, AUDIT_KEY).await?);
        let permits = std::thread::available_parallelism().map_or(1, usize::from);
        let hashing = hashing(&config, &issuer_name, permits);
        apply_file(&config, &store, &hashing).await?;
        let throttle = throttle(&config, &store).await?;
        let session_list = SessionList { store: store.clone(), places: places.clone(), lists: Some(lists.clone()) };
        let logins = Logins::new(store.clone(), hashing.clone(), throttle.clone(), audit_key.clone());
        let first_admin = first_content::admin(&store, &hashing, config.bootstrap_admin_password.as_ref())
            .await
            .context("the user `admin` cannot be created")?;
        let grants = Grants {
            store: store.clone(),
            clients: Clients { store: store.clone(), throttle: throttle.clone() },
            logins: logins.clone(),
            throttle: throttle.clone(),
            issuer: Issuer {
                name: issuer_name.clone(),
                ring: Arc::clone(&ring),
                places: places.clone(),
                lifetime: config.access_token_lifetime,
            },
            sessions: sessions(&config, sealed_key(&store, &config.sealer, REFRESH_KEY).await?),
            lists: lists.clone(),
            enabled: enabled_grants(config.profile),
        };
        let chain = Chain { store: store.clone(), issuer: issuer_name.clone(), key: audit_key };
        let domain = Domain {
            audit: AuditLog { store: store.clone() },
            profiles: Profiles { store: store.clone() },
            api_keys: ApiKeys { store: store.clone(), lists: Some(lists.clone()) },
            password_change: PasswordChange { store: store.clone(), logins, sessions: session_list.clone() },
            session_list: session_list.clone(),
            registrations: registrations(&config, &store, &hashing, &throttle),
            admin: administration(&store, &hashing, &session_list, &rotator, &ring, &lists, &issuer_name),
            grants,
            token_requests: TokenRequests::default(),
            refusals: Refusals::default(),
            revoker: Revoker { store: store.clone(), verifier: verifier.clone(), places: places.clone(), lists: lists.clone() },
            introspector: Introspector {
                store: store.clone(),
                issuer: issuer_name.clone(),
                ring: Arc::clone(&ring),
                verifier,
                places,
                lists: lists.clone(),
            },
            lists: lists.clone(),
            metadata: metadata(&config, &issuer_name),
            ring: Arc::clone(&ring),
            jwks_max_age: rotator.lifecycle.max_age(),
            issuer: issuer_name,
            profile: config.profile,
            docs: config.docs,
        };
        publish(&domain, &hashing, &throttle, rotator.lifecycle, &metrics);
        let published = Arc::clone(&domain.metadata);
        let routes = http::routes(&domain, health(&store), deadline(&config));
        let origins = AllowedOrigins::new([], config.profile == Profile::Development);
        let upkeep = Upkeep {
            store: store.clone(),
            sealer: Arc::clone(&config.sealer),
            ring,
            rotator: rotator.clone(),
            lists,
            throttle: throttle.clone(),
            metadata: published,
            origins: origins.clone(),
            configured_origins: config.cors_origins.clone(),
            chain,
            audit_retention: clock::seconds(config.audit_retention),
            progress: Progress::published(&metrics),
        };
        upkeep.follow_settings().await?;
        let edge = edge(&config, address, origins, &routes.document, metrics.clone()).await?;
        Ok(Self {
            listener,
            metrics_listener: metrics_listener(&config).await?,
            metrics,
            endpoint: edge.wrap(routes.endpoint).boxed(),
            upkeep: upkeep.start(),
            operator: Operator::within(store, hashing, throttle, session_list, rotator, clock::seconds(config.audit_retention)),
            url: config.local_url(address),
            document: routes.document,
            first_admin,
        })
    }

    /// Where the service can be reached on this machine.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the operator may do beside the service while it runs.
    pub fn operator(&self) -> Operator {
        self.operator.clone()
    }

    /// The OpenAPI document.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The user name and the password that this start made for the first administrator: it is shown once.
    pub fn first_admin(&self) -> Option<(&str, &str)> {
        let admin = self.first_admin.as_ref()?;
        Some((admin.username, admin.made_password.as_ref()?.expose_secret()))
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Serves until `shutdown` is done, then finishes what is in flight.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let endpoint = self.metrics.endpoint();
        let metrics = self.metrics_listener.map(|listener| {
            let mut stopped = stopped.clone();
            tokio::spawn(listener.serve(endpoint, async move {
                let _ = stopped.wait_for(|stopped| *stopped).await;
            }))
        });
        let upkeep = self.upkeep;
        let served = self.listener.serve(self.endpoint, shutdown).await;
        stop.send_replace(true);
        if let Some(metrics) = metrics {
            metrics.await??;
        }
        // What it would still ask of a closed database could only fail.
        drop(upkeep);
        self.operator.close().await?;
        Ok(served?)
    }
}

/// Brings the database to the state of the file that the settings name, if they do.
async fn apply_file(config: &Config, store: &Store, hashing: &PasswordHashing) -> anyhow::Result<()> {
    let Some(path) = &config.apply else { return Ok(()) };
    let origin = Origin::local("desired state");
    for line in Box::pin(apply::apply(store, hashing, path, ApplyOptions::default(), &origin)).await? {
        tracing::info!("Desired state: {line}");
    }
    Ok(())
}

/// Publishes what the parts count.
fn publish(domain: &Domain, hashing: &PasswordHashing, throttle: &Throttle, lifecycle: Lifecycle, metrics: &Metrics) {
    domain.token_requests.publish(metrics, &domain.grants.enabled);
    domain.grants.logins.publish(metrics);
    domain.grants.store.publish(metrics);
    domain.ring.publish(lifecycle, metrics);
    metrics.publish_refusals(&domain.refusals);
    hashing.publish(metrics);
    throttle.publish(metrics);
}
