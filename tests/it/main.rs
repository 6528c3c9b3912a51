//! What the two services do, as it is seen from outside: one file per behaviour, and names that are sentences.
//!
//! A name that begins with two letters and a number proves that line of the protocol checklist; the file's first line
//! says which RFC the lines come from.

mod access_token;
mod account;
mod at_rest;
mod bad_input;
mod bearer;
mod client_authentication;
mod client_credentials;
mod clients;
mod conformance;
mod cors;
mod documents;
mod follower;
mod forward_auth;
mod health;
mod http_surface;
mod introspection;
mod issuer_keys;
mod jwks;
mod keys;
mod metadata;
mod openapi;
mod password_grant;
mod readme;
mod refresh;
mod refresh_races;
mod requested_scope;
mod resource_metadata;
mod revocation;
mod revocations;
mod secrecy;
mod sessions;
mod start;
mod status_lists;
mod strict_profile;
mod third_party;
mod token_endpoint;
mod token_verification;
