//! Logs people in and issues access tokens that anyone can verify.
//!
//! In the order a request travels: `http` reads it and answers; `client` says which application asks, `grant` what it
//! shows for a token, `account` whether a person is who they say, once `throttle` has let the guess through, `access` what
//! they may have; `token` issues it with a key of `signing_key`; `store` keeps it all, and `audit` the record of it.
//! [`App`] puts the parts together after a [`Config`]; `command` is the same domain at the command line.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on should stop"))]

mod access;
mod account;
mod admin;
mod api_key;
mod app;
mod apply;
mod audit;
mod backup;
mod client;
mod clock;
pub mod command;
mod config;
mod doctor;
mod first_content;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod grant;
mod http;
mod id;
#[cfg(test)]
#[path = "../../fuzz/mutations.rs"]
mod mutations;
mod operator;
mod seal;
mod secret;
mod signing_key;
mod store;
mod throttle;
mod token;
mod transfer;
mod upkeep;

use self::store::StoreError;

pub use self::{
    account::{HashCost, Peppers, Registration},
    api_key::NewApiKey,
    app::App,
    backup::{RestoreOptions, backup, restore},
    client::{Kind as ClientKind, NewClient},
    config::{Config, Profile},
    operator::{ApplyOptions, KeyPlan, Operator, TokenCheck, TokenReport},
    seal::Sealer,
    signing_key::Algorithm,
};
