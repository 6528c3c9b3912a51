//! What must hold for any input of the parsers of this module: the bodies of the fuzz targets of `fuzz/`, and of the tests
//! below, which run them on stable Rust.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use futures_util::FutureExt;
use ipnet::IpNet;
use poem::{
    IntoResponse, Request,
    http::{HeaderMap, HeaderValue, StatusCode},
};
use serde_json::Value;
use url::form_urlencoded;

use super::{
    client_ip, content,
    entity_tag::{EntityTags, Precondition, entity_tag},
    listener::head::Head,
    paging,
    rate_limit::{self, Allowance, RateLimits},
    settings,
};

/// How deep JSON may nest that is let through; keep in step with `content`.
const DEPTH: usize = 32;

/// A head is judged by what it is, not by how it arrives, and is ambiguous if a line of it ends in a bare line feed. The
/// first byte says in which pieces it arrives.
pub fn request_head(data: &[u8]) {
    let Some((size, head)) = data.split_first() else { return };
    let mut whole = Head::default();
    whole.feed(head);
    let mut in_pieces = Head::default();
    head.chunks(usize::from(*size).max(1)).for_each(|piece| in_pieces.feed(piece));
    assert_eq!(whole.is_ambiguous(), in_pieces.is_ambiguous());
    let end = head.windows(4).position(|window| window == b"\r\n\r\n");
    if let Some(end) = end.filter(|end| !head[..*end].is_empty() && !head.starts_with(b"\r\n")) {
        let lines = head[..end + 2].split_inclusive(|byte| *byte == b'\n');
        let has_bare = lines.clone().any(|line| line.ends_with(b"\n") && !line.ends_with(b"\r\n"));
        assert!(!has_bare || whole.is_ambiguous());
        let begins = |name: &'static [u8]| {
            lines.clone().any(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
        };
        if begins(b"content-length:") && begins(b"transfer-encoding:") {
            assert!(whole.is_ambiguous());
        }
    }
}

/// JSON that is let through and can be read has no NUL character in it, nests no deeper than it may, and has no member twice.
pub fn json_body(data: &[u8]) {
    if content::inspect("application/json", data).is_err() {
        return;
    }
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    inspect(&value, DEPTH);
    let written = serde_json::to_vec(&value).expect("JSON can be written");
    assert!(content::inspect("application/problem+json", &written).is_ok());
}

fn inspect(value: &Value, depth: usize) {
    let deeper = || depth.checked_sub(1).expect("no deeper than it may");
    match value {
        Value::String(text) => assert!(!text.contains('\0')),
        Value::Array(items) => items.iter().for_each(|item| inspect(item, deeper())),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            assert!(!name.contains('\0'));
            inspect(value, deeper());
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A form that is let through has as many fields as it may, and no NUL character in them.
pub fn form_body(data: &[u8]) {
    if content::inspect("application/x-www-form-urlencoded; charset=utf-8", data).is_err() {
        return;
    }
    let fields: Vec<_> = form_urlencoded::parse(data).collect();
    assert!(fields.len() <= 64 && fields.iter().all(|(name, value)| !name.contains('\0') && !value.contains('\0')));
}

/// Rules that are taken can be kept, and told in a header.
pub fn rate_limits(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(rules) = rate_limit::rules(text) else { return };
    let Some(limits) = RateLimits::new(rules) else { return };
    let mut request = Request::builder().uri_str("/oauth2/token").header("authorization", "Bearer a").finish();
    let headers = request.headers().clone();
    let allowance = Allowance::open(Some(&Arc::new(limits)), &mut request, IpAddr::V4(Ipv4Addr::LOCALHOST));
    allowance.arrive(&headers).now_or_never().expect("what is counted in memory is counted at once");
    let mut response = StatusCode::OK.into_response();
    allowance.tell(&mut response);
    assert_eq!(allowance.check().is_err(), response.headers().contains_key("retry-after"));
}

/// Whatever the header says, the client is the peer if that is no trusted proxy; else a proxy, or somebody a proxy named.
/// Each line of the input is a header.
pub fn forwarded_for(data: &[u8]) {
    let trusted: [IpNet; 2] = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(20) {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append("x-forwarded-for", value);
    }
    let stranger = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
    assert_eq!(client_ip::behind_proxies(stranger, &headers, &trusted), stranger);
    let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let found = client_ip::behind_proxies(proxy, &headers, &trusted);
    assert_eq!(found, found.to_canonical());
    let named: Vec<&str> = headers.values().flat_map(|value| value.to_str().unwrap_or_default().split(',')).collect();
    assert!(found == proxy || named.iter().any(|text| client_ip::parse(text.trim()) == Some(found)), "{found}");
    // What stands furthest to the right was written by the proxy itself.
    if let Some(last) = named.last().and_then(|last| client_ip::parse(last.trim()))
        && !client_ip::is_trusted(last, &trusted)
    {
        assert_eq!(found, last);
    }
}

/// A setting that is taken is taken again as it is understood.
pub fn setting(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(url) = settings::url(text) {
        assert_eq!(settings::url(&url), Ok(url.clone()));
        assert_eq!(url, text.trim());
    }
    if let Ok(origins) = settings::origins(text) {
        assert_eq!(settings::origins(&origins.join(",")), Ok(origins));
    }
    if let Ok(networks) = settings::networks(text) {
        let written = networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        assert_eq!(settings::networks(&written), Ok(networks));
    }
    if let Ok(address) = settings::socket_addr(text) {
        assert_eq!(settings::socket_addr(&address.to_string()), Ok(address));
    }
    if let Ok(duration) = settings::duration(text) {
        let written = humantime::format_duration(duration).to_string();
        assert_eq!(settings::duration(&written), Ok(duration), "{written}");
    }
}

/// A cursor that is taken is the only one that leads there.
pub fn cursor(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(Some(last)) = paging::after(Some(text), |last| Some(last.to_owned())) else { return };
    let (cursor, link) = paging::next_page("/documents", 20, &[("owner", Some(&*last))], Some(&last));
    assert_eq!(cursor.as_deref(), Some(text));
    assert!(HeaderValue::try_from(link.expect("a link")).is_ok());
}

/// A condition that is taken names versions as we write them.
pub fn entity_tags(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(Some(tags)) = EntityTags::read("If-Match", Some(text)) else { return };
    match tags.into_precondition() {
        Precondition::None => assert_eq!(text.trim_matches([' ', '\t']), "*"),
        Precondition::Versions(versions) => assert!(versions.into_iter().all(|version| text.contains(&entity_tag(version)))),
    }
}

#[cfg(test)]
mod tests {
    use crate::mutations::hold;

    #[test]
    fn a_if_13_request_heads() {
        hold("request_head", super::request_head);
    }

    #[test]
    fn a_if_13_json_bodies() {
        hold("json_body", super::json_body);
    }

    #[test]
    fn a_if_13_form_bodies() {
        hold("form_body", super::form_body);
    }

    #[test]
    fn a_if_13_rate_limits() {
        hold("rate_limits", super::rate_limits);
    }

    #[test]
    fn a_if_13_forwarded_for() {
        hold("forwarded_for", super::forwarded_for);
    }

    #[test]
    fn a_if_13_settings() {
        hold("setting", super::setting);
    }

    #[test]
    fn a_if_13_cursors() {
        hold("cursor", super::cursor);
    }

    #[test]
    fn a_if_13_entity_tags() {
        hold("entity_tags", super::entity_tags);
    }
}
