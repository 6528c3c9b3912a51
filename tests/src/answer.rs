//! What came back: kept whole, so that every part of it can be asserted.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::{
    challenge::{Challenge, is_plain},
    watch,
};

/// A complete HTTP answer.
///
/// A server's error that nobody expects fails the test: one whose status is never looked at, until the answer is dropped.
pub struct Answer {
    request: String,
    status: u16,
    is_looked_at: AtomicBool,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read(request: String, response: reqwest::Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body: Vec<u8> = response.bytes().await?.into();
        let answer = Self { request, status, is_looked_at: AtomicBool::new(false), headers, body };
        let secret = watch::never_in(&String::from_utf8_lossy(&answer.body));
        assert_eq!(secret, None, "a secret comes back:\n{answer}");
        Ok(answer)
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.is_looked_at.store(true, Ordering::Relaxed);
        self.status
    }

    /// A header that stands there once, or not at all.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "`{name}` stands there twice:\n{self}");
        Some(value.to_str().unwrap_or_else(|_| panic!("`{name}` is not ASCII:\n{self}")))
    }

    /// Every header.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body as it came.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|_| panic!("the body is not UTF-8:\n{self}"))
    }

    /// The body as JSON, whatever its media type.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}):\n{self}"))
    }

    /// The media type, without parameters.
    #[track_caller]
    pub fn media_type(&self) -> Option<&str> {
        self.header("content-type")?.split(';').next().map(str::trim)
    }

    /// Expects this status.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        assert_eq!(self.status(), status, "\n{self}");
        self
    }

    /// Expects a JSON document with status 200, and returns it.
    #[track_caller]
    pub fn assert_ok(&self) -> Value {
        self.assert_status(200);
        assert_eq!(self.media_type(), Some("application/json"), "\n{self}");
        self.json()
    }

    /// Expects tokens (RFC 6749 §5.1), and returns the access token.
    #[track_caller]
    pub fn assert_tokens(&self) -> String {
        let body = self.assert_ok();
        self.assert_never_stored();
        body["access_token"].as_str().unwrap_or_else(|| panic!("no access token:\n{self}")).to_owned()
    }

    /// Expects an error after RFC 6749 §5.2, complete to the last header.
    #[track_caller]
    pub fn assert_oauth_error(&self, status: u16, code: &str) -> &Self {
        self.assert_status(status).assert_hardened();
        assert_eq!(self.media_type(), Some("application/json"), "\n{self}");
        self.assert_never_stored();
        let body = self.json();
        assert_eq!(body["error"], code, "\n{self}");
        for (name, value) in body.as_object().expect("an error is an object") {
            assert!(["error", "error_description", "error_uri"].contains(&name.as_str()), "unknown member `{name}`:\n{self}");
            let text = value.as_str().unwrap_or_else(|| panic!("`{name}` is not a string:\n{self}"));
            assert!(text.bytes().all(is_plain), "`{name}` holds what RFC 6749 §5.2 rules out:\n{self}");
        }
        assert_eq!(self.header("www-authenticate").is_some(), status == 401, "\n{self}");
        self
    }

    /// Expects that the client was not recognised (RFC 6749 §5.2).
    #[track_caller]
    pub fn assert_invalid_client(&self) -> &Self {
        self.assert_oauth_error(401, "invalid_client");
        let challenge = Challenge::parse(self.header("www-authenticate").expect("a 401 has a challenge"));
        assert_eq!(challenge.scheme(), "Basic", "\n{self}");
        assert!(challenge.attribute("realm").is_some(), "\n{self}");
        self
    }

    /// Expects a problem after RFC 9457 that names its request.
    #[track_caller]
    pub fn assert_problem(&self, status: u16) -> &Self {
        self.assert_status(status).assert_hardened();
        assert_eq!(self.media_type(), Some("application/problem+json"), "\n{self}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "\n{self}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "\n{self}");
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"), "\n{self}");
        for member in ["type", "title"] {
            assert!(problem[member].is_string(), "no `{member}`:\n{self}");
        }
        assert_eq!(self.header("allow").is_some(), status == 405, "a 405, and only that, says what is allowed:\n{self}");
        self
    }

    /// Expects a challenge after RFC 6750 §3 with this error code, or with none, and returns it.
    #[track_caller]
    pub fn assert_challenge(&self, status: u16, error: Option<&str>) -> Challenge {
        self.assert_problem(status);
        let header = self.header("www-authenticate").unwrap_or_else(|| panic!("no challenge:\n{self}"));
        let challenge = Challenge::parse(header);
        assert_eq!(challenge.scheme(), "Bearer", "\n{self}");
        assert!(challenge.attribute("realm").is_some(), "\n{self}");
        assert_eq!(challenge.attribute("error"), error, "\n{self}");
        assert_eq!(challenge.attribute("error_description").is_some(), error.is_some(), "\n{self}");
        challenge
    }

    /// Expects that no access token was presented (RFC 6750 §3.1).
    #[track_caller]
    pub fn assert_no_credentials(&self) -> Challenge {
        self.assert_challenge(401, None)
    }

    /// Expects that the access token was not good.
    #[track_caller]
    pub fn assert_invalid_token(&self) -> Challenge {
        self.assert_challenge(401, Some("invalid_token"))
    }

    /// Expects that nothing keeps this answer (RFC 6749 §5.1).
    #[track_caller]
    pub fn assert_never_stored(&self) -> &Self {
        assert_eq!(self.header("cache-control"), Some("no-store"), "\n{self}");
        assert_eq!(self.header("pragma"), Some("no-cache"), "\n{self}");
        self
    }

    /// Expects the headers that every answer of either service carries.
    #[track_caller]
    pub fn assert_hardened(&self) -> &Self {
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "\n{self}");
        assert_eq!(self.header("referrer-policy"), Some("no-referrer"), "\n{self}");
        for name in ["content-security-policy", "cross-origin-resource-policy", "permissions-policy", "cache-control"] {
            assert!(self.header(name).is_some(), "no `{name}`:\n{self}");
        }
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()), "no request id:\n{self}");
        for name in ["server", "x-powered-by", "set-cookie", "access-control-allow-credentials"] {
            assert_eq!(self.header(name), None, "\n{self}");
        }
        self
    }

    /// Expects that nothing of this text comes back, in a header or in the body.
    #[track_caller]
    pub fn assert_no_echo(&self, text: &str) -> &Self {
        let values = self.headers.values().map(reqwest::header::HeaderValue::as_bytes);
        let is_echoed = values.chain([&*self.body]).any(|bytes| String::from_utf8_lossy(bytes).contains(text));
        assert!(!is_echoed, "`{text}` comes back:\n{self}");
        self
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // 501 is what a method deserves that nobody knows.
        let is_missed = self.status >= 500 && self.status != 501 && !self.is_looked_at.load(Ordering::Relaxed);
        assert!(!is_missed || thread::panicking(), "a server's error that nobody expected:\n{self}");
    }
}

/// As it would stand on the wire, for the message of a failed assertion.
impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "> {}\n< {}", self.request, self.status)?;
        for (name, value) in &self.headers {
            writeln!(out, "< {name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        let body = String::from_utf8_lossy(&self.body);
        writeln!(out, "{}", body.chars().take(2000).collect::<String>())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
