//! The resource owner's password (RFC 6749 §4.3): opt-in per client, and off in the strict profile (RFC 9700 §2.4).

use zeroize::Zeroizing;

use super::{GrantError, Grants, TokenSet, session};
use crate::{
    access::{self, AccessError, Limits, Wish},
    account::{LoginError, Purpose},
    audit::{LoginRefusal, Origin},
    client::Client,
    store::user,
};

/// Whatever is wrong with a login, this is all that is said.
const REFUSED: &str = "the username or the password is wrong, or the account cannot be used";

/// The parameters of RFC 6749 §4.3.2.
pub(crate) struct Password {
    pub(crate) username: String,
    pub(crate) secret: Zeroizing<String>,
    pub(crate) wish: Wish,
}

pub(super) async fn exchange(grants: &Grants, client: &Client, grant: Password, origin: &Origin) -> Result<TokenSet, GrantError> {
    let login = grants.logins.log_in(&grant.username, &grant.secret, Purpose::Tokens, Some(client.id()), origin).await?;
    let user = login.user;
    let known = grants.store.known_now().await?;
    let catalog = known.catalog(&grants.store).await?;
    let rights = known.rights(&grants.store, &user::roles(&grants.store, &user.id).await?).await?;
    let limits = Limits { scope: client.scope(), default_resource: client.default_resource() };
    let access = match access::decide(catalog, limits, &rights, &grant.wish) {
        Ok(access) => access,
        Err(error) => {
            if error == AccessError::NoRights {
                grants.logins.refuse(LoginRefusal::NoRights, Some(&user.id), Some(client.id()), origin).await;
            }
            return Err(error.into());
        }
    };
    session::open(grants, client, &user, rights.roles.clone(), access, origin).await
}

impl From<LoginError> for GrantError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Refused => Self::InvalidGrant(REFUSED),
            LoginError::Throttled { retry_after } => Self::Throttled { retry_after },
            LoginError::Busy(_) => Self::Busy,
            LoginError::Store(error) => Self::Store(error),
        }
    }
}
