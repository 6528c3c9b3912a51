//! The keys that sign tokens: how one is made, sealed, announced, used and retired.
//!
//! A key is announced before it signs, so that every verifier has it by then, and listed after it stopped, until the last
//! token it signed has ended. When it does what is written down with the key, so all replicas agree without talking.

mod ages;
mod lifecycle;
mod ring;
mod rotation;
mod signer;

pub use shared::access_token::Algorithm;

pub(crate) use self::{
    lifecycle::{Lifecycle, State, state_of},
    ring::{KeyError, KeyRing},
    rotation::{Rotator, When},
};
