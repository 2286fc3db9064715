//! One kind: its model, its volumes, its shards.

use std::collections::{BTreeMap, BTreeSet};

use gaebar_runtime::restore::Extent;
use rayon::prelude::*;

use super::blobs::BlobFiles;
use super::{Edit, Gate, VerifiedKind, VerifiedShard, names};
use crate::fingerprint::Fingerprint;
use crate::folder::FolderError;
use crate::manifest::KindManifest;
use crate::reader::{self, ReadRow};
use crate::schema::Kind;
use crate::templates;

/// The files of a volume that the manifest lists.
#[derive(Default)]
pub(super) struct Volume {
    pub(super) shards: BTreeMap<u32, String>,
    pub(super) blobs: BTreeSet<String>,
}

/// A shard that was read.
pub(super) struct ReadShard {
    pub(super) shard: VerifiedShard,
    pub(super) numbers: Vec<u32>,
    pub(super) edits: Vec<Edit>,
}

/// The numbers of a kind's rows.
pub(super) struct Numbers {
    /// The first that no row can have.
    next: u64,
    known: BTreeSet<u32>,
}

impl Numbers {
    /// None yet.
    pub(super) fn of(manifest: &KindManifest) -> Self {
        Self { next: manifest.next_row, known: BTreeSet::new() }
    }

    /// Adds one; whether it was not there before.
    pub(super) fn insert(&mut self, number: u32) -> bool {
        self.known.insert(number)
    }
}

impl Gate<'_> {
    /// `None`: the kind was refused.
    pub(super) fn kind(&self, manifest: KindManifest) -> Result<Option<(VerifiedKind, Vec<Edit>)>, FolderError> {
        let Some(kind) = self.model(&manifest)? else { return Ok(None) };
        let Some(volumes) = self.volumes(&manifest, &kind) else { return Ok(None) };
        let mut numbers = Numbers::of(&manifest);
        let (mut shards, mut edits) = (Vec::new(), Vec::new());
        let mut all_read = true;
        for (name, volume) in &volumes {
            self.crate_of(name, volume, &kind)?;
            let blobs = self.blobs(name);
            let read = self.shards(&manifest, &kind, &volume.shards.values().collect::<Vec<_>>(), &blobs)?;
            all_read &= read.iter().all(Option::is_some);
            for ReadShard { shard, numbers: own, edits: found } in read.into_iter().flatten() {
                self.numbers(&mut numbers, &shard.file, &own);
                shards.push(shard);
                edits.extend(found);
            }
            blobs.are_listed(volume);
            blobs.others(&manifest, volume, !edits.is_empty())?;
        }
        let rows: usize = shards.iter().map(|shard| shard.rows).sum();
        if all_read && edits.is_empty() {
            self.rows_are(&manifest, rows);
        }
        Ok(Some((VerifiedKind { manifest, kind, shards }, edits)))
    }

    /// The files that make a crate of a volume.
    pub(super) fn crate_of(&self, name: &str, volume: &Volume, kind: &Kind) -> Result<(), FolderError> {
        let cargo = templates::Packages::of_backup(&self.manifest.name).volume(name);
        self.exact(&format!("volumes/{name}/Cargo.toml"), cargo.as_bytes())?;
        let modules: Vec<_> = volume.shards.keys().map(|number| format!("shard_{number}")).collect();
        let library = templates::volume_library(&self.models(), &kind.structure, &modules);
        self.exact(&format!("volumes/{name}/src/lib.rs"), library.as_bytes())
    }

    /// The crate of the backup's models.
    fn models(&self) -> String {
        templates::crate_name(&self.manifest.name, "models")
    }

    /// Reads shards of a volume. Those that were refused are `None`.
    pub(super) fn shards(
        &self,
        manifest: &KindManifest,
        kind: &Kind,
        files: &[&String],
        blobs: &BlobFiles,
    ) -> Result<Vec<Option<ReadShard>>, FolderError> {
        let models = self.models();
        files.par_iter().map(|file| self.shard(manifest, kind, &models, file, blobs)).collect()
    }

    /// Takes the numbers of a shard's rows into account.
    pub(super) fn numbers(&self, known: &mut Numbers, shard: &str, rows: &[u32]) {
        for number in rows {
            if u64::from(*number) >= known.next {
                self.refuse(shard, format!("row_{number} is past the last row that the manifest knows"));
            } else if !known.insert(*number) {
                self.refuse(shard, format!("row_{number} is there twice in its kind"));
            }
        }
    }

    /// The kind has so many rows.
    pub(super) fn rows_are(&self, manifest: &KindManifest, rows: usize) {
        if rows as u64 != manifest.rows {
            self.refuse(&manifest.path, format!("says {} rows, and there are {rows}", manifest.rows));
        }
    }

    pub(super) fn model(&self, manifest: &KindManifest) -> Result<Option<Kind>, FolderError> {
        if manifest.namespaces != Extent::Unknown && !self.manifest.has_coverage() {
            self.refuse(&manifest.path, "says which namespaces are covered, which the backup's format does not");
            return Ok(None);
        }
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
                if let Some(problem) = names::misnamed(&kind) {
                    self.refuse(path, problem);
                    return Ok(None);
                }
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
                    ["src", "blobs", blob] => manifest.files[path].sha256() == blob && volume.blobs.insert(blob.to_owned()),
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
        manifest: &KindManifest,
        kind: &Kind,
        models: &str,
        file: &str,
        blobs: &BlobFiles,
    ) -> Result<Option<ReadShard>, FolderError> {
        let fingerprint = &manifest.files[file];
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
        if is_as_backed_up && rows.len() != fingerprint.rows() {
            self.refuse(file, format!("has {} rows, and the manifest knows {} of it", rows.len(), fingerprint.rows()));
            return Ok(None);
        }
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
        let is_elsewhere = |row: &&ReadRow| manifest.namespaces.includes(row.entity.key().namespace()) == Some(false);
        if is_as_backed_up && let Some(row) = rows.iter().find(is_elsewhere) {
            let problem = format!("row_{} is of a namespace that {} does not cover", row.number, manifest.path);
            self.refuse(format!("{file}:{}", row.line), problem);
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
