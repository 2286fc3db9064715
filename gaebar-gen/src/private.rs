//! A folder of Gaebar's own, in a backup or beside one that is being made: `.gaebar` or `.NAME.gaebar`. One process holds it at a time.
//! What a process reads of a store lies there in `spool`, which outlives a kill.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use thiserror::Error;

use crate::folder::{self, FolderError, SizeLimit};

/// Held by who prepares a backup or an update.
pub(crate) const LOCK: &str = "lock";
/// What is read of a store, in Gaebar's own folder.
pub(crate) const SPOOL: &str = "spool";

/// Why the folder is not to be had.
#[derive(Debug, Error)]
pub enum PrivateError {
    /// Somebody else is at it.
    #[error("another gaebar{holder} is writing {path}; wait until it is done", path = .path.display(), holder = .process.map(|id| format!(" (process {id})")).unwrap_or_default())]
    Busy {
        /// The backup.
        path: PathBuf,
        /// The other's process id, if it has said so.
        process: Option<u32>,
        /// Since when it has been at it.
        since: Option<SystemTime>,
    },
    /// Something stands where a folder or file of Gaebar's own should, or a file of the backup.
    #[error("{path} is in the way: it is no {expected}; move it elsewhere", path = .path.display())]
    InTheWay {
        /// What.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
    },
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl PrivateError {
    pub(crate) fn in_the_way(path: &Path, expected: &'static str) -> Self {
        Self::InTheWay { path: path.to_owned(), expected }
    }
}

/// The folder, held by this process.
#[derive(Debug)]
pub struct Private {
    folder: PathBuf,
    lock: File,
}

impl Drop for Private {
    fn drop(&mut self) {
        // A process that this one is just starting has the file open, too, until it runs its own program.
        let _ = self.lock.unlock();
    }
}

impl Private {
    /// Takes a folder for the work on a backup.
    pub fn hold(folder: &Path, backup: &Path) -> Result<Self, PrivateError> {
        let place = folder.join(LOCK);
        let said = || holder(&place);
        let id = std::process::id();
        loop {
            let Some(mut lock) = lock(folder, LOCK, File::try_lock)? else {
                let since = place.metadata().and_then(|lock| lock.modified()).ok();
                return Err(PrivateError::Busy { path: backup.to_owned(), process: said(), since });
            };
            let say = |lock: &mut File| lock.set_len(0).and_then(|()| writeln!(lock, "{id}"));
            say(&mut lock).map_err(FolderError::at("write", &place))?;
            // Whoever held it before may have removed the folder since this file was opened.
            if said() == Some(id) {
                return Ok(Self { folder: folder.to_owned(), lock });
            }
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the spool goes. It may be there from before.
    pub fn spool(&self) -> PathBuf {
        self.folder.join(SPOOL)
    }

    /// Where the files of a backup go that are made from the spool, and outlive a kill like that.
    pub fn staged(&self) -> PathBuf {
        self.spool().join("staged")
    }

    /// Whatever is in the spool is not needed any more.
    pub fn clear_spool(&self) -> Result<(), FolderError> {
        folder::remove(&self.spool())
    }
}

/// The process that a lock's file names.
pub(crate) fn holder(lock: &Path) -> Option<u32> {
    let said = folder::read_regular(lock, SizeLimit::NOTE).ok()??;
    std::str::from_utf8(&said).ok()?.trim().parse().ok()
}

/// Locks a file in a folder of Gaebar's own. `None`: somebody else has it.
pub(crate) fn lock(
    folder: &Path,
    name: &str,
    take: impl FnOnce(&File) -> Result<(), TryLockError>,
) -> Result<Option<File>, PrivateError> {
    no_links_in(folder)?;
    fs::create_dir_all(folder).map_err(FolderError::at("create the folder", folder))?;
    // Whatever a parent's rules for git say, this is nobody's to commit.
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "*\n").map_err(FolderError::at("write", &ignore))?;
    }
    let path = folder.join(name);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(FolderError::at("lock", &path))?;
    match take(&file) {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(FolderError::at("lock", &path)(error).into()),
    }
}

/// A backup may come from anywhere. In Gaebar's own folder there are folders and files, and no links that lead elsewhere.
pub(crate) fn no_links_in(folder: &Path) -> Result<(), PrivateError> {
    match folder.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(metadata) if metadata.is_dir() => {}
        _ => return Err(PrivateError::in_the_way(folder, "folder")),
    }
    for entry in fs::read_dir(folder).map_err(FolderError::at("list", folder))? {
        let entry = entry.map_err(FolderError::at("list", folder))?;
        let kind = entry.file_type().map_err(FolderError::at("read", &entry.path()))?;
        if kind.is_dir() {
            no_links_in(&entry.path())?;
        } else if !kind.is_file() {
            return Err(PrivateError::in_the_way(&entry.path(), "file"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join(".b.gaebar");
        let held = Private::hold(&folder, &parent.path().join("b")).unwrap();
        let Err(PrivateError::Busy { process, .. }) = Private::hold(&folder, &parent.path().join("b")) else {
            panic!("held twice")
        };
        assert_eq!(process, Some(std::process::id()));
        drop(held);
        Private::hold(&folder, &parent.path().join("b")).unwrap();
    }
}
