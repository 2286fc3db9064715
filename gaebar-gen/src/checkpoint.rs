//! What has been read of a store, written down as it happens, so that a backup that was killed goes on.
//!
//! A file beside the runs of a spool, of JSON lines: what is read, and as of when; then the tasks that were found, and how far
//! each has come. A line counts once its end is written, and the runs that it names are written before it is: synced or, of a store that is
//! as quickly read again, not. Then the log says in which run of the machine that was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gaebar_runtime::model::{Key, Timestamp};
use gaebar_runtime::store::{Cursor, Place, ReadTime, Scan};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::folder::{self, FolderError, SizeLimit};
use crate::read::Selection;
use crate::spool::Run;

const FILE: &str = "read.log";
/// Of the lines below.
const FORMAT: u32 = 1;

/// Why a backup can't go on where an earlier one was killed.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is nothing to go on with.
    #[error("there is no interrupted backup to go on with: {path} does not exist; leave --resume out", path = .0.display())]
    Nothing(PathBuf),
    /// It was of something else.
    #[error("the backup that was interrupted was of {found}, and this one is of {expected}; leave --resume out to begin anew")]
    Other {
        /// What it was of.
        found: String,
        /// What this one is of.
        expected: String,
    },
    /// A line is none that a backup writes.
    #[error("{path} is damaged at line {line}: {problem}; leave --resume out to begin anew", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong.
        problem: String,
    },
}

/// Something to do, which may find more to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TaskLine", into = "TaskLine")]
pub enum Task {
    /// Find the kinds of a namespace.
    Namespace(String),
    /// Read a kind; if it is large, in ranges.
    Kind(Scan),
    /// Read a range.
    Range(Scan),
}

/// A task that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its number in the log.
    pub number: usize,
    /// What to do.
    pub task: Task,
    /// How far it has come.
    pub cursor: Option<Cursor>,
}

/// Where an interrupted backup is.
#[derive(Debug)]
pub struct SoFar {
    /// As of when it read the store.
    pub read_time: ReadTime,
    /// What it read.
    pub runs: Vec<Run>,
    /// What is left to do. `None`: it had not begun.
    pub pending: Option<Vec<Pending>>,
    /// How long all that is of use.
    pub lasts: Lasts,
    /// Whether all was read, and was still there at the end.
    pub is_checked: bool,
}

/// What reading came upon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Namespaces.
    pub namespaces: BTreeSet<String>,
    /// Kinds of a namespace, and whether entities of them were read.
    pub kinds: BTreeMap<(String, String), bool>,
}

impl Found {
    fn add(&mut self, task: &Task) {
        match task {
            Task::Namespace(namespace) => drop(self.namespaces.insert(namespace.clone())),
            Task::Kind(scan) | Task::Range(scan) => drop(self.kinds.entry(of_scan(scan)).or_default()),
        }
    }

    fn read(&mut self, scan: &Scan, runs: &[Run]) {
        *self.kinds.entry(of_scan(scan)).or_default() |= runs.iter().any(|run| run.rows > 0);
    }
}

fn of_scan(Scan { namespace, kind, .. }: &Scan) -> (String, String) {
    (namespace.clone(), kind.clone())
}

/// How long what was read is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// Always: it is synced.
    Always,
    /// Until the machine starts again: it is not.
    UntilRestart,
}

/// The log of what is read.
#[derive(Debug)]
pub struct Checkpoints {
    path: PathBuf,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    /// `None`: nobody will go on.
    file: Option<File>,
    /// Tasks that were found.
    tasks: usize,
    found: Found,
}

impl Checkpoints {
    /// Nothing is written down.
    pub fn none() -> Self {
        Self { path: PathBuf::new(), log: Mutex::new(Log { file: None, tasks: 0, found: Found::default() }) }
    }

    /// Begins a log in a spool's folder. Returns how long what it names has to last, too: always, where the system does not say when it
    /// has started.
    pub fn begin(
        folder: &Path,
        place: &Place,
        selection: &Selection,
        read_time: ReadTime,
        lasts: Lasts,
    ) -> Result<(Self, Lasts), CheckpointError> {
        let path = folder.join(FILE);
        let boot = boot().filter(|_| lasts == Lasts::UntilRestart);
        let head = Head { boot, ..Head::new(place, selection, read_time) };
        let lasts = head.lasts();
        folder::write(folder, FILE, Line::Head(head).text().as_bytes())?;
        let file = append(&path)?;
        Ok((Self { path, log: Mutex::new(Log { file: Some(file), tasks: 0, found: Found::default() }) }, lasts))
    }

