//! What was committed, written down as it happens, so that a restore that was killed can go on.
//!
//! The file is text: a head that says which backup goes where and how, then a line a commit, `SHARD FROM TO …`: rows at the places
//! FROM to TO (not included) of a shard. A line counts once its end is written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use thiserror::Error;

use super::batches::lock;
use super::rows::RowRef;

/// What a journal is of: another backup, target or way of restoring has another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// A hash of the backup.
    pub backup: String,
    /// The target, by URL.
    pub target: String,
    /// How it is restored.
    pub options: String,
}

impl Identity {
    fn head(&self) -> String {
        let Self { backup, target, options } = self;
        // As Rust writes strings: on one line, whatever is in them.
        format!("gaebar journal 1\nbackup {backup:?}\ntarget {target:?}\noptions {options:?}\n")
    }
}

/// Rows that were committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done(BTreeMap<usize, Vec<(usize, usize)>>);

impl Done {
    /// Whether a row was.
    pub fn contains(&self, row: RowRef) -> bool {
        self.0.get(&row.shard).is_some_and(|ranges| ranges.iter().any(|(from, to)| (*from..*to).contains(&row.at)))
    }
}

/// Why there is no journal.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file can't be had.
    #[error("could not {action} the journal {path}: {source}; --journal FILE puts it elsewhere", path = .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has it.
    #[error("another restore writes to the journal {path}, so it goes to the same target; wait until it is done", path = .0.display())]
    Busy(PathBuf),
    /// There is nothing to go on with.
    #[error("there is no interrupted restore to go on with: {path} does not exist; leave --resume out", path = .0.display())]
    Nothing(PathBuf),
    /// It is of something else.
    #[error("the restore that was interrupted {differs} ({path}); leave --resume out to restore from the beginning", path = .path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What it says first that differs.
        differs: &'static str,
    },
}

/// A journal that is being written.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Begins a journal, in place of one that is there.
    pub fn begin(path: &Path, identity: &Identity) -> Result<Self, JournalError> {
        let io = |action| move |source| JournalError::Io { action, path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io("make a folder for"))?;
        }
        let mut file = open(path).map_err(io("open"))?;
        take(path, &file)?;
        file.set_len(0)
            .and_then(|()| file.write_all(identity.head().as_bytes()))
            .and_then(|()| file.sync_all())
            .map_err(io("write"))?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Goes on with a journal: what it says was done, too.
    pub fn resume(path: &Path, identity: &Identity) -> Result<(Self, Done), JournalError> {
        let io = |action| move |source| JournalError::Io { action, path: path.to_owned(), source };
        if !path.exists() {
            return Err(JournalError::Nothing(path.to_owned()));
        }
        let file = open(path).map_err(io("open"))?;
        take(path, &file)?;
        let text = String::from_utf8_lossy(&fs::read(path).map_err(io("read"))?).into_owned();
        let head = identity.head();
        let Some(lines) = text.strip_prefix(&head) else {
            let same = text.lines().zip(head.lines()).take_while(|(found, expected)| found == expected).count();
            let differs = match same {
                1 => "was of another backup, or of another state of it",
                2 => "went to another target",
                3 => "had other options, which must be the same",
                _ => "left no journal that this version can read",
            };
            return Err(JournalError::Other { path: path.to_owned(), differs });
        };
        // A line that was cut off by a kill says nothing, and must not run into the next.
        let whole = lines.rfind('\n').map_or("", |end| &lines[..=end]);
        file.set_len((head.len() + whole.len()) as u64).map_err(io("write"))?;
        Ok((Self { path: path.to_owned(), file: Mutex::new(file) }, parse(whole)))
    }

    /// Rows were committed.
    pub(super) fn committed(&self, rows: &[RowRef]) -> Result<(), JournalError> {
        let mut line = String::new();
        for run in rows.chunk_by(|row, next| row.shard == next.shard && row.at + 1 == next.at) {
            if let [first, ..] = run {
                // Writing to a String can't fail.
                let _ = write!(line, "{} {} {} ", first.shard, first.at, first.at + run.len());
            }
        }
        line.push('\n');
        // One call: a kill comes before it or after it.
        let written = lock(&self.file).write_all(line.as_bytes());
        written.map_err(|source| JournalError::Io { action: "write", path: self.path.clone(), source })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything is done: nobody has to go on.
    pub fn finish(self) -> Result<(), JournalError> {
        fs::remove_file(&self.path).map_err(|source| JournalError::Io { action: "remove", path: self.path.clone(), source })
    }
}

