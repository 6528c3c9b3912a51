//! The documentation: `GET /openapi.json`, and Swagger UI over it at `GET /docs`.
//!
//! poem-openapi embeds Swagger UI whole into one page, so that it needs no other server. The page is given a policy that
//! lets exactly its own scripts run, by their hashes, and is compressed once: it is 1.6 MB otherwise. It is made when it is
//! first asked for: most services are never asked, and neither their start nor their memory should pay for it.

use std::{io::Write, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, write::GzEncoder};
use hyper::body::Bytes;
use poem::{
    Body, Request, Response,
    endpoint::make,
    get,
    http::{HeaderMap, HeaderValue, StatusCode, header},
};
use poem_openapi::OpenApiService;
use tokio::sync::OnceCell;

use super::mounts::Mounts;

/// The documentation of a service, or its absence.
pub struct Docs(Option<Pages>);

struct Pages {
    page: Page,
    spec: Document,
}

/// Swagger UI, which is made when it is first asked for.
struct Page {
    spec: String,
    connect_to: Vec<String>,
    made: OnceCell<Document>,
}

impl Docs {
    /// Documentation from the `OpenAPI` document.
    ///
    /// `connect_to` names other origins that the page calls, such as the issuer's for the *Authorize* dialog.
    pub fn new(spec: String, connect_to: Vec<String>) -> Self {
        let page = Page { spec: spec.clone(), connect_to, made: OnceCell::new() };
        Self(Some(Pages { page, spec: Document::new("application/json", spec, None) }))
    }

    /// No documentation: both paths are 404.
    pub fn off() -> Self {
        Self(None)
    }

    /// Adds `/docs` and `/openapi.json` to `mounts`.
    pub fn mount(self, mounts: Mounts) -> Mounts {
        match self.0 {
            Some(pages) => pages.spec.mount("/openapi.json", pages.page.mount("/docs", mounts)),
            None => mounts,
        }
    }
}

impl Page {
    fn mount(self, path: &str, mounts: Mounts) -> Mounts {
        let this = Arc::new(self);
        let endpoint = make(move |request: Request| {
            let this = this.clone();
            async move { this.made().await.answer(request.headers()).await }
        });
        mounts.at(path, get(endpoint))
    }

    async fn made(&self) -> &Document {
        let make = || async {
            let (spec, connect_to) = (self.spec.clone(), self.connect_to.clone());
            let made = tokio::task::spawn_blocking(move || swagger_ui(&spec, &connect_to)).await;
            made.expect("putting texts together cannot fail")
        };
        self.made.get_or_init(make).await
    }
}

/// Swagger UI over this document: the framework's page of an API without operations, with the document in the place of its.
fn swagger_ui(spec: &str, connect_to: &[String]) -> Document {
    let nothing = OpenApiService::new((), "nothing", "0");
    let page = nothing.swagger_ui_html().replacen(&nothing.spec(), spec, 1);
    // Without a document type a browser imitates the last century.
    let page = format!("<!DOCTYPE html>\n{}", page.trim_start());
    // An empty icon, or a browser asks for /favicon.ico and reports the 404.
    let page = page.replacen("<head>", "<head>\n    <link rel=\"icon\" href=\"data:,\">", 1);
    let policy = policy(&page, connect_to);
    Document::new("text/html; charset=utf-8", page, Some(policy))
}

/// Only the page's own scripts run, nothing is loaded from elsewhere, and nothing is sent anywhere but to `connect_to`.
fn policy(page: &str, connect_to: &[String]) -> HeaderValue {
    let hashes: Vec<_> = scripts(page).map(|script| format!("'sha256-{}'", sha256(script, &STANDARD))).collect();
    let sources: Vec<_> = ["'self'"].into_iter().chain(connect_to.iter().map(String::as_str)).collect();
    let policy = format!(
        "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src 'self' data:; connect-src {}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hashes.join(" "),
        sources.join(" ")
    );
    // Only a setting that is no origin could fail here; the page then works without calling anyone.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

/// The text of each inline script, as a browser cuts it out.
fn scripts(page: &str) -> impl Iterator<Item = &str> {
    let mut rest = page;
    std::iter::from_fn(move || {
        let (_, opened) = rest.split_once("<script")?;
        let (_, text) = opened.split_once('>')?;
        let (script, after) = text.split_once("</script")?;
        rest = after;
        Some(script)
    })
}

fn sha256(text: &str, encoding: &impl Engine) -> String {
    encoding.encode(digest(&SHA256, text.as_bytes()))
}

/// A text that stays the same while the service runs.
struct Document {
    media_type: &'static str,
    policy: Option<HeaderValue>,
    tag: String,
    plain: Bytes,
    /// Made when it is first asked for: a service that is started for a moment does without.
    compressed: OnceCell<Bytes>,
}

impl Document {
    fn new(media_type: &'static str, text: String, policy: Option<HeaderValue>) -> Self {
        let tag = sha256(&text, &URL_SAFE_NO_PAD);
        Self { media_type, policy, tag, plain: text.into(), compressed: OnceCell::new() }
    }

    fn mount(self, path: &str, mounts: Mounts) -> Mounts {
        let this = Arc::new(self);
        let endpoint = make(move |request: Request| {
            let this = this.clone();
            async move { this.answer(request.headers()).await }
        });
        mounts.at(path, get(endpoint))
    }

    async fn answer(&self, request: &HeaderMap) -> Response {
        let is_compressed = takes_gzip(request);
        // Each form has a tag of its own (RFC 9110 §8.8.3.3).
        let tag = if is_compressed { format!("\"{}-gzip\"", self.tag) } else { format!("\"{}\"", self.tag) };
        let answer = Response::builder()
            .header(header::ETAG, &tag)
            .header(header::VARY, "Accept-Encoding")
            // To be kept, and asked about before each use.
            .header(header::CACHE_CONTROL, "no-cache");
        if is_known(request, &tag) {
            return answer.status(StatusCode::NOT_MODIFIED).finish();
        }
        let answer = answer.content_type(self.media_type);
        let mut response = if is_compressed {
            answer.header(header::CONTENT_ENCODING, "gzip").body(Body::from_bytes(self.compressed().await))
        } else {
            answer.body(Body::from_bytes(self.plain.clone()))
        };
        if let Some(policy) = &self.policy {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.clone());
            response.headers_mut().insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
        }
        response
    }

    async fn compressed(&self) -> Bytes {
        let compress = || async {
            let plain = self.plain.clone();
            let compressed = tokio::task::spawn_blocking(move || gzip(&plain)).await;
            compressed.expect("compressing into memory cannot fail")
        };
        self.compressed.get_or_init(compress).await.clone()
    }
}

