//! The OAuth endpoints, each in the form its RFC gives it.

mod client_auth;
mod error;
mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod introspection;
mod jwks;
mod metadata;
mod revocation;
mod status_list;
mod token;
mod token_requests;
mod verbatim;

pub(super) use self::{
    error::keep_uncached, introspection::IntrospectionApi, jwks::JwksApi, metadata::MetadataApi, revocation::RevocationApi,
    status_list::StatusListApi, token::TokenApi,
};
pub(crate) use self::{error::shape_error, metadata::Metadata, token_requests::TokenRequests};
