//! HTTP as a client sees it: no redirects are followed, nothing is decoded, nothing is retried.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use reqwest::{
    Client, Method,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use serde_json::Value;
use url::form_urlencoded;

use crate::Answer;

/// A service to call.
#[derive(Clone, Debug)]
pub struct Http {
    base: String,
    client: Client,
}

impl Http {
    /// Calls the service at this URL.
    pub fn at(base: impl Into<String>) -> Self {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            // Everything is on this machine, so that no certificates are needed and no name is looked up.
            .tls_certs_only([])
            .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .build()
            .expect("a client without certificates can always be made");
        Self { base: base.into(), client }
    }

    /// Calls the service at this URL, on a connection of its own for every request.
    pub fn anew_at(base: impl Into<String>) -> Self {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .tls_certs_only([])
            .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client without certificates can always be made");
        Self { base: base.into(), client }
    }

    /// Calls a service that may be anywhere, and gives it half a minute for each answer.
    pub fn to_a_stranger(base: impl Into<String>) -> Self {
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(30))
            // It may hang up after any answer, and that is not to be taken for the next one.
            .pool_max_idle_per_host(0)
            .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .build()
            .expect("this system has trusted certificates");
        Self { base: base.into(), client }
    }

    /// The URL of the service.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Call {
        self.request("GET", path)
    }

    /// A POST.
    pub fn post(&self, path: &str) -> Call {
        self.request("POST", path)
    }

    /// A PUT.
    pub fn put(&self, path: &str) -> Call {
        self.request("PUT", path)
    }

    /// A DELETE.
    pub fn delete(&self, path: &str) -> Call {
        self.request("DELETE", path)
    }

    /// Any other method.
    pub fn request(&self, method: &str, path: &str) -> Call {
        let method = Method::from_bytes(method.as_bytes()).expect("the test names a method");
        Call { http: self.clone(), method, path: path.to_owned(), headers: HeaderMap::new(), body: None }
    }
}

/// A request that is being made.
#[derive(Clone, Debug)]
pub struct Call {
    http: Http,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Call {
    /// Adds a header line; a second one of the same name is a second line.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("the test names a header");
        let value = HeaderValue::from_bytes(value.as_ref()).expect("the value can stand in a header");
        self.headers.append(name, value);
        self
    }

    /// Presents an access token (RFC 6750 §2.1).
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Presents an API key.
    #[must_use]
    pub fn api_key(self, key: &str) -> Self {
        self.header("x-api-key", key)
    }

    /// Sends a form.
    #[must_use]
    pub fn form(self, parameters: &[(&str, &str)]) -> Self {
        self.form_text(form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish())
    }

    /// Sends a form as it would stand on the wire.
    #[must_use]
    pub fn form_text(self, body: impl AsRef<[u8]>) -> Self {
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Sends JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sends a body of any media type.
    #[must_use]
    pub fn body(self, media_type: &str, body: impl AsRef<[u8]>) -> Self {
        self.header("content-type", media_type).bare_body(body)
    }

    /// Sends a body of no media type.
    #[must_use]
    pub fn bare_body(self, body: impl AsRef<[u8]>) -> Self {
        Self { body: Some(body.as_ref().to_vec()), ..self }
    }

    /// The method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The URL.
    pub fn url(&self) -> String {
        format!("{}{}", self.http.base, self.path)
    }

    /// The headers that were asked for.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body as text, if there is one.
    pub fn text(&self) -> Option<&str> {
        self.body.as_deref().and_then(|body| std::str::from_utf8(body).ok())
    }

    /// Makes the request, and reads the answer to its end.
    pub async fn send(self) -> Answer {
        let request = format!("{} {}", self.method, self.url());
        self.try_send().await.unwrap_or_else(|error| panic!("{request}: no answer: {error:?}"))
    }

    /// The same for a service that may rather hang up.
    pub async fn try_send(self) -> reqwest::Result<Answer> {
        let url = self.url();
        let request = format!("{} {url}", self.method);
        let mut builder = self.http.client.request(self.method, url).headers(self.headers);
        if let Some(body) = self.body {
            builder = builder.body(body);
        }
        Answer::read(request, builder.send().await?).await
    }
}