    /// Finds out where a backup was interrupted that was of the same. `None`: what it read may be lost, since the machine has started again.
    pub fn resume(folder: &Path, place: &Place, selection: &Selection) -> Result<Option<(Self, SoFar)>, CheckpointError> {
        let path = folder.join(FILE);
        let Some(bytes) = folder::read_regular(&path, SizeLimit::PROGRESS)? else { return Err(CheckpointError::Nothing(path)) };
        let mut replay = Replay::default();
        let mut length = 0;
        for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            // A line that was cut off by a kill says nothing, and must not run into the next.
            let Some(text) = line.strip_suffix(b"\n") else { break };
            length += line.len() as u64;
            let added = serde_json::from_slice(text).map_err(|error| error.to_string()).and_then(|line| replay.add(line));
            added.map_err(|problem| CheckpointError::Damaged { path: path.clone(), line: number + 1, problem })?;
        }
        let Replay { head, tasks, runs, pending, found, is_checked } = replay;
        let Some(head) = head else { return Err(CheckpointError::Nothing(path)) };
        let expected = Head::new(place, selection, head.read_time());
        if head.of() != expected.of() {
            return Err(CheckpointError::Other { found: head.of(), expected: expected.of() });
        }
        let lasts = head.lasts();
        if lasts == Lasts::UntilRestart && head.boot != boot() {
            return Ok(None);
        }
        let file = append(&path)?;
        file.set_len(length).map_err(FolderError::at("write", &path))?;
        let log = Log { file: Some(file), tasks, found };
        let pending = (tasks > 0).then(|| pending.into_values().collect());
        let so_far = SoFar { read_time: head.read_time(), runs: runs.into_values().collect(), pending, lasts, is_checked };
        Ok(Some((Self { path, log: Mutex::new(log) }, so_far)))
    }

    /// From here on, pages are as of when they are read.
    pub fn latest(&self) -> Result<(), CheckpointError> {
        self.write(&mut self.log(), &Line::Latest)
    }

    /// A task, or the beginning, has found others, and is done itself.
    pub fn found(&self, by: Option<usize>, tasks: Vec<Task>) -> Result<Vec<Pending>, CheckpointError> {
        let mut log = self.log();
        self.write(&mut log, &Line::Found { by, tasks: tasks.clone() })?;
        let first = log.tasks;
        log.tasks += tasks.len();
        for task in &tasks {
            log.found.add(task);
        }
        Ok((first..).zip(tasks).map(|(number, task)| Pending { number, task, cursor: None }).collect())
    }

    /// A task has read so far of its scan: to these runs, and a cursor; or to its end.
    pub fn read(&self, task: usize, scan: &Scan, runs: Vec<Run>, next: Option<&Cursor>) -> Result<(), CheckpointError> {
        let mut log = self.log();
        log.found.read(scan, &runs);
        self.write(&mut log, &Line::Read { task, runs, next: next.map(|cursor| cursor.0.clone()) })
    }

    /// What was found so far, by a backup that was interrupted, too.
    pub fn so_far(&self) -> Found {
        self.log().found.clone()
    }

    /// All was read, and is still there.
    pub fn checked(&self) -> Result<(), CheckpointError> {
        self.write(&mut self.log(), &Line::Checked)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, log: &mut Log, line: &Line) -> Result<(), CheckpointError> {
        if let Some(file) = &mut log.file {
            // One call: a kill comes before it or after it.
            file.write_all(line.text().as_bytes()).map_err(FolderError::at("write", &self.path))?;
        }
        Ok(())
    }
}

/// Whether a spool's folder holds something that a backup could go on with.
pub fn has_rows(folder: &Path) -> bool {
    let Ok(Some(bytes)) = folder::read_regular(&folder.join(FILE), SizeLimit::PROGRESS) else { return false };
    let mut lines = bytes.split(|byte| *byte == b'\n').map_while(|line| serde_json::from_slice(line).ok());
    lines.any(|line| matches!(line, Line::Read { runs, .. } if !runs.is_empty()))
}

/// What tells one run of the machine from another, where the system says it.
fn boot() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

fn append(path: &Path) -> Result<File, FolderError> {
    OpenOptions::new().append(true).open(path).map_err(FolderError::at("open", path))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// What is read.
    Head(Head),
    /// It is read as it is now, from here on.
    Latest,
    /// Tasks, numbered on.
    Found { by: Option<usize>, tasks: Vec<Task> },
    /// How far a task has come.
    Read { task: usize, runs: Vec<Run>, next: Option<Vec<u8>> },
    /// All was read, and is still there.
    Checked,
}

