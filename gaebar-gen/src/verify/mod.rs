//! The gate: whether a backup is exactly what the generator would have written.
//!
//! Every file is read once, and handed on ([`Visitor`]) only as the bytes that were checked. What follows from the rest of
//! the backup must be there byte for byte; manifests must match their files; rows must be within the grammar. A row that was
//! edited within it is an entity like any other, and is named. Nothing of the backup is run.

mod entities;
mod kind;
mod stray;

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use gaebar_runtime::model::Key;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use entities::{Dangling, OverLimit};

use crate::emit::visible;
use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError};
use crate::manifest::{BackupManifest, KindManifest, ManifestError};
use crate::names::hex;
use crate::reader::ReadRow;
use crate::schema::Kind;
use crate::templates::{self, Templates};
use entities::Entities;

/// Problems that are told in full.
const MOST_PROBLEMS: usize = 100;

/// A backup that was accepted. What compiles and restores takes nothing else.
#[derive(Debug)]
pub struct Verified {
    /// The backup's own manifest.
    pub manifest: BackupManifest,
    /// Its kinds, sorted.
    pub kinds: Vec<VerifiedKind>,
    /// Rows that are not as they were backed up.
    pub edits: Vec<Edit>,
    /// Entities that no server takes, for what they hold.
    pub over_limit: Vec<OverLimit>,
    /// References to entities that the backup does not have.
    pub dangling: Dangling,
}

impl Verified {
    /// A hash over all that was accepted: the name, each kind's manifest, and each shard's bytes. A restore binary carries it.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.as_bytes());
            hash.update([0]);
        };
        add(env!("CARGO_PKG_VERSION"));
        add(&self.manifest.name);
        for kind in &self.kinds {
            add(&kind.manifest.sha256);
            for shard in &kind.shards {
                add(&shard.file);
                add(&shard.accepted.to_string());
            }
        }
        hex(&hash.finalize())
    }
}

/// A kind of a verified backup.
#[derive(Debug)]
pub struct VerifiedKind {
    /// Its manifest.
    pub manifest: KindManifest,
    /// Its struct.
    pub kind: Kind,
    /// Its shards, in order.
    pub shards: Vec<VerifiedShard>,
}

/// A shard of a verified backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedShard {
    /// Its file, below the backup's folder.
    pub file: String,
    /// How many rows it has.
    pub rows: usize,
    /// What was accepted: the bytes that it had, whatever became of the file since.
    pub accepted: Fingerprint,
}

/// An edit within the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A row that is not one that was backed up.
    Row {
        /// The shard.
        file: String,
        /// The row's line.
        line: usize,
        /// The row's number.
        number: u32,
        /// Its entity.
        key: Key,
    },
    /// So many rows that were backed up are gone from a shard, or are among those that were changed.
    Gone {
        /// The shard.
        file: String,
        /// How many.
        rows: usize,
    },
}

impl Edit {
    /// The shard that was edited.
    pub fn file(&self) -> &str {
        match self {
            Self::Row { file, .. } | Self::Gone { file, .. } => file,
        }
    }
}

impl Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row { file, line, number, key } => write!(f, "{file}:{line}: row_{number} ({key}) is not as it was backed up"),
            Self::Gone { file, rows: 1 } => write!(f, "{file}: a row was deleted"),
            Self::Gone { file, rows } => write!(f, "{file}: {rows} rows were deleted"),
        }
    }
}

/// Takes what was accepted, from several threads, in no order.
pub trait Visitor: Sync {
    /// A file's bytes. They may still turn out to belong to a backup that is refused.
    fn file(&self, file: &str, bytes: &[u8]) -> Result<(), FolderError>;

    /// The rows of a shard.
    fn rows(&self, _shard: &str, _rows: &[ReadRow]) {}
}

/// Nobody takes anything: the backup is only looked at.
#[derive(Debug, Clone, Copy)]
pub struct JustLooking;

impl Visitor for JustLooking {
    fn file(&self, _: &str, _: &[u8]) -> Result<(), FolderError> {
        Ok(())
    }
}

/// Why a backup was not accepted.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// It is no backup, or its manifests are damaged.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Files are not as the generator would have written them.
    #[error("the backup is refused; nothing in it was run{}", list(.problems, *.more))]
    Refused {
        /// The first problems.
        problems: Vec<Problem>,
        /// How many more there are.
        more: usize,
    },
}

fn list(problems: &[Problem], more: usize) -> String {
    let mut lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    lines.extend((more > 0).then(|| format!("and {more} more problems")));
    lines.iter().flat_map(|line| ["\n  ", line]).collect()
}

