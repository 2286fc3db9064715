//! What a backup says of itself: `manifest.json`, and a file a kind in `kinds/`.
//!
//! The first names the format and the backup, and the namespaces that are covered of kinds without a file. A backup of named kinds does not
//! change it, so that two people's backups of different kinds merge in git.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gaebar_runtime::model::Timestamp;
use gaebar_runtime::restore::{Coverage, Extent};
use gaebar_runtime::store::{Place, ReadTime, Realm, StoreUrl};
use gaebar_runtime::visible::{escape_json, visible};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError, SizeLimit};
use crate::names::{hex, may_be_backup};
use crate::update::{self, UpdateError};

/// The file that makes a folder a backup.
pub const MANIFEST: &str = "manifest.json";

/// The format that this version writes.
pub const FORMAT: u32 = 2;
/// The format of Gaebar 0.1.0 and 0.2.0, in which nothing says what a backup covers.
pub const FORMAT_WITHOUT_COVERAGE: u32 = 1;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupManifest {
    /// The layout of the folder and the grammar of its code.
    pub format: u32,
    /// The backup's name, which its crates begin with.
    pub name: String,
    /// What the backup covers of kinds that it has never had; `None` if nobody recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_kinds: Option<OtherKinds>,
    /// The SHA-256 of this file with this value left empty; `None` in the first format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What a backup covers of kinds that it has never had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherKinds {
    /// The namespaces.
    #[serde(with = "namespaces")]
    pub namespaces: Extent,
    /// Kinds of which it covers none.
    pub except: BTreeSet<String>,
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
    /// The namespaces of which the backup holds all that there was of the kind.
    #[serde(default, skip_serializing_if = "is_unknown", with = "namespaces")]
    pub namespaces: Extent,
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
    /// The namespaces of which all was read, then or before.
    pub namespaces: Extent,
}

impl Origin {
    /// A store as of a time. Of which namespaces all was read is another thing for each kind.
    pub fn new(store: &Place, read_time: ReadTime) -> Self {
        let (source, time) = (store.source(), read_time.time.to_string());
        Self { source, read_time: time, consistent: read_time.consistent, namespaces: Extent::Unknown }
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
    #[error("{path} has conflict markers: both sides of the merge changed it; `gaebar merge DIR --take ours` (or theirs) takes one \
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
    /// The manifest of a backup that this version writes.
    pub fn new(name: &str, coverage: &Coverage) -> Self {
        let namespaces = Some(coverage.other_kinds.clone()).filter(|extent| !is_unknown(extent));
        let other_kinds = namespaces.map(|namespaces| OtherKinds { namespaces, except: coverage.except.clone() });
        let manifest = Self { format: FORMAT, name: name.to_owned(), other_kinds, sha256: None };
        Self { sha256: Some(manifest.own_hash()), ..manifest }
    }

    /// Whether the backup's format has a place for what it covers.
    pub(crate) fn has_coverage(&self) -> bool {
        self.format > FORMAT_WITHOUT_COVERAGE
    }

    /// The namespaces that are covered of kinds without a manifest, and kinds for which that does not hold.
    pub(crate) fn other_kinds(&self) -> (Extent, BTreeSet<String>) {
        let other_kinds = self.other_kinds.clone();
        other_kinds.map_or_else(Default::default, |OtherKinds { namespaces, except }| (namespaces, except))
    }

    fn own_hash(&self) -> String {
        let without = Self { sha256: Some(String::new()), ..self.clone() };
        hex(&Sha256::digest(without.to_text().as_bytes()))
    }

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
        let found = serde_json::from_slice::<Format>(&read(&path, SizeLimit::of_part(MANIFEST))?).map_or(0, |found| found.format);
        if found > FORMAT {
            return Err(ManifestError::Newer { path: backup.to_owned(), found });
        }
        let manifest: Self = parse(&path, SizeLimit::of_part(MANIFEST))?;
        let problem = match (manifest.format, &manifest.sha256) {
            (0, _) => "there is no format 0",
            (FORMAT_WITHOUT_COVERAGE, None) if manifest.other_kinds.is_none() => "",
            (FORMAT_WITHOUT_COVERAGE, _) => "format 1 has no such fields",
            (_, Some(sha256)) if *sha256 == manifest.own_hash() => "",
            _ => "its own hash does not match",
        };
        if !problem.is_empty() {
            return Err(ManifestError::Damaged { path, problem: problem.to_owned() });
        }
        // The name is put into manifests for cargo and into code.
        if !may_be_backup(&manifest.name) {
            return Err(ManifestError::Damaged { path, problem: format!("{:?} is no backup's name", manifest.name) });
        }
        Ok(manifest)
    }
}

