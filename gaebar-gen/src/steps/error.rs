//! Why a job or a step is refused. What fails within a step is the job's own problem, and is kept with it.

use thiserror::Error;

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
    /// The folder of jobs is not to be had.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}
