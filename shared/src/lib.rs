//! What it takes to trust the issuer's access tokens, and to stand on the network as a service.
//!
//! In the order a request travels: [`server`] accepts it and sees to limits, headers and errors; [`guard`] turns its
//! bearer token into a [`guard::Caller`]; [`access_token`] is how the guard decides, and is usable without poem;
//! [`scope`] is the vocabulary they share, and [`trace_context`] what ties the requests of one trace together. [`database`]
//! connects a service to its own store.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on should stop"))]

pub mod access_token;
#[cfg(feature = "database")]
pub mod database;
#[cfg(feature = "guard")]
pub mod guard;
#[cfg(test)]
#[path = "../../fuzz/mutations.rs"]
mod mutations;
pub mod scope;
#[cfg(feature = "server")]
pub mod server;
pub mod trace_context;
