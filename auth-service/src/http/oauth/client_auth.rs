//! How a client shows which one it is (RFC 6749 §2.3): by HTTP Basic, in the body, or by its name alone.

use base64::{Engine, prelude::BASE64_STANDARD};
use poem::http::{HeaderMap, HeaderValue, header};
use poem_openapi::{SecurityScheme, auth::Basic};
use shared::server::rate_limit::{self, Allowance, Identity};
use zeroize::Zeroizing;

use super::error::OAuthRefusal;
use crate::client::{Client, Credentials, Kind};

/// A confidential client's identifier and secret, form-encoded, as user name and password (RFC 6749 §2.3.1).
#[derive(SecurityScheme)]
#[oai(ty = "basic", rename = "ClientSecretBasic")]
pub(super) struct ClientSecretBasic(#[expect(dead_code, reason = "read from the header, with the RFC's decoding")] Basic);

/// For the document: the header is optional, since the body or a public client's name do as well.
#[derive(SecurityScheme)]
pub(super) enum DocumentedClient {
    Basic(#[expect(dead_code, reason = "read from the header, with the RFC's decoding")] ClientSecretBasic),
    #[oai(fallback)]
    InBody,
}

/// Reads which client a request shows. `assumed` is the client of a request that names none.
pub(super) fn read(
    headers: &HeaderMap,
    client_id: Option<String>,
    client_secret: Option<Zeroizing<String>>,
    assumed: Option<&str>,
) -> Result<Credentials, OAuthRefusal> {
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (authorizations.next(), authorizations.next());
    if second.is_some() {
        return Err(OAuthRefusal::invalid_request("there are two Authorization headers"));
    }
    let basic = match first {
        Some(value) => basic(value).ok_or_else(OAuthRefusal::invalid_client)?,
        None => None,
    };
    let Some((id, secret)) = basic else {
        let client_id = client_id.or_else(|| assumed.map(ToOwned::to_owned)).ok_or_else(OAuthRefusal::invalid_client)?;
        return Ok(Credentials { client_id, secret: client_secret, also: None });
    };
    if client_secret.is_some() {
        return Err(OAuthRefusal::invalid_request("the client authenticates in two ways; use one"));
    }
    let also = client_id.filter(|client_id| *client_id != id);
    Ok(Credentials { client_id: id, secret: (!secret.is_empty()).then_some(secret), also })
}

/// Counts a request as its client's, and refuses it if that is too many. A key that is exchanged is counted where it is used.
pub(super) async fn spend(allowance: &Allowance, client: &Client) -> Result<(), OAuthRefusal> {
    if client.is_api_key_client() {
        return Ok(());
    }
    let who = match client.kind() {
        Kind::Confidential => rate_limit::Client::Proven(client.id()),
        Kind::Public => rate_limit::Client::Claimed(client.id()),
    };
    Ok(allowance.spend(Identity { client: Some(who), ..Identity::default() }).await?)
}

/// Identifier and secret of a Basic header, each decoded from its form encoding. `None` if the header cannot be read;
/// `Some(None)` if it names nobody, as Swagger UI's dialog sends it for a client that was left empty.
#[expect(clippy::option_option, reason = "unreadable and empty are different answers")]
fn basic(value: &HeaderValue) -> Option<Option<(String, Zeroizing<String>)>> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(String::from_utf8(BASE64_STANDARD.decode(encoded.trim_start_matches(' ')).ok()?).ok()?);
    let (id, secret) = decoded.split_once(':')?;
    if id.is_empty() && secret.is_empty() {
        return Some(None);
    }
    Some(Some((form_decoded(id)?, Zeroizing::new(form_decoded(secret)?))))
}

/// One value of `application/x-www-form-urlencoded` (RFC 6749 Appendix B).
fn form_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [char::from(rest.next()?), char::from(rest.next()?)].map(|digit| digit.to_digit(16));
                let [Some(high), Some(low)] = digits else { return None };
                u8::try_from(high * 16 + low).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(user: &str, password: &str) -> HeaderValue {
        HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))).unwrap()
    }

    #[expect(clippy::option_option, reason = "unreadable and empty are different answers")]
    fn read_basic(user: &str, password: &str) -> Option<Option<(String, String)>> {
        basic(&header(user, password)).map(|read| read.map(|(id, secret)| (id, secret.to_string())))
    }

    #[test]
    fn te_08_the_secret_is_form_decoded_after_base64_and_split_at_the_first_colon() {
        let read = |id: &str, secret: &str| Some(Some((id.to_owned(), secret.to_owned())));
        assert_eq!(read_basic("batch", "100%25+a%2Bb%3Ac%20%C3%A9"), read("batch", "100% a+b:c é"));
        assert_eq!(read_basic("batch", "a:b"), read("batch", "a:b"));
        assert_eq!(read_basic("cli%3Aent", "x"), read("cli:ent", "x"));
    }

    #[test]
    fn a_header_that_cannot_be_read_is_refused_and_an_empty_one_names_nobody() {
        assert_eq!(read_basic("batch", "100%"), None);
        assert_eq!(read_basic("batch", "%zz"), None);
        assert_eq!(read_basic("batch", "%ff"), None);
        assert_eq!(read_basic("batch", "%00"), None);
        assert_eq!(read_basic("", ""), Some(None));
        for value in ["Basic", "Basic !!!", "Bearer abc", "Basic YWJj"] {
            assert!(basic(&HeaderValue::from_static(value)).is_none(), "{value}");
        }
    }
}
