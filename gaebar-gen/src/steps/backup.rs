//! A step of a backup: some more of the store is read, or of what was read some more is looked at or written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use gaebar_runtime::store::{self, StoreUrl};

use super::job::{Job, Stage, Work};
use super::{Budget, Rules};
use crate::backup::{BackupError, Options, read_ahead, write_ahead};
use crate::checkpoint::CheckpointError;
use crate::private::PrivateError;
use crate::progress::{Progress, Silent};
use crate::publish::PublishError;
use crate::read::{ReadError, SCANS, Selection};
use crate::reading::Begin;
use crate::stage::Stages;
use crate::update::UpdateError;

/// Why a step failed.
pub(super) enum Failed {
    /// Another process works on the backup.
    Busy(PrivateError),
    /// What failed, and what to do.
    Problem(String),
}

/// Takes a step.
pub(super) fn step(job: &mut Job, url: &StoreUrl, folder: &Path, rules: &Rules, stop: &AtomicBool) -> Result<(), Failed> {
    let before = job.rows();
    let Work::Backup { has_begun, .. } = &mut job.work else { return Ok(()) };
    // A store that keeps no earlier versions can be read in steps only as it is at each of them; the backup says so.
    let begin = match url {
        _ if !*has_begun => Begin::Now,
        StoreUrl::Sqlite(_) | StoreUrl::Memory => Begin::ResumeInconsistent,
        StoreUrl::Datastore { .. } => Begin::Resume,
    };
    // Each scan finishes a page that it has begun.
    let page = (rules.budget.rows / (2 * SCANS)).max(1);
    let selection = Selection { rows_per_step: page, ..rules.backup.selection.clone() };
    let options = Options { selection, begin, ..rules.backup.clone() };
    let store = store::open(url).map_err(|error| Failed::Problem(error.to_string()))?;
    if job.stage == Stage::Reading {
        let meter = Meter::new(rules.budget, page, before, stop);
        let read = read_ahead(store.as_ref(), folder, &options, &meter, &meter.stop);
        job.kinds = meter.kinds();
        match read {
            Ok(()) => {
                *has_begun = true;
                let rows = job.rows();
                job.enter(Stage::Shaping, Some(rows));
            }
            Err(BackupError::Read(ReadError::Interrupted(_))) => *has_begun = true,
            Err(error) => return failed(job, error),
        }
        return Ok(());
    }
    let (bite, tally) = (rules.budget.bite(), Tally::default());
    match write_ahead(store.as_ref(), folder, &options, &bite, &tally, stop) {
        Ok(None) => {
            tally.tell(job);
            Ok(())
        }
        Ok(Some(done)) => {
            job.enter(Stage::Done, None);
            job.kinds = done.kinds.into_iter().map(|(kind, written)| (kind, written.rows)).collect();
            Ok(())
        }
        Err(error) => failed(job, error),
    }
}

fn failed(job: &mut Job, error: BackupError) -> Result<(), Failed> {
    let Work::Backup { has_begun, .. } = &mut job.work else { return Ok(()) };
    let error = match error {
        BackupError::Unfinished { source, .. } => *source,
        error => error,
    };
    match error {
        BackupError::Publish(PublishError::Private(busy @ PrivateError::Busy { .. }))
        | BackupError::Update(UpdateError::Private(busy @ PrivateError::Busy { .. })) => Err(Failed::Busy(busy)),
        // A step whose answer was lost has finished it, or another backup into this place has.
        BackupError::Read(ReadError::Checkpoint(CheckpointError::Nothing(_))) => {
            *has_begun = false;
            job.enter(Stage::Reading, None);
            job.say("what was read is gone: another backup was made meanwhile; reading from the beginning");
            Ok(())
        }
        BackupError::Read(error @ (ReadError::Checkpoint(_) | ReadError::Expired(_))) => {
            *has_begun = false;
            job.enter(Stage::Reading, None);
            let cause = error.to_string();
            let cause = cause.lines().next().unwrap_or_default();
            Err(Failed::Problem(format!("What was read can't be gone on with: {cause}\nThe next step begins anew.")))
        }
        error => Err(Failed::Problem(error.to_string())),
    }
}

/// How far a bite has come. It hears of what those before have done, too.
#[derive(Default)]
struct Tally(Mutex<(Option<(Stage, u64)>, BTreeMap<String, u64>)>);

impl Tally {
    fn enter(&self, stage: Stage, rows: u64) -> Box<dyn Progress + '_> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Some((stage, rows)), BTreeMap::new());
        Box::new(Counting(self))
    }

    fn tell(self, job: &mut Job) {
        let (entered, kinds) = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((stage, rows)) = entered {
            if stage != job.stage {
                job.enter(stage, None);
            }
            (job.total, job.kinds) = (Some(rows), kinds);
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
        let mut tally = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        *tally.1.entry(kind.to_owned()).or_default() += rows;
    }
}

/// Counts what is read, and asks to stop where the budget ends.
struct Meter<'a> {
    /// Rows, what was read before this step included, at which to stop.
    most: u64,
    budget: Budget,
    /// When the first was read: a store that takes long to open must not have used up each step's time.
    begun: OnceLock<Instant>,
    /// Whether the whole job is to stop.
    cancelled: &'a AtomicBool,
    stop: AtomicBool,
    kinds: Mutex<BTreeMap<String, u64>>,
}

impl<'a> Meter<'a> {
    fn new(budget: Budget, page: usize, before: u64, cancelled: &'a AtomicBool) -> Self {
        // Each of the scans may be within a page when it is asked to stop.
        let most = before + budget.rows.saturating_sub(SCANS * page).max(1) as u64;
        let stop = AtomicBool::new(cancelled.load(Ordering::Relaxed));
        Self { most, budget, begun: OnceLock::new(), cancelled, stop, kinds: Mutex::default() }
    }

    fn kinds(self) -> BTreeMap<String, u64> {
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
