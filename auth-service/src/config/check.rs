//! Checks every setting, and names all that is wrong at once.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use clap::{Args, CommandFactory};
use secrecy::{ExposeSecret, SecretString};
use shared::{
    access_token::MAX_LIFETIME,
    database::make_private_directory,
    server::{
        listener::ProxyProtocol,
        rate_limit::{self, RedisUrl},
        settings::{self, Problems},
        telemetry::{Traces, collector, sampling_ratio},
    },
};

use super::{Config, DAY, HOUR, Profile, Settings, embedded};
use crate::{
    account::{HashCost, Peppers},
    seal::Sealer,
    signing_key::Lifecycle,
    store::role::ADMIN,
};

const MINUTE: Duration = Duration::from_mins(1);
const YEAR: Duration = DAY.saturating_mul(366);
const MIN_PASSWORD_LENGTH: usize = 8;

impl Settings {
    /// Where the service listens, for those who only want to ask it something.
    pub(crate) fn listen_address(&self) -> Result<SocketAddr, Problems> {
        let mut problems = Problems::new();
        let address = problems.check("AUTH_LISTEN", &self.listen, settings::socket_addr);
        problems.finish()?;
        Ok(address.expect("whatever failed its check was reported"))
    }

    /// Where the service keeps its files.
    pub(crate) fn data_dir(&self) -> &std::path::Path {
        &self.data_dir
    }

