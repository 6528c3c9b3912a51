//! Everybody's API keys.

use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};
use shared::server::{context::RequestContext, paging::default_limit, problem::Refused};

use crate::{
    api_key::{ApiKeys, Whose},
    audit::Origin,
    http::{
        ApiTag,
        api_key::{ListReply, ReadReply, RevokeReply, after},
        guarded::{ApiScope, Authenticated, scope},
    },
};

/// Everybody's API keys, for those who may revoke them. Only an owner can make a key or see its secret.
pub(in crate::http) struct ApiKeysApi {
    pub(in crate::http) keys: ApiKeys,
}

#[OpenApi(prefix_path = "/admin/api-keys", tag = "ApiTag::Administration")]
impl ApiKeysApi {
    /// List API keys
    ///
    /// The newest first, without their secrets. Keys that have ended are shown for a week. Needs the scope `admin:keys`.
    #[oai(path = "/", method = "get", operation_id = "list_api_keys")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::AdminKeys")] caller: Authenticated,
        /// How many keys a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        /// Where to go on: the `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
        /// Whose keys to list: the identifier of a user.
        #[oai(validator(min_length = 1, max_length = 255))]
        owner: Query<Option<String>>,
    ) -> Result<ListReply, Refused> {
        caller.0.require(scope::ADMIN_KEYS)?;
        let after = after(cursor.0.as_deref())?;
        let owner = owner.0.as_deref();
        let page = self.keys.page(owner.map_or(Whose::Anybody, Whose::Of), after.as_deref(), limit.0).await?;
        Ok(ListReply::new(page, "/admin/api-keys", limit.0, owner))
    }

    /// Look at an API key
    ///
    /// Needs the scope `admin:keys`.
    #[oai(path = "/:id", method = "get", operation_id = "read_api_key")]
    async fn read(
        &self,
        #[oai(scope = "ApiScope::AdminKeys")] caller: Authenticated,
        /// The key's identifier.
        id: Path<String>,
    ) -> Result<ReadReply, Refused> {
        caller.0.require(scope::ADMIN_KEYS)?;
        Ok(self.keys.find(Whose::Anybody, &id.0).await?.into())
    }

    /// Revoke an API key
    ///
    /// The tokens that it was exchanged for are revoked with it. Needs the scope `admin:keys`.
    #[oai(path = "/:id", method = "delete", operation_id = "revoke_api_key")]
    async fn revoke(
        &self,
        #[oai(scope = "ApiScope::AdminKeys")] caller: Authenticated,
        context: RequestContext,
        /// The key's identifier.
        id: Path<String>,
    ) -> Result<RevokeReply, Refused> {
        let caller = caller.0;
        caller.require(scope::ADMIN_KEYS)?;
        let origin = Origin::request(&context).by(caller.subject());
        self.keys.revoke(Whose::Anybody, &id.0, &origin).await?;
        Ok(RevokeReply::Revoked)
    }
}
