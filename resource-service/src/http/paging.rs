//! Paging by cursor: where a list goes on, said in the body and in a `Link` header (RFC 8288).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use url::form_urlencoded;

use super::problem::Malformed;
use crate::document::DocumentId;

/// How many documents a page holds when the caller does not say.
pub(super) fn default_limit() -> u32 {
    20
}

/// The cursor behind which the next page begins. Callers need not know what it is made of, so that it may change.
pub(super) fn cursor(last: &DocumentId) -> String {
    URL_SAFE_NO_PAD.encode(last.as_str())
}

/// Reads a cursor that [`cursor`] made.
pub(super) fn after(cursor: Option<&str>) -> Result<Option<DocumentId>, Malformed> {
    let Some(cursor) = cursor else { return Ok(None) };
    let id = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| DocumentId::parse(str::from_utf8(&bytes).ok()?));
    id.map(Some).ok_or(Malformed("cursor"))
}

/// The `Link` to the next page of the list at `path`.
pub(super) fn next_link(path: &str, limit: u32, owner: Option<&str>, cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &limit.to_string());
    if let Some(owner) = owner {
        query.append_pair("owner", owner);
    }
    query.append_pair("cursor", cursor);
    format!("<{path}?{}>; rel=\"next\"", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_document() {
        let id = DocumentId::generate();
        assert_eq!(after(Some(&cursor(&id))).ok().flatten(), Some(id));
    }

    #[test]
    fn anything_else_is_no_cursor() {
        for text in ["", "!", "ZG9jXw", "doc_", "\0", &"A".repeat(100)] {
            assert!(after(Some(text)).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_link_cannot_be_broken_by_what_is_in_it() {
        assert_eq!(
            next_link("/documents", 5, Some("a>;\r\n&ü"), "c"),
            "</documents?limit=5&owner=a%3E%3B%0D%0A%26%C3%BC&cursor=c>; rel=\"next\""
        );
    }
}
