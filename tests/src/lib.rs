//! The two services, started for real on sockets of their own, and what it takes to talk to them as a stranger would.
//!
//! [`Stack`] is both services together, made of an [`AuthServer`] and a [`ResourceServer`]; an [`AuthHome`] or a
//! [`ResourceHome`] is what either leaves behind between two starts. An [`OAuthClient`] is what an application would
//! write, [`Http`] what it stands on, and an [`Answer`] what comes back, with everything in it that can be asserted;
//! [`OpenApi`] lists what can be asked at all.
//! [`jwt`] signs whatever a test wants to be signed, and a [`MockIssuer`] publishes the keys for it; [`conformance`] drives
//! anybody's API with all that a resource server has to refuse; [`attacks`] counts how much of the attack catalogue holds, and
//! [`page`] runs the commands of a page as its readers would. A [`PostgresqlServer`] of its own, a [`TestRedis`] and a
//! [`Relay`] are there to be broken, while [`load`] keeps a ledger.

mod answer;
pub mod attacks;
mod auth_process;
mod auth_server;
mod challenge;
pub mod conformance;
mod database;
mod http;
pub mod jwt;
pub mod load;
mod mock_issuer;
mod oauth_client;
mod openapi;
pub mod page;
mod port;
mod postgresql;
mod redis;
mod relay;
mod repository;
mod resource_server;
pub mod rows;
mod running;
mod stack;
mod tokens;
mod untested;
mod until;
mod watch;
pub mod wire;

pub use self::{
    answer::Answer,
    auth_process::{AuthProcess, AuthProgram},
    auth_server::{AuthHome, AuthServer},
    challenge::Challenge,
    database::TestDatabase,
    http::{Call, Http},
    mock_issuer::{MockIssuer, Reply},
    oauth_client::OAuthClient,
    openapi::{OpenApi, Operation},
    port::free_address,
    postgresql::{PostgresqlServer, Stop, write_private},
    redis::TestRedis,
    relay::{Relay, Weather},
    repository::repository,
    resource_server::{ResourceHome, ResourceServer},
    stack::{Builder, PEOPLE, Stack},
    tokens::Tokens,
    untested::untested,
    until::{PATIENCE, until, until_some},
};

/// The password of every user of a test, unless the test is about passwords.
pub const PASSWORD: &str = "correct horse battery staple";

/// The password of the first administrator.
pub const ADMIN_PASSWORD: &str = "nobody guesses what the operator chose";
