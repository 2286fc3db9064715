//! The gate: whether a backup is exactly what the generator would have written.
//!
//! Every file is read once, and handed on ([`Visitor`]) only as the bytes that were checked. What follows from the rest of
//! the backup must be there byte for byte; manifests must match their files; rows must be within the grammar. A row that was
//! edited within it is an entity like any other, and is named. Nothing of the backup is run.

mod bites;
mod blobs;
mod claimed;
mod entities;
mod git;
mod kind;
mod names;
mod one;
mod runtime;
mod stray;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use gaebar_runtime::model::Key;
use gaebar_runtime::restore::Coverage;
use gaebar_runtime::visible::visible;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use bites::{Bites, Far};
pub use claimed::Claimed;
pub use entities::{Dangling, OverLimit};
pub use one::OneKind;
pub use runtime::Writer;
pub use stray::{Hazard, Tool};

use crate::coverage::coverage;
use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError, SizeLimit};
use crate::manifest::{self, BackupManifest, FORMAT, KindManifest, ManifestError};
use crate::memo::KnownRow;
use crate::names::hex;
use crate::reader::ReadRow;
use crate::releases::{Foundation, Release};
use crate::schema::Kind;
use crate::templates::{self, Templates};
use crate::update;
use entities::Entities;

/// Problems that are told in full.
const MOST_PROBLEMS: usize = 100;

/// What a backup holds: rows that the reader accepted. Its other files may be anything, and are not for running.
#[derive(Debug)]
pub struct Contents {
    /// The backup's own manifest.
    pub manifest: BackupManifest,
    /// Its kinds, sorted.
    pub kinds: Vec<VerifiedKind>,
    /// Rows that are not as they were backed up.
    pub edits: Vec<Edit>,
    /// Entities that no server takes, for what they hold, among the rows that were read.
    pub over_limit: Vec<OverLimit>,
    /// References to entities that the backup does not have, from rows that were read.
    pub dangling: Dangling,
}

/// A backup of which every file was accepted. What compiles takes nothing else.
#[derive(Debug)]
pub struct Verified {
    contents: Contents,
    foundation: Cow<'static, Foundation>,
    release: Option<&'static Release>,
    tool_files: Vec<&'static str>,
    hazards: Vec<Hazard>,
}

impl Verified {
    /// What the backup holds.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// What it is compiled with.
    pub fn foundation(&self) -> &Foundation {
        &self.foundation
    }

    /// The earlier release that wrote the backup, if it was not this version.
    pub fn release(&self) -> Option<&'static Release> {
        self.release
    }

    /// Files for git and rustfmt that are not as Gaebar writes them: they are the user's to change, and nothing that is compiled or restored.
    pub fn changed_tool_files(&self) -> &[&'static str] {
        &self.tool_files
    }

    /// What stands in the backup's folder beside it, and cargo or git would act on there. None of it is copied to where Gaebar compiles.
    pub fn hazards(&self) -> &[Hazard] {
        &self.hazards
    }

    /// A hash over all that was accepted. A restore binary carries it.
    pub fn digest(&self) -> String {
        let compiled_with = self.release.map_or(env!("CARGO_PKG_VERSION"), |release| release.foundation);
        hex(&Sha256::digest(format!("{compiled_with} {}", self.contents.digest())))
    }
}

