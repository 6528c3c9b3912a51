//! JSON that is ready to be sent: served from memory, described in the document by the type it was made from.

use std::marker::PhantomData;

use poem::{IntoResponse, Response};
use poem_openapi::{
    payload::Payload,
    registry::{MetaSchemaRef, Registry},
    types::Type,
};

/// The bytes of a JSON document of type `T`.
pub(super) struct Verbatim<T> {
    body: String,
    documented: PhantomData<fn() -> T>,
}

impl<T> Verbatim<T> {
    /// Sends these bytes.
    pub(super) const fn new(body: String) -> Self {
        Self { body, documented: PhantomData }
    }
}

impl<T: Type> Payload for Verbatim<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Send> IntoResponse for Verbatim<T> {
    fn into_response(self) -> Response {
        Response::builder().content_type("application/json").body(self.body)
    }
}
