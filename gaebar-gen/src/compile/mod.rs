//! From a backup's folder to its restore binary.
//!
//! What is compiled is a copy in a folder of Gaebar's own, made of the bytes that verification accepted, and of nothing else.

mod cargo;
mod copy;
mod place;

use std::fs::File;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use cargo::{CargoError, cargo};
pub use place::{BuildPlace, Profile, cache};

use crate::folder::FolderError;
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
    /// So many of the backup's own crates are done; `crate_name` is the last crate, a dependency perhaps.
    fn compiled(&self, crate_name: &str, own: usize, of: usize);
}

/// A backup that was verified, and copied as it was. No other process touches the copy while this lives.
#[derive(Debug)]
pub struct Prepared {
    /// The backup.
    pub verified: Verified,
    place: BuildPlace,
    _lock: File,
}

/// A backup, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The restore binary.
    pub binary: PathBuf,
    /// How many crates from elsewhere had to be compiled for it; none after the first time.
    pub dependencies: usize,
}

impl Prepared {
    /// Verifies a backup and copies it to where it is compiled.
    pub fn new(backup: &Path, place: BuildPlace) -> Result<Self, CompileError> {
        let lock = place.lock()?;
        let verified = copy::copy(backup, &place)?;
        Ok(Self { verified, place, _lock: lock })
    }

    /// Compiles the restore binary.
    pub fn compile(&self, progress: &dyn Progress) -> Result<Compiled, CompileError> {
        // Volumes, models, runtime, and the library and binary of the backup itself.
        let crates = verify::volumes(&self.verified.kinds).len() + 4;
        Ok(cargo::build(&self.place, &self.verified.manifest.name, crates, progress)?)
    }
}
