//! What a document says.

/// The most characters of a title.
pub(super) const MAX_TITLE: usize = 200;
/// The most characters of a content.
pub(super) const MAX_CONTENT: usize = 16_384;

/// A title and a content that can be kept, exactly as they were given.
#[derive(Debug)]
pub(crate) struct Text {
    pub(super) title: String,
    pub(super) content: String,
}

/// Everything that is wrong with a text.
#[derive(Debug)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

/// What is wrong with one member of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub field: &'static str,
    pub message: String,
}

impl Text {
    /// Accepts a text, or names all that is wrong with it.
    pub(crate) fn new(title: String, content: String) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let mut fault = |field, message: &str| faults.push(Fault { field, message: message.to_owned() });
        if title.trim().is_empty() {
            fault("title", "must not be blank");
        }
        if title.chars().any(char::is_control) {
            fault("title", "must not hold control characters");
        }
        if exceeds(&title, MAX_TITLE) {
            fault("title", &format!("must not be longer than {MAX_TITLE} characters"));
        }
        // PostgreSQL cannot keep U+0000 in a text.
        if content.contains('\0') {
            fault("content", "must not hold the character U+0000");
        }
        if exceeds(&content, MAX_CONTENT) {
            fault("content", &format!("must not be longer than {MAX_CONTENT} characters"));
        }
        if faults.is_empty() { Ok(Self { title, content }) } else { Err(Faults(faults)) }
    }
}

fn exceeds(text: &str, limit: usize) -> bool {
    text.chars().nth(limit).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(title: &str, content: &str) -> Vec<&'static str> {
        match Text::new(title.into(), content.into()) {
            Ok(_) => vec![],
            Err(Faults(faults)) => faults.iter().map(|fault| fault.field).collect(),
        }
    }

    #[test]
    fn a_text_is_kept_as_it_was_given() {
        let text = Text::new(" Übersicht ".into(), "a\r\nb\tc\u{1b}".into()).expect("this is a good text");
        assert_eq!((text.title.as_str(), text.content.as_str()), (" Übersicht ", "a\r\nb\tc\u{1b}"));
        assert_eq!(faults("x", ""), [""; 0]);
    }

    #[test]
    fn limits_count_characters() {
        assert_eq!(faults(&"ü".repeat(MAX_TITLE), &"ü".repeat(MAX_CONTENT)), [""; 0]);
        assert_eq!(faults(&"ü".repeat(MAX_TITLE + 1), &"ü".repeat(MAX_CONTENT + 1)), ["title", "content"]);
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        assert_eq!(faults(" ", "\0"), ["title", "content"]);
        assert_eq!(faults("a\0", ""), ["title"]);
        assert_eq!(faults("a\nb", ""), ["title"]);
    }
}
