//! A backup appears whole or not at all: it is staged beside its place, and renamed.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use thiserror::Error;

use crate::folder::{FolderError, sync_folder, sync_tree};

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
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// A new backup being made. Dropped before it is published, it leaves nothing behind.
#[derive(Debug)]
pub struct Staging {
    place: PathBuf,
    parent: PathBuf,
    temporary: TempDir,
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
        let temporary = tempfile::Builder::new()
            .prefix(&format!(".{}.gaebar-", name.to_string_lossy()))
            .tempdir_in(parent)
            .map_err(FolderError::at("create a folder in", parent))?;
        let staging = Self { parent: parent.to_owned(), place, temporary };
        for folder in [staging.spool(), staging.folder()] {
            std::fs::create_dir(&folder).map_err(FolderError::at("create the folder", &folder))?;
        }
        // Were this process killed, `git add` in the parent folder must not take what it leaves.
        let ignore = staging.temporary.path().join(".gitignore");
        std::fs::write(&ignore, "*\n").map_err(FolderError::at("write", &ignore))?;
        Ok(staging)
    }

    /// Where the spool goes.
    pub fn spool(&self) -> PathBuf {
        self.temporary.path().join("spool")
    }

    /// Where the backup's files go.
    pub fn folder(&self) -> PathBuf {
        self.temporary.path().join("backup")
    }

    /// Where the backup will stand.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Puts the backup in its place.
    pub fn publish(self) -> Result<PathBuf, PublishError> {
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
        Ok(self.place)
    }
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
