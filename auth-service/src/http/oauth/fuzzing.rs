//! What must hold for any form and any Basic header: bodies of fuzz targets, see [`crate::fuzzing`].

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::FutureExt;
use poem::{
    Request,
    http::{HeaderMap, HeaderValue, header},
};
use poem_openapi::payload::{Form, ParsePayload};
use url::form_urlencoded;

use super::{client_auth, token::TokenForm};
use crate::client::Credentials;

/// A form that is taken says what a reader of any other make would find in it, and no parameter of it twice.
pub fn token_form(data: &[u8]) {
    let Some(form) = read_form(data) else { return };
    let values = |name: &str| -> Vec<String> {
        form_urlencoded::parse(data).filter(|(found, _)| found == name).map(|(_, value)| value.into_owned()).collect()
    };
    for (name, taken) in [
        ("grant_type", &form.grant_type),
        ("username", &form.username),
        ("password", &form.password),
        ("scope", &form.scope),
        ("refresh_token", &form.refresh_token),
        ("client_id", &form.client_id),
        ("client_secret", &form.client_secret),
    ] {
        let given = values(name);
        assert!(given.len() <= 1, "{name} is given twice");
        assert_eq!(taken.as_ref(), given.first().filter(|value| !value.is_empty()), "{name}");
        assert!(taken.as_ref().is_none_or(|value| !value.contains(['\0', char::REPLACEMENT_CHARACTER])), "{name}");
    }
}

/// Whether a form is taken, for the bench.
pub fn takes_token_form(data: &[u8]) -> bool {
    read_form(data).is_some()
}

fn read_form(data: &[u8]) -> Option<TokenForm> {
    let request = Request::builder().header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(data.to_vec());
    let (request, mut body) = request.split();
    let form = Form::<TokenForm>::from_request(&request, &mut body).now_or_never().expect("the body is in memory");
    form.ok().map(|Form(form)| form)
}

/// Credentials that are taken are those that a client would show which writes them as the RFC says.
pub fn basic(data: &[u8]) {
    let Some(shown) = read(data) else { return };
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let secret = shown.secret.as_ref().map(|secret| secret.to_string()).unwrap_or_default();
    let header = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", encode(&shown.client_id), encode(&secret))));
    let again = read(header.as_bytes()).expect("a header that is written as the RFC says");
    assert_eq!((&again.client_id, &again.secret), (&shown.client_id, &shown.secret));
    assert!(!shown.client_id.contains('\0') && !secret.contains('\0'));
}

fn read(header: &[u8]) -> Option<Credentials> {
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_bytes(header).ok()?)]);
    client_auth::read(&headers, None, None, None).ok()
}
