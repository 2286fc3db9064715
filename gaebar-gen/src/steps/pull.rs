//! A step of a pull: a step of the backup that the Gaebar elsewhere makes, or some of the backup's files; with the last of them it is
//! put in its place.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::backup::Failed;
use super::job::{Job, Stage, Work};
use super::{Elsewhere, Rules};
use crate::backup::{BackupError, Options};
use crate::private::PrivateError;
use crate::progress::Silent;
use crate::publish::PublishError;
use crate::pull::{Paused, Plain, PullError, Remote, Wanted, pull};
use crate::read::Selection;
use crate::update::UpdateError;

/// Takes a step.
pub(super) fn step(job: &mut Job, from: &Elsewhere, folder: &Path, rules: &Rules, stop: &AtomicBool) -> Result<(), Failed> {
    let Work::Pull { backup, store, files, .. } = &mut job.work else { return Ok(()) };
    let remote = Remote::new(&from.url, from.token.as_ref(), Plain::Refused);
    let remote = remote.map_err(|error| Failed::Problem(error.to_string()))?;
    let wanted = Wanted { backup, store: store.as_deref(), budget: Some(rules.budget) };
    // All that the backup has: what it leaves out was left out there.
    let selection = Selection { rows_per_step: rules.budget.rows, ..Selection::default() };
    let options = Options { selection, ..rules.backup.clone() };
    match pull(&remote, &wanted, folder, &options, &Silent, stop) {
        Ok(pulled) => {
            *files = (pulled.files, pulled.files);
            job.enter(Stage::Done, None);
            Ok(())
        }
        Err(PullError::Paused(Paused::Reading { rows })) => {
            // None are told where another step was under way.
            let read = job.kinds.entry(store.clone().unwrap_or_default()).or_default();
            *read = rows.max(*read);
            Ok(())
        }
        Err(PullError::Paused(Paused::Downloading { files: here, of })) => {
            *files = (here, of);
            if store.take().is_some() {
                job.enter(Stage::Downloading, None);
            }
            Ok(())
        }
        Err(
            PullError::Private(busy @ PrivateError::Busy { .. })
            | PullError::Publish(PublishError::Private(busy @ PrivateError::Busy { .. }))
            | PullError::Backup(BackupError::Update(UpdateError::Private(busy @ PrivateError::Busy { .. }))),
        ) => Err(Failed::Busy(busy)),
        Err(error) => Err(Failed::Problem(error.to_string())),
    }
}
