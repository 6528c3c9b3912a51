//! Finds the one bearer token of a request (RFC 6750 §2.1), or says what is wrong with its credentials.

use poem::{
    Body, Request,
    http::header::{AUTHORIZATION, CONTENT_TYPE},
};
use url::form_urlencoded;

use super::refusal::Reason;

/// The largest form that is searched for a token.
const MAX_FORM: usize = 64 * 1024;

/// Mark of a request with a token in its form, which is no place for one beside the header.
#[derive(Clone, Copy)]
struct TokenInForm;

/// Whether a request has a bearer token in its header, and a form that could hold another.
pub(super) fn may_have_second_method(request: &Request) -> bool {
    is_form(request) && bearer_token(request).is_ok()
}

/// Marks such a request if its form does hold one (RFC 6750 §2). The body is left as it was.
pub(super) async fn mark_second_method(request: &mut Request) -> poem::Result<()> {
    let form = request.take_body().into_bytes_limit(MAX_FORM).await?;
    if form_urlencoded::parse(&form).any(|(name, _)| name == "access_token") {
        request.set_data(TokenInForm);
    }
    request.set_body(Body::from(form));
    Ok(())
}

fn is_form(request: &Request) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The bearer token of the `Authorization` header, the only place where one is looked for.
pub(super) fn bearer_token(request: &Request) -> Result<&str, Reason> {
    const MALFORMED: Reason = Reason::InvalidRequest("the Authorization header is malformed");
    let mut headers = request.headers().get_all(AUTHORIZATION).iter();
    let Some(header) = headers.next() else { return Err(Reason::NoCredentials) };
    if headers.next().is_some() {
        return Err(Reason::InvalidRequest("there is more than one Authorization header"));
    }
    // RFC 9110 §11.4: credentials = auth-scheme [ 1*SP ( token68 / #auth-param ) ]
    let credentials = header.as_bytes();
    let scheme = credentials.split(|byte| !byte.is_ascii_alphanumeric()).next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(Reason::NoCredentials);
    }
    let Some(token) = credentials[scheme.len()..].strip_prefix(b" ") else { return Err(MALFORMED) };
    // To the end in any case: that way a dozen bytes are looked at at a time.
    if token.is_empty() || !token.iter().fold(true, |all, &byte| all & is_token68(byte)) {
        return Err(MALFORMED);
    }
    let token = str::from_utf8(token).map_err(|_| MALFORMED)?;
    // RFC 6750 §2: a client must not use more than one method. A token in the query alone is as good as none.
    if has_query_token(request) {
        return Err(Reason::InvalidRequest("there is a token in the header and in the query"));
    }
    if request.data::<TokenInForm>().is_some() {
        return Err(Reason::InvalidRequest("there is a token in the header and in the body"));
    }
    Ok(token)
}

/// RFC 9110 §11.2, but with `=` anywhere: that is for the verifier to refuse, as a token rather than as a request.
const fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

fn has_query_token(request: &Request) -> bool {
    request.uri().query().is_some_and(|query| {
        query.split('&').any(|parameter| parameter.split('=').next().is_some_and(|name| name == "access_token"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[&str], uri: &str) -> Request {
        let builder = Request::builder().uri(uri.parse().unwrap());
        headers.iter().fold(builder, |builder, value| builder.header(AUTHORIZATION, *value)).finish()
    }

    #[test]
    fn the_scheme_has_no_case() {
        for header in ["Bearer a.b-c_d", "bearer a.b-c_d", "bEaReR a.b-c_d"] {
            assert_eq!(bearer_token(&request(&[header], "/")).unwrap(), "a.b-c_d");
        }
    }

    #[test]
    fn nothing_or_another_scheme_is_no_credentials() {
        for headers in [&[][..], &["Basic YTpi"], &["BearerX abc"], &["Digest a=b"], &[""], &["Bear"]] {
            assert!(matches!(bearer_token(&request(headers, "/")), Err(Reason::NoCredentials)), "{headers:?}");
        }
        assert!(matches!(bearer_token(&request(&[], "/?access_token=abc")), Err(Reason::NoCredentials)));
    }

    #[test]
    fn what_is_malformed_or_double_is_an_invalid_request() {
        let bad: [&[&str]; 9] = [
            &["Bearer"],
            &["Bearer "],
            &["Bearer  two-spaces"],
            &["Bearer\ttab"],
            &["Bearer a,b"],
            &["Bearer a b"],
            &["Bearer \"a\""],
            &["Bearer a", "Bearer a"],
            &["Basic YTpi", "Bearer a"],
        ];
        for headers in bad {
            assert!(matches!(bearer_token(&request(headers, "/")), Err(Reason::InvalidRequest(_))), "{headers:?}");
        }
        assert!(matches!(bearer_token(&request(&["Bearer a"], "/?x=1&access_token=a")), Err(Reason::InvalidRequest(_))));
    }
}
