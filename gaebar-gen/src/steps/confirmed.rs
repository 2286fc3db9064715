//! What somebody has confirmed of a restore, sealed by who was told so.
//!
//! A folder of backups may come from anywhere, with files of jobs in it. One that says that a restore was confirmed counts for nothing
//! unless its seal is right, and the secret lies in no such folder: then somebody is asked again.

use super::job::{Job, Stage, Work};
use crate::secret::Secret;

const PURPOSE: &str = "a restore that was confirmed";

/// Seals what a job is to do, if somebody has said that it is meant.
pub(super) fn seal(job: &mut Job, secret: &Secret) {
    let text = text(job);
    if let Work::Restore { confirm, seal, .. } = &mut job.work
        && !confirm.is_empty()
    {
        *seal = secret.seal(PURPOSE, &text).unwrap_or_default();
    }
}

/// Takes back what a job says was confirmed, unless it was sealed so: it waits for the word again.
pub(super) fn unless_sealed(job: &mut Job, secret: &Secret) {
    let text = text(job);
    let Work::Restore { confirm, seal, .. } = &mut job.work else { return };
    if !confirm.is_empty() && secret.has_sealed(PURPOSE, &text, seal) {
        return;
    }
    confirm.clear();
    seal.clear();
    if matches!(job.stage, Stage::Restoring | Stage::Deleting) {
        job.enter(Stage::Confirming, None);
        job.say("that this was confirmed is not sealed by this Gaebar: it waits for the word again");
    }
}

/// All that the job is to do, and how far it is, without the seal.
fn text(job: &Job) -> Vec<u8> {
    let mut work = job.work.clone();
    if let Work::Restore { seal, .. } = &mut work {
        seal.clear();
    }
    // Names, numbers and maps by names become JSON in any case; and what did not would match no seal that was made before.
    serde_json::to_vec(&(job.id, &job.begun, job.stage, &work)).unwrap_or_default()
}
