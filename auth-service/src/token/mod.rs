//! Tokens: what the issuer signs, and for how long it stands.

mod access_token;
mod introspection;
mod places;
mod revocation;
mod status_list;

pub(crate) use self::{
    access_token::{AccessToken, Acting, Issuer, Subject},
    introspection::Introspector,
    places::{PlaceError, Places, block_of},
    revocation::{RevocationError, Revoker},
    status_list::StatusLists,
};
