//! The status lists (draft-ietf-oauth-status-list §8) and where to find them (§9).

use poem::http::HeaderMap;
use poem_openapi::{
    ApiResponse, Object, OpenApi,
    param::Path,
    payload::{Json, PlainText},
};
use shared::server::problem::Refused;

use super::jwks::is_known;
use crate::{
    http::{ApiTag, problem::unavailable},
    token::StatusLists,
};

/// The status list endpoints.
pub(in crate::http) struct StatusListApi {
    pub(in crate::http) lists: StatusLists,
}

/// The lists that have living tokens.
#[derive(Object)]
struct Aggregation {
    /// Where each of them is.
    status_lists: Vec<String>,
}

/// How the aggregation is answered.
#[derive(ApiResponse)]
enum AggregationReply {
    /// The lists that have living tokens.
    #[oai(status = 200)]
    Lists(Json<Aggregation>, #[oai(header = "Cache-Control")] String),
}

/// How a status list is answered.
#[derive(ApiResponse)]
enum StatusListReply {
    /// The signed list.
    #[oai(status = 200, content_type = "application/statuslist+jwt")]
    Signed(PlainText<String>, #[oai(header = "ETag")] String, #[oai(header = "Cache-Control")] String),
    /// The list is still that of the entity tag in `If-None-Match`.
    #[oai(status = 304)]
    NotModified(#[oai(header = "ETag")] String, #[oai(header = "Cache-Control")] String),
}

#[OpenApi(tag = "ApiTag::Discovery")]
impl StatusListApi {
    /// The status lists that have living tokens
    #[oai(path = "/oauth2/status-lists", method = "get", operation_id = "status_lists")]
    async fn aggregation(&self) -> Result<AggregationReply, Refused> {
        let status_lists = self.lists.urls().await.map_err(unavailable)?;
        Ok(AggregationReply::Lists(Json(Aggregation { status_lists }), self.cache_control()))
    }

    /// A status list
    ///
    /// One bit for each access token that points to the list: set, once the token has been revoked.
    #[oai(path = "/oauth2/status-lists/:id", method = "get", operation_id = "status_list")]
    async fn status_list(&self, id: Path<String>, headers: &HeaderMap) -> Result<StatusListReply, Refused> {
        let signed = self.lists.signed(&id.0).await.map_err(unavailable)?;
        let signed = signed.ok_or_else(|| Refused::not_found("there is no such list, or its last token has ended"))?;
        if is_known(headers, &signed.etag) {
            return Ok(StatusListReply::NotModified(signed.etag.clone(), self.cache_control()));
        }
        Ok(StatusListReply::Signed(PlainText(signed.token.clone()), signed.etag.clone(), self.cache_control()))
    }

    fn cache_control(&self) -> String {
        format!("public, max-age={}", self.lists.ttl.as_secs())
    }
}