fn gzip(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 3), Compression::default());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("writing to memory cannot fail").into()
}

/// Whether the client takes gzip (RFC 9110 §12.5.3), by name and with a weight that is not zero.
fn takes_gzip(request: &HeaderMap) -> bool {
    let lines = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        is_gzip && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

/// Whether the client has this form already (`If-None-Match`, RFC 9110 §13.1.2).
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let lines = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use poem::{Endpoint, Route};
    use poem_openapi::{OpenApi, payload::PlainText};

    use super::*;

    struct Api;

    #[expect(clippy::unused_async, reason = "the framework wants operations async")]
    #[OpenApi]
    impl Api {
        /// Says hello
        #[oai(path = "/hello", method = "get", operation_id = "hello")]
        async fn hello(&self) -> PlainText<&'static str> {
            PlainText("hello")
        }
    }

    fn docs() -> impl Endpoint<Output = Response> {
        let service = OpenApiService::new(Api, "test", "1");
        let docs = Docs::new(service.spec(), vec!["https://login.example".to_owned()]);
        docs.mount(Mounts::new()).before(Route::new())
    }

    async fn fetch(path: &str, name: &str, value: &str) -> Response {
        docs().get_response(Request::builder().uri(path.parse().unwrap()).header(name, value).finish()).await
    }

    #[tokio::test]
    async fn every_script_of_the_real_page_is_in_its_policy_and_none_is_loaded() {
        let mut response = fetch("/docs", "accept", "*/*").await;
        let policy = response.header("content-security-policy").unwrap().to_owned();
        let page = response.take_body().into_string().await.unwrap();

        assert!(page.starts_with("<!DOCTYPE html>"));
        assert!(page.contains("Says hello"), "the page holds the document");
        assert_eq!(scripts(&page).count(), 2);
        for script in scripts(&page) {
            assert!(!script.contains('\r'), "a browser would normalise it before hashing");
            assert!(policy.contains(&sha256(script, &STANDARD)));
        }
        assert!(!page.contains("<script src") && !page.replace("<link rel=\"icon\" href=\"data:,\">", "").contains("<link"));
        assert!(policy.contains("connect-src 'self' https://login.example;"), "{policy}");
        assert_eq!(response.header("cross-origin-opener-policy"), Some("same-origin"));
    }

    #[tokio::test]
    async fn the_page_is_compressed_for_who_takes_it() {
        let response = fetch("/docs", "accept-encoding", "br, gzip;q=0.8").await;
        assert_eq!(response.header("content-encoding"), Some("gzip"));
        let body = response.into_body().into_vec().await.unwrap();
        let mut page = String::new();
        GzDecoder::new(&body[..]).read_to_string(&mut page).unwrap();
        assert!(page.contains("SwaggerUIBundle") && body.len() * 3 < page.len());

        for refused in ["identity", "gzip;q=0", "br"] {
            assert_eq!(fetch("/docs", "accept-encoding", refused).await.header("content-encoding"), None, "{refused}");
        }
    }

    #[tokio::test]
    async fn what_the_client_has_is_not_sent_again() {
        let first = fetch("/openapi.json", "accept", "*/*").await;
        assert_eq!(first.content_type(), Some("application/json"));
        let tag = first.header("etag").unwrap().to_owned();

        let again = fetch("/openapi.json", "if-none-match", &format!("\"other\", W/{tag}")).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.header("etag"), Some(&*tag));
        assert_eq!(again.into_body().into_vec().await.unwrap(), b"");

        let other = fetch("/openapi.json", "if-none-match", "\"other\"").await;
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn without_documentation_there_is_nothing() {
        let route = Docs::off().mount(Mounts::new()).before(Route::new());
        let response = route.get_response(Request::builder().uri("/docs".parse().unwrap()).finish()).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
}
