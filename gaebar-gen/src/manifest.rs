//! What a backup says of itself: `manifest.json`, and a file a kind in `kinds/`.
//!
//! The first names the format and the backup, and nothing that changes, so that two people's backups of different
//! kinds merge in git.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use gaebar_runtime::store::{Place, ReadTime};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError};
use crate::names::hex;
use crate::update::{self, UpdateError};

/// The file that makes a folder a backup.
pub const MANIFEST: &str = "manifest.json";

/// The format that this version writes.
pub const FORMAT: u32 = 1;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupManifest {
    /// The layout of the folder and the grammar of its code.
    pub format: u32,
    /// The backup's name, which its crates begin with.
    pub name: String,
}

/// `kinds/<file>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindManifest {
    /// The kind.
    pub kind: String,
    /// The store it was read from, as [`Place::source`] names it.
    pub source: String,
    /// When, as RFC 3339.
    pub read_time: String,
    /// Whether everything is of that one time.
    pub consistent: bool,
    /// How many rows there are.
    pub rows: u64,
    /// The number that the next new row gets.
    pub next_row: u64,
    /// The kind's files and what each was.
    pub files: BTreeMap<String, Fingerprint>,
    /// The SHA-256 of this file with this value left empty.
    pub sha256: String,
    /// Where it was read from, below the backup's folder. Not in the file.
    #[serde(skip)]
    pub path: String,
}

/// Where and when a kind's entities were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The store, as [`Place::source`] names it.
    pub source: String,
    /// When, as RFC 3339.
    pub read_time: String,
    /// Whether everything is of that one time.
    pub consistent: bool,
}

impl Origin {
    /// A store as of a time.
    pub fn new(store: &Place, read_time: ReadTime) -> Self {
        Self { source: store.source(), read_time: read_time.time.to_string(), consistent: read_time.consistent }
    }
}

/// Why a folder is no backup.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// It has no `manifest.json`.
    #[error("{path} is no backup: it has no manifest.json; `gaebar backup STORE {path}` makes one", path = .0.display())]
    NoBackup(PathBuf),
    /// There is no such folder.
    #[error("there is no folder {path}", path = .0.display())]
    NoFolder(PathBuf),
    /// A newer Gaebar wrote it.
    #[error("{path} has format {found}, and this version of Gaebar reads up to {FORMAT}; use a newer one", path = .path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A manifest is not as Gaebar writes it.
    #[error("{path}: {problem}; was it edited, or did a merge go wrong?", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Both sides of a merge changed the kind.
    #[error("{path} has conflict markers: both sides of the merge changed this kind; `gaebar merge DIR --take ours` (or theirs) takes one \
             side's, and the next backup brings the rest", path = .0.display())]
    Conflict(PathBuf),
    /// An update that was interrupted can't be finished.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// A manifest can't be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl BackupManifest {
    /// The file's text.
    pub fn to_text(&self) -> String {
        pretty(self)
    }

    /// Reads it from a backup's folder.
    pub fn read(backup: &Path) -> Result<Self, ManifestError> {
        update::recover(backup)?;
        let path = backup.join(MANIFEST);
        if !path.is_file() {
            let why = if backup.exists() { ManifestError::NoBackup } else { ManifestError::NoFolder };
            return Err(why(backup.to_owned()));
        }
        // A later format may say more than this version understands.
        let found = serde_json::from_slice::<Format>(&read(&path)?).map_or(0, |found| found.format);
        if found > FORMAT {
            return Err(ManifestError::Newer { path: backup.to_owned(), found });
        }
        let manifest: Self = parse(&path)?;
        if manifest.format == 0 {
            return Err(ManifestError::Damaged { path, problem: "there is no format 0".to_owned() });
        }
        // The name is put into manifests for cargo and into code.
        let plain = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if !plain(&manifest.name) {
            return Err(ManifestError::Damaged { path, problem: format!("{:?} is no backup's name", manifest.name) });
        }
        Ok(manifest)
    }
}

impl KindManifest {
    /// A manifest with its own hash.
    pub fn new(kind: &str, origin: &Origin, rows: u64, next_row: u64, files: BTreeMap<String, Fingerprint>) -> Self {
        let Origin { source, read_time, consistent } = origin.clone();
        let manifest = Self {
            kind: kind.to_owned(),
            source,
            read_time,
            consistent,
            rows,
            next_row,
            files,
            sha256: String::new(),
            path: String::new(),
        };
        Self { sha256: manifest.own_hash(), ..manifest }
    }

    /// Where and when the kind's entities were read.
    pub fn origin(&self) -> Origin {
        Origin { source: self.source.clone(), read_time: self.read_time.clone(), consistent: self.consistent }
    }

    /// The kind's shards and what each was.
    pub fn shards(&self) -> impl Iterator<Item = (&str, &Fingerprint)> {
        let shards = self.files.iter().filter(|(file, _)| file.starts_with("volumes/") && file.contains("/src/shard_"));
        shards.map(|(file, fingerprint)| (file.as_str(), fingerprint))
    }

    /// The bytes of the kind's files as they are now.
    pub fn size(&self, backup: &Path) -> u64 {
        self.files.keys().filter_map(|file| backup.join(file).metadata().ok()).map(|file| file.len()).sum()
    }

