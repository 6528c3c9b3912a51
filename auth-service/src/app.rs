//! Puts the parts together: connects, migrates, unseals the keys, mounts the routes, binds and runs.

mod database;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use aws_lc_rs::hmac;
use poem::{EndpointExt, Response, endpoint::BoxEndpoint};
use secrecy::ExposeSecret;
use shared::{
    access_token::{AccessTokenVerifier, MAX_LIFETIME},
    guard::Refusals,
    server::{
        cors::{AllowedOrigins, Cors},
        edge::Edge,
        health::{Detail, Health},
        listener::Listener,
        metrics::Metrics,
        rate_limit::RateLimits,
        routes::Routes as RouteTable,
        tls::Tls,
    },
};

use self::database::filled_store;
use crate::{
    account::{Logins, PasswordChange, PasswordHashing, Policy, Profiles, Registrations, SessionList},
    admin::{self, Gate, Resources, Roles, SigningKeys, Users},
    api_key::ApiKeys,
    apply::{self, ApplyOptions},
    audit::{AuditLog, Chain, NameKey, Origin},
    client::Clients,
    clock,
    config::{Config, Profile},
    first_content::{self, FirstAdmin},
    grant::{GrantType, Grants, Sessions},
    http::{self, Administration, Domain, Metadata, TokenRequests},
    operator::Operator,
    signing_key::{KeyRing, Lifecycle, Rotator},
    store::Store,
    throttle::Throttle,
    token::{Introspector, Issuer, Places, Revoker, StatusLists},
    upkeep::{self, Progress, Upkeep},
};

pub(crate) use self::database::sealed_key;

pub(crate) const POOL_SIZE: u32 = 10;
/// What the key behind refresh tokens is kept as, and the one behind the audit trail.
const REFRESH_KEY: &str = "refresh_token_derivation";
pub(crate) const AUDIT_KEY: &str = "audit";
/// How long a token request may take. PostgreSQL may be frozen, or behind a network that swallows everything, and clients
/// should hear of it while they still listen.
const DEADLINE: Duration = Duration::from_millis(2800);
/// The same on an embedded database, where one waits for the writer, and no network is in between.
const EMBEDDED_DEADLINE: Duration = Duration::from_secs(9);
/// Whom anyone may ask from a browser, without credentials.
const PUBLIC_PATHS: [&str; 2] = ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"];

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

async fn metrics_listener(config: &Config) -> anyhow::Result<Option<Listener>> {
    let Some(address) = config.metrics_listen else { return Ok(None) };
    Listener::bind(address).await.map(Some).with_context(|| format!("cannot listen on {address}"))
}

fn metadata(config: &Config, issuer: &str) -> Arc<Metadata> {
    Arc::new(Metadata::new(issuer, enabled_grants(config.profile), config.signing_algorithm, config.docs))
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

fn registrations(config: &Config, store: &Store, hashing: &PasswordHashing, throttle: &Throttle) -> Registrations {
    Registrations {
        store: store.clone(),
        hashing: hashing.clone(),
        throttle: throttle.clone(),
        mode: config.registration,
        roles: config.registration_roles.clone(),
    }
}

/// The intervals and the means of making signing keys.
pub(crate) fn rotator(config: &Config, store: &Store) -> Rotator {
    Rotator {
        store: store.clone(),
        sealer: Arc::clone(&config.sealer),
        algorithm: config.signing_algorithm,
        bits: config.signing_key_bits,
        lifecycle: Lifecycle {
            period: config.key_rotation_period,
            announce: config.key_announce_period,
            // Not the setting's: a client may have a longer lifetime of its own, tomorrow if not today.
            longest_token: MAX_LIFETIME,
        },
    }
}

fn sessions(config: &Config, derivation_key: hmac::Key) -> Sessions {
    Sessions {
        idle_lifetime: config.refresh_idle_lifetime,
        absolute_lifetime: config.refresh_absolute_lifetime,
        grace: config.refresh_grace,
        derivation_key,
    }
}

/// What the endpoints for administrators stand on.
fn administration(
    store: &Store,
    hashing: &PasswordHashing,
    sessions: &SessionList,
    rotator: &Rotator,
    ring: &Arc<KeyRing>,
    lists: &StatusLists,
    issuer: &str,
) -> Administration {
    Administration {
        gate: Gate { store: store.clone() },
        users: Users::new(store.clone(), hashing.clone(), sessions.clone(), lists.clone()),
        roles: Roles { store: store.clone(), lists: lists.clone() },
        clients: admin::Clients { store: store.clone(), lists: lists.clone() },
        resources: Resources { store: store.clone(), issuer: issuer.to_owned() },
        keys: SigningKeys { rotator: rotator.clone(), ring: Arc::clone(ring), lists: lists.clone() },
    }
}

/// How passwords are hashed, `permits` at a time, and which may be set.
pub(crate) fn hashing(config: &Config, issuer: &str, permits: usize) -> PasswordHashing {
    PasswordHashing::new(
        config.hash_cost,
        config.password_peppers.clone(),
        Policy::new(config.password_min_length, issuer),
        permits,
    )
}

/// What counts guesses, under a key of its own.
pub(crate) async fn throttle(config: &Config, store: &Store) -> anyhow::Result<Throttle> {
    Ok(Throttle::new(store.clone(), sealed_key(store, &config.sealer, "throttle").await?, config.login_throttle))
}

fn deadline(config: &Config) -> Duration {
    if config.database_url.expose_secret().starts_with("sqlite:") { EMBEDDED_DEADLINE } else { DEADLINE }
}

fn enabled_grants(profile: Profile) -> Vec<GrantType> {
    let is_enabled = |grant: &GrantType| match grant {
        GrantType::Password => profile != Profile::Strict,
        GrantType::ClientCredentials | GrantType::RefreshToken | GrantType::TokenExchange => true,
    };
    GrantType::ALL.into_iter().filter(is_enabled).collect()
}

fn health(store: &Store) -> Health {
    let store = store.clone();
    Health::new().check("database", move || {
        let store = store.clone();
        async move { store.ping().await.map(|()| Detail::new()).map_err(|error| error.to_string()) }
    })
}

async fn edge(
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
