//! The backups in a folder, as their manifests describe them. What is asked for by name is looked for among what is there.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::problem::Problem;
use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError, SizeLimit};
use crate::manifest::{BackupManifest, KindManifest, MANIFEST, ManifestError};
use crate::update;

/// Backups whose manifests are kept in memory.
const MOST_KEPT: usize = 100;

/// The backups in a folder.
#[derive(Debug)]
pub(super) struct Library {
    folder: PathBuf,
    kept: Mutex<HashMap<String, (Stamp, Arc<Backup>)>>,
}

/// What manifests look like from outside: names, times and sizes. As long as they look the same, they are.
type Stamp = Vec<(OsString, Option<SystemTime>, u64)>;

/// A backup, by its manifests.
#[derive(Debug)]
pub(super) struct Backup {
    /// The name of its folder.
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) kinds: Vec<BackupKind>,
}

/// A kind of a backup.
#[derive(Debug)]
pub(super) struct BackupKind {
    pub(super) manifest: KindManifest,
    /// The kind's name among files.
    pub(super) file: String,
    /// Its shards, in order.
    pub(super) shards: Vec<Shard>,
    /// The bytes of all of its files.
    pub(super) bytes: u64,
}

/// A shard of a kind.
#[derive(Debug)]
pub(super) struct Shard {
    /// Its file, below the backup's folder.
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) backed_up: Fingerprint,
}

/// A backup, and nobody changes it meanwhile.
#[derive(Debug)]
pub(super) struct Open {
    backup: Arc<Backup>,
    #[expect(dead_code, reason = "held, not used")]
    reading: Option<File>,
}

impl Deref for Open {
    type Target = Backup;

    fn deref(&self) -> &Backup {
        &self.backup
    }
}

