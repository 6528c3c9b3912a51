//! Headers that every answer carries.

use poem::{
    Response,
    http::{HeaderName, HeaderValue, header},
};

const DEFAULTS: [(HeaderName, HeaderValue); 3] = [
    // A handler that wants to be cached says so.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // An API answer is no page: it loads nothing and is shown in no frame. The documentation page has a policy of its own.
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];
const ALWAYS: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("permissions-policy"), HeaderValue::from_static("geolocation=(), camera=(), microphone=()")),
];
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const CROSS_ORIGIN: HeaderValue = HeaderValue::from_static("cross-origin");
/// How many the edge adds after this at the most.
const HEADERS: usize = 8;
/// Two years, as the preload lists ask.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// Adds the headers; where a handler has set one of the first three or the resource policy, its value stays.
///
/// `is_public` is for what any site may fetch, such as the JWKS; `hsts` only where every name below this one has HTTPS.
pub(super) fn apply(response: &mut Response, is_public: bool, hsts: bool) {
    let headers = response.headers_mut();
    // Those here and the request id: the map grows once.
    headers.reserve(HEADERS);
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
    headers.entry(RESOURCE_POLICY).or_insert(if is_public { CROSS_ORIGIN } else { SAME_ORIGIN });
    headers.extend(ALWAYS);
    if hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    headers.remove(header::SERVER);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handlers_own_choice_stays() {
        let mut response = Response::builder().header(header::CACHE_CONTROL, "public, max-age=300").finish();

        apply(&mut response, true, true);

        assert_eq!(response.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(response.header("cross-origin-resource-policy"), Some("cross-origin"));
        assert_eq!(response.header("strict-transport-security"), Some("max-age=63072000; includeSubDomains"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }

    #[test]
    fn without_a_choice_nothing_is_stored_framed_or_shared() {
        let mut response = Response::builder().finish();

        apply(&mut response, false, false);

        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("cross-origin-resource-policy"), Some("same-origin"));
        assert!(response.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")));
        assert_eq!(response.header("strict-transport-security"), None);
    }
}
