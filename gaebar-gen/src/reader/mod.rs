//! The generator's inverse: from source text back to kinds and entities.
//!
//! What is accepted is exactly what the generator writes: whatever is read is written again and compared with the text, byte for byte. So
//! what a reader would let pass (another layout, a comment, a field twice, CRLF) is found by the comparison, and the two can't drift
//! apart. A shard is read in one quick pass; only where that fails is it read with syn, which tells what is wrong, and where.

mod grammar;
mod kind;
mod quick;
mod row;
mod shard;

use std::fmt::{self, Display};

use gaebar_runtime::visible::visible;

pub use kind::kind;
pub use quick::{quick, unquoted};
pub use shard::{Blobs, ReadRow, shard, thorough};

/// Brackets inside brackets, at most. A level of an embedded entity takes nine at the most (an array, an item, and the flags of
/// both), and no store takes more than twenty such levels; beyond, the parser's stack would be at the text's mercy.
const DEEPEST: usize = 256;

/// A place where a file is not as the generator writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrammarError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What was found, and what could stand there.
    pub problem: String,
}

impl Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.problem)
    }
}

/// Characters of what was found that are told.
const FOUND: usize = 24;

impl From<syn::Error> for GrammarError {
    fn from(error: syn::Error) -> Self {
        let start = error.span().start();
        Self { line: start.line, column: start.column + 1, problem: error.to_string() }
    }
}

impl GrammarError {
    /// The same, with what stands there where the problem names only what could.
    fn with_found(self, text: &str) -> Self {
        let line = self.line.checked_sub(1).and_then(|at| text.lines().nth(at)).unwrap_or_default();
        let found: String =
            line.chars().skip(self.column.saturating_sub(1)).take_while(|c| !c.is_whitespace()).take(FOUND).collect();
        if !self.problem.starts_with("expected") || found.is_empty() {
            return self;
        }
        Self { problem: format!("{}, found `{}`", self.problem, visible(&found)), ..self }
    }
}

/// The first place where a text differs from what it should be.
fn difference(found: &str, expected: &str, first_line: usize) -> Option<GrammarError> {
    if found == expected {
        return None;
    }
    let (mut found_lines, mut expected_lines) = (found.split_inclusive('\n'), expected.split_inclusive('\n'));
    let mut line = first_line;
    loop {
        let (found, expected) = (found_lines.next(), expected_lines.next());
        if found == expected && found.is_some() {
            line += 1;
            continue;
        }
        let (found, expected) = (found.unwrap_or_default(), expected.unwrap_or_default());
        let column = found.chars().zip(expected.chars()).take_while(|(found, expected)| found == expected).count() + 1;
        let problem = format!("found {}, where Gaebar would write {}", shown(found), shown(expected));
        return Some(GrammarError { line, column, problem });
    }
}

/// A line, cut short and with nothing hidden, for an error message.
fn shown(line: &str) -> String {
    match line.trim_end_matches('\n') {
        "" if line.is_empty() => "the end".to_owned(),
        "" => "an empty line".to_owned(),
        line if line.chars().count() > 80 => format!("`{}…`", visible(&line.chars().take(80).collect::<String>())),
        line => format!("`{}`", visible(line)),
    }
}