    fn own_hash(&self) -> String {
        let without = Self { sha256: String::new(), ..self.clone() };
        hex(&Sha256::digest(without.to_text().as_bytes()))
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        pretty(self)
    }

    /// The path of a kind's manifest, by the kind's file name.
    pub fn path(file: &str) -> String {
        format!("kinds/{file}.json")
    }

    /// Reads all of a backup's folder, sorted by kind.
    pub fn read_all(backup: &Path) -> Result<Vec<Self>, ManifestError> {
        let folder = backup.join("kinds");
        let mut kinds = Vec::new();
        if !folder.exists() {
            return Ok(kinds);
        }
        for entry in std::fs::read_dir(&folder).map_err(FolderError::at("list", &folder))? {
            let path = entry.map_err(FolderError::at("list", &folder))?.path();
            // Verification tells of files that don't belong here.
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let manifest = Self { path: format!("kinds/{name}"), ..parse(&path)? };
            let damaged = |problem: String| Err(ManifestError::Damaged { path: path.clone(), problem });
            if manifest.sha256 != manifest.own_hash() {
                return damaged("its own hash does not match".to_owned());
            }
            if let Some(file) = manifest.files.keys().find(|file| !is_kind_file(file)) {
                return damaged(format!("{file:?} is no file of a kind"));
            }
            kinds.push(manifest);
        }
        kinds.sort_unstable_by(|a, b| a.kind.cmp(&b.kind));
        Ok(kinds)
    }
}

/// What tells a backup from every other of its name: a hash over the manifests of its kinds, and so over all of its rows.
pub(crate) fn seal<'a>(kinds: impl IntoIterator<Item = &'a KindManifest>) -> String {
    let mut kinds: Vec<_> = kinds.into_iter().map(|kind| format!("{} {}\n", kind.path, kind.sha256)).collect();
    kinds.sort_unstable();
    hex(&Sha256::digest(kinds.concat()))
}

/// Whether a path is one that the generator gives a kind's file, and nothing that cargo would take for more.
pub(crate) fn is_kind_file(path: &str) -> bool {
    let module = |file: &str| file.strip_suffix(".rs").is_some_and(is_plain);
    match path.split('/').collect::<Vec<_>>()[..] {
        ["models", "src", file] => module(file) && file != "lib.rs",
        ["volumes", volume, "Cargo.toml"] => is_plain(volume),
        ["volumes", volume, "src", file] => is_plain(volume) && module(file) && (file == "lib.rs" || file.starts_with("shard_")),
        ["volumes", volume, "src", "blobs", hash] => is_plain(volume) && is_plain(hash),
        _ => false,
    }
}

/// Whether a part of a path is one that the generator makes.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether git left both sides of a merge in a file.
pub fn has_conflict_markers(bytes: &[u8]) -> bool {
    bytes.starts_with(b"<<<<<<< ") || bytes.windows(9).any(|window| window == b"\n<<<<<<< ")
}

/// The bytes of a manifest, which is a file and no link.
fn read(path: &Path) -> Result<Vec<u8>, ManifestError> {
    let bytes = folder::read_regular(path)?;
    bytes.ok_or_else(|| ManifestError::Damaged { path: path.to_owned(), problem: "it is no regular file".to_owned() })
}

/// All that this version has to know of a later one's manifest.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Reads a manifest, which must be written as Gaebar writes it.
fn parse<T: for<'de> Deserialize<'de> + Serialize>(path: &Path) -> Result<T, ManifestError> {
    let bytes = read(path)?;
    if has_conflict_markers(&bytes) {
        return Err(ManifestError::Conflict(path.to_owned()));
    }
    let damaged = |problem: String| ManifestError::Damaged { path: path.to_owned(), problem };
    let manifest: T = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if pretty(&manifest).as_bytes() == bytes { Ok(manifest) } else { Err(damaged("it is laid out otherwise".to_owned())) }
}

/// JSON of two spaces, all ASCII: a name can hide nothing from who reads it.
fn pretty(value: &impl Serialize) -> String {
    // Strings, numbers and a map with string keys: nothing that serialising could refuse.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if c.is_ascii() && c != '\x7f' {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String can't fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kinds_own_files_may_be_listed() {
        for path in [
            "models/src/profile.rs",
            "volumes/a_0/Cargo.toml",
            "volumes/a_0/src/lib.rs",
            "volumes/a_0/src/shard_12.rs",
            "volumes/a_0/src/blobs/0a",
        ] {
            assert!(is_kind_file(path), "{path}");
        }
        for path in [
            "",
            "/etc/passwd",
            "models/src/lib.rs",
            "models/src/../../x.rs",
            "models/build.rs",
            "models/src/a/b.rs",
            "volumes/a_0/build.rs",
            "volumes/../Cargo.toml",
            "volumes/./Cargo.toml",
            "volumes//Cargo.toml",
            "volumes/a_0/src/main.rs",
            "volumes/a_0/src/blobs/../x",
            "volumes/a_0/.cargo/config.toml",
            "Cargo.toml",
            "volumes/a_0/src/blobs/a.rs",
            "volumes\\a_0\\Cargo.toml",
        ] {
            assert!(!is_kind_file(path), "{path}");
        }
    }
}
