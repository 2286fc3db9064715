//! From a backup's folder to its restore binary.
//!
//! What is compiled is a copy in a folder of Gaebar's own, made of the bytes that verification accepted, and of nothing else.

mod cargo;
mod copy;
mod place;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use thiserror::Error;

pub use cargo::{CargoError, cargo};
#[cfg(feature = "web")]
pub(crate) use place::private_folder;
pub use place::{BuildPlace, Profile, cache};

use crate::folder::FolderError;
use crate::releases::Release;
use crate::verify::{self, Verified, VerifyError};

/// Why a backup was not compiled.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The backup was refused.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Cargo failed.
    #[error(transparent)]
    Cargo(#[from] CargoError),
}

/// Hears of crates that were compiled.
pub trait Progress {
    /// So many of the backup's own crates are done; `crate_name` was the last.
    fn compiled(&self, crate_name: &str, own: usize, of: usize);

    /// So many crates that the backup depends on had to be compiled; `crate_name` was the last.
    fn dependency(&self, crate_name: &str, compiled: usize);

    /// Something else that takes time, such as cargo downloading.
    fn says(&self, what: &str);
}

/// A backup that was verified, and copied as it was. No other process touches the copy while this lives.
#[derive(Debug)]
pub struct Prepared {
    /// The backup.
    pub verified: Verified,
    place: BuildPlace,
    lock: File,
}

/// A backup, compiled.
#[derive(Debug)]
pub struct Compiled {
    /// The restore binary.
    pub binary: PathBuf,
    /// What it was compiled from; the binary knows it too, and refuses another with `--digest`.
    pub digest: String,
    /// The earlier release whose runtime it has, if it is not this version's.
    pub release: Option<&'static Release>,
    /// The stores that the backup was taken from, by URL.
    pub taken_from: Vec<String>,
    /// How many crates that other backups have, too, had to be compiled for it: the runtime and what it depends on. None after the
    /// first time.
    pub dependencies: usize,
    /// Nobody replaces the binary while this lives.
    #[expect(dead_code, reason = "held, not used")]
    lock: File,
}

impl Prepared {
    /// Verifies a backup and copies it to where it is compiled.
    pub fn new(backup: &Path, place: BuildPlace, progress: &dyn Progress) -> Result<Self, CompileError> {
        let lock = place.lock(|| progress.says("Waiting for another gaebar that builds this backup"))?;
        let verified = copy::copy(backup, &place)?;
        Ok(Self { verified, place, lock })
    }

    /// Compiles the restore binary.
    pub fn compile(self, progress: &dyn Progress, stop: &AtomicBool) -> Result<Compiled, CompileError> {
        // Volumes, models, and the library and binary of the backup itself.
        let crates = verify::volumes(self.verified.contents().kinds.iter().map(|kind| &kind.manifest)).len() + 3;
        let digest = self.verified.digest();
        let (binary, dependencies) =
            cargo::build(&self.place, &self.verified.contents().manifest.name, &digest, crates, progress, stop)?;
        let (release, taken_from) = (self.verified.release(), self.verified.contents().taken_from());
        Ok(Compiled { binary, digest, release, taken_from, dependencies, lock: self.lock })
    }
}
