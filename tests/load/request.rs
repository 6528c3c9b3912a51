//! Requests as they stand on the wire.

use base64::{Engine, prelude::BASE64_STANDARD};
use url::form_urlencoded;

/// A GET with further headers.
pub(crate) fn get(address: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n");
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    request.push_str("\r\n");
    request.into_bytes()
}

/// A form, from a client that authenticates by HTTP Basic.
pub(crate) fn post(host: &str, path: &str, client: Option<(&str, &str)>, fields: &[(&str, &str)]) -> Vec<u8> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let basic = client.map_or_else(String::new, |(id, secret)| {
        format!("authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{id}:{secret}")))
    });
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\n{basic}content-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
