//! Where a backup is compiled, and where its dependencies are kept.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::cache::{self, private_folder};
use crate::folder::FolderError;
use crate::names::hex;

/// The folders of one backup's build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPlace {
    /// This backup's own folder. It belongs to one backup path.
    own: PathBuf,
    member: String,
    /// Compiled dependencies, shared by all backups.
    pub shared: PathBuf,
    /// How to compile.
    pub profile: Profile,
}

/// A profile of cargo's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// `dev`
    Dev,
    /// `release`
    Release,
}

impl Profile {
    /// The profile's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }
}

impl BuildPlace {
    /// The place for a backup. If this program stands in the target folder of its own workspace, that folder is shared, and its
    /// profile too, so that a dependency is compiled once on a machine.
    pub fn of(backup: &Path) -> Result<Self, FolderError> {
        let path = backup.canonicalize().map_err(FolderError::at("find", backup))?;
        let cache = cache::folder()?;
        let name: String =
            path.file_name().unwrap_or_default().to_string_lossy().chars().filter(char::is_ascii_alphanumeric).take(24).collect();
        let digest = hex(&Sha256::digest(path.as_os_str().as_encoded_bytes()));
        let member = format!("{name}-{}", &digest[..16]);
        let own = private_folder(&cache.join("builds").join(&member))?;
        let (shared, profile) = std::env::current_exe()
            .ok()
            .and_then(|program| workspace_target(&program))
            .filter(|(target, _)| tempfile::tempfile_in(target).is_ok())
            .unwrap_or_else(|| (cache.join("target"), Profile::Release));
        Ok(Self { own, member, shared, profile })
    }

    /// This backup's own folder.
    pub(super) fn own(&self) -> &Path {
        &self.own
    }

    /// The workspace that is compiled.
    pub fn source(&self) -> PathBuf {
        self.own.join("source")
    }

    /// The folder in that workspace that the copy of the backup stands in. No other backup's has the same name.
    pub fn member(&self) -> &str {
        &self.member
    }

    /// Waits until no other process builds this backup (and calls `waiting` if one does); keeps others waiting until the file is
    /// dropped.
    pub fn lock(&self, waiting: impl FnOnce()) -> Result<File, FolderError> {
        let path = self.own.join("lock");
        let lock = || -> std::io::Result<File> {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            if file.try_lock().is_err() {
                waiting();
                file.lock()?;
            }
            Ok(file)
        };
        lock().map_err(FolderError::at("lock", &path))
    }

    /// Where cargo puts the binary.
    pub fn target(&self) -> PathBuf {
        self.own.join("target")
    }
}

/// The target folder of cargo's that a program stands in, and the profile.
fn workspace_target(program: &Path) -> Option<(PathBuf, Profile)> {
    let folder = program.parent()?;
    let profile = match folder.file_name()?.to_str()? {
        "debug" => Profile::Dev,
        "release" => Profile::Release,
        _ => return None,
    };
    let target = folder.parent()?;
    // Cargo puts this file into every target folder.
    target.join("CACHEDIR.TAG").is_file().then(|| (target.to_owned(), profile))
}
