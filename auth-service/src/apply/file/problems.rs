//! What is wrong with a file, each with its line.

use std::fmt;

/// Everything that is wrong with a file.
#[derive(Debug, Default)]
pub(in crate::apply) struct Problems(Vec<(usize, String)>);

impl Problems {
    pub(in crate::apply) fn add(&mut self, line: usize, message: impl Into<String>) {
        self.0.push((line, message.into()));
    }

    pub(in crate::apply) fn finish(mut self) -> Result<(), Self> {
        self.0.sort();
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.iter();
        if let Some((line, message)) = lines.next() {
            write!(out, "line {line}: {message}")?;
        }
        lines.try_for_each(|(line, message)| write!(out, "\n  line {line}: {message}"))
    }
}

impl std::error::Error for Problems {}
