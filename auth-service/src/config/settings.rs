//! How the settings are given: a flag and an environment variable each.

use std::path::PathBuf;

use clap::Args;

/// The command line's and the environment's way of giving a [`Config`](super::Config).
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// Address and port to listen on
    #[arg(long, env = "AUTH_LISTEN", default_value = "127.0.0.1:8080")]
    pub(super) listen: String,

    /// Address and port that serve /metrics, or `off`
    #[arg(long, env = "AUTH_METRICS_LISTEN", default_value = "127.0.0.1:9080")]
    pub(super) metrics_listen: String,

    /// The issuer: the URL by which clients and resource servers know this service. It is stored at the first start and
    /// cannot change afterwards [default: `http://localhost` and the port of --listen]
    #[arg(long, env = "AUTH_ISSUER")]
    pub(super) issuer: Option<String>,

    /// development (makes what it needs), production (refuses to start half-configured), strict (production without the
    /// password grant)
    #[arg(long, env = "AUTH_PROFILE", default_value = "development")]
    pub(super) profile: String,

    /// Directory for the embedded database and, in development, the master key
    #[arg(long, env = "AUTH_DATA_DIR", default_value = "./data/auth")]
    pub(super) data_dir: PathBuf,

    /// The database: `postgres://user:password@host/name` or `sqlite:path` [default: SQLite in the data directory]
    #[arg(long, env = "AUTH_DATABASE_URL", hide_env_values = true)]
    pub(super) database_url: Option<String>,

    /// File that holds the database URL
    #[arg(long, env = "AUTH_DATABASE_URL_FILE", value_name = "FILE")]
    pub(super) database_url_file: Option<PathBuf>,

    /// Keys that seal secrets at rest: 32 random bytes each in base64 (`openssl rand -base64 32`), separated by commas. The
    /// first seals, all unseal [default in development: one is made in the data directory]
    #[arg(long, env = "AUTH_MASTER_KEYS", hide_env_values = true)]
    pub(super) master_keys: Option<String>,

    /// File that holds the master keys
    #[arg(long, env = "AUTH_MASTER_KEYS_FILE", value_name = "FILE")]
    pub(super) master_keys_file: Option<PathBuf>,

    /// Password of the user `admin` that the first start creates [default: one is made and shown once]
    #[arg(long, env = "AUTH_BOOTSTRAP_ADMIN_PASSWORD", hide_env_values = true)]
    pub(super) bootstrap_admin_password: Option<String>,

    /// File that holds the first administrator's password
    #[arg(long, env = "AUTH_BOOTSTRAP_ADMIN_PASSWORD_FILE", value_name = "FILE")]
    pub(super) bootstrap_admin_password_file: Option<PathBuf>,

    /// Identifier of the protected resource that a fresh development database knows
    #[arg(long, env = "AUTH_FIRST_RESOURCE", default_value = "http://localhost:8081")]
    pub(super) first_resource: String,

    /// Networks of the proxies whose X-Forwarded-For is believed, separated by commas
    #[arg(long, env = "AUTH_TRUSTED_PROXIES", default_value = "")]
    pub(super) trusted_proxies: String,

    /// File with the certificate and its chain in PEM, to serve HTTPS; it is read anew when it changes
    #[arg(long, env = "AUTH_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// File with the private key of the certificate in PEM
    #[arg(long, env = "AUTH_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,

    /// Whether the trusted proxies say whose connection they bring by the PROXY protocol: `v2`, or `off`. With v2 they must
    #[arg(long, env = "AUTH_PROXY_PROTOCOL", value_name = "OFF|V2", default_value = "off")]
    pub(super) proxy_protocol: String,

    /// How often anybody may come: `off`, or rules separated by commas, each `ip`, `credentials`, `client`, `subject` or
    /// `key`, perhaps the beginning of a path, and a rate
    #[arg(
        long,
        env = "AUTH_RATE_LIMITS",
        value_name = "RULES",
        default_value = "ip 100/second burst 500, ip /oauth2/ 50/second burst 200, client /oauth2/ 100/second burst 400, \
                         subject 20/second burst 100"
    )]
    pub(super) rate_limits: String,

    /// Redis or Valkey in which all replicas count rate limits together: `redis://:password@host:6379/0`, or `rediss://…` for
    /// TLS [default: each replica counts by itself]
    #[arg(long, env = "AUTH_REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub(super) redis_url: Option<String>,

    /// File that holds the URL of Redis
    #[arg(long, env = "AUTH_REDIS_URL_FILE", value_name = "FILE")]
    pub(super) redis_url_file: Option<PathBuf>,

    /// Browser origins that may call this service besides those of the registered clients, separated by commas;
    /// development also lets any loopback origin in
    #[arg(long, env = "AUTH_CORS_ORIGINS", default_value = "")]
    pub(super) cors_origins: String,

    /// Swagger UI at /docs and the document at /openapi.json: on or off [default: on in development, else off]
    #[arg(long, env = "AUTH_DOCS")]
    pub(super) docs: Option<String>,

    /// How long an access token lives, up to 1h; a token with administrative scopes lives 5m at most
    #[arg(long, env = "AUTH_ACCESS_TOKEN_LIFETIME", default_value = "10m")]
    pub(super) access_token_lifetime: String,

    /// A refresh token that is not used for this long ends
    #[arg(long, env = "AUTH_REFRESH_IDLE_LIFETIME", default_value = "7d")]
    pub(super) refresh_idle_lifetime: String,

    /// A session ends after this long, however busy it is
    #[arg(long, env = "AUTH_REFRESH_ABSOLUTE_LIFETIME", default_value = "30d")]
    pub(super) refresh_absolute_lifetime: String,

    /// How long a refresh token that comes again is taken for a lost answer, up to 1m; 0s: never
    #[arg(long, env = "AUTH_REFRESH_GRACE", default_value = "10s")]
    pub(super) refresh_grace: String,

    /// How long a resource server may rely on its copy of a status list: revoked tokens are refused within this time
    #[arg(long, env = "AUTH_STATUS_LIST_TTL", default_value = "4s")]
    pub(super) status_list_ttl: String,

    /// How long a signing key signs
    #[arg(long, env = "AUTH_KEY_ROTATION_PERIOD", default_value = "30d")]
    pub(super) key_rotation_period: String,

    /// How long a signing key is published before it signs, 17m or more
    #[arg(long, env = "AUTH_KEY_ANNOUNCE_PERIOD", default_value = "1h")]
    pub(super) key_announce_period: String,

    /// How new signing keys sign: RS256, which everybody understands, or PS256, ES256, EdDSA
    #[arg(long, env = "AUTH_SIGNING_ALGORITHM", default_value = "RS256")]
    pub(super) signing_algorithm: String,

    /// Size of new RSA signing keys: 2048, 3072 or 4096 [default: 2048, in the strict profile 3072]
    #[arg(long, env = "AUTH_SIGNING_KEY_BITS")]
    pub(super) signing_key_bits: Option<String>,

    /// Fewest characters of a new password, 8 or more
    #[arg(long, env = "AUTH_PASSWORD_MIN_LENGTH", default_value = "15")]
    pub(super) password_min_length: String,

    /// Memory of a password hash (Argon2id) in KiB
    #[arg(long, env = "AUTH_PASSWORD_HASH_MEMORY", default_value = "19456")]
    pub(super) password_hash_memory: String,

    /// Passes of a password hash over its memory
    #[arg(long, env = "AUTH_PASSWORD_HASH_PASSES", default_value = "2")]
    pub(super) password_hash_passes: String,

    /// Lanes of a password hash
    #[arg(long, env = "AUTH_PASSWORD_HASH_LANES", default_value = "1")]
    pub(super) password_hash_lanes: String,

    /// Keys that go into password hashes and are not in the database: 32 random bytes each in base64 (`openssl rand -base64
    /// 32`), separated by commas. The first goes into new hashes, all verify
    #[arg(long, env = "AUTH_PASSWORD_PEPPER", hide_env_values = true)]
    pub(super) password_pepper: Option<String>,

    /// File that holds the peppers
    #[arg(long, env = "AUTH_PASSWORD_PEPPER_FILE", value_name = "FILE")]
    pub(super) password_pepper_file: Option<PathBuf>,

    /// Who may register by themselves: nobody (closed), holders of an invitation (invite), everybody (open)
    #[arg(long, env = "AUTH_REGISTRATION", default_value = "closed")]
    pub(super) registration: String,

    /// Roles of an account that was registered and whose invitation brings none, separated by commas
    #[arg(long, env = "AUTH_REGISTRATION_ROLES", default_value = "")]
    pub(super) registration_roles: String,

    /// Whether those who guess at passwords, client secrets and API keys are slowed down: on or off
    #[arg(long, env = "AUTH_LOGIN_THROTTLE", default_value = "on")]
    pub(super) login_throttle: String,

    /// How long audit events are kept, a day or more
    #[arg(long, env = "AUTH_AUDIT_RETENTION", default_value = "400d")]
    pub(super) audit_retention: String,

    /// File with the desired state (TOML), applied at every start as by the command `apply`
    #[arg(long = "apply", env = "AUTH_APPLY", value_name = "FILE")]
    pub(super) apply: Option<PathBuf>,

    /// Base URL of a collector that takes traces by OTLP over HTTP, such as `http://localhost:4318` [default: none, and
    /// no traces]
    #[arg(long, env = "AUTH_OTLP_ENDPOINT", value_name = "URL")]
    pub(super) otlp_endpoint: Option<String>,

    /// Part of the traces that begin here which is exported, from 0 to 1; those that a caller began are as the caller decided
    #[arg(long, env = "AUTH_TRACE_RATIO", value_name = "RATIO", default_value = "1")]
    pub(super) trace_ratio: String,

    /// What to log, in the form of tracing's `EnvFilter`
    #[arg(long, env = "AUTH_LOG", default_value = "info")]
    pub(crate) log: String,
}
