//! Which web pages may call this service from a browser (the CORS protocol of the Fetch standard).
//!
//! Origins are compared as exact strings, never by suffix or pattern. Credentials in the browser's sense (cookies) are
//! never allowed; a bearer token in `Authorization` needs no such permission. The `null` origin is nobody's.

use std::{collections::HashSet, sync::Arc};

use arc_swap::ArcSwap;
use poem::{
    IntoResponse, Request, Response,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};

use super::problem::{Problem, Reason};

/// Request headers that a page may send.
const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("accept, authorization, content-type, if-match, if-none-match, idempotency-key, x-requested-with");
/// Answer headers that a page may read.
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("ETag, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id");
/// How long a browser may remember a preflight: ten minutes, so that an origin that is taken off the list is soon out.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const ANY: HeaderValue = HeaderValue::from_static("*");
const REQUESTED_METHOD: HeaderName = header::ACCESS_CONTROL_REQUEST_METHOD;

/// Which origins may call, and which paths are for everyone.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// The origins that may call.
    pub allowed: AllowedOrigins,
    /// Paths that any page may read, such as the JWKS and the metadata: they hold nothing that is not public.
    pub public_paths: Vec<&'static str>,
}

/// The allowed origins. A clone is the same list, so that it can be replaced while the service runs.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins {
    exact: Arc<ArcSwap<HashSet<String>>>,
    allow_loopback: bool,
}

impl AllowedOrigins {
    /// Allows these origins, each as a browser writes it (`settings::origin` checks that); in development also every
    /// loopback origin, whatever its port.
    pub fn new(origins: impl IntoIterator<Item = String>, allow_loopback: bool) -> Self {
        let this = Self { exact: Arc::default(), allow_loopback };
        this.replace(origins);
        this
    }

    /// Allows these origins, and none of those before, from now on.
    pub fn replace(&self, origins: impl IntoIterator<Item = String>) {
        self.exact.store(Arc::new(origins.into_iter().collect()));
    }

    fn contains(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.exact.load().contains(origin) || (self.allow_loopback && is_loopback(origin)))
    }
}

impl Cors {
    /// Whether any page may read what is at this path.
    pub(super) fn is_public(&self, path: &str) -> bool {
        self.public_paths.contains(&path)
    }

    /// The answer to `request` if it is a preflight; it needs no authentication, and has no effect.
    pub(super) fn preflight(&self, request: &Request, methods: &HeaderValue) -> Option<Response> {
        let headers = request.headers();
        if request.method() != Method::OPTIONS || !headers.contains_key(REQUESTED_METHOD) {
            return None;
        }
        let origin = headers.get(header::ORIGIN)?;
        if !self.is_public(request.uri().path()) && !self.allowed.contains(origin) {
            let refusal = Problem::new(StatusCode::FORBIDDEN).detail("Pages of this origin may not call this service.");
            let mut response = refusal.into_response();
            response.set_data(Reason::new("CORS: the origin is not on the list"));
            return Some(response);
        }
        let answer = Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, methods)
            .header(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS)
            .header(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(answer.finish())
    }

    /// Tells the browser whether the page may read this answer.
    pub(super) fn apply(&self, response: &mut Response, request: &Asking) {
        let headers = response.headers_mut();
        if request.is_public {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        } else {
            // A cache must not serve one origin's answer to another, so this is said with or without an Origin.
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
            let Some(origin) = request.origin.as_ref().filter(|origin| self.allowed.contains(origin)) else { return };
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
}

/// What CORS needs to remember of a request while it is served.
pub(super) struct Asking {
    origin: Option<HeaderValue>,
    is_public: bool,
}

impl Asking {
    pub(super) fn new(headers: &HeaderMap, is_public: bool) -> Self {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        // Two Origin lines are no browser's; neither counts.
        let origin = origins.next().filter(|_| origins.next().is_none()).cloned();
        Self { origin, is_public }
    }
}

/// Whether an origin is on this machine, whatever its port.
fn is_loopback(origin: &str) -> bool {
    let Some(authority) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else { return false };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| match authority.strip_prefix(host) {
        Some("") => true,
        Some(rest) => {
            rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port))
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors() -> Cors {
        Cors {
            allowed: AllowedOrigins::new(["https://app.example".to_owned()], false),
            public_paths: vec!["/.well-known/jwks.json"],
        }
    }

    fn answered(cors: &Cors, path: &str, origin: &str) -> Response {
        let request = Request::builder().uri(path.parse().unwrap()).header("origin", origin).finish();
        let mut response = Response::builder().finish();
        cors.apply(&mut response, &Asking::new(request.headers(), cors.is_public(path)));
        assert_eq!(response.header("access-control-allow-credentials"), None);
        response
    }

    fn preflight(cors: &Cors, origin: &str) -> StatusCode {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri("/me".parse().unwrap())
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .finish();
        cors.preflight(&request, &HeaderValue::from_static("GET, PUT")).unwrap().status()
    }

    #[test]
    fn an_allowed_origin_is_named_and_no_other() {
        let cors = cors();
        let allowed = answered(&cors, "/me", "https://app.example");
        assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(allowed.header("vary"), Some("Origin"));
        assert!(allowed.header("access-control-expose-headers").is_some());

        for stranger in [
            "https://evil.example",
            "null",
            "https://app.example.evil",
            "https://APP.example",
            "http://app.example",
            "http://localhost:3000",
        ] {
            let refused = answered(&cors, "/me", stranger);
            assert_eq!(refused.header("access-control-allow-origin"), None, "{stranger}");
            assert_eq!(refused.header("vary"), Some("Origin"));
        }
    }

    #[test]
    fn a_public_path_is_for_everyone_and_names_nobody() {
        let response = answered(&cors(), "/.well-known/jwks.json", "https://evil.example");
        assert_eq!(response.header("access-control-allow-origin"), Some("*"));
        assert_eq!(response.header("vary"), None);
    }

    #[test]
    fn a_preflight_is_answered_by_the_list_as_it_is_now() {
        let cors = cors();
        assert_eq!(preflight(&cors, "https://app.example"), StatusCode::NO_CONTENT);
        assert_eq!(preflight(&cors, "https://new.example"), StatusCode::FORBIDDEN);

        cors.allowed.clone().replace(["https://new.example".to_owned()]);

        assert_eq!(preflight(&cors, "https://app.example"), StatusCode::FORBIDDEN);
        assert_eq!(preflight(&cors, "https://new.example"), StatusCode::NO_CONTENT);
    }

    #[test]
    fn a_plain_options_request_is_no_preflight() {
        let request = Request::builder().method(Method::OPTIONS).header("origin", "https://app.example").finish();
        assert!(cors().preflight(&request, &HeaderValue::from_static("GET")).is_none());
    }

    #[test]
    fn loopback_is_loopback_only() {
        for origin in
            ["http://localhost", "http://localhost:3000", "https://localhost:8443", "http://127.0.0.1:5173", "http://[::1]:80"]
        {
            assert!(is_loopback(origin), "{origin}");
        }
        for origin in [
            "http://localhost.evil.example",
            "http://localhost:3000.evil.example",
            "http://localhost:80@evil.example",
            "http://localhost:",
            "http://localhost:+1",
            "http://localhost:99999",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.12",
            "ftp://localhost",
            "null",
            "",
        ] {
            assert!(!is_loopback(origin), "{origin}");
        }
    }
}
