//! A step of a pull: a step of the backup that the Gaebar elsewhere makes, or some of the backup's files, or shards of it that are
//! verified; once all are, it is put in its place. And its end before that, which is the end of the job elsewhere, too.

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::backup::Failed;
use super::job::{Job, Stage, There, Work};
use super::published::{Notes, Noting};
use super::{Elsewhere, Rules, Sums};
use crate::backup::{BackupError, Options};
use crate::private::PrivateError;
use crate::progress::Silent;
use crate::publish::PublishError;
use crate::pull::{Ended, Paused, Plain, Pull, PullError, Reach, Remote, Watch, cancel};
use crate::read::Selection;
use crate::update::UpdateError;
use crate::verify::Writer;

/// Steps in a row that download and bring it no further, beside those that all files take.
const MOST_IDLE: usize = 100;

/// Takes a step.
pub(super) fn step(
    job: &mut Job,
    from: &Elsewhere,
    folder: &Path,
    notes: &Notes,
    rules: &Rules,
    sums: &Sums,
    stop: &AtomicBool,
) -> Result<(), Failed> {
    let Work::Pull { backup, store, another_source, files, bytes, there, watch, unknown_runtime, .. } = &mut job.work else {
        return Ok(());
    };
    let known = there.under_way().map(|job| watch.filter(|watch| watch.job == job).unwrap_or(Watch::new(job)));
    let remote = remote(from, rules).map_err(|error| Failed::Problem(error.to_string()))?;
    // All that the backup has: what it leaves out was left out there.
    let selection = Selection { rows_per_step: rules.budget.rows, ..Selection::default() };
    let heard = RefCell::new(Vec::new());
    let pulled = Pull {
        remote: &remote,
        backup,
        store: store.as_deref(),
        reach: Reach::Step { budget: rules.budget, watch: known },
        place: folder,
        another_source: *another_source,
        options: &Options { selection, ..rules.backup.clone() },
        sums,
        stages: &Noting { stages: &Silent, notes },
        hear: &|earlier| heard.borrow_mut().push(earlier),
        stop,
    }
    .run();
    let result = match pulled {
        Ok(pulled) => {
            (*files, bytes.here, bytes.of) = ((pulled.files, pulled.files), pulled.bytes, pulled.bytes);
            *store = None;
            there.made();
            unknown_runtime.clone_from(&pulled.unknown_runtime);
            job.enter(Stage::Done, None);
            if let Some(version) = pulled.unknown_runtime {
                job.say(&Writer::Unknown { version }.to_string());
            }
            for file in pulled.changed_tool_files {
                job.say(&format!("{file} is not as Gaebar writes it; it has git and rustfmt leave the backup as it is"));
            }
            if let Some(updated) = pulled.updated.filter(|updated| !updated.other_sources.is_empty()) {
                let before = updated.other_sources.join(", ");
                job.say(&format!("it is of {} now; the backup was taken from {before} before", updated.source));
            }
            Ok(())
        }
        Err(PullError::Paused(Paused::Reading(now))) => {
            *watch = Some(now);
            if *there != There::UnderWay(now.job) {
                // Of another job, nothing was read yet.
                (*there, job.seconds) = (There::UnderWay(now.job), 0.0);
                job.kinds.clear();
            }
            // None are told where another step was under way.
            let read = job.kinds.entry(store.clone().unwrap_or_default()).or_default();
            *read = now.rows().max(*read);
            Ok(())
        }
        Err(PullError::Paused(Paused::Downloading { files: here, of, bytes: bytes_here, of_bytes, came })) => {
            bytes.idle = if bytes_here > bytes.furthest { 0 } else { bytes.idle + 1 };
            bytes.furthest = bytes.furthest.max(bytes_here);
            (*files, bytes.here, bytes.of) = ((here, of), bytes_here, of_bytes);
            // Of another backup all files may have to come anew.
            if bytes.idle > MOST_IDLE + of.div_ceil(rules.budget.rows.max(1)) {
                return Err(Failed::Problem(PullError::NoFurther { steps: bytes.idle, here, of }.to_string()));
            }
            if store.take().is_some() {
                there.made();
            }
            if job.stage == Stage::Downloading {
                bytes.came += came;
            } else {
                // Of the step that began this stage, the time is not known by itself.
                bytes.came = 0;
                job.enter(Stage::Downloading, None);
            }
            Ok(())
        }
        Err(PullError::Paused(Paused::Verifying(far))) => {
            // All of it was here already.
            if store.take().is_some() {
                there.made();
            }
            if job.stage != Stage::Verifying {
                job.enter(Stage::Verifying, None);
            }
            (job.kinds, job.total) = (far.kinds, Some(far.total));
            Ok(())
        }
        Err(error @ PullError::Later { .. }) => {
            job.say(&error.to_string());
            Ok(())
        }
        Err(
            PullError::Private(busy @ PrivateError::Busy { .. })
            | PullError::Publish(PublishError::Private(busy @ PrivateError::Busy { .. }))
            | PullError::Backup(BackupError::Update(UpdateError::Private(busy @ PrivateError::Busy { .. }))),
        ) => Err(Failed::Busy(busy)),
        Err(error) => Err(Failed::Problem(error.to_string())),
    };
    for earlier in heard.into_inner() {
        job.say(&earlier.to_string());
    }
    result
}

/// Has the job elsewhere cancelled that makes the backup, if one does, and keeps what came of that.
pub(super) fn cancel_there(work: &mut Work, rules: &Rules) {
    let Work::Pull { remote: name, backup, store: Some(store), there, .. } = work else { return };
    let job = there.under_way();
    let ended = match rules.remotes.get(name).map(|from| remote(from, rules)) {
        Some(remote) => remote.and_then(|remote| cancel(&remote, job, store, backup)).map_err(|error| error.to_string()),
        None => Err("it has no name here any more".to_owned()),
    };
    *there = match ended {
        Ok(Ended::Cancelled(job)) => There::Cancelled(job),
        Ok(Ended::Made(job)) => There::Made(job),
        Ok(Ended::Gone) => There::Nothing,
        Err(why) => There::Left { job, why },
    };
}

fn remote(elsewhere: &Elsewhere, rules: &Rules) -> Result<Remote, PullError> {
    Ok(Remote::new(&elsewhere.url, elsewhere.token.as_ref(), Plain::Refused)?.for_a_step(rules.budget.time))
}
