//! A step of a backup: some more of the store is read, or of what was read some more is looked at or written.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use gaebar_runtime::cli::plural;
use gaebar_runtime::store::{self, StoreUrl};

use super::Rules;
use super::expected::expected;
use super::job::{Job, Stage, Work};
use super::meter::{Meter, Tally};
use super::published::{Notes, Noting};
use crate::backup::{BackupError, Options, read_ahead, write_ahead};
use crate::checkpoint::CheckpointError;
use crate::private::PrivateError;
use crate::publish::PublishError;
use crate::read::{ReadError, Selection};
use crate::reading::Begin;
use crate::update::UpdateError;

/// Why a step failed.
pub(super) enum Failed {
    /// Another process works on the backup.
    Busy(PrivateError),
    /// What failed, and what to do.
    Problem(String),
}

/// Takes a step.
pub(super) fn step(
    job: &mut Job,
    url: &StoreUrl,
    folder: &Path,
    notes: &Notes,
    rules: &Rules,
    stop: &AtomicBool,
) -> Result<(), Failed> {
    let before = job.rows();
    let Work::Backup { has_begun, .. } = &mut job.work else { return Ok(()) };
    // A store that keeps no earlier versions can be read in steps only as it is at each of them; the backup says so.
    let begin = match url {
        _ if !*has_begun => Begin::Now,
        StoreUrl::Sqlite(_) | StoreUrl::Memory => Begin::ResumeInconsistent,
        StoreUrl::Datastore { .. } => Begin::Resume,
    };
    // Each scan finishes a page that it has begun.
    let scans = rules.backup.selection.scans.min(rules.budget.rows / 2).max(1);
    let page = (rules.budget.rows / (2 * scans)).max(1);
    let selection = Selection { rows_per_step: page, scans, ..rules.backup.selection.clone() };
    let options = Options { selection, begin, ..rules.backup.clone() };
    let store = store::open(url).map_err(|error| Failed::Problem(error.to_string()))?;
    if job.stage == Stage::Reading {
        if !*has_begun {
            job.about = folder.parent().and_then(|backups| expected(store.as_ref(), backups, &options.selection));
        }
        let meter = Meter::new(rules.budget, scans * page, before, stop);
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
    match write_ahead(store.as_ref(), folder, &options, &bite, &Noting { stages: &tally, notes }, stop) {
        Ok(None) => {
            tally.tell(job);
            Ok(())
        }
        Ok(Some(done)) => {
            job.enter(Stage::Done, None);
            job.kinds = done.kinds.into_iter().map(|(kind, written)| (kind, written.rows)).collect();
            if !done.other_sources.is_empty() {
                let (rows, before) = (plural(job.rows(), "row"), done.other_sources.join(", "));
                job.say(&format!("{rows} of {}; the backup was taken from {before} before", done.source));
            }
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
        // Another backup into this place has taken it.
        BackupError::Read(ReadError::Checkpoint(CheckpointError::Nothing(_))) => {
            *has_begun = false;
            job.enter(Stage::Reading, None);
            job.say("what was read is gone: another backup was made meanwhile; reading from the beginning");
            Ok(())
        }
        BackupError::Read(error @ (ReadError::Checkpoint(_) | ReadError::Expired(_) | ReadError::Vanished { .. })) => {
            *has_begun = false;
            job.enter(Stage::Reading, None);
            let cause = error.to_string();
            let cause = cause.lines().next().unwrap_or_default();
            Err(Failed::Problem(format!("What was read can't be gone on with: {cause}\nThe next step begins anew.")))
        }
        error => Err(Failed::Problem(error.to_string())),
    }
}
