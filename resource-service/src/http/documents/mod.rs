//! The documents of the caller.

mod body;

pub(super) use body::ListReply;

use body::{CreateReply, DeleteReply, DocumentText, ReadReply, ReplaceReply};
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use shared::server::{
    entity_tag::{EntityTags, Precondition},
    paging::{after, default_limit},
    problem::Refused,
};

use super::{ApiScope, ApiTag, Authenticated, now};
use crate::document::{DocumentError, DocumentId, Documents, Whose};

pub(crate) struct DocumentsApi {
    documents: Documents,
    path: String,
}

#[OpenApi(prefix_path = "/documents", tag = "ApiTag::Documents")]
impl DocumentsApi {
    /// List documents
    ///
    /// Lists your documents without their contents, newest first. Takes the scope `documents:read`.
    ///
    /// When there are more, `next_cursor` and the `Link` header with `rel="next"` lead to the next page. With the role
    /// `admin` and the scope `documents:admin`, `owner` lists somebody else's.
    #[oai(path = "/", method = "get", operation_id = "listDocuments")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::Read")] caller: Authenticated,
        /// How many documents a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        /// Where to go on: the `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
        /// Whose documents to list, if not your own: a subject. Takes the role `admin` and the scope `documents:admin`.
        #[oai(validator(min_length = 1, max_length = 255))]
        owner: Query<Option<String>>,
    ) -> Result<ListReply, Refused> {
        let owner = owner.0.as_deref();
        let after = after(cursor.0.as_deref(), DocumentId::parse)?;
        let page = self.documents.list(&caller.0, owner.map_or(Whose::Own, Whose::Of), after.as_ref(), limit.0).await?;
        Ok(ListReply::new(page, &self.path, limit.0, owner))
    }

    /// Create a document
    ///
    /// The document will be yours. Takes the scope `documents:write`.
    ///
    /// There is a limit to how many documents one owner may have; beyond it the answer is 409.
    #[oai(path = "/", method = "post", operation_id = "createDocument")]
    async fn create(
        &self,
        #[oai(scope = "ApiScope::Write")] caller: Authenticated,
        text: Json<DocumentText>,
    ) -> Result<CreateReply, Refused> {
        let document = self.documents.create(&caller.0, text.0.try_into()?, now()).await?;
        Ok(CreateReply::new(document, &self.path))
    }

    /// Read a document
    ///
    /// Takes the scope `documents:read`, and that the document is yours or that you have the role `admin` and the scope
    /// `documents:admin`; otherwise the answer is the same 404 as if there were none.
    #[oai(path = "/:id", method = "get", operation_id = "readDocument")]
    async fn read(
        &self,
        #[oai(scope = "ApiScope::Read")] caller: Authenticated,
        /// The document's identifier.
        id: Path<String>,
        /// Entity tags of the versions you already have: the answer is 304 if the document still is one of them.
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<String>>,
    ) -> Result<ReadReply, Refused> {
        let known = EntityTags::read("If-None-Match", if_none_match.0.as_deref())?;
        let document = self.documents.read(&caller.0, &document_id(&id.0)?).await?;
        Ok(ReadReply::new(document, known.as_ref()))
    }

    /// Replace a document
    ///
    /// Replaces title and content; owner and creation time stay. Takes the scope `documents:write`, and that the document
    /// is yours or that you have the role `admin` and the scope `documents:admin`; otherwise the answer is 404.
    ///
    /// Send the `ETag` you have read as `If-Match`, and a change that somebody made in the meantime is not lost: the
    /// answer is 412 then. Without `If-Match` the last one to write wins.
    #[oai(path = "/:id", method = "put", operation_id = "replaceDocument")]
    async fn replace(
        &self,
        #[oai(scope = "ApiScope::Write")] caller: Authenticated,
        /// The document's identifier.
        id: Path<String>,
        /// Entity tags of the versions you mean to replace.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        text: Json<DocumentText>,
    ) -> Result<ReplaceReply, Refused> {
        let precondition = Precondition::read(if_match.0.as_deref())?;
        let id = document_id(&id.0)?;
        let document = self.documents.replace(&caller.0, &id, &precondition, text.0.try_into()?, now()).await?;
        Ok(document.into())
    }

    /// Delete a document
    ///
    /// Takes the scope `documents:write`, and that the document is yours or that you have the role `admin` and the scope
    /// `documents:admin`; otherwise the answer is 404. With `If-Match` only a version you have seen is deleted.
    #[oai(path = "/:id", method = "delete", operation_id = "deleteDocument")]
    async fn delete(
        &self,
        #[oai(scope = "ApiScope::Write")] caller: Authenticated,
        /// The document's identifier.
        id: Path<String>,
        /// Entity tags of the versions you mean to delete.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
    ) -> Result<DeleteReply, Refused> {
        let precondition = Precondition::read(if_match.0.as_deref())?;
        self.documents.delete(&caller.0, &document_id(&id.0)?, &precondition).await?;
        Ok(DeleteReply::Deleted)
    }
}

impl DocumentsApi {
    /// `path` is where callers find the documents, for `Location` and `Link`.
    pub(super) fn new(documents: Documents, path: String) -> Self {
        Self { documents, path }
    }
}

/// What cannot be an identifier names no document, and is answered like one that does not exist.
fn document_id(text: &str) -> Result<DocumentId, DocumentError> {
    DocumentId::parse(text).ok_or(DocumentError::NotFound)
}