impl KindManifest {
    /// A manifest with its own hash.
    pub fn new(kind: &str, origin: &Origin, rows: u64, next_row: u64, files: BTreeMap<String, Fingerprint>) -> Self {
        let Origin { source, read_time, consistent, namespaces } = origin.clone();
        let manifest = Self {
            kind: kind.to_owned(),
            source,
            read_time,
            consistent,
            namespaces,
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
        let Self { source, read_time, consistent, namespaces, .. } = self;
        Origin { source: source.clone(), read_time: read_time.clone(), consistent: *consistent, namespaces: namespaces.clone() }
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
            let below = format!("kinds/{name}");
            let manifest = Self { path: below.clone(), ..parse(&path, SizeLimit::of_part(&below))? };
            let damaged = |problem: String| Err(ManifestError::Damaged { path: path.clone(), problem });
            if manifest.sha256 != manifest.own_hash() {
                return damaged("its own hash does not match".to_owned());
            }
            if let Some(file) = manifest.files.keys().find(|file| !is_kind_file(file)) {
                return damaged(format!("{file:?} is no file of a kind"));
            }
            if !is_source(&manifest.source) {
                return damaged(format!("the source {:?} is no store as Gaebar writes it", manifest.source));
            }
            if let Err(error) = manifest.read_time.parse::<Timestamp>() {
                return damaged(format!("the read time: {error}"));
            }
            kinds.push(manifest);
        }
        kinds.sort_unstable_by(|a, b| a.kind.cmp(&b.kind));
        Ok(kinds)
    }
}

/// The store that a source names, as [`Place::source`] does; `None` if it names none.
pub(crate) fn place(source: &str) -> Option<Place> {
    if let Some(url @ StoreUrl::Datastore { .. }) = source.strip_suffix(Place::ON_EMULATOR).and_then(|url| url.parse().ok()) {
        return Some(Place { url, realm: Realm::Emulator("another machine".to_owned()) });
    }
    Some(Place { url: source.parse().ok()?, realm: Realm::Local })
}

/// Whether a source is spelled as [`Place::source`] spells it. Releases up to 0.2.0 did not escape what hides in a file's name.
fn is_source(source: &str) -> bool {
    let is_place = place(source).is_some_and(|place| place.source() == visible(source)) || source == StoreUrl::Memory.to_string();
    is_place && !source.contains(char::is_control)
}

/// What tells a backup from every other of its name: a hash over its manifests, and so over all of its rows.
pub(crate) fn seal<'a>(backup: &BackupManifest, kinds: impl IntoIterator<Item = &'a KindManifest>) -> String {
    let mut lines: Vec<_> = kinds.into_iter().map(|kind| format!("{} {}\n", kind.path, kind.sha256)).collect();
    lines.extend(backup.sha256.iter().map(|sha256| format!("{MANIFEST} {sha256}\n")));
    lines.sort_unstable();
    hex(&Sha256::digest(lines.concat()))
}

/// The seal of the backup in a folder, and the manifests of its kinds.
#[cfg(feature = "web")]
pub(crate) fn seal_of(backup: &Path) -> Result<(String, Vec<KindManifest>), ManifestError> {
    let (manifest, kinds) = (BackupManifest::read(backup)?, KindManifest::read_all(backup)?);
    Ok((seal(&manifest, &kinds), kinds))
}

fn is_unknown(namespaces: &Extent) -> bool {
    *namespaces == Extent::Unknown
}

/// Namespaces in a manifest: `"all"`, or a list. What is unknown is left out.
mod namespaces {
    use std::collections::BTreeSet;

    use gaebar_runtime::restore::Extent;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    const ALL: &str = "all";

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "namespaces are \"all\", or a list of names")]
    enum Written {
        Word(String),
        Names(BTreeSet<String>),
    }

    pub(super) fn serialize<S: Serializer>(namespaces: &Extent, serializer: S) -> Result<S::Ok, S::Error> {
        match namespaces {
            Extent::Unknown => serializer.serialize_none(),
            Extent::All => serializer.serialize_str(ALL),
            Extent::Only(names) => names.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Extent, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Word(word) if word == ALL => Ok(Extent::All),
            Written::Word(word) => Err(D::Error::custom(format!("{word:?} are no namespaces"))),
            Written::Names(names) => Ok(Extent::Only(names)),
        }
    }
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
fn read(path: &Path, most: SizeLimit) -> Result<Vec<u8>, ManifestError> {
    let bytes = folder::read_regular(path, most)?;
    bytes.ok_or_else(|| ManifestError::Damaged { path: path.to_owned(), problem: "it is no regular file".to_owned() })
}

/// All that this version has to know of a later one's manifest.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Reads a manifest, which must be written as Gaebar writes it.
fn parse<T: for<'de> Deserialize<'de> + Serialize>(path: &Path, most: SizeLimit) -> Result<T, ManifestError> {
    let bytes = read(path, most)?;
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
    escape_json(&text, |c| !c.is_ascii() || c == '\x7f') + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_store_as_gaebar_writes_it() {
        for source in [
            "sqlite:suite.db",
            "sqlite:a b (emulator)",
            "sqlite:\u{3000}.db",
            "datastore://my-app",
            "datastore://my-app/named",
            "datastore://example.com:app (emulator)",
            "memory:",
        ] {
            assert!(is_source(source), "{source}");
        }
        for source in [
            "",
            "nowhere",
            "sqlite:",
            "sqlite:\u{1b}[2K",
            "sqlite:a\nVerified",
            "sqlite:\u{9b}2K",
            "datastore://",
            "datastore://a b",
            "datastore://a/(default)",
            "datastore://a (emulator) (emulator)",
            "datastore://a (a real project)",
            "memory: ",
        ] {
            assert!(!is_source(source), "{source}");
        }
    }

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
