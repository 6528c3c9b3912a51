//! Reading settings: parsers for their values, and one list of everything that is wrong with them.
//!
//! A service that refuses to start names every bad setting at once, so that an operator needs one attempt, not ten. The
//! parsers take a `&str` and say what they expected, never what they were given: the value may be a secret in the wrong
//! place. They also serve as clap value parsers.

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

pub use super::tls::TlsFiles;

/// Everything found wrong with a service's settings.
#[derive(Debug, Default)]
pub struct Problems(Vec<(String, String)>);

impl Problems {
    /// Starts with nothing wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes what is wrong with the setting `name`.
    pub fn add(&mut self, name: impl Into<String>, message: impl fmt::Display) {
        self.0.push((name.into(), message.to_string()));
    }

    /// Parses the value of the setting `name`, and notes it if that fails.
    pub fn check<T, E: fmt::Display>(&mut self, name: &str, value: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        self.take(name, parse(value))
    }

    /// Takes the good value out of `result`, or notes what is wrong with the setting `name`.
    pub fn take<T, E: fmt::Display>(&mut self, name: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(name, error)).ok()
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends the collection: an error that names every bad setting, if there is one.
    pub fn finish(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("no setting is wrong"),
            [(name, message)] => write!(f, "{name}: {message}"),
            several => {
                write!(f, "{} settings are wrong:", several.len())?;
                several.iter().try_for_each(|(name, message)| write!(f, "\n  {name}: {message}"))
            }
        }
    }
}

impl std::error::Error for Problems {}

/// A length of time such as `10m`, `30d` or `1h 30m`.
pub fn duration(value: &str) -> Result<Duration, String> {
    humantime::parse_duration(value.trim()).map_err(|_| "expected a duration such as 30s, 10m, 12h or 30d".to_owned())
}

/// A numeric address and port to listen on, such as `127.0.0.1:8080` or `[::]:8080`.
pub fn socket_addr(value: &str) -> Result<SocketAddr, String> {
    value.trim().parse().map_err(|_| "expected an address and a port, such as 127.0.0.1:8080".to_owned())
}

/// The URL by which a service is known: an issuer (RFC 8414 §2) or a resource (RFC 9728 §1.2).
///
/// It is compared as a string by everyone who trusts it, so only its normal form is taken: lower-case scheme and host, no
/// default port, no query, no fragment, no trailing slash.
pub fn url(value: &str) -> Result<String, String> {
    const EXPECTED: &str = "expected a URL such as https://login.example.com";
    let value = value.trim();
    let parsed = Url::parse(value).map_err(|_| EXPECTED.to_owned())?;
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err(EXPECTED.to_owned());
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(format!("{EXPECTED}, without a user name and password"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(format!("{EXPECTED}, without a query and fragment"));
    }
    if value.ends_with('/') {
        return Err(format!("{EXPECTED}, without a trailing slash"));
    }
    if parsed.as_str().trim_end_matches('/') != value {
        return Err(format!("{EXPECTED}, in its normal form: lower-case host, no default port"));
    }
    Ok(value.to_owned())
}

/// A comma-separated list of networks, such as `10.0.0.0/8, 192.0.2.1`; a bare address is a network of one.
pub fn networks(value: &str) -> Result<Vec<IpNet>, String> {
    list(value)
        .map(|item| item.parse::<IpNet>().or_else(|_| item.parse::<IpAddr>().map(IpNet::from)))
        .collect::<Result<_, _>>()
        .map_err(|_| "expected networks separated by commas, such as 10.0.0.0/8, 192.0.2.1".to_owned())
}

/// A comma-separated list of web origins (RFC 6454 §6.1), such as `https://app.example.com`.
pub fn origins(value: &str) -> Result<Vec<String>, String> {
    list(value).map(origin).collect()
}

/// One web origin as a browser writes it: scheme, host and a port that is not the default, nothing more.
pub fn origin(value: &str) -> Result<String, String> {
    Url::parse(value)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == value)
        .map(|_| value.to_owned())
        .ok_or_else(|| {
            "expected origins such as https://app.example.com: lower case, no path, no trailing slash, no *".to_owned()
        })
}

/// The files of a certificate with its chain and of its private key: both, or neither.
pub fn tls_files(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsFiles>, String> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err("a certificate and its key are given together".to_owned()),
    }
}

/// A switch: `on` or `off` (also `true` and `false`).
pub fn switch(value: &str) -> Result<bool, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("expected on or off".to_owned()),
    }
}

/// A secret given either as a value or as the path of a file that holds it.
///
/// One line break at the end of the file is not part of the secret: editors put it there.
pub fn secret(value: Option<String>, file: Option<&Path>) -> Result<Option<SecretString>, String> {
    match (value, file) {
        (Some(_), Some(_)) => Err("given twice, as a value and as a file".to_owned()),
        (Some(value), None) if value.is_empty() => Err("is empty".to_owned()),
        (Some(value), None) => Ok(Some(value.into())),
        (None, Some(path)) => {
            let content = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let content = content.strip_suffix('\n').unwrap_or(&content);
            let content = content.strip_suffix('\r').unwrap_or(content);
            if content.is_empty() { Err(format!("{} is empty", path.display())) } else { Ok(Some(content.into())) }
        }
        (None, None) => Ok(None),
    }
}

