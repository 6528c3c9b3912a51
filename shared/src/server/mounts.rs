//! Where a service's endpoints are: a few paths of its own, and its API behind all others.
//!
//! The framework's own way to put an API beside other routes, nesting it at `/`, makes a new URI for every request.

use poem::{Endpoint, IntoEndpoint, IntoResponse, Request, Response, Route};

/// Paths that are not the API's.
#[derive(Default)]
pub struct Mounts {
    routes: Route,
    paths: Vec<String>,
}

impl Mounts {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a path: `/docs`, or `/forward-auth/*asked` for all that begin so. There are no other parameters.
    #[must_use]
    pub fn at<E>(mut self, path: &str, endpoint: E) -> Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        self.routes = self.routes.at(path, endpoint);
        self.paths.push(path.to_owned());
        self
    }

    /// Has `api` answer everything else.
    pub fn before<E>(self, api: E) -> impl Endpoint<Output = Response> + use<E>
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        Mounted { own: self, api: api.into_endpoint() }
    }

    fn hold(&self, path: &str) -> bool {
        self.paths.iter().any(|own| match own.split_once('*') {
            Some((beginning, _)) => path.starts_with(beginning),
            None => path == own,
        })
    }
}

struct Mounted<E> {
    own: Mounts,
    api: E,
}

impl<E: Endpoint> Endpoint for Mounted<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if self.own.hold(request.uri().path()) {
            return self.own.routes.call(request).await;
        }
        Ok(self.api.call(request).await?.into_response())
    }
}

#[cfg(test)]
mod tests {
    use poem::endpoint::make_sync;

    use super::*;

    #[tokio::test]
    async fn a_path_is_answered_by_its_own_endpoint_and_every_other_by_the_api() {
        let named = |name: &'static str| make_sync(move |request: Request| format!("{name} {}", request.uri().path()));
        let app = Mounts::new().at("/docs", named("docs")).at("/asked/*rest", named("asked")).before(named("api"));
        for (path, answered) in [
            ("/docs", "docs /docs"),
            ("/asked/a/b", "asked /asked/a/b"),
            ("/docs/", "api /docs/"),
            ("/asked", "api /asked"),
            ("/", "api /"),
            ("/documents/1", "api /documents/1"),
        ] {
            let request = Request::builder().uri(path.parse().unwrap()).finish();
            let answer = app.call(request).await.unwrap().into_body().into_string().await.unwrap();
            assert_eq!(answer, answered);
        }
    }
}
