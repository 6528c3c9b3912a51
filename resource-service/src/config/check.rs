//! What makes a setting good, and all of them together.

use std::net::SocketAddr;

use clap::CommandFactory;
use shared::{
    access_token::StalePolicy,
    server::{
        listener::ProxyProtocol,
        rate_limit::{self, RedisUrl},
        settings::{self, Problems},
        telemetry::{Traces, collector, sampling_ratio},
    },
};

use super::{Config, DEVELOPMENT_ISSUER, Profile, Settings};

impl Settings {
    /// Checks every setting, and names all that is wrong at once.
    pub(crate) fn check(self) -> Result<Config, Problems> {
        let mut problems = Problems::new();
        for name in settings::unknown_variables("RESOURCE_", known_variables().iter().map(String::as_str)) {
            problems.add(name, "there is no such setting; see --help");
        }
        let profile = problems.check("RESOURCE_PROFILE", &self.profile, str::parse);
        let listen = problems.check("RESOURCE_LISTEN", &self.listen, settings::socket_addr);
        let metrics_listen = problems.check("RESOURCE_METRICS_LISTEN", &self.metrics_listen, optional_address);
        let traces = self.traces(&mut problems);
        let id = self.id.as_deref().map(|id| problems.check("RESOURCE_ID", id, settings::url));
        let issuer = self.issuer.as_deref().map(|issuer| problems.check("RESOURCE_ISSUER", issuer, settings::url));
        let connect_to = self.issuer_connect_to.map(|to| problems.check("RESOURCE_ISSUER_CONNECT_TO", &to, host_and_port));
        let keys_max_stale = problems.check("RESOURCE_KEYS_MAX_STALE", &self.keys_max_stale, settings::duration);
        let revocations_max_stale =
            problems.check("RESOURCE_REVOCATIONS_MAX_STALE", &self.revocations_max_stale, settings::duration);
        let when_stale = problems.check("RESOURCE_REVOCATIONS_WHEN_STALE", &self.revocations_when_stale, stale_policy);
        let api_keys = problems.check("RESOURCE_API_KEYS", &self.api_keys, settings::switch);
        let database_url =
            problems.take("RESOURCE_DATABASE_URL", settings::secret(self.database_url, self.database_url_file.as_deref()));
        let trusted_proxies = problems.check("RESOURCE_TRUSTED_PROXIES", &self.trusted_proxies, settings::networks);
        let tls = problems.take("RESOURCE_TLS_CERT", settings::tls_files(self.tls_cert, self.tls_key));
        let proxies = trusted_proxies.as_deref().unwrap_or_default();
        let proxy_protocol = problems.take("RESOURCE_PROXY_PROTOCOL", ProxyProtocol::spoken_by(proxies, &self.proxy_protocol));
        let rate_limits = problems.check("RESOURCE_RATE_LIMITS", &self.rate_limits, rate_limit::rules);
        let redis = problems.take("RESOURCE_REDIS_URL", RedisUrl::given(self.redis_url, self.redis_url_file.as_deref()));
        let cors_origins = problems.check("RESOURCE_CORS_ORIGINS", &self.cors_origins, settings::origins);
        let docs = self.docs.map(|docs| problems.check("RESOURCE_DOCS", &docs, settings::switch));
        let documents_per_owner = problems.check("RESOURCE_DOCUMENTS_PER_OWNER", &self.documents_per_owner, positive_number);
        let forward_auth_audiences = problems.check("RESOURCE_FORWARD_AUTH_AUDIENCES", &self.forward_auth_audiences, urls);

        match profile {
            Some(Profile::Production) => {
                demand_public(&mut problems, "RESOURCE_ID", id.as_ref(), "the https URL of this service");
                demand_public(&mut problems, "RESOURCE_ISSUER", issuer.as_ref(), "the https URL of the issuer");
            }
            Some(Profile::Development) if id.iter().flatten().any(|id| !is_loopback(id)) => {
                problems.add("RESOURCE_PROFILE", "RESOURCE_ID is public: set the profile production");
            }
            Some(Profile::Development) | None => {}
        }
        problems.finish()?;

        let unchecked = "whatever failed its check was reported";
        let profile = profile.expect(unchecked);
        Ok(Config {
            profile,
            listen: listen.expect(unchecked),
            metrics_listen: metrics_listen.expect(unchecked),
            traces,
            id: id.flatten(),
            issuer: issuer.flatten().unwrap_or_else(|| DEVELOPMENT_ISSUER.to_owned()),
            issuer_connect_to: connect_to.flatten(),
            keys_max_stale: keys_max_stale.expect(unchecked),
            revocations_max_stale: revocations_max_stale.expect(unchecked),
            revocations_when_stale: when_stale.expect(unchecked),
            api_keys: api_keys.expect(unchecked),
            data_dir: self.data_dir,
            database_url: database_url.expect(unchecked),
            trusted_proxies: trusted_proxies.expect(unchecked),
            tls: tls.expect(unchecked),
            proxy_protocol: proxy_protocol.expect(unchecked),
            rate_limits: rate_limits.expect(unchecked),
            redis: redis.expect(unchecked),
            https_only: profile != Profile::Development,
            cors_origins: cors_origins.expect(unchecked),
            docs: docs.flatten().unwrap_or(profile == Profile::Development),
            documents_per_owner: documents_per_owner.expect(unchecked),
            forward_auth_audiences: forward_auth_audiences.expect(unchecked),
        })
    }

