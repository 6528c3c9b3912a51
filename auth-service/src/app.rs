//! Puts the parts together: connects, migrates, unseals the keys, mounts the routes, binds and runs.

use std::{future::Future, net::SocketAddr, sync::Arc};

use anyhow::Context;
use aws_lc_rs::{hmac, rand};
use base64::{Engine, prelude::BASE64_STANDARD};
use poem::{EndpointExt, Response, endpoint::BoxEndpoint};
use secrecy::ExposeSecret;
use shared::{
    access_token::{AccessTokenVerifier, MAX_LIFETIME},
    server::{
        cors::{AllowedOrigins, Cors},
        edge::Edge,
        health::{Detail, Health},
        listener::Listener,
        metrics::Metrics,
        routes::Routes as RouteTable,
    },
};
use zeroize::Zeroizing;

use crate::{
    account::{Logins, PasswordHashing, Profiles},
    apply::{self, ApplyOptions},
    audit::{AuditLog, Chain, NameKey, Origin},
    client::Clients,
    clock,
    config::{Config, Profile},
    first_content::{self, FirstAdmin},
    grant::{GrantType, Grants, Sessions},
    http::{self, Domain, Metadata},
    operator::Operator,
    seal::Sealer,
    signing_key::{KeyRing, Lifecycle, Rotator},
    store::{Store, setting},
    token::{Introspector, Issuer, Places, Revoker, StatusLists},
    upkeep::{self, Upkeep},
};

pub(crate) const POOL_SIZE: u32 = 10;
/// What the key behind refresh tokens is kept as, and the one behind the audit trail.
const REFRESH_KEY: &str = "refresh_token_derivation";
pub(crate) const AUDIT_KEY: &str = "audit";
/// Whom anyone may ask from a browser, without credentials.
const PUBLIC_PATHS: [&str; 2] = ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"];

/// The service, bound and ready to run.
pub struct App {
    listener: Listener,
    metrics: Option<(Listener, Metrics)>,
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
        let listener = listener.trusting(config.trusted_proxies.clone()).metrics(&metrics);
        let address = listener.local_addr();
        let issuer_name = config.issuer_at(address);
        let store = Store::open(config.database_url.expose_secret(), POOL_SIZE).await?;
        claim(&store, &issuer_name).await?;
        first_content::fill(&store, config.profile, &issuer_name, &config.first_resource).await?;
        let rotator = rotator(&config, &store);
        rotator.keep_up(clock::now()).await?;
        let ring = Arc::new(KeyRing::load(&store, &config.sealer).await?);
        let verifier = AccessTokenVerifier::for_any_resource(&*issuer_name, ring.verification());
        let places = Places::new(store.clone(), &issuer_name);
        let lists = StatusLists::new(store.clone(), Arc::clone(&ring), places.clone(), config.status_list_ttl);

