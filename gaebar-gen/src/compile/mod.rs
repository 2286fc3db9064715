//! From a backup's folder to its restore binary.
//!
//! What is compiled is a copy in a folder of Gaebar's own, made of the bytes that verification accepted, and of nothing else.

mod cargo;
mod copy;
mod large;
mod place;
mod toolchain;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use thiserror::Error;

pub use cargo::CargoError;
pub use large::Memory;
pub use place::{BuildPlace, Profile};
pub use toolchain::{cargo, tool};

use crate::folder::{self, FolderError};
use crate::releases::Release;
use crate::verify::{self, Verified, VerifyError};
use large::CodeModel;

/// Why a backup was not compiled.
#[derive(Debug, Error)]
pub enum CompileError {
    /// The backup was refused.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The linker would run out of memory.
    #[error(
        "the backup is too large for this machine: linking it takes about {} of memory, and {} are available",
        folder::bytes(.0.needed),
        folder::bytes(.0.available.unwrap_or(0))
    )]
    Memory(Memory),
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
    /// How many bytes its volumes have.
    bytes: u64,
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
        let (verified, bytes) = copy::copy(backup, &place)?;
        Ok(Self { verified, place, bytes, lock })
    }

    /// What memory it takes to compile it, if that is much.
    pub fn memory(&self) -> Option<Memory> {
        Memory::of(self.bytes)
    }

    /// Compiles the restore binary.
    pub fn compile(self, progress: &dyn Progress, stop: &AtomicBool) -> Result<Compiled, CompileError> {
        // Volumes, models, and the library and binary of the backup itself.
        let crates = verify::volumes(self.verified.contents().kinds.iter().map(|kind| &kind.manifest)).len() + 3;
        let digest = self.verified.digest();
        if let Some(memory) = self.memory().filter(|memory| !memory.is_enough()) {
            return Err(CompileError::Memory(memory));
        }
        let name = &self.verified.contents().manifest.name;
        let job = cargo::Job { place: &self.place, name, digest: &digest, crates, progress, stop };
        let (binary, dependencies) = match cargo::build(&job, CodeModel::of(self.bytes)) {
            // Some constants are larger than their source.
            Err(CargoError::OutOfReach) if CodeModel::has_medium() => {
                progress.says("The linker could not place all constants: compiling again with the medium code model");
                cargo::build(&job, CodeModel::Medium)
            }
            built => built,
        }?;
        let (release, taken_from) = (self.verified.release(), self.verified.contents().taken_from());
        Ok(Compiled { binary, digest, release, taken_from, dependencies, lock: self.lock })
    }
}
