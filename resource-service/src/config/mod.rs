//! The settings: the only place that reads the environment.
//!
//! [`settings`] is how they are given, [`check`] how they are judged, [`Config`] what the rest of the service sees.

mod check;
mod settings;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use ipnet::IpNet;
use secrecy::SecretString;
use shared::{
    access_token::StalePolicy,
    server::{
        listener::ProxyProtocol,
        rate_limit::{RedisUrl, Rule},
        telemetry::Traces,
        tls::TlsFiles,
    },
};

pub(crate) use self::settings::Settings;

const DEVELOPMENT_ISSUER: &str = "http://localhost:8080";
const DOCUMENTS_PER_OWNER: u64 = 1000;
// Keep these in step with the defaults of `Settings`.
const KEYS_MAX_STALE: Duration = Duration::from_hours(1);
const REVOCATIONS_MAX_STALE: Duration = Duration::from_mins(5);

/// How strict the service is with its operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A server for one machine, which trusts the issuer that runs beside it.
    Development,
    /// Nothing is assumed: what the operator has not given stops the start.
    Production,
}

/// Everything the service needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// How strict it is.
    pub profile: Profile,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where `/metrics` is served, if at all.
    pub metrics_listen: Option<SocketAddr>,
    /// Where traces are exported to, if they are. Whoever serves the command line sets it up; an embedding program does so itself.
    pub traces: Option<Traces>,
    /// Its identifier, the audience of its access tokens; none: `localhost` and the port that is listened on.
    pub id: Option<String>,
    /// The issuer whose access tokens it accepts.
    pub issuer: String,
    /// Host and port to reach the issuer at, if not those of its name.
    pub issuer_connect_to: Option<String>,
    /// How long the issuer's keys count while it cannot be asked again.
    pub keys_max_stale: Duration,
    /// How old the issuer's status lists may be before `revocations_when_stale` decides.
    pub revocations_max_stale: Duration,
    /// What happens to a token of which nobody can tell whether it was revoked.
    pub revocations_when_stale: StalePolicy,
    /// Whether callers may show an API key of the issuer.
    pub api_keys: bool,
    /// Where it keeps the issuer's keys and, unless told otherwise, its database.
    pub data_dir: PathBuf,
    /// The database, `sqlite:…` or `postgres:…`; none: an embedded one in the data directory.
    pub database_url: Option<SecretString>,
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
    /// Browser origins that may call the API.
    pub cors_origins: Vec<String>,
    /// Whether `/docs` and `/openapi.json` are served.
    pub docs: bool,
    /// The most documents that one owner may have.
    pub documents_per_owner: u64,
    /// The audiences, besides its own, for which `/forward-auth` answers.
    pub forward_auth_audiences: Vec<String>,
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            _ => Err("expected development or production".to_owned()),
        }
    }
}

impl Config {
    /// A development server on a free loopback port that keeps everything in this directory.
    pub fn development(data_dir: &Path) -> Self {
        Self {
            profile: Profile::Development,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            metrics_listen: None,
            traces: None,
            id: None,
            issuer: DEVELOPMENT_ISSUER.to_owned(),
            issuer_connect_to: None,
            keys_max_stale: KEYS_MAX_STALE,
            revocations_max_stale: REVOCATIONS_MAX_STALE,
            revocations_when_stale: StalePolicy::FailOpen,
            api_keys: true,
            data_dir: data_dir.to_owned(),
            database_url: None,
            trusted_proxies: Vec::new(),
            proxy_protocol: ProxyProtocol::Off,
            tls: None,
            rate_limits: Vec::new(),
            redis: None,
            https_only: false,
            cors_origins: Vec::new(),
            docs: true,
            documents_per_owner: DOCUMENTS_PER_OWNER,
            forward_auth_audiences: Vec::new(),
        }
    }

    /// The identifier, once the port is known.
    pub(crate) fn id_at(&self, address: SocketAddr) -> String {
        self.id.clone().unwrap_or_else(|| self.local_url(address))
    }

    /// Where the service can be reached on this machine.
    pub(crate) fn local_url(&self, address: SocketAddr) -> String {
        format!("{}://localhost:{}", if self.tls.is_some() { "https" } else { "http" }, address.port())
    }

    /// The database to connect to.
    pub(crate) fn database_url(&self) -> SecretString {
        self.database_url.clone().unwrap_or_else(|| {
            // In a URL these two would not be part of the path.
            let path = self.data_dir.join("resource.db").display().to_string().replace('%', "%25").replace('?', "%3F");
            format!("sqlite:{path}?mode=rwc").into()
        })
    }
}