impl Contents {
    /// A hash over the backup's manifest, that of each kind, and each shard's bytes.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.as_bytes());
            hash.update([0]);
        };
        add(&self.manifest.name);
        self.manifest.sha256.iter().for_each(|sha256| add(sha256));
        for kind in &self.kinds {
            add(&kind.manifest.sha256);
            for shard in &kind.shards {
                add(&shard.file);
                add(&shard.accepted.to_string());
            }
        }
        hex(&hash.finalize())
    }

    /// What the backup covers, as its manifests say.
    pub fn coverage(&self) -> Coverage {
        coverage(&self.manifest, self.kinds.iter().map(|kind| &kind.manifest))
    }

    /// The stores that its kinds were read from, by URL.
    pub fn taken_from(&self) -> Vec<String> {
        let sources: BTreeSet<_> = self.kinds.iter().map(|kind| kind.manifest.source.clone()).collect();
        sources.into_iter().collect()
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

impl VerifiedShard {
    /// A shard as its manifest says that it is.
    fn claimed(file: &str, fingerprint: &Fingerprint) -> Self {
        Self { file: file.to_owned(), rows: fingerprint.rows(), accepted: fingerprint.of_the_file() }
    }
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
            Self::Row { file, line, number, key } => {
                write!(f, "{file}:{line}: row_{number} ({}) is not as it was backed up", visible(&key.to_string()))
            }
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

    /// The rows of a shard that is as it was backed up, if they need not be read, since it is remembered what they are.
    fn recall(&self, _shard: &str, _kind: &Kind, _accepted: &Fingerprint) -> Option<Vec<KnownRow>> {
        None
    }
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
    /// A row is not as it was backed up, and nobody has accepted that.
    #[error("the backup was edited since it was made: {0}; undo that, or back it up again")]
    Edited(Box<Edit>),
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
        write!(f, "{}: {}", visible(&self.place), visible(&self.problem))
    }
}

/// Reads what the backup in a folder holds. Of the other files it only sees to it that no kind is missing.
pub fn read(backup: &Path, visitor: &dyn Visitor) -> Result<Contents, VerifyError> {
    read_kinds(backup, visitor, &|_| true)
}

/// Reads what the backup in a folder holds of some kinds.
pub fn read_kinds(backup: &Path, visitor: &dyn Visitor, wanted: &dyn Fn(&str) -> bool) -> Result<Contents, VerifyError> {
    let gate = Gate::new(backup, Scope::Rows, visitor)?;
    let (kinds, edits) = gate.kinds(wanted)?;
    gate.finish(kinds, edits)
}

/// Verifies the backup in a folder.
pub fn verify(backup: &Path, visitor: &dyn Visitor) -> Result<Verified, VerifyError> {
    let gate = Gate::new(backup, Scope::Everything, visitor)?;
    let (kinds, edits) = gate.kinds(&|_| true)?;
    let (foundation, writer) = gate.derived(&kinds)?;
    if let Writer::Unknown { .. } = writer {
        gate.refuse(templates::RUNTIME, writer.to_string());
    }
    let hazards = gate.take_hazards();
    let contents = gate.finish(kinds, edits)?;
    Ok(Verified { contents, foundation, release: writer.release(), tool_files: changed_tool_files(backup)?, hazards })
}

/// The files for git and rustfmt that are not as Gaebar writes them.
pub fn changed_tool_files(backup: &Path) -> Result<Vec<&'static str>, FolderError> {
    let mut changed = Vec::new();
    for (file, text) in templates::TOOL_FILES {
        if !folder::holds(&backup.join(file), text.as_bytes())? {
            changed.push(file);
        }
    }
    Ok(changed)
}

/// The kinds of a backup whose other files may be out of step, as after a merge, with their structs.
pub fn structs(backup: &Path) -> Result<(BackupManifest, Vec<(KindManifest, Kind)>), VerifyError> {
    let gate = Gate::new(backup, Scope::Rows, &JustLooking)?;
    let mut kinds = Vec::new();
    for manifest in KindManifest::read_all(backup)? {
        if let Some(kind) = gate.model(&manifest)? {
            kinds.push((manifest, kind));
        }
    }
    gate.nothing_twice(kinds.iter().map(|(_, kind)| kind));
    let Contents { manifest, .. } = gate.finish(Vec::new(), Vec::new())?;
    Ok((manifest, kinds))
}

/// How much of a backup is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// What entities are made of.
    Rows,
    /// What is compiled, too.
    Everything,
}

struct Gate<'a> {
    backup: &'a Path,
    /// Nobody moves files into place meanwhile.
    #[expect(dead_code, reason = "held, not used")]
    reading: Option<File>,
    manifest: BackupManifest,
    scope: Scope,
    visitor: &'a dyn Visitor,
    problems: Mutex<Vec<Problem>>,
    hazards: Mutex<Vec<Hazard>>,
    entities: Entities,
}

