//! Parts that are made of the settings and of what they stand on.

use std::sync::Arc;

use aws_lc_rs::hmac;
use shared::access_token::MAX_LIFETIME;

use super::sealed_key;
use crate::{
    account::{PasswordHashing, Policy, Registrations, SessionList},
    admin::{self, Gate, Resources, Roles, SigningKeys, Users},
    config::{Config, Profile},
    grant::{GrantType, Sessions},
    http::{Administration, Metadata},
    signing_key::{KeyRing, Lifecycle, Rotator},
    store::Store,
    throttle::Throttle,
    token::StatusLists,
};

pub(super) fn metadata(config: &Config, issuer: &str) -> Arc<Metadata> {
    Arc::new(Metadata::new(issuer, enabled_grants(config.profile), config.signing_algorithm, config.docs))
}

pub(super) fn registrations(config: &Config, store: &Store, hashing: &PasswordHashing, throttle: &Throttle) -> Registrations {
    Registrations {
        store: store.clone(),
        hashing: hashing.clone(),
        throttle: throttle.clone(),
        mode: config.registration,
        roles: config.registration_roles.clone(),
    }
}

/// The intervals and the means of making signing keys.
pub(crate) fn rotator(config: &Config, store: &Store) -> Rotator {
    Rotator {
        store: store.clone(),
        sealer: Arc::clone(&config.sealer),
        algorithm: config.signing_algorithm,
        bits: config.signing_key_bits,
        lifecycle: Lifecycle {
            period: config.key_rotation_period,
            announce: config.key_announce_period,
            // Not the setting's: a client may have a longer lifetime of its own, tomorrow if not today.
            longest_token: MAX_LIFETIME,
        },
    }
}

pub(super) fn sessions(config: &Config, derivation_key: hmac::Key) -> Sessions {
    Sessions {
        idle_lifetime: config.refresh_idle_lifetime,
        absolute_lifetime: config.refresh_absolute_lifetime,
        grace: config.refresh_grace,
        derivation_key,
    }
}

/// What the endpoints for administrators stand on.
pub(super) fn administration(
    store: &Store,
    hashing: &PasswordHashing,
    sessions: &SessionList,
    rotator: &Rotator,
    ring: &Arc<KeyRing>,
    lists: &StatusLists,
    issuer: &str,
) -> Administration {
    Administration {
        gate: Gate { store: store.clone() },
        users: Users::new(store.clone(), hashing.clone(), sessions.clone(), lists.clone()),
        roles: Roles { store: store.clone(), lists: lists.clone() },
        clients: admin::Clients { store: store.clone(), lists: lists.clone() },
        resources: Resources { store: store.clone(), issuer: issuer.to_owned() },
        keys: SigningKeys { rotator: rotator.clone(), ring: Arc::clone(ring), lists: lists.clone() },
    }
}

/// How passwords are hashed, `permits` at a time, and which may be set.
pub(crate) fn hashing(config: &Config, issuer: &str, permits: usize) -> PasswordHashing {
    PasswordHashing::new(
        config.hash_cost,
        config.password_peppers.clone(),
        Policy::new(config.password_min_length, issuer),
        permits,
    )
}

/// What counts guesses, under a key of its own.
pub(crate) async fn throttle(config: &Config, store: &Store) -> anyhow::Result<Throttle> {
    Ok(Throttle::new(store.clone(), sealed_key(store, &config.sealer, "throttle").await?, config.login_throttle))
}

pub(super) fn enabled_grants(profile: Profile) -> Vec<GrantType> {
    let is_enabled = |grant: &GrantType| match grant {
        GrantType::Password => profile != Profile::Strict,
        GrantType::ClientCredentials | GrantType::RefreshToken | GrantType::TokenExchange => true,
    };
    GrantType::ALL.into_iter().filter(is_enabled).collect()
}
