//! Forward auth: a reverse proxy asks here whether a request may pass to the program behind it.
//!
//! nginx `auth_request`, Traefik's `ForwardAuth` and Caddy's `forward_auth` ask `/forward-auth?scope=…`. Envoy's HTTP
//! `ext_authz` repeats method, path and query of the request that it asks about, and puts a prefix of its own before the
//! path: `/forward-auth/scope=…/orders?page=2`. There the query is a stranger's and is not read, and any method is answered.
//!
//! 200 lets the request pass, and says in headers who calls. What is wrong with the question itself is 500: a proxy with a
//! mistake in its settings lets nobody in.

mod needs;

use std::collections::HashMap;

use poem::{
    Endpoint, EndpointExt, FromRequest, IntoResponse, Request, Response,
    endpoint::BoxEndpoint,
    http::{Method, header::CACHE_CONTROL},
    web::Data,
};
use shared::{
    guard::{Caller, Guard},
    server::problem::Refused,
};

use self::needs::{Misconfigured, Needs};

#[cfg(any(test, fuzzing))]
pub use self::needs::fuzz as fuzz_needs;

/// Where proxies ask, and the same with the needs as a segment of the path before the path they ask about.
pub(super) const PATHS: [&str; 2] = ["/forward-auth", "/forward-auth/*asked"];

/// [`PATHS`] as logs and metrics name them.
pub(crate) const TEMPLATES: [&str; 3] = ["/forward-auth", "/forward-auth/{needs}", "/forward-auth/{needs}/{*asked}"];

/// Any method: some proxies repeat that of the request they ask about.
pub(crate) const METHODS: [Method; 9] = [
    Method::CONNECT,
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

/// Answers for this service, and for other programs whose names the operator has listed.
pub(crate) struct ForwardAuth {
    /// The audience of a question that names none.
    own: String,
    doors: HashMap<String, BoxEndpoint<'static, Response>>,
}

impl ForwardAuth {
    /// `own` guards this service under its name, `others` the programs under theirs.
    pub(crate) fn new(own: (String, Guard), others: impl IntoIterator<Item = (String, Guard)>) -> Self {
        let name = own.0.clone();
        let doors = others.into_iter().chain([own]).map(|(audience, guard)| (audience, guard.protect(Pass).boxed()));
        Self { own: name, doors: doors.collect() }
    }

    /// The question, and the door that it is about.
    fn asked(&self, request: &Request) -> Result<(Needs, &BoxEndpoint<'static, Response>), Misconfigured> {
        let needs = match request.uri().path().strip_prefix("/forward-auth/") {
            Some(asked) => Needs::in_path(asked)?,
            None => Needs::read(request.uri().query().unwrap_or_default())?,
        };
        let door = self.doors.get(needs.audience().unwrap_or(&self.own)).ok_or(Misconfigured::Audience)?;
        Ok((needs, door))
    }
}

impl Endpoint for ForwardAuth {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        match self.asked(&request) {
            Ok((needs, door)) => {
                request.set_data(needs);
                door.call(request).await
            }
            Err(error) => Ok(Refused::failed(&error).into_response()),
        }
    }
}

/// Says who calls, if the caller has what the route needs.
struct Pass;

impl Endpoint for Pass {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let (request, mut body) = request.split();
        let caller = Caller::from_request(&request, &mut body).await?;
        let Data(needs) = Data::<&Needs>::from_request(&request, &mut body).await?;
        needs.require_of(&caller)?;
        let roles: Vec<_> = caller.roles().iter().map(|role| sanitised(role)).collect();
        Ok(Response::builder()
            .header("X-Auth-Subject", sanitised(caller.subject()))
            .header("X-Auth-Client", sanitised(caller.client_id()))
            .header("X-Auth-Scopes", caller.scope().to_string())
            .header("X-Auth-Roles", roles.join(" "))
            .header(CACHE_CONTROL, "no-store")
            .finish())
    }
}

/// A name as it may stand in a list in a header: whatever could end it, or the line, is percent-encoded.
fn sanitised(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'%' | b',' | b'"' | b'\\' => text.extend(["%", &format!("{byte:02X}")]),
            0x21..=0x7e => text.push(byte.into()),
            _ => text.extend(["%", &format!("{byte:02X}")]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pass_for_two_or_end_the_line() {
        assert_eq!(sanitised("usr_01"), "usr_01");
        assert_eq!(sanitised("a b,c\r\nX-Auth-Roles: admin%"), "a%20b%2Cc%0D%0AX-Auth-Roles:%20admin%25");
        assert_eq!(sanitised("é\"\\"), "%C3%A9%22%5C");
    }
}
