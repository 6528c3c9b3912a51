//! What only administrators may do.

use poem_openapi::{OpenApi, param::Query};
use shared::server::{
    paging::{after, default_limit},
    problem::Refused,
};

use super::{ApiScope, ApiTag, Authenticated, documents::ListReply};
use crate::document::{DocumentId, Documents, Whose, require_oversight};

pub(crate) struct AdminApi {
    documents: Documents,
    path: String,
}

#[OpenApi(prefix_path = "/admin", tag = "ApiTag::Administration")]
impl AdminApi {
    /// List everybody's documents
    ///
    /// Lists the documents of every owner without their contents, newest first. Takes the role `admin` and the scope
    /// `documents:admin`.
    ///
    /// When there are more, `next_cursor` and the `Link` header with `rel="next"` lead to the next page.
    #[oai(path = "/documents", method = "get", operation_id = "listEveryonesDocuments")]
    async fn list(
        &self,
        #[oai(scope = "ApiScope::Admin")] caller: Authenticated,
        /// How many documents a page holds at most.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
        /// Where to go on: the `next_cursor` of the page before.
        #[oai(validator(max_length = 100))]
        cursor: Query<Option<String>>,
    ) -> Result<ListReply, Refused> {
        require_oversight(&caller.0)?;
        let after = after(cursor.0.as_deref(), DocumentId::parse)?;
        let page = self.documents.list(&caller.0, Whose::Everyones, after.as_ref(), limit.0).await?;
        Ok(ListReply::new(page, &self.path, limit.0, None))
    }
}

impl AdminApi {
    /// `path` is where callers find the list, for `Link`.
    pub(super) fn new(documents: Documents, path: String) -> Self {
        Self { documents, path }
    }
}