/// Names of environment variables that begin with our prefix but that no setting knows.
///
/// A misspelt setting would otherwise be ignored in silence, and the service run on a default nobody wanted.
pub fn unknown_variables<'a>(prefix: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    unknown_among(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()), prefix, known)
}

fn unknown_among<'a>(names: impl Iterator<Item = String>, prefix: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let known: BTreeSet<&str> = known.collect();
    let is_unknown = |name: &String| name.starts_with(prefix) && !known.contains(name.as_str()) && !is_service_link(name);
    let unknown: BTreeSet<String> = names.filter(is_unknown).collect();
    unknown.into_iter().collect()
}

/// Whether it is a variable that Kubernetes or a container link puts there for a service of our prefix:
/// `AUTH_SERVICE_PORT`, `AUTH_SERVICE_SERVICE_HOST`, `AUTH_SERVICE_PORT_8080_TCP_ADDR`.
fn is_service_link(name: &str) -> bool {
    let is_port = |(_, rest): (&str, &str)| rest.starts_with(|first: char| first.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_PORT")
        || name.contains("_SERVICE_PORT")
        || name.split_once("_PORT_").is_some_and(is_port)
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn every_bad_setting_is_named_at_once() {
        let mut problems = Problems::new();
        assert_eq!(problems.check("AUTH_REFRESH_GRACE", "10s", duration), Some(Duration::from_secs(10)));
        assert_eq!(problems.check("AUTH_LISTEN", "everywhere", socket_addr), None);
        problems.add("AUTH_ISSUER", "must be set in production");

        let text = problems.finish().unwrap_err().to_string();

        assert!(text.starts_with("2 settings are wrong:"), "{text}");
        assert!(text.contains("AUTH_LISTEN: expected an address") && text.contains("AUTH_ISSUER: must be set"), "{text}");
        assert!(!text.contains("everywhere"), "a bad value is not repeated: {text}");
    }

    #[test]
    fn durations_are_written_as_people_write_them() {
        assert_eq!(duration("30d"), Ok(Duration::from_hours(30 * 24)));
        assert_eq!(duration("10m"), Ok(Duration::from_mins(10)));
        assert!(duration("10").is_err());
        assert!(duration("").is_err());
    }

    #[test]
    fn an_issuer_is_taken_only_in_its_normal_form() {
        for good in ["http://localhost:8080", "https://login.example.com", "https://example.com/tenant", "http://[::1]:8080"] {
            assert_eq!(url(good).as_deref(), Ok(good));
        }
        for bad in [
            "https://example.com/",
            "https://Example.com",
            "https://example.com:443",
            "https://example.com?x",
            "https://example.com#x",
            "https://ada@example.com",
            "ftp://example.com",
            "example.com",
            "",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_may_be_single_addresses() {
        let networks = networks("10.0.0.0/8, 192.0.2.1,::1").unwrap();
        assert_eq!(networks.len(), 3);
        assert_eq!(networks[1].to_string(), "192.0.2.1/32");
        assert!(super::networks("10.0.0.0/33").is_err());
        assert_eq!(super::networks(""), Ok(Vec::new()));
    }

    #[test]
    fn an_origin_is_exact() {
        assert_eq!(
            origins("https://app.example.com, http://localhost:3000"),
            Ok(vec!["https://app.example.com".to_owned(), "http://localhost:3000".to_owned()])
        );
        for bad in
            ["*", "null", "https://app.example.com/", "https://APP.example.com", "https://app.example.com:443", "app.example.com"]
        {
            assert!(origins(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_comes_from_one_place() {
        let file = std::env::temp_dir().join(format!("secret-{}", std::process::id()));
        std::fs::write(&file, "s3cret\r\n").unwrap();

        let from_file = secret(None, Some(&file)).unwrap().unwrap();
        let twice = secret(Some("s3cret".to_owned()), Some(&file));
        std::fs::remove_file(&file).unwrap();

        assert_eq!(from_file.expose_secret(), "s3cret");
        assert!(twice.is_err());
        assert!(secret(Some(String::new()), None).is_err());
        assert!(secret(None, None).unwrap().is_none());
        assert!(secret(None, Some(&file)).is_err(), "a missing file is an error, not an absent secret");
    }

    #[test]
    fn a_misspelt_variable_is_noticed() {
        let links = ["AUTH_SERVICE_PORT", "AUTH_SERVICE_SERVICE_HOST", "AUTH_SERVICE_PORT_8080_TCP_ADDR"];
        let names = ["AUTH_LISTEN", "AUTH_LISTNE", "PATH"].into_iter().chain(links).map(str::to_owned);
        assert_eq!(unknown_among(names, "AUTH_", ["AUTH_LISTEN"].into_iter()), ["AUTH_LISTNE"]);
    }
}
