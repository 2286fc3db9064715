//! A job: a backup or a restore, how far it is, and what its steps did.

use std::collections::{BTreeMap, BTreeSet};

use gaebar_runtime::cli::{plural, thousands};
use gaebar_runtime::model::Timestamp;
use gaebar_runtime::restore::{Counts, Cover, Noticed};
use serde::{Deserialize, Serialize};

use crate::folder::bytes;
use crate::pull::Watch;

/// The word that says that a store is meant which is no real project.
pub(super) const YES: &str = "yes";
/// Jobs and their turns have lower numbers: there is always another.
pub(super) const LAST: u64 = u64::MAX >> 1;
/// Lines of the log that are kept.
const MOST_LINES: usize = 30;

/// A backup or a restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number among the jobs of a folder of backups.
    pub id: u64,
    /// When it was begun, in UTC.
    pub begun: String,
    /// What is done.
    pub work: Work,
    /// How far it is.
    pub stage: Stage,
    /// Rows of each kind that this stage has done.
    pub kinds: BTreeMap<String, u64>,
    /// All rows of this stage, where that is known.
    pub total: Option<u64>,
    /// About how many rows a store that is read has, by its own statistics or its last backup, where there is one.
    pub about: Option<u64>,
    /// Files of the finished backup that are in the store, while they are copied there for other instances.
    #[serde(default)]
    pub copied: u64,
    /// Seconds that the steps of this stage took.
    pub seconds: f64,
    /// Steps that were taken.
    pub steps: u64,
    /// What the last step failed at, and what to do; the next step tries again.
    pub problem: Option<String>,
    /// What the steps did, the last of them last.
    pub log: Vec<String>,
    /// Bytes of the backup that it has finished, as a store keeps them for other instances until the job is removed; 0 if none does.
    #[serde(default)]
    pub kept: u64,
}

/// What a job does. Stores go by their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Work {
    /// Backs a store up, anew or into a backup that is there.
    Backup {
        /// The store.
        store: String,
        /// The backup's name: its folder among the backups.
        backup: String,
        /// Whether somebody has said that a backup of another store is meant to be updated.
        #[serde(default)]
        another_source: bool,
        /// Whether there is something to go on from.
        has_begun: bool,
    },
    /// Pulls a backup from a Gaebar elsewhere, into a new one or one that is there.
    Pull {
        /// The Gaebar.
        remote: String,
        /// The backup's name there and here.
        backup: String,
        /// A store there that is backed up first, until that is done.
        store: Option<String>,
        /// Whether somebody has said that a backup of another store, here or there, is meant to be updated.
        #[serde(default)]
        another_source: bool,
        /// Files that are here, and all.
        files: (usize, usize),
        /// Their bytes.
        #[serde(default)]
        bytes: Bytes,
        /// The job of that Gaebar's which makes the backup.
        #[serde(default)]
        there: There,
        /// How far that job is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        watch: Option<Watch>,
        /// The version of a new backup's runtime, if this Gaebar does not know it, and so does not verify or compile the backup.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unknown_runtime: Option<String>,
    },
    /// Restores a backup into a store.
    Restore {
        /// Where its rows are.
        from: Rows,
        /// The backup's name.
        backup: String,
        /// The store.
        target: String,
        /// `overwrite`, `skip`, `fail` or `update-only`, as on the command line.
        on_conflict: String,
        /// Whether entities of the target are deleted that are missing in the backup, where that covers their kinds and namespaces.
        mirror: bool,
        /// What somebody typed to say that the target is meant: a real project's name, or `yes` for another store.
        confirm: String,
        /// Shows that a Gaebar with the same secret was told so, of this very restore.
        #[serde(default)]
        seal: String,
        /// The name that has to be typed, if the target is a real project.
        project: Option<String>,
        /// The store that the target's name meant when the job was begun.
        #[serde(default)]
        place: String,
        /// The hash of the backup that the plan is of.
        digest: Option<String>,
        /// What the plan says, by kind.
        plan: BTreeMap<String, Planned>,
        /// What to know of the entities that the target is to hold.
        #[serde(default)]
        noticed: Noticed,
        /// What to know of the target once rows were written.
        #[serde(default)]
        note: Option<String>,
        /// How far a mirror's look at what only the target has is.
        #[serde(default)]
        others: Box<Others>,
        /// Where the next window of rows begins: a shard, and a place in it.
        at: (usize, usize),
        /// The first window of which rows were read back: its shard, its place there, and how many rows it had. It is looked at once more at
        /// the end, since an emulator may have come back empty between steps.
        #[serde(default)]
        first: Option<(usize, usize, usize)>,
        /// Whether somebody has said that the plan is meant, and writing has begun.
        #[serde(default)]
        has_begun: bool,
        /// Entities that were written.
        written: u64,
        /// Entities that were deleted.
        deleted: u64,
    },
}

