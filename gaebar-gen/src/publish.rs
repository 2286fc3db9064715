//! A backup appears whole or not at all: it is staged beside its place, and renamed.

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
        let place = std::path::absolute(place).map_err(FolderError::at("resolve", place))?;
        let (Some(name), Some(parent)) = (place.file_name(), place.parent()) else {
            return Err(PublishError::Nameless(place));
        };
        match std::fs::read_dir(&place) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(PublishError::Taken(place));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
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
        // A folder that is empty is replaced; were it filled meanwhile, the system refuses.
        std::fs::rename(self.folder(), &self.place).map_err(FolderError::at("put the backup at", &self.place))?;
        sync_folder(&self.parent)?;
        Ok(self.place)
    }
}
