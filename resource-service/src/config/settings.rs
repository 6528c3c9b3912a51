//! The flags and the environment variables.
#![expect(clippy::doc_markdown, reason = "the help texts are read in a terminal, where backticks and brackets are noise")]

use std::path::PathBuf;

use clap::Args;
use shared::server::telemetry;

use super::DOCUMENTS_PER_OWNER;

/// The command line's and the environment's way of giving a [`Config`](super::Config).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// Address and port to listen on
    #[arg(long, env = "RESOURCE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub(crate) listen: String,

    /// Address and port that serve /metrics, or `off`
    #[arg(long, env = "RESOURCE_METRICS_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:9081")]
    pub(super) metrics_listen: String,

    /// Who this service is: the URL that access tokens must name as their audience [default in development:
    /// http://localhost:<port of --listen>]
    #[arg(long, env = "RESOURCE_ID", value_name = "URL")]
    pub(super) id: Option<String>,

    /// The issuer whose access tokens are accepted [default in development: http://localhost:8080]
    #[arg(long, env = "RESOURCE_ISSUER", value_name = "URL")]
    pub(super) issuer: Option<String>,

    /// Reach the issuer at this host and port instead of those in its name, such as `auth-service:8080` inside a
    /// container network; its name stays the same
    #[arg(long, env = "RESOURCE_ISSUER_CONNECT_TO", value_name = "HOST:PORT")]
    pub(super) issuer_connect_to: Option<String>,

    /// How long the issuer's keys count while it cannot be asked again
    #[arg(long, env = "RESOURCE_KEYS_MAX_STALE", value_name = "DURATION", default_value = "1h")]
    pub(super) keys_max_stale: String,

    /// How old the issuer's lists of revoked tokens may be before --revocations-when-stale decides
    #[arg(long, env = "RESOURCE_REVOCATIONS_MAX_STALE", value_name = "DURATION", default_value = "5m")]
    pub(super) revocations_max_stale: String,

    /// What happens to a good token of which nobody can tell for now whether it was revoked: accept, or refuse (503)
    #[arg(long, env = "RESOURCE_REVOCATIONS_WHEN_STALE", value_name = "ACCEPT|REFUSE", default_value = "accept")]
    pub(super) revocations_when_stale: String,

    /// Whether callers may show an API key of the issuer in the header X-API-Key: on or off
    #[arg(long, env = "RESOURCE_API_KEYS", value_name = "ON|OFF", default_value = "on")]
    pub(super) api_keys: String,

    /// development (assumes an issuer beside it) or production (refuses to start half-configured)
    #[arg(long, env = "RESOURCE_PROFILE", default_value = "development")]
    pub(super) profile: String,

    /// Directory for the embedded database and the issuer's keys, which outlive a restart
    #[arg(long, env = "RESOURCE_DATA_DIR", value_name = "DIR", default_value = "./data/resource")]
    pub(super) data_dir: PathBuf,

    /// The database: postgres://user:password@host/name or sqlite:path [default: SQLite in the data directory]
    #[arg(long, env = "RESOURCE_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub(super) database_url: Option<String>,

    /// File that holds the database URL
    #[arg(long, env = "RESOURCE_DATABASE_URL_FILE", value_name = "FILE")]
    pub(super) database_url_file: Option<PathBuf>,

    /// Networks of the proxies whose X-Forwarded-For is believed, separated by commas
    #[arg(long, env = "RESOURCE_TRUSTED_PROXIES", value_name = "NETWORKS", default_value = "", hide_default_value = true)]
    pub(super) trusted_proxies: String,

    /// File with the certificate and its chain in PEM, to serve HTTPS; it is read anew when it changes
    #[arg(long, env = "RESOURCE_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// File with the private key of the certificate in PEM
    #[arg(long, env = "RESOURCE_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,

    /// Whether the trusted proxies say whose connection they bring by the PROXY protocol: v2, or off. With v2 they must
    #[arg(long, env = "RESOURCE_PROXY_PROTOCOL", value_name = "OFF|V2", default_value = "off")]
    pub(super) proxy_protocol: String,

    /// How often anybody may come: off, or rules separated by commas, each ip, credentials, client, subject or key,
    /// perhaps the beginning of a path, and a rate
    #[arg(
        long,
        env = "RESOURCE_RATE_LIMITS",
        value_name = "RULES",
        default_value = "ip 500/second burst 2000, credentials 200/second burst 1000, subject 200/second burst 1000"
    )]
    pub(super) rate_limits: String,

    /// Redis or Valkey in which all replicas count rate limits together: redis://:password@host:6379/0, or rediss://… for
    /// TLS [default: each replica counts by itself]
    #[arg(long, env = "RESOURCE_REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub(super) redis_url: Option<String>,

    /// File that holds the URL of Redis
    #[arg(long, env = "RESOURCE_REDIS_URL_FILE", value_name = "FILE")]
    pub(super) redis_url_file: Option<PathBuf>,

    /// Browser origins that may call this service, separated by commas; development also lets any loopback origin in
    #[arg(long, env = "RESOURCE_CORS_ORIGINS", value_name = "ORIGINS", default_value = "", hide_default_value = true)]
    pub(super) cors_origins: String,

    /// Swagger UI at /docs and the document at /openapi.json: on or off [default: on in development, else off]
    #[arg(long, env = "RESOURCE_DOCS", value_name = "ON|OFF")]
    pub(super) docs: Option<String>,

    /// The most documents that one owner may have
    #[arg(long, env = "RESOURCE_DOCUMENTS_PER_OWNER", value_name = "NUMBER", default_value_t = DOCUMENTS_PER_OWNER.to_string())]
    pub(super) documents_per_owner: String,

    /// Names of the programs, besides this one, that a proxy guards by asking /forward-auth: the URLs that access tokens
    /// for them have as their audience, separated by commas
    #[arg(long, env = "RESOURCE_FORWARD_AUTH_AUDIENCES", value_name = "URLS", default_value = "", hide_default_value = true)]
    pub(super) forward_auth_audiences: String,

    /// Base URL of a collector that takes traces by OTLP over HTTP, such as `http://localhost:4318` [default: none, and
    /// no traces]
    #[arg(long, env = "RESOURCE_OTLP_ENDPOINT", value_name = "URL")]
    pub(super) otlp_endpoint: Option<String>,

    /// Part of the traces that begin here which is exported, from 0 to 1; those that a caller began are as the caller decided
    #[arg(long, env = "RESOURCE_TRACE_RATIO", value_name = "RATIO", default_value = "1")]
    pub(super) trace_ratio: String,

    /// What to log, in the form of tracing's EnvFilter
    #[arg(long, env = "RESOURCE_LOG", value_name = "FILTER", default_value = telemetry::DEFAULT_FILTER)]
    pub(crate) log: String,
}
