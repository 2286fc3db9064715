//! From a backup's folder to its restore binary.
//!
//! What is compiled is a copy of just the files that the backup's manifests list, each with the hash that they give,
//! in a folder of Gaebar's own. Everything else in the copy is what this version of Gaebar would write.

mod cargo;
mod copy;
mod place;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use cargo::{CargoError, cargo};
pub use place::{BuildPlace, Profile, cache};

use crate::folder::FolderError;
use crate::manifest::{BackupManifest, KindManifest, ManifestError};

/// Why a backup was not compiled.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The folder is no backup.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A file is not as it was backed up.
    #[error("{path} is not as it was backed up; nothing was compiled. Put back the file that git has, or back up anew", path = .0.display())]
    Changed(PathBuf),
    /// A file that follows from the others is not as this version writes it.
    #[error("{path} is not as this version of Gaebar writes it; nothing was compiled. Was it edited, or written by another version?", path = .0.display())]
    NotOurs(PathBuf),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Cargo failed.
    #[error(transparent)]
    Cargo(#[from] CargoError),
}

/// Hears of crates that were compiled.
pub trait Progress {
    /// So many of the backup's own crates are done; `crate_name` is the last crate, a dependency perhaps.
    fn compiled(&self, crate_name: &str, own: usize, of: usize);
}

/// A backup, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The restore binary.
    pub binary: PathBuf,
    /// How many crates from elsewhere had to be compiled for it; none after the first time.
    pub dependencies: usize,
}

/// Compiles a backup's restore binary.
pub fn compile(backup: &Path, place: &BuildPlace, progress: &dyn Progress) -> Result<Compiled, CompileError> {
    let manifest = BackupManifest::read(backup)?;
    let kinds = KindManifest::read_all(backup)?;
    let volumes = volumes(&kinds);
    let _lock = place.lock()?;
    copy::copy(backup, place, &manifest, &kinds, &volumes)?;
    // Volumes, models, runtime, and the library and binary of the backup itself.
    let crates = volumes.len() + 4;
    Ok(cargo::build(place, &manifest.name, crates, progress)?)
}

/// The names of all volumes, from the files that the manifests list.
pub fn volumes(kinds: &[KindManifest]) -> BTreeSet<String> {
    kinds
        .iter()
        .flat_map(|kind| kind.files.keys())
        .filter_map(|file| file.strip_prefix("volumes/")?.split_once('/'))
        .map(|(volume, _)| volume.to_owned())
        .collect()
}
