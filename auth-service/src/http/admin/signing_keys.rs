//! The signing keys: what each does when, and how to hasten it.

use poem_openapi::{ApiResponse, Enum, Object, OpenApi, param::Path, payload::Json};
use shared::server::{context::RequestContext, problem::Refused};

use crate::{
    admin::{Gate, SigningKeyRow, SigningKeys},
    clock,
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
    },
    signing_key::{State, When, state_of},
};

/// The signing keys.
pub(in crate::http) struct SigningKeysApi {
    pub(in crate::http) gate: Gate,
    pub(in crate::http) keys: SigningKeys,
}

/// What a key does at the moment.
#[derive(Enum)]
#[oai(rename_all = "snake_case")]
enum KeyState {
    /// Listed, and not signing yet.
    Announced,
    /// Signing.
    Active,
    /// Listed for what it signed, and not signing any more.
    Retiring,
    /// Not listed any more.
    Retired,
    /// Not listed since it was revoked: whatever it signed is worthless.
    Revoked,
}

/// A signing key and its dates.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct SigningKey {
    /// The key ID: the RFC 7638 thumbprint.
    id: String,
    /// How it signs.
    algorithm: String,
    /// What it does at the moment.
    state: KeyState,
    /// Since when it is listed, RFC 3339.
    announced_at: String,
    /// From when on it signs, RFC 3339.
    sign_from: String,
    /// Until when it signs, RFC 3339; absent: until its successor does.
    sign_until: Option<String>,
    /// Until when it is listed, RFC 3339; absent: until its last token has ended.
    verify_until: Option<String>,
}

/// The signing keys and their dates.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct KeyPlan {
    /// The keys, oldest first.
    keys: Vec<SigningKey>,
    /// When the successor of the newest will be announced, RFC 3339.
    next_announcement_at: Option<String>,
}

/// How the next key is brought forward.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct KeyRotation {
    /// Whether it signs at once: verifiers that do not have it yet must fetch it first. Otherwise it is announced now, and
    /// signs after its announcement.
    now: bool,
}

#[derive(ApiResponse)]
enum PlanReply {
    /// The keys as they are now.
    #[oai(status = 200)]
    Plan(Json<KeyPlan>),
}

#[OpenApi(prefix_path = "/admin/signing-keys", tag = "ApiTag::Administration")]
impl SigningKeysApi {
    /// List signing keys
    ///
    /// Each with what it does and when. Takes the scope `admin:keys`.
    #[oai(path = "/", method = "get", operation_id = "list_signing_keys")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::AdminKeys")] caller: Authenticated,
        context: RequestContext,
    ) -> Result<PlanReply, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_KEYS, &context).await?;
        self.plan().await
    }

    /// Bring the next signing key forward
    ///
    /// Announces it now, or with `now` lets it sign at once. Nobody is logged out. Takes the scope `admin:keys`.
    #[oai(path = "/rotate", method = "post", operation_id = "rotate_signing_key")]
    async fn rotate(
        &self,
        #[oai(scope = "ApiScope::AdminKeys")] caller: Authenticated,
        context: RequestContext,
        rotation: Json<KeyRotation>,
    ) -> Result<PlanReply, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_KEYS, &context).await?;
        self.keys.rotate(&actor, if rotation.0.now { When::Now } else { When::Announced }).await?;
        self.plan().await
    }

    /// Revoke a signing key
    ///
    /// For a key in the wrong hands: it is listed no more, its private half is destroyed, and another signs at once. What it
    /// signed is worthless as soon as verifiers have the new key set; refresh tokens go on. Takes the scope `admin:keys`.
    #[oai(path = "/:id/revoke", method = "post", operation_id = "revoke_signing_key")]
    async fn revoke(
        &self,
        #[oai(scope = "ApiScope::AdminKeys")] caller: Authenticated,
        context: RequestContext,
        /// The key's ID.
        id: Path<String>,
    ) -> Result<PlanReply, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_KEYS, &context).await?;
        self.keys.revoke(&actor, &id.0).await?;
        self.plan().await
    }
}

impl SigningKeysApi {
    async fn plan(&self) -> Result<PlanReply, Refused> {
        let (keys, next) = self.keys.plan().await?;
        let keys = keys.into_iter().map(SigningKey::from).collect();
        Ok(PlanReply::Plan(Json(KeyPlan { keys, next_announcement_at: next.map(clock::rfc3339) })))
    }
}

impl From<SigningKeyRow> for SigningKey {
    fn from(key: SigningKeyRow) -> Self {
        Self {
            state: match state_of(&key, clock::now()) {
                State::Announced => KeyState::Announced,
                State::Active => KeyState::Active,
                State::Retiring => KeyState::Retiring,
                State::Retired => KeyState::Retired,
                State::Revoked => KeyState::Revoked,
            },
            id: key.id,
            algorithm: key.algorithm,
            announced_at: clock::rfc3339(key.announced_at),
            sign_from: clock::rfc3339(key.sign_from),
            sign_until: key.sign_until.map(clock::rfc3339),
            verify_until: key.verify_until.map(clock::rfc3339),
        }
    }
}
