//! What is told of a restore: progress, rows that failed, and how it ended.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use thiserror::Error;

use super::rows::RowPlace;
use crate::model::Key;

/// Failed rows that are named in full.
const NAMED_FAILURES: usize = 20;

/// Hears of rows that were looked at, committed, or checked.
pub trait Progress: Sync {
    /// So many more rows of this kind are done.
    fn done(&self, kind: &str, rows: u64);
}

/// A row that something is wrong with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where it stands.
    pub place: RowPlace,
    /// Its key, if the row could be read.
    pub key: Option<Key>,
    /// What went wrong.
    pub problem: String,
}

/// Rows that something is wrong with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// The first of them.
    pub named: Vec<Failure>,
    /// How many there are beside those.
    pub more: u64,
}

impl Failures {
    pub(super) fn add(&mut self, place: RowPlace, key: Option<Key>, problem: String) {
        if self.named.len() < NAMED_FAILURES {
            self.named.push(Failure { place, key, problem });
        } else {
            self.more += 1;
        }
    }

    /// Whether another failure would be named: only then its place is worth a look into a file.
    pub(super) fn is_full(&self) -> bool {
        self.named.len() >= NAMED_FAILURES
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.named.len() as u64 + self.more
    }
}

impl Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", rows(self.count()))?;
        // A batch fails as a whole: its reason is told once, above its rows.
        let mut told = None;
        for Failure { place, key, problem } in &self.named {
            if told.replace(problem) != Some(problem) {
                write!(f, "\n  {problem}")?;
            }
            match key {
                Some(key) => write!(f, "\n    {place} ({key})")?,
                None => write!(f, "\n    {place}")?,
            }
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n    and {more} more rows"),
        }
    }
}

fn rows(number: u64) -> String {
    if number == 1 { "1 row".to_owned() } else { format!("{number} rows") }
}

/// The target is as the plan said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Rows that were committed, by kind.
    pub kinds: BTreeMap<String, u64>,
    /// Entities that were deleted.
    pub deleted: u64,
    /// Rows that were read back and compared, if that was asked for.
    pub checked: Option<u64>,
}

impl Restored {
    /// All rows that were committed.
    pub fn rows(&self) -> u64 {
        self.kinds.values().sum()
    }
}

/// The target is not as the plan said.
#[derive(Debug, Error)]
pub struct Incomplete {
    /// What was done.
    pub done: Restored,
    /// Rows that were to be committed.
    pub rows: u64,
    /// Rows that failed, and why.
    pub failures: Failures,
    /// What else failed, such as deleting.
    pub problem: Option<String>,
    /// Whether somebody asked to stop.
    pub interrupted: bool,
}

impl Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let committed = self.done.rows();
        write!(f, "{committed} of {} were committed", rows(self.rows))?;
        if !self.failures.is_empty() {
            write!(f, "; {}", self.failures)?;
        }
        if let Some(problem) = &self.problem {
            write!(f, "\n  {problem}")?;
        }
        match self.rows.saturating_sub(committed + self.failures.count()) {
            0 => Ok(()),
            untried => write!(f, "\n  {} not tried after that", rows(untried)),
        }
    }
}
