//! Which job of the remote's makes the backup: written down beside what is downloaded, so that whoever goes on asks for that one, and
//! the backup is not made twice.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Remote;
use crate::folder::{self, FolderError, SizeLimit};

/// The file beside the folder in which files wait.
const FILE: &str = "job.json";

/// Where it is written down.
pub(super) struct Begun<'a> {
    folder: PathBuf,
    remote: &'a str,
}

/// What is written down.
#[derive(Serialize, Deserialize)]
struct Note {
    /// The remote's address: a job of another one's may have the same number.
    remote: String,
    job: u64,
}

impl<'a> Begun<'a> {
    /// Beside a folder, and of a remote.
    pub(super) fn beside(pulled: &Path, remote: &'a Remote) -> Self {
        Self { folder: pulled.parent().unwrap_or(pulled).to_owned(), remote: remote.url() }
    }

    /// The remote's job, if one was begun. What a kill has torn is as good as nothing: the remote tells of jobs that have not ended.
    pub(super) fn job(&self) -> Result<Option<u64>, FolderError> {
        let bytes = folder::read_regular(&self.folder.join(FILE), SizeLimit::NOTE)?.unwrap_or_default();
        let note: Option<Note> = serde_json::from_slice(&bytes).ok();
        Ok(note.filter(|note| note.remote == self.remote).map(|note| note.job))
    }

    /// Writes down the remote's job.
    pub(super) fn keep(&self, job: u64) -> Result<(), FolderError> {
        let path = self.folder.join(FILE);
        let note = Note { remote: self.remote.to_owned(), job };
        let text = serde_json::to_vec(&note).map_err(|error| FolderError::at("write", &path)(error.into()))?;
        folder::write_again(&self.folder, FILE, &text)
    }
}