        let audit_key = NameKey(sealed_key(&store, &config.sealer, AUDIT_KEY).await?);
        let permits = std::thread::available_parallelism().map_or(1, usize::from);
        let hashing = PasswordHashing::new(config.hash_cost, config.password_min_length, permits);
        apply_file(&config, &store, &hashing).await?;
        let first_admin = first_content::admin(&store, &hashing, config.bootstrap_admin_password.as_ref())
            .await
            .context("the user `admin` cannot be created")?;
        let grants = Grants {
            store: store.clone(),
            clients: Clients { store: store.clone() },
            logins: Logins::new(store.clone(), hashing.clone(), audit_key.clone()),
            issuer: Issuer {
                name: issuer_name.clone(),
                ring: Arc::clone(&ring),
                places: places.clone(),
                lifetime: config.access_token_lifetime,
            },
            sessions: Sessions {
                idle_lifetime: config.refresh_idle_lifetime,
                absolute_lifetime: config.refresh_absolute_lifetime,
                grace: config.refresh_grace,
                derivation_key: sealed_key(&store, &config.sealer, REFRESH_KEY).await?,
            },
            lists: lists.clone(),
            enabled: enabled_grants(config.profile),
        };
        let chain = Chain { store: store.clone(), issuer: issuer_name.clone(), key: audit_key };
        let domain = Domain {
            audit: AuditLog { store: store.clone() },
            profiles: Profiles { store: store.clone() },
            grants,
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
            metadata: Arc::new(Metadata::new(
                &issuer_name,
                enabled_grants(config.profile),
                config.signing_algorithm,
                config.docs,
            )),
            ring: Arc::clone(&ring),
            jwks_max_age: rotator.lifecycle.max_age(),
            issuer: issuer_name,
            profile: config.profile,
            docs: config.docs,
        };
        let published = Arc::clone(&domain.metadata);
        let routes = http::routes(&domain, health(&store));
        let origins = AllowedOrigins::new([], config.profile == Profile::Development);
        let upkeep = Upkeep {
            store: store.clone(),
            sealer: Arc::clone(&config.sealer),
            ring,
            rotator: rotator.clone(),
            lists: lists.clone(),
            metadata: published,
            origins: origins.clone(),
            configured_origins: config.cors_origins.clone(),
            chain,
            audit_retention: clock::seconds(config.audit_retention),
        };
        upkeep.follow_settings().await?;
        let edge = edge(&config, origins, &routes.document, metrics.clone())?;
        let metrics = metrics_listener(&config, metrics).await?;
        Ok(Self {
            listener,
            metrics,
            endpoint: edge.wrap(routes.endpoint).boxed(),
            upkeep: upkeep.start(),
            operator: Operator::within(store, hashing, rotator, lists, clock::seconds(config.audit_retention)),
            url: base_url(address),
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

    /// Serves until `shutdown` is done, then finishes what is in flight.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let metrics = self.metrics.map(|(listener, metrics)| {
            let mut stopped = stopped.clone();
            tokio::spawn(listener.serve(metrics.endpoint(), async move {
                let _ = stopped.wait_for(|stopped| *stopped).await;
            }))
        });
        let _upkeep = self.upkeep;
        let served = self.listener.serve(self.endpoint, shutdown).await;
        stop.send_replace(true);
        if let Some(metrics) = metrics {
            metrics.await??;
        }
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

async fn metrics_listener(config: &Config, metrics: Metrics) -> anyhow::Result<Option<(Listener, Metrics)>> {
    let Some(address) = config.metrics_listen else { return Ok(None) };
    let listener = Listener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    Ok(Some((listener, metrics)))
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

/// A key for this purpose: made once, the same for every replica, sealed at rest.
pub(crate) async fn sealed_key(store: &Store, sealer: &Sealer, purpose: &str) -> anyhow::Result<hmac::Key> {
    let mut fresh = Zeroizing::new([0; 32]);
    rand::fill(&mut *fresh).expect("the system's random source answers");
    let kept = setting::keep(store, purpose, &BASE64_STANDARD.encode(sealer.seal(&*fresh, purpose))).await?;
    let kept = BASE64_STANDARD.decode(kept).with_context(|| format!("the setting {purpose} is damaged"))?;
    let key = sealer.unseal(&kept, purpose).with_context(|| format!("the key `{purpose}` cannot be unsealed"))?;
    if !sealer.is_current(&kept) {
        let (old, new) = (BASE64_STANDARD.encode(&kept), BASE64_STANDARD.encode(sealer.seal(&key, purpose)));
        setting::replace(store, purpose, &old, &new).await?;
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

/// The issuer is part of every token that is out there, so it may not change between two starts.
async fn claim(store: &Store, issuer: &str) -> anyhow::Result<()> {
    let kept = setting::keep(store, "issuer", issuer).await?;
    anyhow::ensure!(
        kept == issuer,
        "this database belongs to the issuer {kept}, and the settings say {issuer}; every token and client knows the old \
         name. Set AUTH_ISSUER={kept}, or start with an empty database"
    );
    Ok(())
}

fn enabled_grants(profile: Profile) -> Vec<GrantType> {
    let is_enabled = |grant: &GrantType| match grant {
        GrantType::Password => profile != Profile::Strict,
        GrantType::ClientCredentials | GrantType::RefreshToken => true,
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

fn edge(config: &Config, allowed: AllowedOrigins, document: &str, metrics: Metrics) -> anyhow::Result<Edge> {
    Ok(Edge {
        trusted_proxies: config.trusted_proxies.clone(),
        cors: Cors { allowed, public_paths: PUBLIC_PATHS.to_vec() },
        metrics,
        routes: RouteTable::from_document(document)?,
        hsts: config.issuer.as_ref().is_some_and(|issuer| issuer.starts_with("https:")),
        error_shape: Some(http::shape_error),
        ..Edge::default()
    })
}

fn base_url(address: SocketAddr) -> String {
    format!("http://localhost:{}", address.port())
}