/// Bytes of a backup that is pulled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// Those that are here.
    pub here: u64,
    /// All of them.
    pub of: u64,
    /// Those that came in the steps whose time is counted.
    pub came: u64,
    /// The most that were here.
    #[serde(default)]
    pub furthest: u64,
    /// Steps since then.
    #[serde(default)]
    pub idle: usize,
}

/// The job of a Gaebar elsewhere that makes the backup which is pulled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum There {
    /// None is known of.
    #[default]
    Nothing,
    /// This one makes it.
    UnderWay(u64),
    /// This one has made it.
    Made(u64),
    /// This one was cancelled together with the pull.
    Cancelled(u64),
    /// Whether it was cancelled is not known.
    Left {
        /// Its number, if that is known.
        job: Option<u64>,
        /// What went wrong.
        why: String,
    },
}

impl There {
    /// The job that makes the backup.
    pub(super) fn under_way(&self) -> Option<u64> {
        if let Self::UnderWay(job) = self { Some(*job) } else { None }
    }

    /// Its job has ended, and the backup is there.
    pub(super) fn made(&mut self) {
        if let Self::UnderWay(job) = self {
            *self = Self::Made(*job);
        }
    }

    /// What is left of it at a Gaebar, now or once the pull is cancelled: a sentence, after a blank, or nothing.
    fn leaves(&self, remote: &str) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::UnderWay(job) => format!(" Job {job} at {remote:?}, which makes the backup there, is cancelled, too."),
            Self::Made(job) => format!(" The backup that job {job} at {remote:?} has made stays there."),
            Self::Cancelled(job) => format!(" Job {job} at {remote:?}, which made the backup there, was cancelled, too."),
            Self::Left { job, why } => {
                let job = job.map_or("a job".to_owned(), |job| format!("job {job}"));
                format!(" Whether {job} at {remote:?} still makes the backup there is not known, and its page tells: {why}")
            }
        }
    }
}

/// Where the rows of a backup are that is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rows {
    /// In its folder among the backups.
    Folder,
    /// In this program: it is compiled in.
    Linked,
}

impl Work {
    /// A backup of a store that has a name, into one that may have been taken from another store only if that is said.
    pub fn backup(store: String, backup: String, another_source: bool) -> Self {
        Self::Backup { store, backup, another_source, has_begun: false }
    }

    /// A pull of a backup that a Gaebar elsewhere has, or makes of a store; into one that may be of another store only if that is said.
    pub fn pull(remote: String, backup: String, store: Option<String>, another_source: bool) -> Self {
        let (files, bytes, there, watch) = ((0, 0), Bytes::default(), There::default(), None);
        Self::Pull { remote, backup, store, another_source, files, bytes, there, watch, unknown_runtime: None }
    }

    /// The folder of a backup that it works on, and whether it writes there. What is compiled in has none.
    pub(super) fn folder(&self) -> Option<(&str, bool)> {
        match self {
            Self::Backup { backup, .. } | Self::Pull { backup, .. } => Some((backup, true)),
            Self::Restore { from: Rows::Folder, backup, .. } => Some((backup, false)),
            Self::Restore { from: Rows::Linked, .. } => None,
        }
    }

    /// A restore of a backup into a store that has a name.
    pub fn restore(from: Rows, backup: String, target: String, on_conflict: String, mirror: bool, confirm: String) -> Self {
        let (seal, project, place, digest) = (String::new(), None, String::new(), None);
        let (plan, noticed, note, others) = (BTreeMap::new(), Noticed::default(), None, Box::default());
        let (at, first, has_begun, written, deleted) = ((0, 0), None, false, 0, 0);
        Self::Restore {
            from,
            backup,
            target,
            on_conflict,
            mirror,
            confirm,
            seal,
            project,
            place,
            digest,
            plan,
            noticed,
            note,
            others,
            at,
            first,
            has_begun,
            written,
            deleted,
        }
    }
}

/// How far a look at what only the target has is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Others {
    /// The namespaces that the backup has entities in.
    pub namespaces: BTreeSet<String>,
    /// Where a mirror looks, once the backup is planned.
    #[serde(default)]
    pub cover: Option<Cover>,
    /// In how many of its namespaces kinds were looked for that only the target has.
    #[serde(default)]
    pub listed: usize,
    /// The number of scans that are behind.
    pub scan: usize,
    /// Where that goes on, as the store says.
    pub cursor: Option<Vec<u8>>,
}

