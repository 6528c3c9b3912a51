//! What documents look like on the wire, and how their operations answer.

use poem_openapi::{ApiResponse, Object, payload::Json};
use shared::server::{
    entity_tag::{EntityTags, entity_tag},
    json_string::JsonString,
    paging::next_page,
};
use time::OffsetDateTime;

use crate::{
    document::{self, DocumentId, Faults, Page, Summary, Text},
    http::timestamp,
};

/// What a document says.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct DocumentText {
    /// The title: not blank, without control characters.
    // Keep the limits in step with `document::MAX_TITLE` and `document::MAX_CONTENT`.
    #[oai(validator(min_length = 1, max_length = 200))]
    title: JsonString,
    /// The content: any text without the character U+0000. The whole body may hold 64 KiB.
    #[oai(validator(max_length = 16384))]
    content: JsonString,
}

/// A document.
#[derive(Debug, Object)]
pub(in crate::http) struct Document {
    /// Its identifier.
    id: String,
    /// Whose it is: a subject.
    owner: String,
    /// Its title.
    title: String,
    /// Its content.
    content: String,
    /// When it was created.
    created_at: OffsetDateTime,
    /// When it was last replaced.
    updated_at: OffsetDateTime,
}

/// A document without its content.
#[derive(Debug, Object)]
pub(in crate::http) struct DocumentSummary {
    /// Its identifier.
    id: String,
    /// Whose it is: a subject.
    owner: String,
    /// Its title.
    title: String,
    /// The entity tag it would be read with.
    etag: String,
    /// When it was created.
    created_at: OffsetDateTime,
    /// When it was last replaced.
    updated_at: OffsetDateTime,
}

/// One page of a list, newest first.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub(in crate::http) struct DocumentPage {
    /// The documents of this page.
    documents: Vec<DocumentSummary>,
    /// Where the next page begins; absent on the last page.
    next_cursor: Option<String>,
}

#[derive(ApiResponse)]
pub(in crate::http) enum ListReply {
    /// A page of the list.
    #[oai(status = 200)]
    Page(
        Json<DocumentPage>,
        /// The next page, with `rel="next"` (RFC 8288); absent on the last page.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
pub(super) enum CreateReply {
    /// The document was created.
    #[oai(status = 201)]
    Created(
        Json<Document>,
        /// Where the document is.
        #[oai(header = "Location")]
        String,
        /// The version of the document, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
pub(super) enum ReadReply {
    /// The document.
    #[oai(status = 200)]
    Document(
        Json<Document>,
        /// The version of the document, for `If-Match` and `If-None-Match`.
        #[oai(header = "ETag")]
        String,
    ),
    /// You already have this version.
    #[oai(status = 304)]
    NotModified(
        /// The version of the document.
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
pub(super) enum ReplaceReply {
    /// The document as it is now.
    #[oai(status = 200)]
    Replaced(
        Json<Document>,
        /// The new version of the document, for `If-Match`.
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
pub(super) enum DeleteReply {
    /// The document is gone.
    #[oai(status = 204)]
    Deleted,
}

impl ListReply {
    /// `path`, `limit` and `owner` are what was asked, for the link to the next page.
    pub(in crate::http) fn new(page: Page, path: &str, limit: u32, owner: Option<&str>) -> Self {
        let last = page.next.as_ref().map(DocumentId::as_str);
        let (next_cursor, link) = next_page(path, limit, &[("owner", owner)], last);
        let documents = page.documents.into_iter().map(DocumentSummary::from).collect();
        Self::Page(Json(DocumentPage { documents, next_cursor }), link)
    }
}

impl CreateReply {
    pub(super) fn new(document: document::Document, path: &str) -> Self {
        let (location, tag) = (format!("{path}/{}", document.id), entity_tag(document.version));
        Self::Created(Json(document.into()), location, tag)
    }
}

impl ReadReply {
    pub(super) fn new(document: document::Document, known: Option<&EntityTags>) -> Self {
        let tag = entity_tag(document.version);
        if known.is_some_and(|known| known.names(document.version)) {
            return Self::NotModified(tag);
        }
        Self::Document(Json(document.into()), tag)
    }
}

impl From<document::Document> for ReplaceReply {
    fn from(document: document::Document) -> Self {
        let tag = entity_tag(document.version);
        Self::Replaced(Json(document.into()), tag)
    }
}

impl TryFrom<DocumentText> for Text {
    type Error = Faults;

    fn try_from(body: DocumentText) -> Result<Self, Faults> {
        Self::new(body.title.0, body.content.0)
    }
}

impl From<document::Document> for Document {
    fn from(document: document::Document) -> Self {
        Self {
            id: document.id.to_string(),
            owner: document.owner,
            title: document.title,
            content: document.content,
            created_at: timestamp(document.created_at),
            updated_at: timestamp(document.updated_at),
        }
    }
}

impl From<Summary> for DocumentSummary {
    fn from(summary: Summary) -> Self {
        Self {
            id: summary.id.to_string(),
            owner: summary.owner,
            title: summary.title,
            etag: entity_tag(summary.version),
            created_at: timestamp(summary.created_at),
            updated_at: timestamp(summary.updated_at),
        }
    }
}
