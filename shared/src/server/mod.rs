//! How either service stands on the network.
//!
//! In the order a request meets it: the [`listener`] accepts the connection, over [`tls`] where there is a certificate, and
//! cuts what only hangs; the [`edge`] gives the request its [`context`] (an id, its trace, and the [`client_ip`] behind
//! trusted proxies), answers [`cors`] preflights, applies the [`rate_limit`]s and the [`limits`], turns every failure into a
//! [`problem`], adds the [`security_headers`], counts it in the [`metrics`] and writes its line to the log ([`telemetry`]).
//! [`routes`] is what the edge knows about the service's paths. [`health`] and [`docs`] are endpoints both services have
//! among their [`mounts`], [`entity_tag`], [`paging`] and [`json_string`] are what their APIs have in common, [`settings`] is
//! how both read their configuration, and [`shutdown`] tells them when to stop.

pub mod client_ip;
pub mod context;
pub mod cors;
pub mod docs;
pub mod doctor;
pub mod edge;
pub mod entity_tag;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod health;
pub mod healthcheck;
pub mod json_string;
pub mod limits;
pub mod listener;
pub mod metrics;
pub mod mounts;
pub mod paging;
pub mod problem;
pub mod rate_limit;
pub mod routes;
pub mod security_headers;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

mod access_log;
mod content;
mod server_span;
mod transport;