impl<'a> Gate<'a> {
    fn new(backup: &'a Path, scope: Scope, visitor: &'a dyn Visitor) -> Result<Self, VerifyError> {
        let reading = update::reading(backup).map_err(ManifestError::from)?;
        let manifest = BackupManifest::read(backup)?;
        let (problems, hazards, entities) = (Mutex::default(), Mutex::default(), Entities::default());
        Ok(Self { backup, reading, manifest, scope, visitor, problems, hazards, entities })
    }

    /// What is left when everything was looked at: the contents, or the problems.
    fn finish(self, kinds: Vec<VerifiedKind>, edits: Vec<Edit>) -> Result<Contents, VerifyError> {
        let mut problems = self.problems.into_inner().unwrap_or_else(PoisonError::into_inner);
        if problems.is_empty() {
            let (over_limit, dangling) = self.entities.into_findings();
            return Ok(Contents { manifest: self.manifest, kinds, edits, over_limit, dangling });
        }
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        let more = problems.len().saturating_sub(MOST_PROBLEMS);
        problems.truncate(MOST_PROBLEMS);
        Err(VerifyError::Refused { problems, more })
    }

    fn refuse(&self, place: impl Into<String>, problem: impl Into<String>) {
        let problem = Problem { place: place.into(), problem: problem.into() };
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
    }

    /// The bytes of a file that must be there. A link is none, wherever it leads.
    fn read(&self, file: &str) -> Result<Option<Vec<u8>>, FolderError> {
        match folder::read_regular(&self.backup.join(file), SizeLimit::of_part(file)) {
            Ok(None) => {
                self.refuse_absent(file);
                Ok(None)
            }
            Err(error) if error.is_too_large() => {
                self.refuse(file, error.source.to_string());
                Ok(None)
            }
            bytes => bytes,
        }
    }

    fn refuse_absent(&self, file: &str) {
        let is_there = self.backup.join(file).symlink_metadata().is_ok();
        self.refuse(file, if is_there { "is no regular file" } else { "is missing" });
    }

