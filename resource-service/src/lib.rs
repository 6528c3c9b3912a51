//! A documents API guarded by access tokens that it verifies locally.
//!
//! In the order a request travels: [`App`] binds and mounts (`app.rs`), `http` lists every endpoint and turns a bearer
//! token into a caller, `document` decides who may do what and does it, `store` keeps it. [`Config`] is everything the
//! service needs to know before it starts; `health` tells whether it can serve, `metrics` how it stands with its issuer;
//! `command` is its command line.

mod app;
mod command;
mod config;
mod document;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod health;
mod http;
mod metrics;
#[cfg(test)]
#[path = "../../fuzz/mutations.rs"]
mod mutations;
mod store;

pub use app::App;
pub use command::run;
pub use config::{Config, Profile};