impl Library {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, kept: Mutex::default() }
    }

    /// The folder that holds the backups.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of the backups that are there. None if there is no folder yet.
    pub(super) fn names(&self) -> Result<Vec<String>, FolderError> {
        let mut names = Vec::new();
        if !self.folder.exists() {
            return Ok(names);
        }
        for entry in fs::read_dir(&self.folder).map_err(FolderError::at("list", &self.folder))? {
            let entry = entry.map_err(FolderError::at("list", &self.folder))?;
            // Backups in the making begin with a dot.
            let name = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'));
            names.extend(name.filter(|_| entry.path().join(MANIFEST).is_file()));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// A backup of this name.
    pub(super) fn open(&self, name: &str) -> Result<Open, Problem> {
        let Some(name) = self.names()?.into_iter().find(|there| there == name) else {
            let next = "It may have been renamed or removed: the list of backups shows those that are there.";
            return Err(Problem::missing(format!("There is no backup {name:?}."), next));
        };
        Ok(self.read(name)?)
    }

    /// A backup that is there.
    pub(super) fn read(&self, name: String) -> Result<Open, ManifestError> {
        let folder = self.folder.join(&name);
        let reading = update::reading(&folder)?;
        let stamp = stamp(&folder)?;
        let kept = |library: &Self| library.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if let Some((_, backup)) = kept(self).filter(|(before, _)| *before == stamp) {
            return Ok(Open { backup, reading });
        }
        let backup = Arc::new(Backup::read(name.clone(), folder)?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Whichever: a list goes through all of them, over and over, so that the oldest would be the next one that is asked for.
        let other = kept.keys().find(|_| kept.len() >= MOST_KEPT && !kept.contains_key(&name)).cloned();
        if let Some(other) = other {
            kept.remove(&other);
        }
        kept.insert(name, (stamp, Arc::clone(&backup)));
        Ok(Open { backup, reading })
    }
}

fn stamp(backup: &Path) -> Result<Stamp, FolderError> {
    let kinds = backup.join("kinds");
    let mut files = vec![backup.join(MANIFEST)];
    if kinds.exists() {
        for entry in fs::read_dir(&kinds).map_err(FolderError::at("list", &kinds))? {
            files.push(entry.map_err(FolderError::at("list", &kinds))?.path());
        }
    }
    files.sort_unstable();
    let look = |path: PathBuf| {
        let metadata = path.symlink_metadata().map_err(FolderError::at("read", &path))?;
        Ok((path.file_name().unwrap_or_default().to_owned(), metadata.modified().ok(), metadata.len()))
    };
    files.into_iter().map(look).collect()
}

impl Backup {
    fn read(name: String, folder: PathBuf) -> Result<Self, ManifestError> {
        BackupManifest::read(&folder)?;
        let kinds = KindManifest::read_all(&folder)?.into_iter().map(|manifest| BackupKind::new(&folder, manifest)).collect();
        Ok(Self { name, folder, kinds })
    }

    /// A kind, by its name among files.
    pub(super) fn kind(&self, file: &str) -> Result<&BackupKind, Problem> {
        self.kinds.iter().find(|kind| kind.file == file).ok_or_else(|| {
            let next = "The backup's page shows the kinds that it has.";
            Problem::missing(format!("The backup {} has no kind in a file {file:?}.", self.name), next)
        })
    }

    pub(super) fn rows(&self) -> u64 {
        self.kinds.iter().fold(0, |sum: u64, kind| sum.saturating_add(kind.manifest.rows))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.kinds.iter().fold(0, |sum: u64, kind| sum.saturating_add(kind.bytes))
    }

    /// When its latest kind was read; empty if it has none.
    pub(super) fn read_time(&self) -> &str {
        self.kinds.iter().map(|kind| kind.manifest.read_time.as_str()).max().unwrap_or_default()
    }

    /// Whether each kind is of one time.
    pub(super) fn is_consistent(&self) -> bool {
        self.kinds.iter().all(|kind| kind.manifest.consistent)
    }

    /// The stores it was read from.
    pub(super) fn sources(&self) -> Vec<&str> {
        let mut sources: Vec<_> = self.kinds.iter().map(|kind| kind.manifest.source.as_str()).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// The bytes of a file below the backup's folder, unless it is missing, a link, or larger than such a file can be.
    pub(super) fn file(&self, path: &str) -> Result<Option<Vec<u8>>, FolderError> {
        read_inside(&self.folder, path)
    }

    /// A shard's bytes.
    pub(super) fn bytes_of(&self, shard: &Shard) -> Result<Vec<u8>, Problem> {
        self.file(&shard.file)?.ok_or_else(|| {
            let what = format!("{} is missing, is a link, or is larger than a shard can be.", shard.file);
            Problem::missing(what, format!("`gaebar verify {}` tells more.", self.folder.display()))
        })
    }
}

/// The bytes of a regular file below a folder, which no link leads to.
fn read_inside(folder: &Path, file: &str) -> Result<Option<Vec<u8>>, FolderError> {
    let path = folder.join(file);
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    let is_behind_link = path.ancestors().take_while(|above| *above != folder).any(is_link);
    if is_behind_link {
        return Ok(None);
    }
    match folder::read_regular(&path, SizeLimit::of_part(file)) {
        Err(error) if error.is_too_large() => Ok(None),
        bytes => bytes,
    }
}

impl BackupKind {
    fn new(folder: &Path, manifest: KindManifest) -> Self {
        let size = |file: &str| folder.join(file).metadata().map_or(0, |file| file.len());
        let shards = manifest.shards().map(|(file, backed_up)| Shard {
            file: file.to_owned(),
            bytes: size(file),
            backed_up: backed_up.clone(),
        });
        let mut shards: Vec<_> = shards.collect();
        // `shard_10` comes behind `shard_9`.
        shards.sort_by_cached_key(|shard| shard.file.split('/').map(|part| (part.len(), part.to_owned())).collect::<Vec<_>>());
        Self {
            file: manifest.path.trim_start_matches("kinds/").trim_end_matches(".json").to_owned(),
            bytes: manifest.size(folder),
            shards,
            manifest,
        }
    }

    /// A shard, by its volume and its file there.
    pub(super) fn shard(&self, volume: &str, file: &str) -> Result<&Shard, Problem> {
        let path = format!("volumes/{volume}/src/{file}");
        self.shards.iter().find(|shard| shard.file == path).ok_or_else(|| {
            let next = "The kind's page shows the shards that it has.";
            Problem::missing(format!("The kind {:?} has no shard {path:?}.", self.manifest.kind), next)
        })
    }
}
