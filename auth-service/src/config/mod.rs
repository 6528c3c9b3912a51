//! The settings: the only place that reads the environment.
//!
//! [`Settings`] is how they are given, `check` finds all that is wrong with them at once, and a [`Config`] is what is left.

mod check;
mod settings;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use secrecy::SecretString;
use shared::{
    database::make_private_directory,
    server::{
        listener::ProxyProtocol,
        rate_limit::{RedisUrl, Rule},
        telemetry::Traces,
        tls::TlsFiles,
    },
};

pub(crate) use self::settings::Settings;
use crate::{
    account::{HashCost, Peppers, Registration},
    seal::Sealer,
    signing_key::Algorithm,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
// Keep it in step with the default of `Settings`.
const AUDIT_RETENTION: Duration = DAY.saturating_mul(400);

/// How strict the service is with its operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A safe server for one machine: makes what it needs by itself, and assumes the client `first-party`.
    Development,
    /// Nothing is made up: what the operator has not given stops the start.
    Production,
    /// Production without the password grant (RFC 9700 §2.4).
    Strict,
}

/// Everything the service needs to know before it starts.
#[derive(Clone)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where `/metrics` is served, if at all.
    pub metrics_listen: Option<SocketAddr>,
    /// Where traces are exported to, if they are. Whoever serves the command line sets it up; an embedding program does so itself.
    pub traces: Option<Traces>,
    /// The issuer identifier; none: `localhost` and the port that is listened on.
    pub issuer: Option<String>,
    /// How strict it is.
    pub profile: Profile,
    /// The database: `sqlite:…` or `postgres:…`.
    pub database_url: SecretString,
    /// The keys that seal secrets at rest.
    pub sealer: Arc<Sealer>,
    /// The first administrator's password; none: one is made and shown once.
    pub bootstrap_admin_password: Option<SecretString>,
    /// The protected resource that a fresh development database knows.
    pub first_resource: String,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether these proxies say by the PROXY protocol whose connection they bring.
    pub proxy_protocol: ProxyProtocol,
    /// The certificate to serve HTTPS with; none: HTTP.
    pub tls: Option<TlsFiles>,
    /// How often anybody may come; empty: as often as they like.
    pub rate_limits: Vec<Rule>,
    /// Where all replicas count together how often anybody came; none: each counts by itself.
    pub redis: Option<RedisUrl>,
    /// Refuses what comes in the clear, unless a trusted proxy says that it came to it over HTTPS.
    pub https_only: bool,
    /// Browser origins that may call the token endpoint, besides those of the clients.
    pub cors_origins: Vec<String>,
    /// Whether `/docs` and `/openapi.json` are served.
    pub docs: bool,
    /// How long an access token lives.
    pub access_token_lifetime: Duration,
    /// A refresh token that is not used for this long ends.
    pub refresh_idle_lifetime: Duration,
    /// A session ends after this long.
    pub refresh_absolute_lifetime: Duration,
    /// How long a repeated refresh is taken for a lost answer; zero: never.
    pub refresh_grace: Duration,
    /// How long a verifier may rely on its copy of a status list.
    pub status_list_ttl: Duration,
    /// How long a signing key signs.
    pub key_rotation_period: Duration,
    /// How long a signing key is listed before it signs.
    pub key_announce_period: Duration,
    /// How the signing key signs.
    pub signing_algorithm: Algorithm,
    /// The size of a new RSA key.
    pub signing_key_bits: usize,
    /// The fewest characters of a new password.
    pub password_min_length: usize,
    /// What one password hash costs.
    pub hash_cost: HashCost,
    /// The keys that password hashes are made with besides.
    pub password_peppers: Peppers,
    /// Who may register.
    pub registration: Registration,
    /// The roles of a new account whose invitation brings none.
    pub registration_roles: Vec<String>,
    /// Whether those who guess at passwords, client secrets and API keys are slowed down.
    pub login_throttle: bool,
    /// How long audit events are kept.
    pub audit_retention: Duration,
    /// A file with the desired state, applied at every start.
    pub apply: Option<PathBuf>,
}

impl Profile {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
            Self::Strict => "strict",
        }
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            "strict" => Ok(Self::Strict),
            _ => Err("expected development, production or strict".to_owned()),
        }
    }
}

impl Config {
    /// A development server on a free loopback port that keeps everything in this directory.
    pub fn development(data_dir: &Path) -> anyhow::Result<Self> {
        // It holds password hashes and, in development, the master key.
        make_private_directory(data_dir)?;
        Ok(Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            metrics_listen: None,
            traces: None,
            issuer: None,
            profile: Profile::Development,
            database_url: embedded(data_dir),
            sealer: Arc::new(Sealer::keep_in(&data_dir.join("master.key"))?),
            bootstrap_admin_password: None,
            first_resource: "http://localhost:8081".to_owned(),
            trusted_proxies: Vec::new(),
            proxy_protocol: ProxyProtocol::Off,
            tls: None,
            rate_limits: Vec::new(),
            redis: None,
            https_only: false,
            cors_origins: Vec::new(),
            docs: true,
            access_token_lifetime: Duration::from_mins(10),
            refresh_idle_lifetime: 7 * DAY,
            refresh_absolute_lifetime: 30 * DAY,
            refresh_grace: Duration::from_secs(10),
            status_list_ttl: Duration::from_secs(4),
            key_rotation_period: 30 * DAY,
            key_announce_period: HOUR,
            signing_algorithm: Algorithm::Rs256,
            signing_key_bits: 2048,
            password_min_length: 15,
            hash_cost: HashCost::default(),
            password_peppers: Peppers::default(),
            registration: Registration::Closed,
            registration_roles: Vec::new(),
            login_throttle: true,
            audit_retention: AUDIT_RETENTION,
            apply: None,
        })
    }

    /// The issuer, once the port is known.
    pub(crate) fn issuer_at(&self, address: SocketAddr) -> String {
        self.issuer.clone().unwrap_or_else(|| self.local_url(address))
    }

    /// Where the service can be reached on this machine.
    pub(crate) fn local_url(&self, address: SocketAddr) -> String {
        format!("{}://localhost:{}", if self.tls.is_some() { "https" } else { "http" }, address.port())
    }
}

/// A secret in an environment variable that a file of ours names.
pub(crate) fn secret_variable(name: &str) -> Option<SecretString> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(SecretString::from)
}

fn embedded(data_dir: &Path) -> SecretString {
    format!("sqlite:{}?mode=rwc", data_dir.join("auth.db").display()).into()
}
