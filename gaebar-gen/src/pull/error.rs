//! Why a backup was not downloaded.

use std::path::PathBuf;

use gaebar_runtime::cli::plural;
use gaebar_runtime::visible::visible;
use thiserror::Error;

use super::Watch;
use crate::backup::BackupError;
use crate::folder::{FolderError, bytes};
use crate::private::PrivateError;
use crate::publish::PublishError;
use crate::verify::{Far, VerifyError};

/// Why a backup was not downloaded. Nothing is in its place then, or what was there before.
#[derive(Debug, Error)]
pub enum PullError {
    /// The address makes no sense.
    #[error(
        "{url} is no address of a Gaebar: {problem}; one looks like https://backups.example.com/gaebar, or is a name from [remotes] in gaebar.toml"
    )]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Everybody on the way could read the token, and change the backup.
    #[error(
        "{host} is another machine, and http:// sends the token and the backup in the clear; use https://, a tunnel (ssh -L), or --plain-http \
         where the network is your own"
    )]
    InTheClear {
        /// The host.
        host: String,
    },
    /// There is no runtime on this machine.
    #[error("could not prepare to connect: {0}")]
    Prepare(std::io::Error),
    /// There is nothing by which a certificate could be trusted.
    #[error(
        "https:// needs the certificates of those whom this machine trusts: {0}; install them (Debian: apt install ca-certificates), or name a \
         file of them in SSL_CERT_FILE"
    )]
    Roots(std::io::Error),
    /// The remote's certificate is none to be trusted.
    #[error("{url}: the certificate is refused: {problem}; {next}")]
    Certificate {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        next: &'static str,
    },
    /// Nobody answers there.
    #[error("could not connect to {url}: {problem}; is it up, and is that its address?")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong.
        problem: String,
    },
    /// The remote did not answer, or not to the end.
    #[error("{url}: {problem}; is it up? What was downloaded is kept: the same command goes on from there")]
    Connection {
        /// What was asked for.
        url: String,
        /// What went wrong.
        problem: String,
    },
    /// The remote sends too slowly, or does not end.
    #[error("{url} took too long and was given up; what was downloaded is kept: the same command goes on from there")]
    Slow {
        /// What was asked for.
        url: String,
    },
    /// The remote wants to be asked elsewhere.
    #[error("{url} leads elsewhere, to {to}, where the token does not belong; if that is the address, give it", to = visible(.to))]
    Redirect {
        /// What was asked for.
        url: String,
        /// Where it leads.
        to: String,
    },
    /// The remote asks for a token, and none was sent.
    #[error(
        "{url} asks for a token: name its file (token-file in [remotes] of gaebar.toml, or --token-file), or put it into GAEBAR_TOKEN for \
         `gaebar pull` from an address"
    )]
    NoToken {
        /// What was asked for.
        url: String,
    },
    /// The remote does not know the token.
    #[error("{url} asks for another token than the one in {place}")]
    WrongToken {
        /// What was asked for.
        url: String,
        /// Where the token was found.
        place: String,
    },
    /// The remote says no.
    #[error("{url} answers {status}: {said}", said = visible(.said))]
    Refused {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// What the remote says.
        said: String,
    },
    /// The remote's list of files can't be used.
    #[error("the list of files can't be used: {0}; is it a Gaebar of a version that can be pulled from?")]
    List(String),
    /// The remote's answer is none that a Gaebar would give.
    #[error("{url} answers what makes no sense: {problem}; is it a Gaebar of a version that can be pulled from?")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another store is being backed up into that backup there.
    #[error(
        "job {job} there is backing {store} up into {backup}, and has not ended; pull from that store, or cancel the job there",
        store = visible(.store), backup = visible(.backup)
    )]
    Other {
        /// The job.
        job: u64,
        /// The store.
        store: String,
        /// The backup.
        backup: String,
    },
    /// The remote can't make the backup.
    #[error("the backup there (job {job}) failed: {problem}\nWhat it has read is kept there: the same command goes on from it", problem = visible(.problem))]
    Problem {
        /// The job.
        job: u64,
        /// What the remote says.
        problem: String,
    },
    /// Somebody cancelled the backup there.
    #[error("the backup there (job {0}) was cancelled; the same command begins anew")]
    Cancelled(u64),
    /// The remote makes steps, and gets nowhere.
    #[error(
        "given up: the backup there (job {job}) does not come to an end after {steps} steps, the last of them at {rows} rows. If you trust that \
         Gaebar, the same command goes on with it"
    )]
    Endless {
        /// The job.
        job: u64,
        /// The steps that were asked for.
        steps: u32,
        /// Where it was.
        rows: u32,
    },
    /// The remote asks to wait longer than a step may take.
    #[error("{url}: asked to wait; the next step asks again")]
    Later {
        /// What was asked for.
        url: String,
    },
    /// Steps download, and what they have downloaded is gone with the next, or is not what the remote lists then.
    #[error(
        "given up: {steps} steps in a row have brought it no further; now it has {here} of {of} files. Either the backup there is another each time, or          what is downloaded does not stay here (on a host whose disk does not last, name a store for it: [state] in gaebar.toml). See to that,          cancel this, and begin anew"
    )]
    NoFurther {
        /// The steps.
        steps: usize,
        /// Files that are here.
        here: usize,
        /// All files.
        of: usize,
    },
    /// The remote lists what no backup has.
    #[error("refused: the remote lists {path:?}, which {problem}")]
    Listed {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The remote sends more than it said.
    #[error("refused: {url} sends more than the {most} bytes that it may have")]
    TooLong {
        /// What was asked for.
        url: String,
        /// How much it may have.
        most: u64,
    },
    /// A file is not as large as was said.
    #[error("refused: {path} has {came} bytes, and the remote listed it with {said}; if the backup has just changed, pull again")]
    Size {
        /// The file.
        path: String,
        /// As it was listed.
        said: u64,
        /// As it came.
        came: u64,
    },
    /// A file is not what was said.
    #[error(
        "refused: {path} does not have the hash that the remote lists for it; if the backup has just changed, pull again, and else run `gaebar \
         verify` there"
    )]
    Hash {
        /// The file.
        path: String,
    },
    /// The disk would be full.
    #[error("the backup needs {needed}, and {folder} has {free} left", needed = bytes(*.needed), free = bytes(*.free), folder = .folder.display())]
    Space {
        /// What is still to be downloaded.
        needed: u64,
        /// What is free.
        free: u64,
        /// Where it goes.
        folder: PathBuf,
    },
    /// The backup that is here was taken from another store.
    #[error(
        "the backup here was taken from {here}, and its {rows} would be replaced by those of {there}. If that is meant, say so: --another-source, \
         or, for a new job, the tick on the page (programs: another_source=yes); else take another folder or name",
        here = visible(.here), rows = plural(*.rows, "row"), there = visible(.there)
    )]
    AnotherSource {
        /// What it was taken from.
        here: String,
        /// Its rows.
        rows: u64,
        /// What the remote's was taken from.
        there: String,
    },
    /// Its rows can't be taken for those of one store.
    #[error("the backup there was taken from {0}, and a backup is updated from one store; pull it into a folder of its own")]
    Source(String),
    /// One of its kinds was read at no time.
    #[error("the backup there says that it was read at {0:?}, which is no time")]
    Time(String),
    /// The backup that is there was not updated.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Gaebar's own folder in it is not to be had.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The budget is used up.
    #[error("paused; the same command goes on from there")]
    Paused(Paused),
    /// Somebody asked to stop.
    #[error("stopped; what was done, there and here, is kept: the same command goes on from there")]
    Stopped,
    /// What came is no backup.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// It can't be put in its place.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// How far a pull came within its budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paused {
    /// The remote makes the backup: its job, and how far that is.
    Reading(Watch),
    /// The remote has the backup; so many of its files are here.
    Downloading {
        /// The files that are here.
        files: usize,
        /// All files.
        of: usize,
        /// Their bytes.
        bytes: u64,
        /// The bytes of all files.
        of_bytes: u64,
        /// Bytes that came in this step.
        came: u64,
    },
    /// All files are here, and some of their rows are verified.
    Verifying(Far),
}
