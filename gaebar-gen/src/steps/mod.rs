//! Backups and restores in small steps, for where nothing may run for long: a page that is asked again and again, a host with
//! deadlines. What a step has done is on disk before it ends, so the next one may be of another process, or never come.
//!
//! A [`Job`] is one backup, restore or pull, written down in the folder of backups; [`Jobs`] begins, steps and cancels them. A backup's
//! steps read the store into the spool that [`crate::backup`] goes on from, and then write what was read. A restore's steps go
//! through the backup, in its folder or compiled into this program, a window of rows at a time: once to plan, and once more to write.
//! A pull's steps are those of the Gaebar elsewhere, then some files each, and then some shards that are verified.
//!
//! Where a host has no disk that lasts, what a step leaves is also kept in a store ([`StateStore`]), and brought back for the next;
//! a finished backup, too, for whoever is asked for it.

mod backup;
mod brought;
mod confirmed;
mod error;
mod expected;
mod job;
mod jobs;
mod kept;
mod meter;
mod mirror;
mod others;
mod parts;
mod published;
mod pull;
mod replaced;
mod restore;
mod state;
mod sums;
mod turn;
mod verify;

use std::collections::BTreeMap;
use std::time::Duration;

use gaebar_runtime::store::StoreUrl;

pub use error::{StateError, StepError};
pub use job::{Bytes, Job, Others, Planned, Rows, Stage, There, Work};
pub use jobs::Jobs;
pub(crate) use restore::source;
pub use state::StateStore;
pub use sums::Sums;

use crate::backup::Options;
use crate::bite::Bite;
use crate::config::is_same;
use crate::read::Selection;
use crate::web::Token;

/// The most that a step does: whichever comes first ends it at the next safe place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Rows that are read, looked at, compared, written or verified, or files that are downloaded or copied. Reading makes no more scans at
    /// once than half of that. A shard that was begun is read, written or verified to its end.
    pub rows: usize,
    /// How long it works on. A page or a batch that was begun is finished.
    pub time: Duration,
}

impl Budget {
    /// What is left of it, to begin with.
    pub(crate) fn bite(self) -> Bite {
        Bite::new(self.rows.max(1), self.time)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { rows: 500, time: Duration::from_secs(5) }
    }
}

/// What jobs may do, and how.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What a step does at the most.
    pub budget: Budget,
    /// How stores are backed up; when to begin is each job's own.
    pub backup: Options,
    /// The only stores that may be restored to; any that has a name, if there is no list.
    pub targets: Option<Vec<StoreUrl>>,
    /// Gaebars that backups are pulled from, by name.
    pub remotes: BTreeMap<String, Elsewhere>,
}

/// A Gaebar elsewhere.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// The address of its page.
    pub url: String,
    /// The token that it asks for.
    pub token: Option<Token>,
}

impl Default for Rules {
    fn default() -> Self {
        let backup = Options::new(Selection::default());
        Self { budget: Budget::default(), backup, targets: None, remotes: BTreeMap::new() }
    }
}

impl Rules {
    /// Whether a store may be restored to.
    pub fn may_restore_to(&self, url: &StoreUrl) -> bool {
        self.targets.as_ref().is_none_or(|targets| targets.iter().any(|target| is_same(target, url)))
    }
}

/// Stores by the names that jobs know them by.
pub type Stores = BTreeMap<String, StoreUrl>;
