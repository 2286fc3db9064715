//! A shard: its rows, all errors at once.

use gaebar_runtime::cli::thousands;
use gaebar_runtime::model::Entity;
use syn::Token;
use syn::parse::ParseStream;

use super::grammar::parse;
use super::quick::quick_rows;
use super::row::{Found, RowReader, line_of};
use super::{GrammarError, difference};
use crate::emit;
use crate::schema::Kind;

/// The longest text that syn reads, which takes some 150 bytes of memory for each of it. A shard has 300 kB, unless one of its rows has more.
const MOST_THOROUGH: usize = 2 << 20;

/// The blobs that a shard includes.
pub trait Blobs: Sync {
    /// The bytes of the blob with this SHA-256 (64 hexadecimal digits, if it is well formed), or what is wrong with it.
    fn blob(&self, sha256: &str) -> Result<Vec<u8>, String>;
}

/// A row, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRow {
    /// Its number: its function is `row_N`.
    pub number: u32,
    /// Its function's first line, from 1.
    pub line: usize,
    /// The entity that it recreates.
    pub entity: Entity,
    /// Its text.
    pub text: String,
}

/// Reads a shard of a kind, whose models are in `models_crate`.
pub fn shard(kind: &Kind, models_crate: &str, text: &str, blobs: &dyn Blobs) -> Result<Vec<ReadRow>, Vec<GrammarError>> {
    match quick_rows(kind, models_crate, text, blobs) {
        Ok(rows) => Ok(rows),
        Err(_) if text.len() <= MOST_THOROUGH => thorough(kind, models_crate, text, blobs),
        Err(line) => {
            let problem = format!(
                "is not as Gaebar writes it from here on; in a file of more than {} bytes, nothing is told more exactly",
                thousands(MOST_THOROUGH as u64)
            );
            Err(vec![GrammarError { line, column: 1, problem }])
        }
    }
}

/// The same by syn: slower by far, and with all that is wrong.
pub fn thorough(kind: &Kind, models_crate: &str, text: &str, blobs: &dyn Blobs) -> Result<Vec<ReadRow>, Vec<GrammarError>> {
    let reader = RowReader { kind, blobs };
    let mut errors = Vec::new();
    let found = parse(text, |input| Ok(rows(&reader, text, input, &mut errors)));
    let found = match found {
        Ok(found) => found,
        // Syn also minds what an unreadable row left unread: that row's own error says more.
        Err(error) if errors.is_empty() => return Err(vec![error]),
        Err(_) => return Err(errors),
    };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut read = Vec::with_capacity(found.len());
    for Found { number, entity, first_line, last_line } in found {
        let own = first_line.checked_sub(1).and_then(|first| lines.get(first..last_line));
        let source = own.unwrap_or_default().concat();
        let expected = emit::row(kind, number, &entity).text;
        errors.extend(difference(&source, &expected, first_line));
        read.push(ReadRow { number, line: first_line, entity, text: expected });
    }
    if errors.is_empty() {
        let expected = emit::shard(kind, models_crate, read.iter().map(|row| (row.number, row.text.as_str())));
        errors.extend(difference(text, &expected, 1).map(|error| listed_only(&lines, &read).unwrap_or(error)));
    }
    if errors.is_empty() { Ok(read) } else { Err(errors) }
}

/// A row that the list of rows still has, where its function was deleted.
fn listed_only(lines: &[&str], read: &[ReadRow]) -> Option<GrammarError> {
    let listed = |(at, line): (usize, &&str)| {
        let (number, name) = line.trim().strip_prefix('(')?.strip_suffix("),")?.split_once(", row_")?;
        Some((at + 1, number.parse::<u32>().ok().filter(|_| number == name)?))
    };
    let first = read.first().map_or(lines.len(), |row| row.line - 1);
    let head = lines.get(..first).unwrap_or_default();
    let (line, number) =
        head.iter().enumerate().filter_map(listed).find(|(_, number)| read.iter().all(|row| row.number != *number))?;
    let problem = format!("row_{number} is listed, but is not there; to delete a row, delete its line in ROWS, too");
    Some(GrammarError { line, column: 5, problem })
}

/// All rows of a file, past what is wrong with any of them. What is between them is left to the comparison.
fn rows(reader: &RowReader, text: &str, input: ParseStream, errors: &mut Vec<GrammarError>) -> Vec<Found> {
    let mut found = Vec::new();
    while !input.is_empty() {
        if !(input.peek(Token![pub]) && input.peek2(Token![fn])) {
            skip(input);
            continue;
        }
        let line = line_of(input.span());
        match reader.row(input) {
            Ok(row) => found.push(row),
            Err(error) => {
                let error = GrammarError::from(error).with_found(text);
                errors.push(GrammarError { line: error.line.max(line), ..error });
            }
        }
    }
    found
}

/// Takes one token, or one pair of brackets and what is in it.
fn skip(input: ParseStream) {
    // There is one: the callers have looked.
    let _ = input.step(|cursor| cursor.token_tree().map(|(_, rest)| ((), rest)).ok_or_else(|| cursor.error("the end")));
}