    /// A file that must have exactly these bytes, if it is to be compiled.
    fn exact(&self, file: &str, expected: &[u8]) -> Result<(), FolderError> {
        if self.scope == Scope::Rows {
            return Ok(());
        }
        let path = self.backup.join(file);
        if folder::holds(&path, expected)? {
            self.visitor.file(file, expected)?;
        } else if path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            self.refuse(
                file,
                "is not as this version of Gaebar writes it; if another version did, `gaebar upgrade` brings it up to date",
            );
        } else {
            self.refuse_absent(file);
        }
        Ok(())
    }

    /// The kinds that are wanted, and the edits in them.
    fn kinds(&self, wanted: &dyn Fn(&str) -> bool) -> Result<(Vec<VerifiedKind>, Vec<Edit>), VerifyError> {
        let mut manifests = KindManifest::read_all(self.backup)?;
        let listed: BTreeSet<_> = manifests.iter().flat_map(|kind| kind.files.keys().cloned()).collect();
        manifests.retain(|manifest| wanted(&manifest.kind));
        let kinds: Result<Vec<_>, FolderError> = manifests.into_par_iter().map(|manifest| self.kind(manifest)).collect();
        let (kinds, edits): (Vec<_>, Vec<_>) = kinds?.into_iter().flatten().unzip();
        self.nothing_twice(kinds.iter().map(|kind| &kind.kind));
        self.nothing_is_missing(&listed)?;
        Ok((kinds, edits.into_iter().flatten().collect()))
    }

    /// No kind's manifest is missing, by the files that all of them list, and by the list of models.
    fn nothing_is_missing(&self, listed: &BTreeSet<String>) -> Result<(), FolderError> {
        if self.scope == Scope::Rows && self.problems.lock().is_ok_and(|problems| problems.is_empty()) {
            self.no_code_of_other_kinds(listed)?;
        }
        if let Some(library) = self.read(templates::MODELS_LIBRARY)? {
            let modules = String::from_utf8_lossy(&library);
            for module in modules.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')) {
                let path = KindManifest::path(module.strip_prefix("r#").unwrap_or(module));
                if !self.backup.join(&path).exists() {
                    self.refuse(path, "is missing");
                }
            }
        }
        Ok(())
    }

    /// Were a kind's manifest lost, its rows would be missed. (Where everything is looked at, any stray file is told.)
    fn no_code_of_other_kinds(&self, listed: &BTreeSet<String>) -> Result<(), FolderError> {
        for top in ["models/src", "volumes"] {
            for file in folder::files(&self.backup.join(top))?.into_iter().map(|file| format!("{top}/{file}")) {
                let is_code = Path::new(&file).extension().is_some_and(|extension| extension == "rs");
                if is_code && file != templates::MODELS_LIBRARY && !listed.contains(&file) {
                    self.refuse(file, "is in no manifest: is that of its kind missing?");
                }
            }
        }
        Ok(())
    }

    /// Two people may have given the same name to different kinds, or different names to files of the same kind.
    fn nothing_twice<'k>(&self, kinds: impl Iterator<Item = &'k Kind>) {
        let (mut names, mut known) = (BTreeSet::new(), BTreeSet::new());
        for kind in kinds {
            if !known.insert(&kind.name) {
                let problem =
                    format!("kind {:?} has other files, too; remove one of them, and back the kind up again", kind.name);
                self.refuse(format!("models/src/{}.rs", kind.file), problem);
            }
            if !names.insert(kind.structure.to_ascii_lowercase()) {
                let problem =
                    format!("{} is another kind's struct too; remove the kind's files, and back it up again", kind.structure);
                self.refuse(format!("models/src/{}.rs", kind.file), problem);
            }
        }
    }

    /// The files that follow from the kinds and the version that wrote them. Files that belong to nothing are found here, too.
    fn derived(&self, kinds: &[VerifiedKind]) -> Result<runtime::CompiledWith, FolderError> {
        let (foundation, writer) = self.foundation()?;
        let volumes = volumes(kinds.iter().map(|kind| &kind.manifest));
        let release = if let Writer::Release(release) = &writer { Some(*release) } else { None };
        let format = release.map_or(FORMAT, |release| release.format);
        if self.manifest.format != format {
            let found = self.manifest.format;
            let problem = format!(
                "has format {found}, and not {format}; if another version wrote it, `gaebar upgrade` brings it up to date"
            );
            self.refuse(manifest::MANIFEST, problem);
        }
        let covered = coverage(&self.manifest, kinds.iter().map(|kind| &kind.manifest));
        let coverage = self.manifest.has_coverage().then_some(&covered);
        let structures = kinds.iter().map(|kind| (kind.kind.file.as_str(), kind.kind.structure.as_str()));
        let library = templates::models_library(structures);
        let mut files = Templates { name: &self.manifest.name, volumes: &volumes, coverage, foundation: &foundation }.files();
        files.push((templates::MODELS_LIBRARY.to_owned(), library.into_bytes()));
        for (file, bytes) in &files {
            if writer.release().is_some_and(|release| !release.writes_raw_names) && templates::NAMING.contains(&file.as_str()) {
                self.exact(file, String::from_utf8_lossy(bytes).replace("r#", "").as_bytes())?;
            } else {
                self.exact(file, bytes)?;
            }
        }
        self.strays(kinds, files.into_iter().map(|(file, _)| file))?;
        Ok((foundation, writer))
    }
}

/// The blob with this SHA-256 in a volume's folder of blobs. A file is a blob only if its bytes have that hash.
pub fn read_blob(folder: &Path, sha256: &str) -> Result<Vec<u8>, String> {
    if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return Err(format!("{sha256:?} is no name of a blob"));
    }
    let path = folder.join(sha256);
    let bytes = folder::read_regular(&path, SizeLimit::BLOB).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or_else(|| format!("{} is missing, or no regular file", path.display()))?;
    if hex(&Sha256::digest(&bytes)) != sha256 {
        return Err(format!("{} is not what its name says", path.display()));
    }
    Ok(bytes)
}

/// The names of all volumes of these kinds.
pub fn volumes<'k>(kinds: impl IntoIterator<Item = &'k KindManifest>) -> BTreeSet<String> {
    let files = kinds.into_iter().flat_map(|kind| kind.files.keys());
    files.filter_map(|file| file.strip_prefix("volumes/")?.split_once('/')).map(|(volume, _)| volume.to_owned()).collect()
}
