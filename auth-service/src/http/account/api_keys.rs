//! The caller's own API keys.

use std::time::Duration;

use ipnet::IpNet;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use shared::{
    scope::Scope,
    server::{context::RequestContext, json_string::JsonString, paging::default_limit, problem::Refused, settings},
};

use crate::{
    api_key::{self, ApiKeys, Whose},
    audit::Origin,
    http::{
        ApiTag,
        api_key::{ListReply, NewApiKey, ReadReply, RevokeReply, after},
        guarded::{ApiScope, Authenticated, scope},
    },
};

const PATH: &str = "/account/api-keys";

/// The caller's API keys. No API key can get at them: none has a scope of the issuer.
pub(in crate::http) struct ApiKeysApi {
    pub(in crate::http) keys: ApiKeys,
}

/// What a key is to be.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct Wanted {
    /// What you call it, so that you know it again.
    // Keep the limits in step with `api_key::check_name`, and below with `api_key::MAX_LIFETIME` and `MAX_OVERLAP`.
    #[oai(validator(min_length = 1, max_length = 100))]
    name: JsonString,
    /// What it allows, separated by spaces: scopes of your own, and none of the issuer's.
    #[oai(validator(min_length = 1, max_length = 4096))]
    scope: JsonString,
    /// In how many days it ends: 90 unless told, a year at most.
    #[oai(default = "default_days", validator(minimum(value = "1"), maximum(value = "365")))]
    expires_in_days: u32,
    /// The networks it is good from, such as `192.0.2.0/24`; without them, it is good from anywhere.
    #[oai(default, validator(max_items = 16))]
    sources: Vec<JsonString>,
}

/// How a key is to be rotated.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct Rotation {
    /// How long the old key stays good: an hour unless told, a week at most. With 0 it ends at once, and every key before it.
    #[oai(default = "default_overlap", validator(maximum(value = "604800")))]
    overlap_seconds: u32,
}

#[derive(ApiResponse)]
enum CreateReply {
    /// The key was made. This is the only time it is shown.
    #[oai(status = 201)]
    Created(
        Json<NewApiKey>,
        /// Where the key can be seen again, without its secret.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum RotateReply {
    /// The key with its new secret. This is the only time it is shown.
    #[oai(status = 200)]
    Rotated(Json<NewApiKey>),
}

#[OpenApi(prefix_path = "/account/api-keys", tag = "ApiTag::ApiKeys")]
impl ApiKeysApi {
    /// List your API keys
    ///
    /// The newest first, without their secrets. Keys that have ended are shown for a week. Needs the scope `account`.
    #[oai(path = "/", method = "get", operation_id = "list_own_api_keys")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::Account")] caller: Authenticated,
        /// How many keys a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        /// Where to go on: the `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<ListReply, Refused> {
        let caller = caller.0;
        caller.require(scope::ACCOUNT)?;
        let after = after(cursor.0.as_deref())?;
        let page = self.keys.page(Whose::Of(caller.subject()), after.as_deref(), limit.0).await?;
        Ok(ListReply::new(page, PATH, limit.0, None))
    }

    /// Make an API key
    ///
    /// The answer holds the key, this once. Needs the scope `account`.
    #[oai(path = "/", method = "post", operation_id = "create_api_key")]
    async fn create(
        &self,
        #[oai(scope = "ApiScope::Account")] caller: Authenticated,
        context: RequestContext,
        wanted: Json<Wanted>,
    ) -> Result<CreateReply, Refused> {
        let caller = caller.0;
        caller.require(scope::ACCOUNT)?;
        let scope: Scope = wanted
            .scope
            .0
            .parse()
            .map_err(|error: shared::scope::ScopeError| Refused::unprocessable("scope", error.to_string()))?;
        let sources = sources(&wanted.sources)
            .ok_or_else(|| Refused::unprocessable("sources", "each is a network such as 192.0.2.0/24, or an address"))?;
        let lifetime = Duration::from_hours(24 * u64::from(wanted.expires_in_days));
        let new = api_key::NewApiKey { name: &wanted.name.0, scope: &scope, lifetime, sources: &sources };
        let origin = Origin::request(&context).by(caller.subject());
        let (key, secret) = self.keys.create(caller.subject(), new, &origin).await?;
        let reply = NewApiKey::new(key, &secret);
        let location = format!("{PATH}/{}", reply.id());
        Ok(CreateReply::Created(Json(reply), location))
    }

    /// Look at one of your API keys
    ///
    /// Needs the scope `account`.
    #[oai(path = "/:id", method = "get", operation_id = "read_own_api_key")]
    async fn read(
        &self,
        #[oai(scope = "ApiScope::Account")] caller: Authenticated,
        /// The key's identifier.
        id: Path<String>,
    ) -> Result<ReadReply, Refused> {
        let caller = caller.0;
        caller.require(scope::ACCOUNT)?;
        Ok(self.keys.find(Whose::Of(caller.subject()), &id.0).await?.into())
    }

    /// Revoke one of your API keys
    ///
    /// The tokens that it was exchanged for are revoked with it. Needs the scope `account`.
    #[oai(path = "/:id", method = "delete", operation_id = "revoke_own_api_key")]
    async fn revoke(
        &self,
        #[oai(scope = "ApiScope::Account")] caller: Authenticated,
        context: RequestContext,
        /// The key's identifier.
        id: Path<String>,
    ) -> Result<RevokeReply, Refused> {
        let caller = caller.0;
        caller.require(scope::ACCOUNT)?;
        let origin = Origin::request(&context).by(caller.subject());
        self.keys.revoke(Whose::Of(caller.subject()), &id.0, &origin).await?;
        Ok(RevokeReply::Revoked)
    }

    /// Give one of your API keys another secret
    ///
    /// The old key stays good for a while, so that programs can be changed over. While it is, only a rotation without overlap
    /// is possible. Needs the scope `account`.
    #[oai(path = "/:id/rotate", method = "post", operation_id = "rotate_api_key")]
    async fn rotate(
        &self,
        #[oai(scope = "ApiScope::Account")] caller: Authenticated,
        context: RequestContext,
        /// The key's identifier.
        id: Path<String>,
        rotation: Json<Rotation>,
    ) -> Result<RotateReply, Refused> {
        let caller = caller.0;
        caller.require(scope::ACCOUNT)?;
        let origin = Origin::request(&context).by(caller.subject());
        let overlap = Duration::from_secs(rotation.overlap_seconds.into());
        let (key, secret) = self.keys.rotate(Whose::Of(caller.subject()), &id.0, overlap, &origin).await?;
        Ok(RotateReply::Rotated(Json(NewApiKey::new(key, &secret))))
    }
}

/// The networks, each of which may be a single address; nothing if one of them is none.
fn sources(wanted: &[JsonString]) -> Option<Vec<IpNet>> {
    wanted.iter().map(|text| settings::networks(&text.0).ok()?.pop()).collect()
}

fn default_days() -> u32 {
    u32::try_from(api_key::LIFETIME.as_secs() / 86_400).expect("it is 90 days")
}

fn default_overlap() -> u32 {
    3600
}
