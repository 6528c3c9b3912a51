//! The clients.

use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use secrecy::ExposeSecret;
use shared::server::{
    context::RequestContext,
    entity_tag::{Precondition, entity_tag},
    paging::{default_limit, next_page},
    problem::Refused,
};

use super::{
    CreateReply, DeleteReply, PageReply, VersionedReply, behind,
    client_body::{Client, ClientLimits, ClientPage, CreatedClient, NewClient},
};
use crate::{
    admin::{self, Clients, Gate},
    http::{
        ApiTag,
        guarded::{ApiScope, Authenticated, scope},
    },
};

const PATH: &str = "/admin/clients";

/// The clients.
pub(in crate::http) struct ClientsApi {
    pub(in crate::http) gate: Gate,
    pub(in crate::http) clients: Clients,
}

#[OpenApi(prefix_path = "/admin/clients", tag = "ApiTag::Administration")]
impl ClientsApi {
    /// List clients
    ///
    /// By identifier. Takes the scope `admin:clients`.
    #[oai(path = "/", method = "get", operation_id = "list_clients")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        /// How many clients a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        /// Where to go on: the `next_cursor` of the page before.
        #[oai(validator(max_length = 400))]
        cursor: Query<Option<String>>,
    ) -> Result<PageReply<ClientPage>, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        let page = self.clients.list(behind(cursor.0.as_deref())?.as_deref(), limit.0).await?;
        let (next_cursor, link) = next_page(PATH, limit.0, &[], page.next.as_deref());
        let clients = page.items.into_iter().map(Client::from).collect();
        Ok(PageReply::Page(Json(ClientPage { clients, next_cursor }), link))
    }

    /// Create a client
    ///
    /// The secret of a confidential client is shown in the answer, once. Takes the scope `admin:clients`, and every scope
    /// that the client may ask for or its roles hold.
    #[oai(path = "/", method = "post", operation_id = "create_client")]
    async fn create(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        new: Json<NewClient>,
    ) -> Result<CreateReply<CreatedClient>, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        let (id, kind, draft) = new.0.into_parts();
        let created = self.clients.create(&actor, id, kind, draft).await?;
        let location = format!("{PATH}/{}", created.client.row.id);
        let tag = entity_tag(created.client.row.version);
        let secret = created.secret.map(|secret| secret.expose_secret().to_owned());
        Ok(CreateReply::Created(Json(CreatedClient { client: created.client.into(), secret }), location, tag))
    }

    /// Read a client
    ///
    /// Takes the scope `admin:clients`.
    #[oai(path = "/:id", method = "get", operation_id = "read_client")]
    async fn read(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        /// The client's identifier.
        id: Path<String>,
    ) -> Result<VersionedReply<Client>, Refused> {
        self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        Ok(self.clients.read(&id.0).await?.into())
    }

    /// Replace what a client may do
    ///
    /// What it loses, it loses at the next token; disabling it ends its sessions and revokes everything it was issued at
    /// once. Takes the scope `admin:clients`, every scope that the client will be able to ask for or its roles will hold,
    /// and that the client does not rank equal or higher. With `If-Match` only a version you have seen is changed; without
    /// it the last one to write wins.
    #[oai(path = "/:id", method = "put", operation_id = "replace_client")]
    async fn replace(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        /// The client's identifier.
        id: Path<String>,
        /// Entity tags of the versions you mean to change.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        limits: Json<ClientLimits>,
    ) -> Result<VersionedReply<Client>, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        let precondition = Precondition::read(if_match.0.as_deref())?;
        Ok(self.clients.replace(&actor, &id.0, &precondition, limits.0.into()).await?.into())
    }

    /// Delete a client
    ///
    /// Its sessions end, and everything it was issued is revoked. Takes the scope `admin:clients`, and that the client does
    /// not rank equal or higher.
    #[oai(path = "/:id", method = "delete", operation_id = "delete_client")]
    async fn delete(
        &self,
        #[oai(scope = "ApiScope::AdminClients")] caller: Authenticated,
        context: RequestContext,
        /// The client's identifier.
        id: Path<String>,
        /// Entity tags of the versions you mean to delete.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<DeleteReply, Refused> {
        let actor = self.gate.admit(&caller.0, scope::ADMIN_CLIENTS, &context).await?;
        let precondition = Precondition::read(if_match.0.as_deref())?;
        self.clients.delete(&actor, &id.0, &precondition).await?;
        Ok(DeleteReply::Deleted)
    }
}

impl From<admin::Client> for VersionedReply<Client> {
    fn from(client: admin::Client) -> Self {
        let tag = entity_tag(client.row.version);
        Self::Now(Json(client.into()), tag)
    }
}