/// Something wrong with a file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, with line and column where they are known.
    pub place: String,
    /// What is wrong, and what should be there.
    pub problem: String,
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", visible(&self.place), self.problem)
    }
}

/// Verifies the backup in a folder.
pub fn verify(backup: &Path, visitor: &dyn Visitor) -> Result<Verified, VerifyError> {
    let manifest = BackupManifest::read(backup)?;
    let manifests = KindManifest::read_all(backup)?;
    let gate = Gate { backup, name: &manifest.name, visitor, problems: Mutex::default(), entities: Entities::default() };
    let kinds: Result<Vec<_>, FolderError> = manifests.into_par_iter().map(|manifest| gate.kind(manifest)).collect();
    let (kinds, edits): (Vec<_>, Vec<_>) = kinds?.into_iter().flatten().unzip();
    gate.derived(&kinds)?;
    gate.strays(&kinds)?;
    let mut problems = gate.problems.into_inner().unwrap_or_else(PoisonError::into_inner);
    if problems.is_empty() {
        let (over_limit, dangling) = gate.entities.into_findings();
        return Ok(Verified { manifest, kinds, edits: edits.into_iter().flatten().collect(), over_limit, dangling });
    }
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    problems.truncate(MOST_PROBLEMS);
    Err(VerifyError::Refused { problems, more })
}

struct Gate<'a> {
    backup: &'a Path,
    name: &'a str,
    visitor: &'a dyn Visitor,
    problems: Mutex<Vec<Problem>>,
    entities: Entities,
}

impl Gate<'_> {
    fn refuse(&self, place: impl Into<String>, problem: impl Into<String>) {
        let problem = Problem { place: place.into(), problem: problem.into() };
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
    }

    /// The bytes of a file that must be there. A link is none, wherever it leads.
    fn read(&self, file: &str) -> Result<Option<Vec<u8>>, FolderError> {
        let path = self.backup.join(file);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_file() => folder::read(&path).map(Some),
            Ok(_) => {
                self.refuse(file, "is no regular file");
                Ok(None)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.refuse(file, "is missing");
                Ok(None)
            }
            Err(error) => Err(FolderError::at("read", &path)(error)),
        }
    }

    /// A file that must have exactly this text.
    fn exact(&self, file: &str, text: &str) -> Result<(), FolderError> {
        if let Some(bytes) = self.read(file)? {
            if bytes == text.as_bytes() {
                self.visitor.file(file, &bytes)?;
            } else {
                self.refuse(file, "is not as this version of Gaebar writes it: was it edited, or written by another version?");
            }
        }
        Ok(())
    }

    /// The files that follow from the kinds.
    fn derived(&self, kinds: &[VerifiedKind]) -> Result<(), FolderError> {
        if let Some(library) = self.read(templates::MODELS_LIBRARY)? {
            let modules = String::from_utf8_lossy(&library);
            for module in modules.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')) {
                let path = KindManifest::path(module);
                if !self.backup.join(&path).exists() {
                    self.refuse(path, "is missing");
                }
            }
        }
        let volumes = volumes(kinds);
        for (file, text) in (Templates { name: self.name, volumes: &volumes }).files() {
            self.exact(&file, &text)?;
        }
        let structures = kinds.iter().map(|kind| (kind.kind.file.as_str(), kind.kind.structure.as_str()));
        self.exact(templates::MODELS_LIBRARY, &templates::models_library(structures))?;
        Ok(())
    }
}

/// The blob with this SHA-256 in a volume's folder of blobs. A file is a blob only if its bytes have that hash.
pub fn read_blob(folder: &Path, sha256: &str) -> Result<Vec<u8>, String> {
    if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return Err(format!("{sha256:?} is no name of a blob"));
    }
    let path = folder.join(sha256);
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(format!("{} is no regular file", path.display())),
        Err(error) => return Err(format!("could not read {}: {error}", path.display())),
    }
    let bytes = folder::read(&path).map_err(|error| error.to_string())?;
    if hex(&Sha256::digest(&bytes)) != sha256 {
        return Err(format!("{} is not what its name says", path.display()));
    }
    Ok(bytes)
}

/// The names of all volumes.
pub fn volumes(kinds: &[VerifiedKind]) -> BTreeSet<String> {
    let files = kinds.iter().flat_map(|kind| kind.manifest.files.keys());
    files.filter_map(|file| file.strip_prefix("volumes/")?.split_once('/')).map(|(volume, _)| volume.to_owned()).collect()
}
