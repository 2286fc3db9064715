//! A backup appears whole or not at all: it is staged beside its place, and renamed.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::folder::{self, FolderError, sync_folder, sync_tree};
use crate::private::{Private, PrivateError};

/// Why a backup could not be put in its place.
#[derive(Debug, Error)]
pub enum PublishError {
    /// There is something already.
    #[error("{path} exists and is not empty; choose another folder, or remove it first", path = .0.display())]
    Taken(PathBuf),
    /// Something is in use at the place itself.
    #[error("{path} is {what}, which can't be replaced; choose a folder below it", path = .path.display())]
    InUse {
        /// The place.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The path has no last part that could be a name.
    #[error("{path} can't be a backup's folder: it has no name of its own", path = .0.display())]
    Nameless(PathBuf),
    /// The folder for what is not ready yet is not to be had.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// A new backup being made. Dropped before it is published, it leaves nothing behind but a spool that nobody cleared.
#[derive(Debug)]
pub struct Staging {
    place: PathBuf,
    parent: PathBuf,
    private: Private,
}

impl Staging {
    /// Prepares to make a backup at `place`, which must not exist or be empty.
    pub fn new(place: &Path) -> Result<Self, PublishError> {
        let place = resolve(place)?;
        let (Some(name), Some(parent)) = (place.file_name(), place.parent()) else {
            return Err(PublishError::Nameless(place));
        };
        match std::fs::read_dir(&place) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(PublishError::Taken(place));
                }
                check_replaceable(&place, parent)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FolderError::at("list", &place)(error).into()),
        }
        std::fs::create_dir_all(parent).map_err(FolderError::at("create the folder", parent))?;
        let private = Private::hold(&beside(parent, name), &place)?;
        Ok(Self { parent: parent.to_owned(), place, private })
    }

    /// Gaebar's own folder beside the backup.
    pub fn private(&self) -> &Private {
        &self.private
    }

    /// Where the backup's files go.
    pub fn folder(&self) -> PathBuf {
        self.private.staged()
    }

    /// Where the backup will stand.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Puts the backup in its place.
    pub fn publish(&self) -> Result<PathBuf, PublishError> {
        sync_tree(&self.folder())?;
        // An empty folder makes room (Windows would not replace it); were it filled meanwhile, the system refuses.
        let failed = |action: &'static str, error: io::Error| match error.kind() {
            // Somebody else was faster.
            io::ErrorKind::DirectoryNotEmpty => PublishError::Taken(self.place.clone()),
            _ => FolderError::at(action, &self.place)(error).into(),
        };
        match std::fs::remove_dir(&self.place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("make room at", error)),
            _ => {}
        }
        std::fs::rename(self.folder(), &self.place).map_err(|error| failed("put the backup at", error))?;
        sync_folder(&self.parent)?;
        Ok(self.place.clone())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.private.spool().exists() {
            let _ = folder::remove(self.private.folder());
        }
    }
}

/// Removes what a process left that was killed when its backup was just in its place.
pub fn sweep(backup: &Path) {
    if let (Some(parent), Some(name)) = (backup.parent(), backup.file_name())
        && let folder = beside(parent, name)
        && folder.exists()
        && let Ok(_held) = Private::hold(&folder, backup)
    {
        let _ = folder::remove(&folder);
    }
}

/// Gaebar's own folder beside a backup that is being made.
pub(crate) fn beside(parent: &Path, name: &OsStr) -> PathBuf {
    let mut private = OsString::from(".");
    private.push(name);
    private.push(".gaebar");
    parent.join(private)
}

/// The place without links, so that it can be renamed onto.
fn resolve(place: &Path) -> Result<PathBuf, FolderError> {
    if place.symlink_metadata().is_ok() {
        return place.canonicalize().map_err(FolderError::at("resolve", place));
    }
    std::path::absolute(place).map_err(FolderError::at("resolve", place))
}

/// Finds out early what would only fail at the end: an empty folder that somebody stands in or that is mounted.
fn check_replaceable(place: &Path, parent: &Path) -> Result<(), PublishError> {
    let in_use = |what| Err(PublishError::InUse { path: place.to_owned(), what });
    if std::env::current_dir().is_ok_and(|folder| folder.starts_with(place)) {
        return in_use("the folder that you are in");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
        if device(place) != device(parent) {
            return in_use("a mount point");
        }
    }
    Ok(())
}
