//! Why a job or a step is refused. What fails within a step is the job's own problem, and is kept with it.

use gaebar_runtime::store::StoreError;
use thiserror::Error;

use super::job::utc;
use super::turn::TURN;
use crate::folder::FolderError;
use crate::private::PrivateError;

/// Why nothing was done.
#[derive(Debug, Error)]
pub enum StepError {
    /// There is no such job.
    #[error("there is no job {0}; the list of jobs shows those that there are")]
    Missing(u64),
    /// Somebody else is at it.
    #[error(
        "a step of this is under way{holder}; wait until it has ended",
        holder = process.map(|id| format!(", in process {id}{}", since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default())).unwrap_or_default()
    )]
    Busy {
        /// Their process, if it has said so.
        process: Option<u32>,
        /// Since when, in UTC.
        since: Option<String>,
    },
    /// Others are beginning jobs, one after another.
    #[error("other jobs are just being begun; wait a second, and send it again")]
    Beginning,
    /// Another job is of the same backup or target, and has not ended.
    #[error("job {id} is of the same {what} and has not ended; go on with that one, or cancel it")]
    Taken {
        /// The other job.
        id: u64,
        /// What they share.
        what: &'static str,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Refused(String),
    /// The job's file is none that this version wrote.
    #[error("the file of job {id} can't be read: {problem}; remove it from the folder .gaebar/jobs of the backups")]
    Damaged {
        /// The job.
        id: u64,
        /// What is wrong.
        problem: String,
    },
    /// The folder of jobs, or that of a backup, is not to be had.
    #[error(transparent)]
    Private(PrivateError),
    /// A finished backup can't be kept for other instances, or what one has kept can't be put in its place here.
    #[error("the backup {backup:?} is on the disk of one instance alone: {problem}; see to that, and ask again")]
    Kept {
        /// The backup.
        backup: String,
        /// What is in the way.
        problem: String,
    },
    /// A backup on this disk would be replaced by one that a store keeps, and is nobody's copy of that.
    #[error(
        "the backup {backup:?} on this disk did not come from the store of [state] in gaebar.toml, or was changed since, and that keeps another \
         of this name; nothing was replaced. Rename or remove the one on this disk, and the other one comes; or remove job {job} (DELETE \
         /api/jobs/{job}), and this one stays"
    )]
    Local {
        /// The backup.
        backup: String,
        /// The job that has finished the other one.
        job: u64,
    },
    /// What other instances know of jobs is not to be had.
    #[error(transparent)]
    State(#[from] StateError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl From<PrivateError> for StepError {
    fn from(error: PrivateError) -> Self {
        match error {
            PrivateError::Busy { process, since, .. } => Self::Busy { process, since: since.map(utc) },
            error => Self::Private(error),
        }
    }
}

/// Why the state of jobs is not to be had.
#[derive(Debug, Error)]
pub enum StateError {
    /// The kind is no name for it.
    #[error(
        "{0:?} can't be the kind of Gaebar's state: it must begin with `_Gaebar`, by which every Gaebar knows to leave it out of backups"
    )]
    Kind(String),
    /// Another instance is at it.
    #[error("a step of this is under way in another instance ({who}), until {until} at the latest; wait until it has ended")]
    Elsewhere {
        /// The other.
        who: String,
        /// Until when, in UTC.
        until: String,
    },
    /// Others have gone on, and what was done is lost.
    #[error("this step took longer than {} s, and another instance has gone on in its place; look at the job again", TURN.as_secs())]
    Overtaken,
    /// It is not what a Gaebar of this version writes.
    #[error(
        "the state of job {job} is damaged: {entity} in {store}: {problem}; to forget that job, with what it has done so far or the \
         finished backup that is kept of it, and no other, delete the entities of kind {kind} whose names begin with `turn {job:020} ` or \
         `part {job:020} `"
    )]
    Damaged {
        /// The job.
        job: u64,
        /// The store.
        store: String,
        /// The kind of entities there that are Gaebar's state.
        kind: String,
        /// The entity.
        entity: String,
        /// What is wrong.
        problem: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}
