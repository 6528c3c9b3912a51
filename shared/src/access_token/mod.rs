//! The contract: what an access token says (RFC 9068), and how anyone checks it. Usable without poem.
//!
//! [`AccessTokenVerifier`] checks a token, cheapest doubts first, with the keys of a [`KeySet`]: one that this process
//! keeps, or the issuer's own, which [`IssuerKeys`] follows. [`Revocations`] are the issuer's status lists, followed likewise.
//! [`ApiKeys`] exchanges an API key for such a token.
//!
//! ```no_run
//! use shared::access_token::{AccessTokenVerifier, IssuerKeys, Revocations};
//!
//! # async fn example(token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let keys = IssuerKeys::builder("https://auth.example").keep_in(Some("data".into())).start()?;
//! let revocations = Revocations::following(&keys).start();
//! let verifier = AccessTokenVerifier::following(keys, "https://api.example").revocations(revocations);
//!
//! match verifier.verify(token).await {
//!     Ok(claims) if claims.scope.contains("documents:read") => println!("200, for {}", claims.sub),
//!     Ok(_) => println!("403, insufficient_scope"),
//!     Err(error) if error.is_our_fault() => println!("503, come again in {:?}", error.retry_after()),
//!     Err(error) => println!("401, {} ({error})", error.code()),
//! }
//! # Ok(())
//! # }
//! ```

mod algorithm;
mod api_keys;
mod claims;
mod compact;
mod error;
mod explanation;
mod fetch;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod issuer_keys;
mod key_set;
mod look;
mod remembered;
mod revocations;
pub mod status_list;
mod strict_json;
#[cfg(test)]
pub(crate) mod testing;
mod verifier;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use api_keys::{
    API_KEY_TOKEN_TYPE, ApiKey, ApiKeyError, ApiKeys, Exchanged, TOKEN_EXCHANGE_GRANT_TYPE, TOKEN_TYPE_ACCESS_TOKEN,
};
pub use claims::{ACCESS_TOKEN_TYPE, AccessTokenClaims, Actor, Audience, Status, StatusReference};
pub use error::AccessTokenError;
pub use explanation::{Check, Explanation, Outcome};
pub use issuer_keys::{Builder as IssuerKeysBuilder, IssuerError, IssuerKeys, IssuerMetadata, KeysState};
pub use key_set::{KeySet, KeySetError, MAX_KEYS, UnusableKey, VerificationKey};
pub use look::{IssuerLook, look_at_issuer};
pub use revocations::{Builder as RevocationsBuilder, Revocations, RevocationsState, StalePolicy};
pub use verifier::{AccessTokenVerifier, LEEWAY, MAX_LIFETIME, MAX_TOKEN_LENGTH};
