//! What a fresh database is given: the issuer's own scopes and, in development, enough to try everything at once.

use secrecy::{ExposeSecret, SecretString};
use shared::scope::Scope;

use crate::{
    account::{self, AccountError, NewUser, PasswordHashing},
    audit::Origin,
    client::{FIRST_PARTY, Kind},
    clock,
    config::Profile,
    secret,
    store::{
        ClientRow, Store, StoreError, client, resource,
        role::{self, ADMIN},
        setting, user,
    },
};

pub(crate) const ISSUER_SCOPES: &str = "account admin:users admin:clients admin:keys admin:audit";
const DOCUMENT_SCOPES: &str = "documents:read documents:write documents:admin";

/// The first administrator, as the operator must be told once.
pub(crate) struct FirstAdmin {
    pub(crate) username: &'static str,
    /// The password, if the service made it.
    pub(crate) made_password: Option<SecretString>,
}

/// Fills a fresh database; one that was filled before stays as it is.
pub(crate) async fn fill(store: &Store, profile: Profile, issuer: &str, first_resource: &str) -> Result<(), StoreError> {
    let latch = secret::make(secret::Kind::ClientSecret);
    let kept = setting::keep(store, setting::FIRST_CONTENT, &secret::digest(&latch)).await?;
    let is_first = kept == secret::digest(&latch);
    let now = clock::now();
    let issuer_scopes = scope(ISSUER_SCOPES);
    // Also for a start that was cut off halfway, or comes at the same time: each step leaves alone what is there.
    if is_first || !user::any_with_role(store, ADMIN).await? {
        resource::create_if_absent(store, issuer, &issuer_scopes, now).await?;
        let everything = match profile {
            Profile::Development => {
                let documents = scope(DOCUMENT_SCOPES);
                resource::create_if_absent(store, first_resource, &documents, now).await?;
                role::create_if_absent(store, "editor", &scope("documents:read documents:write account"), now).await?;
                role::create_if_absent(store, "reader", &scope("documents:read account"), now).await?;
                let everything = issuer_scopes.union(&documents);
                client::create_if_absent(store, first_party(&everything, first_resource, now)).await?;
                everything
            }
            Profile::Production | Profile::Strict => issuer_scopes,
        };
        role::create_if_absent(store, ADMIN, &everything, now).await?;
    }
    Ok(())
}

/// Creates the user `admin`, unless somebody holds that role already; of two starts at once, one creates it.
pub(crate) async fn admin(
    store: &Store,
    hashing: &PasswordHashing,
    given: Option<&SecretString>,
) -> Result<Option<FirstAdmin>, AccountError> {
    if user::any_with_role(store, ADMIN).await? {
        if given.is_some() {
            tracing::info!("There is an administrator already: AUTH_BOOTSTRAP_ADMIN_PASSWORD is ignored and can be unset");
        }
        return Ok(None);
    }
    let made_password = given.is_none().then(|| SecretString::from(secret::passphrase()));
    let password = given.or(made_password.as_ref()).expect("one of the two is there");
    let new =
        NewUser { username: ADMIN, password: password.expose_secret(), roles: &[ADMIN.to_owned()], must_change_password: false };
    match account::create(store, hashing, new, &Origin::local("auth-service")).await {
        Ok(_) => Ok(Some(FirstAdmin { username: ADMIN, made_password })),
        Err(AccountError::UsernameTaken(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn first_party(scopes: &Scope, default_resource: &str, now: i64) -> ClientRow {
    ClientRow {
        id: FIRST_PARTY.to_owned(),
        kind: Kind::Public,
        state: client::State::Active,
        grants: "password refresh_token".to_owned(),
        scopes: scopes.to_string(),
        default_resource: Some(default_resource.to_owned()),
        serves: None,
        cors_origins: String::new(),
        access_token_lifetime: None,
        refresh_idle_lifetime: None,
        refresh_absolute_lifetime: None,
        generation: 0,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

fn scope(text: &str) -> Scope {
    text.parse().expect("the first content's scopes are well formed")
}