    /// Checks every setting, and names all that is wrong at once.
    pub(crate) fn check(self) -> Result<Config, Problems> {
        let mut problems = Problems::new();
        name_unknown(&mut problems);
        let profile = problems.check("AUTH_PROFILE", &self.profile, str::parse);
        let listen = problems.check("AUTH_LISTEN", &self.listen, settings::socket_addr);
        let metrics_listen = problems.check("AUTH_METRICS_LISTEN", &self.metrics_listen, optional_address);
        let traces = self.traces(&mut problems);
        let issuer = self.issuer.as_deref().and_then(|issuer| problems.check("AUTH_ISSUER", issuer, root_url));
        let first_resource = problems.check("AUTH_FIRST_RESOURCE", &self.first_resource, settings::url);
        let trusted_proxies = problems.check("AUTH_TRUSTED_PROXIES", &self.trusted_proxies, settings::networks);
        let tls = problems.take("AUTH_TLS_CERT", settings::tls_files(self.tls_cert.clone(), self.tls_key.clone()));
        let proxies = trusted_proxies.as_deref().unwrap_or_default();
        let proxy_protocol = problems.take("AUTH_PROXY_PROTOCOL", ProxyProtocol::spoken_by(proxies, &self.proxy_protocol));
        let rate_limits = problems.check("AUTH_RATE_LIMITS", &self.rate_limits, rate_limit::rules);
        let redis = problems.take("AUTH_REDIS_URL", RedisUrl::given(self.redis_url.clone(), self.redis_url_file.as_deref()));
        let cors_origins = problems.check("AUTH_CORS_ORIGINS", &self.cors_origins, settings::origins);
        let docs = self.docs.as_deref().map(|docs| problems.check("AUTH_DOCS", docs, settings::switch));
        let lifetime = problems.check(
            "AUTH_ACCESS_TOKEN_LIFETIME",
            &self.access_token_lifetime,
            within(Duration::from_secs(5), MAX_LIFETIME),
        );
        let idle = problems.check("AUTH_REFRESH_IDLE_LIFETIME", &self.refresh_idle_lifetime, within(MINUTE, YEAR));
        let absolute = problems.check("AUTH_REFRESH_ABSOLUTE_LIFETIME", &self.refresh_absolute_lifetime, within(MINUTE, YEAR));
        let grace = problems.check("AUTH_REFRESH_GRACE", &self.refresh_grace, within(Duration::ZERO, MINUTE));
        let ttl = problems.check("AUTH_STATUS_LIST_TTL", &self.status_list_ttl, within(Duration::from_secs(1), HOUR));
        let period = problems.check("AUTH_KEY_ROTATION_PERIOD", &self.key_rotation_period, within(HOUR, YEAR));
        let announce = problems.check(
            "AUTH_KEY_ANNOUNCE_PERIOD",
            &self.key_announce_period,
            within(Lifecycle::shortest_announcement(), period.unwrap_or(YEAR)),
        );
        let algorithm = problems.check("AUTH_SIGNING_ALGORITHM", &self.signing_algorithm, str::parse);
        let bits = self.signing_key_bits.as_deref().map(|bits| problems.check("AUTH_SIGNING_KEY_BITS", bits, key_bits));
        let min_length = problems.check("AUTH_PASSWORD_MIN_LENGTH", &self.password_min_length, password_min_length);
        let hash_cost = self.hash_cost(&mut problems);
        let registration = problems.check("AUTH_REGISTRATION", &self.registration, str::parse);
        let registration_roles = problems.check("AUTH_REGISTRATION_ROLES", &self.registration_roles, roles);
        let login_throttle = problems.check("AUTH_LOGIN_THROTTLE", &self.login_throttle, settings::switch);
        let peppers = self.peppers(&mut problems);
        let retention = problems.check("AUTH_AUDIT_RETENTION", &self.audit_retention, within(DAY, YEAR.saturating_mul(10)));
        let database_url =
            problems.take("AUTH_DATABASE_URL", settings::secret(self.database_url.clone(), self.database_url_file.as_deref()));
        let admin_password = problems.take(
            "AUTH_BOOTSTRAP_ADMIN_PASSWORD",
            settings::secret(self.bootstrap_admin_password.clone(), self.bootstrap_admin_password_file.as_deref()),
        );
        let master_keys = problems
            .take("AUTH_MASTER_KEYS", settings::secret(self.master_keys.clone(), self.master_keys_file.as_deref()))
            .flatten();

        let is_development = profile == Some(Profile::Development);
        if profile.is_some() {
            demand(&mut problems, is_development, issuer.as_deref(), self.issuer.is_some(), master_keys.is_some());
        }
        let needs_directory = is_development || matches!(database_url, Some(None));
        if needs_directory && let Err(error) = make_private_directory(&self.data_dir) {
            problems.add("AUTH_DATA_DIR", format!("{} cannot be made: {error}", self.data_dir.display()));
        }
        let sealer = self.sealer(master_keys.as_ref(), is_development, &mut problems);
        problems.finish()?;

        let unchecked = "whatever failed its check was reported";
        let profile = profile.expect(unchecked);
        Ok(Config {
            listen: listen.expect(unchecked),
            metrics_listen: metrics_listen.expect(unchecked),
            traces,
            issuer,
            profile,
            database_url: database_url.expect(unchecked).unwrap_or_else(|| embedded(&self.data_dir)),
            sealer: Arc::new(sealer.expect(unchecked)),
            bootstrap_admin_password: admin_password.expect(unchecked),
            first_resource: first_resource.expect(unchecked),
            trusted_proxies: trusted_proxies.expect(unchecked),
            tls: tls.expect(unchecked),
            proxy_protocol: proxy_protocol.expect(unchecked),
            rate_limits: rate_limits.expect(unchecked),
            redis: redis.expect(unchecked),
            https_only: profile != Profile::Development,
            cors_origins: cors_origins.expect(unchecked),
            docs: docs.flatten().unwrap_or(is_development),
            access_token_lifetime: lifetime.expect(unchecked),
            refresh_idle_lifetime: idle.expect(unchecked),
            refresh_absolute_lifetime: absolute.expect(unchecked),
            refresh_grace: grace.expect(unchecked),
            status_list_ttl: ttl.expect(unchecked),
            key_rotation_period: period.expect(unchecked),
            key_announce_period: announce.expect(unchecked),
            signing_algorithm: algorithm.expect(unchecked),
            signing_key_bits: bits.flatten().unwrap_or(if profile == Profile::Strict { 3072 } else { 2048 }),
            password_min_length: min_length.expect(unchecked),
            hash_cost: hash_cost.expect(unchecked),
            password_peppers: peppers.expect(unchecked),
            registration: registration.expect(unchecked),
            registration_roles: registration_roles.expect(unchecked),
            login_throttle: login_throttle.expect(unchecked),
            audit_retention: retention.expect(unchecked),
            apply: self.apply,
        })
    }

    /// The keys that were given. In development one is made, unless something else is wrong: nothing is left behind by a start
    /// that fails.
    fn sealer(&self, given: Option<&SecretString>, is_development: bool, problems: &mut Problems) -> Option<Sealer> {
        match given {
            Some(keys) => problems.take("AUTH_MASTER_KEYS", Sealer::parse(keys.expose_secret())),
            None if is_development && problems.is_empty() => {
                problems.take("AUTH_MASTER_KEYS", Sealer::keep_in(&self.data_dir.join("master.key")))
            }
            None => None,
        }
    }

    fn peppers(&self, problems: &mut Problems) -> Option<Peppers> {
        let given = settings::secret(self.password_pepper.clone(), self.password_pepper_file.as_deref());
        match problems.take("AUTH_PASSWORD_PEPPER", given)? {
            Some(pepper) => problems.check("AUTH_PASSWORD_PEPPER", pepper.expose_secret(), Peppers::parse),
            None => Some(Peppers::default()),
        }
    }