/// How far a job is: one stage comes after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The store is read.
    Reading,
    /// What was read is looked at for the structs of new kinds, and, with what the backup has already, for what changed.
    Shaping,
    /// What was read is written as code, to the end of a shard at least.
    Writing,
    /// Files come from the Gaebar elsewhere.
    Downloading,
    /// The backup is finished on this disk, and its files are copied into the store in which it is kept for other instances.
    Keeping,
    /// The backup is verified, to the end of a shard at least. One that was downloaded is put in its place after that.
    Verifying,
    /// The backup is compared with the target.
    Planning,
    /// The target is looked through for what only it has, for a mirror.
    Counting,
    /// Somebody has to say that the plan is meant.
    Confirming,
    /// Rows are written.
    Restoring,
    /// What the backup does not have, and the plan has counted, is deleted.
    Deleting,
    /// All is done.
    Done,
    /// Somebody cancelled it.
    Cancelled,
}

impl Stage {
    /// Whether nothing is left to do.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Shaping => "looking at what was read",
            Self::Writing => "writing",
            Self::Downloading => "downloading",
            Self::Keeping => "copying for other instances",
            Self::Verifying => "verifying",
            Self::Planning => "comparing",
            Self::Counting => "counting what only the target has",
            Self::Confirming => "waiting for a word",
            Self::Restoring => "restoring",
            Self::Deleting => "deleting",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a restore does to entities of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The target does not have them.
    pub create: u64,
    /// The target has them in another state.
    pub replace: u64,
    /// The target has just them.
    pub equal: u64,
    /// The target has them, or has them not, and that stays so.
    pub leave: u64,
    /// Only the target has them.
    pub delete: u64,
}

impl Planned {
    pub(super) fn add(&mut self, counts: &Counts) {
        self.create += counts.create;
        self.replace += counts.replace;
        self.equal += counts.equal + counts.done;
        self.leave += counts.leave + counts.miss;
        self.delete += counts.delete;
    }
}

impl Job {
    pub(super) fn new(id: u64, work: Work) -> Self {
        let stage = match work {
            Work::Backup { .. } | Work::Pull { store: Some(_), .. } => Stage::Reading,
            Work::Pull { store: None, .. } => Stage::Downloading,
            Work::Restore { from: Rows::Folder, .. } => Stage::Verifying,
            Work::Restore { from: Rows::Linked, .. } => Stage::Planning,
        };
        let (kinds, log) = (BTreeMap::new(), Vec::new());
        Self {
            id,
            begun: now(),
            work,
            stage,
            kinds,
            total: None,
            about: None,
            copied: 0,
            seconds: 0.0,
            steps: 0,
            problem: None,
            log,
            kept: 0,
        }
    }

    /// Whether it is the job that was asked for, and stays among the backups: what is on disk or in a store may have been edited.
    pub(super) fn check(self, id: u64) -> Result<Self, String> {
        match self.backup() {
            _ if self.id != id => Err(format!("it says that it is job {}", self.id)),
            name if !is_backup_name(name) => Err(format!("{name:?} can't be a backup's name")),
            _ => Ok(self),
        }
    }

    /// The name of the backup that it makes or restores.
    pub fn backup(&self) -> &str {
        match &self.work {
            Work::Backup { backup, .. } | Work::Restore { backup, .. } | Work::Pull { backup, .. } => backup,
        }
    }

    /// The word that it waits for, as [`super::Jobs::step`]'s `confirm`: a real project's name, or `yes`.
    pub fn waits_for(&self) -> Option<&str> {
        match &self.work {
            Work::Restore { project, .. } if self.stage == Stage::Confirming => Some(project.as_deref().unwrap_or(YES)),
            _ => None,
        }
    }

    /// Rows that this stage has done, or files that were copied.
    pub fn rows(&self) -> u64 {
        if self.stage == Stage::Keeping { self.copied } else { self.kinds.values().sum() }
    }

    /// Rows a second within the steps of this stage; bytes, while files are downloaded; files, while they are copied.
    pub fn rate(&self) -> u64 {
        let done = self.downloading().map_or_else(|| self.rows(), |bytes| bytes.came);
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // for people to read
        let rate = (done as f64 / self.seconds.max(0.001)) as u64;
        rate
    }

    /// About how many rows this stage will have done, unless there are more already.
    pub fn about(&self) -> Option<u64> {
        self.about.filter(|about| self.stage == Stage::Reading && *about > self.rows())
    }

    /// Seconds that the rest of this stage takes at that rate, where its end is known, or about known.
    pub fn seconds_left(&self) -> Option<u64> {
        let left = match self.downloading() {
            // Before the first step, nobody knows.
            Some(bytes) => Some(bytes.of.saturating_sub(bytes.here)).filter(|_| bytes.came > 0),
            None => self.total.or(self.about()).map(|total| total.saturating_sub(self.rows())),
        };
        Some(left?.div_ceil(self.rate().max(1)))
    }

