//! How a command shows what it found: a table for people, JSON for programs.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

/// How the answer is written
#[derive(Args, Clone, Copy)]
pub(super) struct Output {
    /// A table for people, or JSON for programs
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    output: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Json,
}

impl Output {
    /// Whether a program reads it.
    pub(super) fn is_json(self) -> bool {
        self.output == Form::Json
    }

    /// Shows a list: rows of as many values as there are columns.
    pub(super) fn list(self, columns: &[&str], rows: Vec<Vec<Value>>) {
        match self.output {
            Form::Json => print_json(&Value::Array(rows.into_iter().map(|row| object(columns, row)).collect())),
            Form::Table => print!("{}", table(columns, &rows)),
        }
    }

    /// Shows one thing, a line for each of its members.
    pub(super) fn show(self, columns: &[&str], values: Vec<Value>) {
        match self.output {
            Form::Json => print_json(&object(columns, values)),
            Form::Table => {
                let width = columns.iter().map(|column| column.len()).max().unwrap_or_default();
                for (column, value) in columns.iter().zip(&values) {
                    println!("{column:width$}  {}", cell(value));
                }
            }
        }
    }
}

/// Prints JSON for programs.
pub(super) fn print_json(value: &Value) {
    println!("{value:#}");
}

fn object(columns: &[&str], values: Vec<Value>) -> Value {
    Value::Object(columns.iter().map(|column| (*column).to_owned()).zip(values).collect::<Map<_, _>>())
}

fn table(columns: &[&str], rows: &[Vec<Value>]) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let longest = cells.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count()).max();
            longest.unwrap_or_default().max(column.len())
        })
        .collect();
    let header = columns.iter().map(|column| column.to_uppercase()).collect();
    let mut text = String::new();
    for row in std::iter::once(&header).chain(&cells) {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A value as a cell shows it.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    if text.is_empty() { "-".to_owned() } else { line(&text) }
}

/// A text on one line that does nothing to a terminal.
pub(super) fn line(text: &str) -> String {
    let is_plain = |character: char| !character.is_control() && !('\u{2028}'..='\u{202e}').contains(&character);
    let shown =
        |character: char| if is_plain(character) { character.to_string() } else { character.escape_unicode().to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = vec![vec![json!("a"), json!(["x", "y"])], vec![json!("longer"), Value::Null]];
        assert_eq!(table(&["id", "roles"], &rows), "ID      ROLES\na       x y\nlonger  -\n");
    }

    #[test]
    fn a_ch_09_a_value_stays_on_its_line_and_does_nothing_to_the_terminal() {
        let shown = cell(&json!("a\n{\"level\":\"info\"}\u{1b}[2J\u{2028}\""));
        assert_eq!(shown, "a\\u{a}{\"level\":\"info\"}\\u{1b}[2J\\u{2028}\"");
    }
}