    fn hash_cost(&self, problems: &mut Problems) -> Option<HashCost> {
        let memory = problems.check("AUTH_PASSWORD_HASH_MEMORY", &self.password_hash_memory, number);
        let passes = problems.check("AUTH_PASSWORD_HASH_PASSES", &self.password_hash_passes, number);
        let lanes = problems.check("AUTH_PASSWORD_HASH_LANES", &self.password_hash_lanes, number);
        let chosen = HashCost::chosen(memory?, passes?, lanes?);
        chosen.map_err(|(name, message)| problems.add(name, message)).ok()
    }

    /// Where traces go, if anywhere.
    fn traces(&self, problems: &mut Problems) -> Option<Traces> {
        let ratio = problems.check("AUTH_TRACE_RATIO", &self.trace_ratio, sampling_ratio);
        let endpoint = problems.check("AUTH_OTLP_ENDPOINT", self.otlp_endpoint.as_deref()?, collector)?;
        Some(Traces { endpoint, service: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"), ratio: ratio? })
    }
}

/// What a public service must be given, and a development server may lack.
fn demand(problems: &mut Problems, is_development: bool, issuer: Option<&str>, issuer_given: bool, has_master_keys: bool) {
    let is_local = issuer.is_none_or(is_loopback);
    if is_development {
        if !is_local {
            problems.add("AUTH_PROFILE", "the issuer is public: set production or strict");
        }
        return;
    }
    if !issuer_given {
        problems.add("AUTH_ISSUER", "must be set outside development: the https URL of this service");
    }
    if issuer.is_some_and(|issuer| issuer.starts_with("http:")) && !is_local {
        problems.add("AUTH_ISSUER", "a public issuer begins with https://");
    }
    if !has_master_keys {
        problems.add("AUTH_MASTER_KEYS", "must be set outside development: make one with `openssl rand -base64 32`");
    }
}

fn is_loopback(issuer: &str) -> bool {
    url::Url::parse(issuer).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

fn name_unknown(problems: &mut Problems) {
    for name in settings::unknown_variables("AUTH_", known_variables().iter().map(String::as_str)) {
        problems.add(name, "there is no such setting; see --help");
    }
}

/// Every environment variable that a setting of any command reads.
fn known_variables() -> Vec<String> {
    let command = Settings::augment_args(crate::command::Cli::command());
    let variables = command.get_arguments().filter_map(|argument| argument.get_env());
    variables.map(|name| name.to_string_lossy().into_owned()).collect()
}

fn optional_address(value: &str) -> Result<Option<SocketAddr>, String> {
    if value == "off" { Ok(None) } else { settings::socket_addr(value).map(Some) }
}

/// An issuer is served from the root of its host: its well-known documents could not be found otherwise.
fn root_url(value: &str) -> Result<String, String> {
    let issuer = settings::url(value)?;
    match url::Url::parse(&issuer) {
        Ok(url) if url.path() == "/" => Ok(issuer),
        _ => Err("the issuer has no path: give the service a host name of its own".to_owned()),
    }
}

/// A parser of durations within these bounds.
fn within(least: Duration, most: Duration) -> impl Fn(&str) -> Result<Duration, String> {
    move |value| {
        let duration = settings::duration(value)?;
        if (least..=most).contains(&duration) {
            return Ok(duration);
        }
        let (least, most) = (humantime::format_duration(least), humantime::format_duration(most));
        Err(format!("expected a duration from {least} to {most}"))
    }
}

fn key_bits(value: &str) -> Result<usize, String> {
    match value {
        "2048" => Ok(2048),
        "3072" => Ok(3072),
        "4096" => Ok(4096),
        _ => Err("expected 2048, 3072 or 4096".to_owned()),
    }
}

fn number(value: &str) -> Result<u32, String> {
    value.trim().parse().map_err(|_| "expected a number".to_owned())
}

/// Names of roles. Nobody becomes an administrator by asking for it.
fn roles(value: &str) -> Result<Vec<String>, String> {
    let roles: Vec<String> = value.split(',').map(str::trim).filter(|role| !role.is_empty()).map(ToOwned::to_owned).collect();
    if roles.iter().any(|role| role == ADMIN) { Err(format!("the role {ADMIN} is given, never registered")) } else { Ok(roles) }
}

fn password_min_length(value: &str) -> Result<usize, String> {
    let length = value.parse().ok().filter(|length| (MIN_PASSWORD_LENGTH..=64).contains(length));
    length.ok_or_else(|| format!("expected a number from {MIN_PASSWORD_LENGTH} to 64"))
}
