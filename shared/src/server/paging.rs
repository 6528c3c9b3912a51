//! Paging by cursor: where a list goes on, said in the body and in a `Link` header (RFC 8288).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use url::form_urlencoded;

use super::problem::Malformed;

/// How many items a page holds when the caller does not say.
pub fn default_limit() -> u32 {
    20
}

/// The cursor behind which the next page begins. Callers need not know what it is made of, so that it may change.
fn cursor(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

/// Reads a cursor that [`next_page`] made; `parse` makes of it what the list is sorted by, if it is one.
pub fn after<T>(cursor: Option<&str>, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Malformed> {
    let Some(cursor) = cursor else { return Ok(None) };
    let last = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| parse(str::from_utf8(&bytes).ok()?));
    last.map(Some).ok_or(Malformed("cursor"))
}

/// Where the list at `path` goes on behind `last`, with the limit and the filters that were given: the cursor for the body
/// and the value of `Link` for the header. Neither is there on the last page, where `last` is `None`.
pub fn next_page(
    path: &str,
    limit: u32,
    filters: &[(&str, Option<&str>)],
    last: Option<&str>,
) -> (Option<String>, Option<String>) {
    let cursor = last.map(cursor);
    let link = cursor.as_deref().map(|cursor| next_link(path, limit, filters, cursor));
    (cursor, link)
}

fn next_link(path: &str, limit: u32, filters: &[(&str, Option<&str>)], cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &limit.to_string());
    for (name, value) in filters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.append_pair("cursor", cursor);
    format!("<{path}?{}>; rel=\"next\"", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_what_it_was_made_of() {
        assert_eq!(after(Some(&cursor("17")), |text| text.parse().ok()).ok().flatten(), Some(17));
    }

    #[test]
    fn anything_else_is_no_cursor() {
        for text in ["", "!", "ZG9jXw", "doc_", "\0", &"A".repeat(100)] {
            assert!(after(Some(text), |text| text.parse::<u64>().ok()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_link_cannot_be_broken_by_what_is_in_it() {
        assert_eq!(
            next_link("/documents", 5, &[("owner", Some("a>;\r\n&ü")), ("title", None)], "c"),
            "</documents?limit=5&owner=a%3E%3B%0D%0A%26%C3%BC&cursor=c>; rel=\"next\""
        );
    }
}
