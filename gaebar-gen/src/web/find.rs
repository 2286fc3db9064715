//! An entity's row, and the rows that refer to it, found by the text of its key.
//!
//! A key has exactly one spelling, in rows too. So shards are searched for that text, and only rows that have it are looked at.

use gaebar_runtime::model::Key;
use memchr::memmem::{self, Finder};
use rayon::prelude::*;

use super::library::{Backup, BackupKind, Shard};
use super::problem::Problem;
use super::tokens::{Class, Tokens};
use crate::emit::{ROW, string_literal};
use crate::reader::unquoted;

/// Entities of one shard that refer to the one looked for and are named.
const MOST_NAMED: usize = 100;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The entity's own row.
    pub(super) row: Option<FoundRow>,
    /// Rows that refer to it, the first of each shard.
    pub(super) referrers: Vec<Referrer>,
    /// How many there are in all.
    pub(super) count: usize,
}

/// An entity's row.
#[derive(Debug)]
pub(super) struct FoundRow {
    /// The kind's name among files.
    pub(super) kind: String,
    pub(super) shard: String,
    pub(super) line: usize,
    pub(super) number: u32,
    pub(super) text: String,
}

/// A row that refers to the entity.
#[derive(Debug)]
pub(super) struct Referrer {
    pub(super) kind: String,
    pub(super) shard: String,
    pub(super) number: u32,
    /// Its own key.
    pub(super) key: String,
}

/// Looks for an entity in a backup.
pub(super) fn find(backup: &Backup, key: &Key) -> Result<Found, Problem> {
    let literal = string_literal(&key.to_string());
    let finder = Finder::new(literal.as_bytes());
    let shards: Vec<_> = backup.kinds.iter().flat_map(|kind| kind.shards.iter().map(move |shard| (kind, shard))).collect();
    let found: Result<Vec<Found>, Problem> =
        shards.into_par_iter().map(|(kind, shard)| in_shard(backup, kind, shard, &literal, &finder)).collect();
    Ok(found?.into_iter().fold(Found::default(), |all, found| Found {
        row: all.row.or(found.row),
        referrers: all.referrers.into_iter().chain(found.referrers).collect(),
        count: all.count + found.count,
    }))
}

fn in_shard(backup: &Backup, kind: &BackupKind, shard: &Shard, literal: &str, finder: &Finder) -> Result<Found, Problem> {
    let bytes = backup.bytes_of(shard)?;
    let mut found = Found::default();
    // Most shards have nothing of it.
    if finder.find(&bytes).is_none() {
        return Ok(found);
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut from = 0;
    while let Some(at) = text.as_bytes().get(from..).and_then(|rest| finder.find(rest)).map(|at| from + at) {
        from = at + literal.len();
        let Some((start, row)) = row_around(&text, at) else { continue };
        from = from.max(start + row.len());
        let mut keys = Tokens::new(row).filter(|token| token.class == Class::Key).map(|token| token.text);
        let Some(own) = keys.next() else { continue };
        let number = number(row);
        if own == literal {
            let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
            let (kind, shard) = (kind.file.clone(), shard.file.clone());
            found.row = Some(FoundRow { kind, shard, line, number, text: format!("{row}\n") });
        }
        if keys.any(|key| key == literal) {
            found.count += 1;
            if found.referrers.len() < MOST_NAMED {
                let key = unquoted(own).unwrap_or_else(|| own.to_owned());
                found.referrers.push(Referrer { kind: kind.file.clone(), shard: shard.file.clone(), number, key });
            }
        }
    }
    Ok(found)
}

/// The row around a place in a shard, and where it begins.
fn row_around(text: &str, at: usize) -> Option<(usize, &str)> {
    let start = memmem::rfind(text.get(..at)?.as_bytes(), ROW.as_bytes())? + 1;
    let rest = text.get(start..)?;
    let row = memmem::find(rest.as_bytes(), ROW.as_bytes()).and_then(|end| rest.get(..end)).unwrap_or(rest);
    Some((start, row.trim_end_matches('\n')))
}

/// The number of a row, by its text.
pub(super) fn number(row: &str) -> u32 {
    let digits = row.trim_start_matches(ROW.trim_start_matches('\n'));
    digits.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}