    /// What a step has done which began with so many rows, and whose stage goes on.
    pub(super) fn after_step(&self, rows: u64) -> String {
        match &self.work {
            Work::Pull { files: (here, of), .. } if self.stage == Stage::Downloading => {
                format!("{} of {} are here", thousands(*here as u64), plural(*of as u64, "file"))
            }
            _ => match self.waits_for() {
                Some(word) => format!("nothing is written before confirm={word}"),
                None => format!("{} rows", self.rows().saturating_sub(rows)),
            },
        }
    }

    /// The bytes of a pull whose files are downloaded.
    fn downloading(&self) -> Option<&Bytes> {
        match &self.work {
            Work::Pull { bytes, .. } if self.stage == Stage::Downloading => Some(bytes),
            _ => None,
        }
    }

    /// What is left behind: now, if it has ended, and else once it is cancelled.
    pub fn leaves(&self) -> String {
        let is_done = self.stage == Stage::Done;
        match &self.work {
            _ if self.kept > 0 => format!(
                "The backup {:?}, {}, is kept for other instances, until this job is removed or a later one has finished that backup; \
                 what is on the disk of an instance stays there.",
                self.backup(),
                bytes(self.kept)
            ),
            Work::Backup { backup, .. } | Work::Pull { backup, .. } if self.stage == Stage::Keeping => format!(
                "The backup {backup:?} is made, and stays on the disk of the instance that has made it; others do not get it."
            ),
            Work::Backup { backup, .. } if is_done => format!("The backup {backup:?} is made, and stays."),
            Work::Pull { remote, backup, there, .. } if is_done => {
                format!("The backup {backup:?} is here, and stays.{}", there.leaves(remote))
            }
            Work::Backup { backup, .. } => {
                format!("Nothing is left of what was read, and whatever was in the backup {backup:?} before is as it was.")
            }
            Work::Pull { remote, backup, there, .. } => format!(
                "Nothing is left of what was downloaded, and whatever was in the backup {backup:?} here before is as it was.{}",
                there.leaves(remote)
            ),
            Work::Restore { target, has_begun: false, .. } => format!("Nothing was written to {target:?}."),
            Work::Restore { target, written, deleted, .. } => {
                let deleted = if *deleted > 0 { format!(", and {} were deleted", thousands(*deleted)) } else { String::new() };
                let whole = plural(*written, "entity").replace("entitys", "entities");
                if is_done {
                    return format!("{whole} were written to {target:?}{deleted}, and stay so.");
                }
                format!(
                    "{whole} that the last finished step had counted were written to {target:?}{deleted}, and stay so; a step that was \
                     broken off may have written more."
                )
            }
        }
    }

    /// Begins another stage.
    pub(super) fn enter(&mut self, stage: Stage, total: Option<u64>) {
        self.stage = stage;
        self.total = total;
        self.kinds.clear();
        self.seconds = 0.0;
        self.say(stage.name());
    }

    /// So many files of the finished backup are in the store now; the job is done when all are.
    pub(super) fn copy(&mut self, copied: u64, of: u64, seconds: f64) {
        if self.stage != Stage::Keeping {
            (self.stage, self.seconds) = (Stage::Keeping, 0.0);
        }
        (self.copied, self.total, self.seconds) = (copied, Some(of), self.seconds + seconds);
        if copied < of {
            self.say(&format!("step {}: {} of {} are in the store", self.steps, thousands(copied), plural(of, "file")));
        } else {
            (self.stage, self.total) = (Stage::Done, None);
        }
    }

    /// The stage that finishes the backup, for a disk that does not have it.
    pub(super) fn finish_again(&mut self) {
        let stage = if matches!(self.work, Work::Pull { .. }) { Stage::Downloading } else { Stage::Writing };
        self.enter(stage, None);
        self.say("the backup was finished on the disk of another instance; it is finished here, too");
    }

    /// Adds a line to the log.
    pub(super) fn say(&mut self, line: &str) {
        self.log.push(format!("{} {line}", now()));
        let more = self.log.len().saturating_sub(MOST_LINES);
        self.log.drain(..more);
    }
}

/// Whether a name is a part of a path that stays below the folder of backups, on every system, and that no shell or git trips over.
pub(super) fn is_backup_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.len() <= 100 && !name.starts_with(['.', '-']) && name.chars().all(is_plain)
}

/// The time, in UTC.
fn now() -> String {
    utc(std::time::SystemTime::now())
}

/// A time in UTC, to the second.
pub(super) fn utc(time: std::time::SystemTime) -> String {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(since.as_secs().cast_signed(), 0).map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_that_a_gaebar_before_had_begun_is_gone_on_with() {
        let written = r#"{"do":"pull","remote":"far","backup":"b","store":"s","files":[3,7]}"#;
        let Work::Pull { files, bytes, there, .. } = serde_json::from_str(written).unwrap() else { panic!("it is a pull") };
        assert_eq!((files, bytes, there), ((3, 7), Bytes::default(), There::Nothing));
    }
}