impl Line {
    fn text(&self) -> String {
        // Serialising strings and numbers can't fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// A task as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TaskLine {
    Namespace(String),
    Kind { namespace: String, kind: String },
    Range { namespace: String, kind: String, from: Option<Text<Key>>, to: Option<Text<Key>> },
}

impl From<Task> for TaskLine {
    fn from(task: Task) -> Self {
        match task {
            Task::Namespace(namespace) => Self::Namespace(namespace),
            Task::Kind(Scan { namespace, kind, .. }) => Self::Kind { namespace, kind },
            Task::Range(Scan { namespace, kind, from, to }) => {
                Self::Range { namespace, kind, from: from.map(Text), to: to.map(Text) }
            }
        }
    }
}

impl From<TaskLine> for Task {
    fn from(line: TaskLine) -> Self {
        match line {
            TaskLine::Namespace(namespace) => Self::Namespace(namespace),
            TaskLine::Kind { namespace, kind } => Self::Kind(Scan { namespace, kind, from: None, to: None }),
            TaskLine::Range { namespace, kind, from, to } => {
                let key = |text: Option<Text<Key>>| text.map(|Text(key)| key);
                Self::Range(Scan { namespace, kind, from: key(from), to: key(to) })
            }
        }
    }
}

/// What is written as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    format: u32,
    source: String,
    kinds: Option<Vec<String>>,
    exclude_kinds: Vec<String>,
    namespaces: Option<Vec<String>>,
    read_time: Text<Timestamp>,
    consistent: bool,
    /// The run of the machine that what is read lasts for. If there is none, it is synced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
}

impl Head {
    fn new(place: &Place, selection: &Selection, ReadTime { time, consistent }: ReadTime) -> Self {
        let Selection { kinds, exclude_kinds, namespaces, rows_per_step: _, scans: _ } = selection.clone();
        let source = place.identity();
        Self { format: FORMAT, source, kinds, exclude_kinds, namespaces, read_time: Text(time), consistent, boot: None }
    }

    fn read_time(&self) -> ReadTime {
        ReadTime { time: self.read_time.0, consistent: self.consistent }
    }

    fn lasts(&self) -> Lasts {
        if self.boot.is_some() { Lasts::UntilRestart } else { Lasts::Always }
    }

    /// What is read, for people: another text is another thing.
    fn of(&self) -> String {
        let Self { format, source, kinds, exclude_kinds, namespaces, .. } = self;
        let only =
            |what, names: &Option<Vec<String>>| names.as_ref().map_or(String::new(), |names| format!(", {what} {names:?}"));
        let mut of = format!("{source}{}{}", only("kinds", kinds), only("namespaces", namespaces));
        if !exclude_kinds.is_empty() {
            of = format!("{of}, without kinds {exclude_kinds:?}");
        }
        if *format != FORMAT {
            of += ", by another version of Gaebar";
        }
        of
    }
}

/// The lines of a log, gone through once more.
#[derive(Debug, Default)]
struct Replay {
    head: Option<Head>,
    tasks: usize,
    runs: BTreeMap<usize, Run>,
    pending: BTreeMap<usize, Pending>,
    found: Found,
    is_checked: bool,
}

impl Replay {
    fn add(&mut self, line: Line) -> Result<(), String> {
        match (line, &mut self.head) {
            (Line::Head(head), none @ None) => *none = Some(head),
            (Line::Head(_), Some(_)) => return Err("a second head".to_owned()),
            (_, None) => return Err("the head is missing".to_owned()),
            (Line::Latest, Some(head)) => head.consistent = false,
            (Line::Checked, _) => self.is_checked = true,
            (Line::Found { by, tasks }, _) => {
                if let Some(by) = by {
                    self.pending.remove(&by).ok_or_else(|| format!("task {by} is not to be done"))?;
                }
                for task in tasks {
                    let number = self.tasks;
                    self.found.add(&task);
                    self.pending.insert(number, Pending { number, task, cursor: None });
                    self.tasks += 1;
                }
            }
            (Line::Read { task, runs, next }, _) => {
                let pending = self.pending.get_mut(&task).ok_or_else(|| format!("task {task} is not to be done"))?;
                if let Task::Kind(scan) | Task::Range(scan) = &pending.task {
                    self.found.read(scan, &runs);
                }
                self.runs.extend(runs.into_iter().map(|run| (run.number, run)));
                match next {
                    Some(cursor) => pending.cursor = Some(Cursor(cursor)),
                    None => drop(self.pending.remove(&task)),
                }
            }
        }
        Ok(())
    }
}
