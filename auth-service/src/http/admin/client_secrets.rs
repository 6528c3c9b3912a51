//! The secrets of a client: two at a time, so that it can change over without a pause.

use std::time::Duration;

use poem_openapi::{ApiResponse, Object, OpenApi, param::Path, payload::Json};
use secrecy::ExposeSecret;
use shared::server::{context::RequestContext, problem::Refused};

use super::DeleteReply;
use crate::{
    admin::{Clients, Gate, Secret},
    clock,
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
    },
};

/// The secrets of clients.
pub(in crate::http) struct ClientSecretsApi {
    pub(in crate::http) gate: Gate,
    pub(in crate::http) clients: Clients,
}

/// A secret, without the secret.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct ClientSecret {
    /// Its identifier.
    id: String,
    /// When it was made, RFC 3339.
    created_at: String,
    /// When it ends, RFC 3339; absent: when another is made, or it is deleted.
    expires_at: Option<String>,
}

/// The secrets of a client.
#[derive(Object)]
struct ClientSecretList {
    /// At most two.
    secrets: Vec<ClientSecret>,
}

/// How a new secret takes over.
#[derive(Object)]
#[oai(deny_unknown_fields)]
struct NewSecret {
    /// How long the secret in use goes on, in seconds; 0: it ends at once.
    #[oai(validator(minimum(value = "0"), maximum(value = "7776000")))]
    overlap: u32,
}

/// A secret that was made.
#[derive(Object)]
struct MadeSecret {
    /// Its identifier.
    id: String,
    /// The secret. It is shown this once.
    secret: String,
    /// When it was made, RFC 3339.
    created_at: String,
}

#[derive(ApiResponse)]
enum SecretsReply {
    /// The secrets.
    #[oai(status = 200)]
    Secrets(Json<ClientSecretList>),
}

#[derive(ApiResponse)]
enum SecretReply {
    /// The secret was made.
    #[oai(status = 201)]
    Made(Json<MadeSecret>),
}

#[OpenApi(prefix_path = "/admin/clients", tag = "ApiTag::Administration")]
impl ClientSecretsApi {
    /// List a client's secrets
    ///
    /// Only what is known about them: the secrets themselves are not kept. Takes the scope `admin:clients`.
    #[oai(path = "/:id/secrets", method = "get", operation_id = "list_client_secrets")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        /// The client's identifier.
        id: Path<String>,
    ) -> Result<SecretsReply, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        let secrets = self.clients.read(&id.0).await?.secrets.into_iter().map(ClientSecret::from).collect();
        Ok(SecretsReply::Secrets(Json(ClientSecretList { secrets })))
    }

    /// Add a secret to a client
    ///
    /// The new secret is good at once and shown in the answer, once; the one in use ends after `overlap`. Takes the scope
    /// `admin:clients`, and that the client does not rank equal or higher.
    #[oai(path = "/:id/secrets", method = "post", operation_id = "add_client_secret")]
    async fn add(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        /// The client's identifier.
        id: Path<String>,
        new: Json<NewSecret>,
    ) -> Result<SecretReply, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        let overlap = Duration::from_secs(new.0.overlap.into());
        let (row, secret) = self.clients.add_secret(&actor, &id.0, overlap).await?;
        Ok(SecretReply::Made(Json(MadeSecret {
            id: row.id,
            secret: secret.expose_secret().to_owned(),
            created_at: clock::rfc3339(row.created_at),
        })))
    }

    /// Delete a client's secret
    ///
    /// It is worth nothing from then on; what was issued on its strength stands. Takes the scope `admin:clients`, and that
    /// the client does not rank equal or higher.
    #[oai(path = "/:id/secrets/:secret_id", method = "delete", operation_id = "delete_client_secret")]
    async fn delete(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        /// The client's identifier.
        id: Path<String>,
        /// The secret's identifier.
        secret_id: Path<String>,
    ) -> Result<DeleteReply, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        self.clients.remove_secret(&actor, &id.0, &secret_id.0).await?;
        Ok(DeleteReply::Deleted)
    }
}

impl From<Secret> for ClientSecret {
    fn from(secret: Secret) -> Self {
        Self { id: secret.id, created_at: clock::rfc3339(secret.created_at), expires_at: secret.expires_at.map(clock::rfc3339) }
    }
}
