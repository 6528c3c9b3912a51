//! What a start needs of the database: that it is ours, that nothing in it contradicts the settings, and keys that are kept in it.

use anyhow::Context;
use aws_lc_rs::{hmac, rand};
use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::POOL_SIZE;
use crate::{
    account::{PEPPER_MARK, Registration},
    config::Config,
    first_content,
    seal::Sealer,
    store::{Store, role, setting, user},
};

/// The database, ours and with what every start needs in it.
pub(super) async fn filled_store(config: &Config, issuer: &str) -> anyhow::Result<Store> {
    let store = Store::open(config.database_url.expose_secret(), POOL_SIZE).await?;
    claim(&store, issuer).await?;
    demand_peppers(&store, config).await?;
    first_content::fill(&store, config.profile, issuer, &config.first_resource).await?;
    demand_registration_roles(&store, config).await?;
    Ok(store)
}

/// A key for this purpose: made once, the same for every replica, sealed at rest.
pub(crate) async fn sealed_key(store: &Store, sealer: &Sealer, purpose: &str) -> anyhow::Result<hmac::Key> {
    let mut fresh = Zeroizing::new([0; 32]);
    rand::fill(&mut *fresh).expect("the system's random source answers");
    let kept = setting::keep(store, purpose, &BASE64_STANDARD.encode(sealer.seal(&*fresh, purpose))).await?;
    let kept = BASE64_STANDARD.decode(kept).with_context(|| format!("the setting {purpose} is damaged"))?;
    let key = sealer.unseal(&kept, purpose).with_context(|| format!("the key `{purpose}` cannot be unsealed"))?;
    if !sealer.is_current(&kept) {
        let (old, new) = (BASE64_STANDARD.encode(&kept), BASE64_STANDARD.encode(sealer.seal(&key, purpose)));
        setting::replace(store, purpose, &old, &new).await?;
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

/// A password that was hashed with a pepper cannot be verified without it: nobody is locked out in silence.
async fn demand_peppers(store: &Store, config: &Config) -> anyhow::Result<()> {
    let stranded = user::count_marked(store, PEPPER_MARK, &config.password_peppers.marks()).await?;
    anyhow::ensure!(
        stranded == 0,
        "the passwords of {stranded} users were hashed with a pepper that AUTH_PASSWORD_PEPPER does not hold, so that they \
         could not log in; put it back, behind a new one if need be"
    );
    Ok(())
}

async fn demand_registration_roles(store: &Store, config: &Config) -> anyhow::Result<()> {
    match config.registration {
        Registration::Closed => {}
        Registration::Invite | Registration::Open => anyhow::ensure!(
            role::all_exist(store, &config.registration_roles).await?,
            "AUTH_REGISTRATION_ROLES names a role that does not exist; add it with `auth-service role add`"
        ),
    }
    Ok(())
}

/// The issuer is part of every token that is out there, so it may not change between two starts.
async fn claim(store: &Store, issuer: &str) -> anyhow::Result<()> {
    let kept = setting::keep(store, "issuer", issuer).await?;
    anyhow::ensure!(
        kept == issuer,
        "this database belongs to the issuer {kept}, and the settings say {issuer}; every token and client knows the old \
         name. Set AUTH_ISSUER={kept}, or start with an empty database"
    );
    Ok(())
}
