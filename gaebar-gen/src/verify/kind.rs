//! One kind: its model, its volumes, its shards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::{Edit, Gate, VerifiedKind, VerifiedShard};
use crate::fingerprint::Fingerprint;
use crate::folder::FolderError;
use crate::manifest::KindManifest;
use crate::reader::{self, Blobs};
use crate::schema::Kind;
use crate::templates;

/// The files of a volume that the manifest lists.
#[derive(Default)]
pub(super) struct Volume {
    pub(super) shards: BTreeMap<u32, String>,
    blobs: BTreeSet<String>,
}

/// A shard that was read.
struct ReadShard {
    shard: VerifiedShard,
    numbers: Vec<u32>,
    edits: Vec<Edit>,
}

impl Gate<'_> {
    /// `None`: the kind was refused.
    pub(super) fn kind(&self, manifest: KindManifest) -> Result<Option<(VerifiedKind, Vec<Edit>)>, FolderError> {
        let Some(kind) = self.model(&manifest)? else { return Ok(None) };
        let Some(volumes) = self.volumes(&manifest, &kind) else { return Ok(None) };
        let mut numbers = BTreeSet::new();
        let (mut shards, mut edits) = (Vec::new(), Vec::new());
        let mut all_read = true;
        for (name, volume) in &volumes {
            let blobs = BlobFiles { gate: self, folder: format!("volumes/{name}/src/blobs"), used: Mutex::default() };
            let cargo = templates::Packages::of_backup(&self.manifest.name).volume(name);
            self.exact(&format!("volumes/{name}/Cargo.toml"), cargo.as_bytes())?;
            let modules: Vec<_> = volume.shards.keys().map(|number| format!("shard_{number}")).collect();
            let models = templates::crate_name(&self.manifest.name, "models");
            let library = templates::volume_library(&models, &kind.structure, &modules);
            self.exact(&format!("volumes/{name}/src/lib.rs"), library.as_bytes())?;
            let read: Result<Vec<_>, FolderError> = volume
                .shards
                .values()
                .collect::<Vec<_>>()
                .into_par_iter()
                .map(|file| self.shard(&kind, &models, file, &manifest.files[file], &blobs))
                .collect();
            let read = read?;
            all_read &= read.iter().all(Option::is_some);
            for ReadShard { shard, numbers: own, edits: found } in read.into_iter().flatten() {
                for number in own {
                    if u64::from(number) >= manifest.next_row {
                        self.refuse(&shard.file, format!("row_{number} is past the last row that the manifest knows"));
                    } else if !numbers.insert(number) {
                        self.refuse(&shard.file, format!("row_{number} is there twice in its kind"));
                    }
                }
                shards.push(shard);
                edits.extend(found);
            }
            let used = blobs.used.into_inner().unwrap_or_else(PoisonError::into_inner);
            for blob in volume.blobs.symmetric_difference(&used) {
                let file = format!("volumes/{name}/src/blobs/{blob}");
                if !volume.blobs.contains(blob) {
                    self.refuse(file, "is in no manifest");
                    continue;
                }
                // An edit may have taken the last row that had it, and the blob too. What is left goes with the next backup.
                let is_gone = !edits.is_empty() && self.backup.join(&file).symlink_metadata().is_err();
                if !is_gone
                    && let Some(bytes) = self.read(&file)?
                    && !manifest.files[&file].matches(&bytes)
                {
                    self.refuse(file, "is not as it was backed up");
                }
            }
        }
        let rows: usize = shards.iter().map(|shard| shard.rows).sum();
        if all_read && edits.is_empty() && rows as u64 != manifest.rows {
            self.refuse(KindManifest::path(&kind.file), format!("says {} rows, and there are {rows}", manifest.rows));
        }
        Ok(Some((VerifiedKind { manifest, kind, shards }, edits)))
    }

    pub(super) fn model(&self, manifest: &KindManifest) -> Result<Option<Kind>, FolderError> {
        let mut models = manifest.files.iter().filter_map(|(path, hash)| {
            let file = path.strip_prefix("models/src/")?.strip_suffix(".rs")?;
            Some((file, path, hash))
        });
        let (Some((file, path, hash)), None) = (models.next(), models.next()) else {
            self.refuse(&manifest.path, "must list one model");
            return Ok(None);
        };
        if manifest.path != KindManifest::path(file) {
            self.refuse(&manifest.path, format!("lists the model of another kind, {path}"));
            return Ok(None);
        }
        let Some(bytes) = self.read(path)? else { return Ok(None) };
        if !hash.matches(&bytes) {
            self.refuse(path, "is not as it was backed up; a model can't be edited");
            return Ok(None);
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            self.refuse(path, "is no UTF-8");
            return Ok(None);
        };
        match reader::kind(file, text) {
            Ok(kind) if kind.name == manifest.kind => {
                self.visitor.file(path, &bytes)?;
                Ok(Some(kind))
            }
            Ok(kind) => {
                self.refuse(path, format!("declares kind {:?}, and the manifest is that of {:?}", kind.name, manifest.kind));
                Ok(None)
            }
            Err(error) => {
                self.refuse(format!("{path}:{}:{}", error.line, error.column), error.problem);
                Ok(None)
            }
        }
    }

    /// The volumes that a manifest lists, by name. Their names begin with the kind's.
    pub(super) fn volumes(&self, manifest: &KindManifest, kind: &Kind) -> Option<BTreeMap<String, Volume>> {
        let mut volumes: BTreeMap<String, Volume> = BTreeMap::new();
        let mut all_known = true;
        for path in manifest.files.keys().filter(|path| path.starts_with("volumes/")) {
            let mut parts = path.split('/').skip(1);
            let (name, rest) = (parts.next().unwrap_or_default(), parts.collect::<Vec<_>>());
            let number = name.strip_prefix(&kind.file).and_then(|rest| rest.strip_prefix('_')).and_then(canonical);
            let volume = volumes.entry(name.to_owned()).or_default();
            let known = number.is_some()
                && match rest[..] {
                    ["Cargo.toml"] | ["src", "lib.rs"] => true,
                    ["src", "blobs", blob] => volume.blobs.insert(blob.to_owned()),
                    ["src", file] => {
                        let number = file.strip_prefix("shard_").and_then(|file| canonical(file.strip_suffix(".rs")?));
                        number.is_some_and(|number| volume.shards.insert(number, path.clone()).is_none())
                    }
                    _ => false,
                };
            if !known {
                self.refuse(&manifest.path, format!("{path} is no file of kind {:?}", kind.name));
                all_known = false;
            }
        }
        all_known.then_some(volumes)
    }

    /// `None`: the shard was refused.
    fn shard(
        &self,
        kind: &Kind,
        models: &str,
        file: &str,
        fingerprint: &Fingerprint,
        blobs: &BlobFiles,
    ) -> Result<Option<ReadShard>, FolderError> {
        let size = self.backup.join(file).symlink_metadata().map_or(0, |metadata| metadata.len());
        if size > super::MOST_SHARD_BYTES {
            self.refuse(file, format!("has {size} bytes, and no shard has more than {}", super::MOST_SHARD_BYTES));
            return Ok(None);
        }
        let Some(bytes) = self.read(file)? else { return Ok(None) };
        let accepted = Fingerprint::of(&bytes);
        let is_as_backed_up = fingerprint.is_of_the_same(&accepted);
        if is_as_backed_up && let Some(rows) = self.visitor.recall(file, kind, &accepted) {
            for row in rows.iter().filter(|row| !self.entities.add_key(row.key)) {
                self.refuse(file, format!("the key of row_{} is there twice", row.number));
            }
            self.visitor.file(file, &bytes)?;
            let shard = VerifiedShard { file: file.to_owned(), rows: rows.len(), accepted };
            return Ok(Some(ReadShard { shard, numbers: rows.iter().map(|row| row.number).collect(), edits: Vec::new() }));
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            self.refuse(file, "is no UTF-8");
            return Ok(None);
        };
        let rows = match reader::shard(kind, models, text, blobs) {
            Ok(rows) => rows,
            Err(errors) => {
                for error in errors {
                    self.refuse(format!("{file}:{}:{}", error.line, error.column), error.problem);
                }
                return Ok(None);
            }
        };
        let mut edits = Vec::new();
        if !is_as_backed_up {
            let (edited, gone) = fingerprint.edits(&rows, |row| &row.text);
            edits.extend(edited.iter().map(|row| Edit::Row {
                file: file.to_owned(),
                line: row.line,
                number: row.number,
                key: row.entity.key().clone(),
            }));
            if gone > edited.len() {
                edits.push(Edit::Gone { file: file.to_owned(), rows: gone - edited.len() });
            }
            if edits.is_empty() {
                self.refuse(file, "is not as it was backed up, though each row is one that was: were they put in another order?");
                return Ok(None);
            }
        }
        for row in &rows {
            if let Err(problem) = self.entities.add(file, row) {
                self.refuse(format!("{file}:{}", row.line), problem);
            }
        }
        self.visitor.rows(file, &rows);
        self.visitor.file(file, &bytes)?;
        let numbers = rows.iter().map(|row| row.number).collect();
        Ok(Some(ReadShard { shard: VerifiedShard { file: file.to_owned(), rows: rows.len(), accepted }, numbers, edits }))
    }
}

/// A number as it is written: `0`, `12`, and not `012`.
fn canonical(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

/// The blobs of a volume. Each is what its name says, whoever reads it, and however often.
struct BlobFiles<'a> {
    gate: &'a Gate<'a>,
    folder: String,
    used: Mutex<BTreeSet<String>>,
}

impl Blobs for BlobFiles<'_> {
    fn blob(&self, sha256: &str) -> Result<Vec<u8>, String> {
        let bytes = super::read_blob(&self.gate.backup.join(&self.folder), sha256)?;
        let file = format!("{}/{sha256}", self.folder);
        self.gate.visitor.file(&file, &bytes).map_err(|error| error.to_string())?;
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(sha256.to_owned());
        Ok(bytes)
    }
}
