//! What a step of a backup does, counted: how much is read, to stop in time, and how far writing has come.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use super::Budget;
use super::job::{Job, Stage};
use crate::progress::{Progress, Silent};
use crate::stage::Stages;

/// Counts what is read, and asks to stop where the budget ends.
pub(super) struct Meter<'a> {
    /// Rows, what was read before this step included, at which to stop.
    most: u64,
    budget: Budget,
    /// When the first was read: a store that takes long to open must not have used up each step's time.
    begun: OnceLock<Instant>,
    /// Whether the whole job is to stop.
    cancelled: &'a AtomicBool,
    pub(super) stop: AtomicBool,
    kinds: Mutex<BTreeMap<String, u64>>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(budget: Budget, pages: usize, before: u64, cancelled: &'a AtomicBool) -> Self {
        // Each of the scans may be within a page when it is asked to stop.
        let most = before + budget.rows.saturating_sub(pages).max(1) as u64;
        let stop = AtomicBool::new(cancelled.load(Ordering::Relaxed));
        Self { most, budget, begun: OnceLock::new(), cancelled, stop, kinds: Mutex::default() }
    }

    pub(super) fn kinds(self) -> BTreeMap<String, u64> {
        self.kinds.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Meter<'_> {
    fn add(&self, kind: &str, rows: u64) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        *kinds.entry(kind.to_owned()).or_default() += rows;
        let all: u64 = kinds.values().sum();
        if all >= self.most {
            self.stop.store(true, Ordering::Relaxed);
        }
        drop(kinds);
        self.look();
    }

    fn look(&self) {
        let begun = self.begun.get_or_init(Instant::now);
        if begun.elapsed() >= self.budget.time || self.cancelled.load(Ordering::Relaxed) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// How far a bite has come. It hears of what those before have done, too.
#[derive(Default)]
pub(super) struct Tally(Mutex<Entered>);

#[derive(Default)]
struct Entered {
    stage: Option<Stage>,
    /// All rows of the stage.
    total: u64,
    /// Those that are done.
    kinds: BTreeMap<String, u64>,
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Entered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, stage: Stage, total: u64) -> Box<dyn Progress + '_> {
        *self.lock() = Entered { stage: Some(stage), total, kinds: BTreeMap::new() };
        Box::new(Counting(self))
    }

    /// Writes down how far it is.
    pub(super) fn tell(self, job: &mut Job) {
        let Entered { stage, total, kinds } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(stage) = stage {
            if stage != job.stage {
                job.enter(stage, None);
            }
            (job.total, job.kinds) = (Some(total), kinds);
        }
    }
}

impl Stages for Tally {
    fn reading(&self) -> Box<dyn Progress + '_> {
        Box::new(Silent)
    }

    fn shaping(&self, rows: u64) -> Box<dyn Progress + '_> {
        self.enter(Stage::Shaping, rows)
    }

    fn writing(&self, rows: u64) -> Box<dyn Progress + '_> {
        self.enter(Stage::Writing, rows)
    }
}

struct Counting<'a>(&'a Tally);

impl Progress for Counting<'_> {
    fn add(&self, kind: &str, rows: u64) {
        *self.0.lock().kinds.entry(kind.to_owned()).or_default() += rows;
    }
}
