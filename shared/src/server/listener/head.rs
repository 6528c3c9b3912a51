//! Distrust of a request head whose end two servers could see in different places.
//!
//! Request smuggling lives on such disagreement between a proxy and the server behind it. hyper refuses most of it (two
//! lengths, a transfer coding that is not `chunked`, folded lines, a space before the colon), but follows the standard where
//! it permits leniency: a bare line feed as a line end (RFC 9112 §2.2), and `Content-Length` beside `Transfer-Encoding`
//! (§6.1), where `Transfer-Encoding` wins. Nobody needs either; both are refused here.

/// Reads a head as it arrives, in pieces of any size, keeping nothing but what it needs to judge it.
#[derive(Debug, Default)]
pub(in crate::server) struct Head {
    line: Line,
    has_length: bool,
    has_coding: bool,
    has_bare_line_feed: bool,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    /// Nothing but empty lines, which a server skips (RFC 9112 §2.2).
    #[default]
    Before,
    Within,
    Complete,
}

/// Where in a line the scan is.
#[derive(Debug, Default)]
struct Line {
    /// The beginning of the line in lower case, as far as the names looked for are long.
    name: [u8; LONGEST_NAME],
    len: usize,
    last: u8,
}

const LENGTH: &[u8] = b"content-length:";
const CODING: &[u8] = b"transfer-encoding:";
const LONGEST_NAME: usize = CODING.len();

impl Head {
    /// Reads on; bytes after the end of the head are not looked at.
    pub(in crate::server) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while self.progress != Progress::Complete && !rest.is_empty() {
            let Some(end) = memchr::memchr(b'\n', rest) else { return self.line.extend(rest) };
            self.line.extend(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
    }

    /// Whether the head, as far as it has been read, could be read in two ways.
    pub(in crate::server) fn is_ambiguous(&self) -> bool {
        self.has_bare_line_feed || (self.has_length && self.has_coding)
    }

    fn end_line(&mut self) {
        self.has_bare_line_feed |= self.line.last != b'\r';
        let line = std::mem::take(&mut self.line);
        let name = &line.name[..line.len.min(LONGEST_NAME)];
        self.has_length |= name.starts_with(LENGTH);
        self.has_coding |= name.starts_with(CODING);
        let is_empty = line.len == 0 || (line.len == 1 && line.last == b'\r');
        self.progress = match self.progress {
            Progress::Before if is_empty => Progress::Before,
            Progress::Before => Progress::Within,
            Progress::Within | Progress::Complete if is_empty => Progress::Complete,
            Progress::Within | Progress::Complete => self.progress,
        };
    }
}

impl Line {
    fn extend(&mut self, bytes: &[u8]) {
        let Some(&last) = bytes.last() else { return };
        for (place, byte) in self.name.iter_mut().skip(self.len).zip(bytes) {
            *place = byte.to_ascii_lowercase();
        }
        self.len += bytes.len();
        self.last = last;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_ambiguous(head: &str) -> bool {
        let mut whole = Head::default();
        whole.feed(head.as_bytes());
        let mut in_pieces = Head::default();
        head.as_bytes().chunks(3).for_each(|piece| in_pieces.feed(piece));
        assert_eq!(whole.is_ambiguous(), in_pieces.is_ambiguous());
        whole.is_ambiguous()
    }

    proptest! {
        #[test]
        fn how_it_arrives_makes_no_difference(head: Vec<u8>, size in 1_usize..40) {
            let mut whole = Head::default();
            whole.feed(&head);
            let mut in_pieces = Head::default();
            head.chunks(size).for_each(|piece| in_pieces.feed(piece));
            prop_assert_eq!(whole.is_ambiguous(), in_pieces.is_ambiguous());
        }
    }

    #[test]
    fn an_ordinary_head_is_clear() {
        assert!(!is_ambiguous("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(!is_ambiguous("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{\n"));
        assert!(!is_ambiguous("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
        assert!(!is_ambiguous("POST / HTTP/1.1\r\nContent-Length: 2\r\nX-Transfer-Encoding: chunked\r\n\r\n"));
    }

    #[test]
    fn a_length_beside_a_transfer_coding_is_ambiguous_in_either_order() {
        assert!(is_ambiguous("POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"));
        assert!(is_ambiguous("\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"));
        assert!(is_ambiguous("POST / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\r\ncontent-length:2\r\n\r\n"));
    }

    #[test]
    fn a_bare_line_feed_is_ambiguous_in_the_head_only() {
        assert!(is_ambiguous("GET / HTTP/1.1\nHost: a\r\n\r\n"));
        assert!(is_ambiguous("GET / HTTP/1.1\r\nHost: a\r\n\n"));
        assert!(!is_ambiguous("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\nbody\n"));
    }
}