    /// Where traces go, if anywhere.
    fn traces(&self, problems: &mut Problems) -> Option<Traces> {
        let ratio = problems.check("RESOURCE_TRACE_RATIO", &self.trace_ratio, sampling_ratio);
        let endpoint = problems.check("RESOURCE_OTLP_ENDPOINT", self.otlp_endpoint.as_deref()?, collector)?;
        Some(Traces { endpoint, service: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION"), ratio: ratio? })
    }
}

/// A name that strangers go by must be given, and must be safe from whoever sits on the wire; `None` inside was reported.
fn demand_public(problems: &mut Problems, name: &str, url: Option<&Option<String>>, what: &str) {
    match url {
        None => problems.add(name, format!("must be set in production: {what}")),
        Some(Some(url)) if url.starts_with("http:") && !is_loopback(url) => {
            problems.add(name, "must begin with https:// in production");
        }
        Some(Some(_) | None) => {}
    }
}

fn is_loopback(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

/// Every environment variable that a setting reads.
fn known_variables() -> Vec<String> {
    let command = crate::command::CommandLine::command();
    let variables = command.get_arguments().filter_map(clap::Arg::get_env);
    variables.map(|name| name.to_string_lossy().into_owned()).collect()
}

fn optional_address(value: &str) -> Result<Option<SocketAddr>, String> {
    if value == "off" { Ok(None) } else { settings::socket_addr(value).map(Some) }
}

fn stale_policy(value: &str) -> Result<StalePolicy, String> {
    match value {
        "accept" => Ok(StalePolicy::FailOpen),
        "refuse" => Ok(StalePolicy::FailClosed),
        _ => Err("expected accept or refuse".to_owned()),
    }
}

fn host_and_port(value: &str) -> Result<String, String> {
    let text = format!("tcp://{value}");
    let is_good = url::Url::parse(&text).is_ok_and(|url| {
        url.has_host() && url.port().is_some() && url.path().is_empty() && url.username().is_empty() && url.as_str() == text
    });
    if is_good { Ok(value.to_owned()) } else { Err("expected a host and a port, such as auth-service:8080".to_owned()) }
}

fn urls(value: &str) -> Result<Vec<String>, String> {
    value.split(',').map(str::trim).filter(|url| !url.is_empty()).map(settings::url).collect()
}

fn positive_number(value: &str) -> Result<u64, String> {
    value.parse().ok().filter(|number| *number > 0).ok_or_else(|| "expected a number from 1 upwards".to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::command::CommandLine;

    fn check(arguments: &[&str]) -> Result<Config, String> {
        let command_line = CommandLine::try_parse_from([&["resource-service"], arguments].concat()).expect("it parses");
        command_line.settings.check().map_err(|problems| problems.to_string())
    }

    #[test]
    fn nothing_set_is_a_development_server_on_loopback() {
        let config = check(&[]).expect("the defaults are good");
        assert_eq!(config.profile, Profile::Development);
        assert!(config.listen.ip().is_loopback() && config.docs);
        assert_eq!(
            (config.issuer.as_str(), config.id_at(config.listen).as_str()),
            ("http://localhost:8080", "http://localhost:8081")
        );
        let embedded = Config::development(Path::new("./data/resource"));
        assert_eq!(
            (config.keys_max_stale, config.revocations_max_stale, config.revocations_when_stale),
            (embedded.keys_max_stale, embedded.revocations_max_stale, embedded.revocations_when_stale)
        );
    }

    #[test]
    fn production_names_all_that_is_missing() {
        let problems = check(&["--profile", "production", "--docs", "perhaps"]).expect_err("it is half-configured");
        for name in ["RESOURCE_ID", "RESOURCE_ISSUER", "RESOURCE_DOCS"] {
            assert!(problems.contains(name), "{problems}");
        }
    }

    #[test]
    fn production_trusts_no_plain_http_but_on_loopback() {
        let check = |issuer| check(&["--profile", "production", "--id", "https://api.example.com", "--issuer", issuer]);
        assert!(check("http://login.example.com").is_err());
        assert!(check("http://localhost:8080").is_ok());
        assert!(check("https://login.example.com").is_ok_and(|config| !config.docs));
    }

    #[test]
    fn the_proxy_protocol_needs_proxies() {
        let refusal = check(&["--proxy-protocol", "v2"]).expect_err("nobody is believed");
        assert!(refusal.contains("--trusted-proxies"), "{refusal}");
        let config = check(&["--proxy-protocol", "v2", "--trusted-proxies", "10.0.0.0/8"]).expect("they are named");
        assert_eq!(config.proxy_protocol, ProxyProtocol::V2);
    }

    #[test]
    fn the_url_of_redis_is_checked_and_not_repeated() {
        assert!(check(&["--redis-url", "rediss://:s3cret@cache.example:6380"]).is_ok_and(|config| config.redis.is_some()));
        let refusal = check(&["--redis-url", "http://:s3cret@cache"]).expect_err("it is none");
        assert!(refusal.contains("RESOURCE_REDIS_URL") && !refusal.contains("s3cret"), "{refusal}");
    }

    #[test]
    fn a_public_development_server_is_refused() {
        assert!(check(&["--id", "https://api.example.com"]).is_err());
    }

    #[test]
    fn the_issuer_is_reached_at_a_host_and_a_port() {
        for good in ["auth-service:8080", "127.0.0.1:8080", "[::1]:8080"] {
            assert!(check(&["--issuer-connect-to", good]).is_ok(), "{good}");
        }
        for bad in ["auth-service", "http://auth-service:8080", "auth-service:8080/", "a b:1", ":8080", "x:99999", "u@x:1"] {
            assert!(check(&["--issuer-connect-to", bad]).is_err(), "{bad}");
        }
    }
}
