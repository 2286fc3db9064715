//! Puts a backup's rows into a store: claim rows, make entities of them, commit them, several batches at once.
//!
//! [`restore`] returns `Ok` only when every row was committed. After the first failure no new batch begins; those in
//! flight are finished, and rows that were not written are named, the first of them in full.

mod rows;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;

pub use rows::{CompiledRows, RowPlace, RowRef, RowSource};

use crate::model::{Entity, Key};
use crate::proto;
use crate::store::{Store, StoreError};

/// Rows a worker takes at a time: the most mutations that Datastore takes in one commit.
const BATCH_ROWS: usize = 500;
/// Encoded bytes a worker holds before it commits, which bounds memory where entities are large.
const BATCH_BYTES: usize = 3 << 20;
/// Failed rows that are named in full.
const NAMED_FAILURES: usize = 20;

/// Hears of rows that were committed.
pub trait Progress: Sync {
    /// So many more rows of this kind are in the store.
    fn committed(&self, kind: &str, rows: u64);
}

/// Every row was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Rows by kind.
    pub kinds: BTreeMap<String, u64>,
}

impl Restored {
    /// All rows.
    pub fn rows(&self) -> u64 {
        self.kinds.values().sum()
    }
}

/// Some rows were not committed.
#[derive(Debug, Error)]
pub struct Incomplete {
    /// Rows that were committed, by kind.
    pub committed: Restored,
    /// Rows of the backup.
    pub rows: u64,
    /// The first rows that failed, and why.
    pub failures: Vec<Failure>,
    /// How many rows failed beside those.
    pub more: u64,
}

/// A row that was not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where it stands.
    pub place: RowPlace,
    /// Its key, if the row could be read.
    pub key: Option<Key>,
    /// What went wrong.
    pub problem: String,
}

impl Incomplete {
    /// Rows that no commit was tried for, once others had failed.
    pub fn untried(&self) -> u64 {
        self.rows.saturating_sub(self.committed.rows() + self.failures.len() as u64 + self.more)
    }
}

impl Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} rows were committed", self.committed.rows(), self.rows)?;
        // A batch fails as a whole: its reason is told once, above its rows.
        let mut told = None;
        for Failure { place, key, problem } in &self.failures {
            if told.replace(problem) != Some(problem) {
                write!(f, "\n  {problem}")?;
            }
            match key {
                Some(key) => write!(f, "\n    {place} ({key})")?,
                None => write!(f, "\n    {place}")?,
            }
        }
        if self.more > 0 {
            write!(f, "\n    and {} more rows", self.more)?;
        }
        match self.untried() {
            0 => Ok(()),
            untried => write!(f, "\n  {untried} rows were not tried after that"),
        }
    }
}

/// Writes every row of `source` into `store`, replacing entities that exist, with `jobs` batches in flight.
///
/// `folder` is the backup's folder, where it is at hand: then a failure also names the line.
pub fn restore(
    source: &dyn RowSource,
    store: &dyn Store,
    jobs: usize,
    folder: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Restored, Incomplete> {
    let engine = Engine {
        source,
        store,
        folder,
        progress,
        next: Mutex::new(RowRef { shard: 0, at: 0 }),
        stop: AtomicBool::new(false),
        outcome: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| engine.work());
        }
    });
    let Outcome { kinds, failures, more } = engine.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    let committed = Restored { kinds };
    let rows: u64 = (0..source.shards()).map(|shard| source.rows(shard) as u64).sum();
    // The count is compared too: success is what was counted, not the absence of complaints.
    if failures.is_empty() && committed.rows() == rows {
        Ok(committed)
    } else {
        Err(Incomplete { committed, rows, failures, more })
    }
}

struct Engine<'a> {
    source: &'a dyn RowSource,
    store: &'a dyn Store,
    folder: Option<&'a Path>,
    progress: &'a dyn Progress,
    next: Mutex<RowRef>,
    stop: AtomicBool,
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
struct Outcome {
    kinds: BTreeMap<String, u64>,
    failures: Vec<Failure>,
    more: u64,
}

impl Engine<'_> {
    fn work(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let claimed = self.claim();
            if claimed.is_empty() {
                return;
            }
            let mut batch = Batch::default();
            for row in claimed {
                match self.source.entity(row) {
                    Ok(entity) => batch.push(row, entity),
                    Err(problem) => self.fail(row, None, problem),
                }
                if batch.bytes >= BATCH_BYTES {
                    self.commit(&std::mem::take(&mut batch));
                }
            }
            self.commit(&batch);
        }
    }

    /// The next rows in the backup's order.
    fn claim(&self) -> Vec<RowRef> {
        let mut next = lock(&self.next);
        let mut claimed = Vec::with_capacity(BATCH_ROWS);
        while claimed.len() < BATCH_ROWS && next.shard < self.source.shards() {
            if next.at < self.source.rows(next.shard) {
                claimed.push(*next);
                next.at += 1;
            } else {
                *next = RowRef { shard: next.shard + 1, at: 0 };
            }
        }
        claimed
    }

    /// Ids are reserved first: were the process killed in between, an id would be reserved in vain, and never given
    /// out twice.
    fn commit(&self, batch: &Batch) {
        if batch.rows.is_empty() {
            return;
        }
        let keys: Vec<_> = batch.entities.iter().map(Entity::key).collect();
        match self.store.reserve_ids(&keys) {
            Ok(()) => self.write(&batch.rows, &batch.entities),
            Err(error) => self.fail_all(&batch.rows, &batch.entities, &error),
        }
    }

    /// Commits entities. If the server minds one of them, halves are tried until it stands alone: the others pass.
    fn write(&self, rows: &[RowRef], entities: &[Entity]) {
        match self.store.upsert(entities) {
            Ok(()) => self.succeed(entities),
            Err(error) if error.is_about_an_entity() && rows.len() > 1 => {
                let half = rows.len() / 2;
                self.write(&rows[..half], &entities[..half]);
                self.write(&rows[half..], &entities[half..]);
            }
            Err(error) => self.fail_all(rows, entities, &error),
        }
    }

    fn fail_all(&self, rows: &[RowRef], entities: &[Entity], error: &StoreError) {
        let problem = error.to_string();
        for (row, entity) in rows.iter().zip(entities) {
            self.fail(*row, Some(entity.key().clone()), problem.clone());
        }
    }

    fn succeed(&self, entities: &[Entity]) {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for entity in entities {
            *counts.entry(entity.kind()).or_default() += 1;
        }
        let mut outcome = lock(&self.outcome);
        for (kind, rows) in counts {
            *outcome.kinds.entry(kind.to_owned()).or_default() += rows;
            self.progress.committed(kind, rows);
        }
    }

    fn fail(&self, row: RowRef, key: Option<Key>, problem: String) {
        self.stop.store(true, Ordering::Relaxed);
        if lock(&self.outcome).failures.len() >= NAMED_FAILURES {
            lock(&self.outcome).more += 1;
            return;
        }
        // Looked up without the lock: it reads a file.
        let place = self.source.place(row).with_line(self.folder);
        let mut outcome = lock(&self.outcome);
        if outcome.failures.len() < NAMED_FAILURES {
            outcome.failures.push(Failure { place, key, problem });
        } else {
            outcome.more += 1;
        }
    }
}

#[derive(Default)]
struct Batch {
    rows: Vec<RowRef>,
    entities: Vec<Entity>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, row: RowRef, entity: Entity) {
        self.bytes += proto::encoded_len(&entity);
        self.rows.push(row);
        self.entities.push(entity);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