/// Opens a journal, and no other file that a link leads to.
fn open(path: &Path) -> io::Result<File> {
    if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::other("it is not a regular file"));
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// Keeps other processes off, until the file is closed.
fn take(path: &Path, file: &File) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(fs::TryLockError::WouldBlock) => Err(JournalError::Busy(path.to_owned())),
        Err(fs::TryLockError::Error(source)) => Err(JournalError::Io { action: "lock", path: path.to_owned(), source }),
    }
}

/// Whatever a line says that makes no sense counts as not committed: those rows are looked at again.
fn parse(lines: &str) -> Done {
    let mut done = Done::default();
    for line in lines.lines() {
        let numbers: Vec<usize> = line.split_whitespace().map_while(|number| number.parse().ok()).collect();
        for range in numbers.chunks_exact(3) {
            done.0.entry(range[0]).or_default().push((range[1], range[2]));
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { backup: "b".into(), target: "sqlite:a\nb".into(), options: String::new() }
    }

    /// A file of its own in the folder for temporary files.
    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("gaebar-journal-{}-{name}", std::process::id()))
    }

    fn rows(rows: &[(usize, usize)]) -> Vec<RowRef> {
        rows.iter().map(|(shard, at)| RowRef { shard: *shard, at: *at }).collect()
    }

    #[test]
    fn what_was_committed_is_known_again_wherever_the_file_was_cut_off() {
        let path = path("cut");
        let journal = Journal::begin(&path, &identity()).unwrap();
        journal.committed(&rows(&[(0, 0), (0, 1), (0, 2), (1, 0), (1, 5)])).unwrap();
        journal.committed(&rows(&[(2, 7)])).unwrap();
        drop(journal);
        let whole = fs::read(&path).unwrap();
        let head = identity().head().len();
        for end in head..=whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let (journal, done) = Journal::resume(&path, &identity()).unwrap();
            let first = whole[..end].iter().skip(head).any(|byte| *byte == b'\n');
            assert_eq!(done.contains(RowRef { shard: 0, at: 2 }), first, "cut at {end}");
            assert_eq!(done.contains(RowRef { shard: 1, at: 5 }), first);
            assert_eq!(done.contains(RowRef { shard: 2, at: 7 }), end == whole.len());
            assert!(!done.contains(RowRef { shard: 1, at: 1 }) && !done.contains(RowRef { shard: 3, at: 0 }));
            journal.committed(&rows(&[(9, 9)])).unwrap();
            drop(journal);
            assert!(Journal::resume(&path, &identity()).unwrap().1.contains(RowRef { shard: 9, at: 9 }));
        }
        Journal::resume(&path, &identity()).unwrap().0.finish().unwrap();
        assert!(matches!(Journal::resume(&path, &identity()), Err(JournalError::Nothing(_))));
    }

    #[test]
    fn another_restore_and_a_second_process_are_refused() {
        let path = path("other");
        let journal = Journal::begin(&path, &identity()).unwrap();
        assert!(matches!(Journal::begin(&path, &identity()), Err(JournalError::Busy(_))));
        drop(journal);
        for other in [
            Identity { backup: "c".into(), ..identity() },
            Identity { target: "sqlite:c".into(), ..identity() },
            Identity { options: "skip".into(), ..identity() },
        ] {
            assert!(matches!(Journal::resume(&path, &other), Err(JournalError::Other { .. })));
        }
        #[cfg(unix)]
        {
            let (link, file) = (self::path("link"), self::path("file"));
            fs::write(&file, "precious").unwrap();
            std::os::unix::fs::symlink(&file, &link).unwrap();
            assert!(matches!(Journal::begin(&link, &identity()), Err(JournalError::Io { .. })));
            assert!(matches!(Journal::resume(&link, &identity()), Err(JournalError::Io { .. })));
            assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
            for path in [link, file] {
                fs::remove_file(path).unwrap();
            }
        }
        fs::write(&path, b"\xff\x00 no journal").unwrap();
        assert!(matches!(Journal::resume(&path, &identity()), Err(JournalError::Other { .. })));
        fs::remove_file(&path).unwrap();
    }
}
