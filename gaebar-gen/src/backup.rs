//! The main job's first half: store, spool, schema, shards, folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gaebar_runtime::model::Timestamp;
use gaebar_runtime::store::{Place, ReadTime, Store, StoreError};
use rayon::prelude::*;
use thiserror::Error;

use crate::folder::{self, FolderError};
use crate::manifest::{BackupManifest, FORMAT, KindManifest};
use crate::names;
use crate::progress::Progress;
use crate::publish::{PublishError, Staging};
use crate::read::{ReadError, Selection, read};
use crate::schema::{Inference, Kind, name_kinds};
use crate::shards::{self, ShardError, Written};
use crate::spool::{Spool, SpoolError, SpooledKind};
use crate::stop;
use crate::templates::{self, Templates};

/// How to back up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What to read.
    pub selection: Selection,
    /// As of when; now if not given.
    pub read_time: Option<Timestamp>,
    /// A shard closes before it would pass so many bytes of source.
    pub shard_bytes: usize,
}

/// What was backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// The backup's folder.
    pub folder: PathBuf,
    /// The store.
    pub source: Place,
    /// When it was read.
    pub read_time: ReadTime,
    /// What was written of each kind.
    pub kinds: BTreeMap<String, Written>,
}

/// Why there is no backup.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The folder is not to be had.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Kinds or namespaces were named, and there is nothing in them.
    #[error("{0} has no entities of the kinds and namespaces that were named; nothing was written")]
    NothingChosen(Place),
    /// The store was not read to its end.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The shards were not written.
    #[error(transparent)]
    Shard(#[from] ShardError),
}

impl From<FolderError> for BackupError {
    fn from(error: FolderError) -> Self {
        Self::Publish(error.into())
    }
}

impl From<SpoolError> for BackupError {
    fn from(error: SpoolError) -> Self {
        Self::Shard(error.into())
    }
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        Self::Read(error.into())
    }
}

/// What is being done, for progress: the stage begins anew at its first row.
pub trait Stages {
    /// The store is being read.
    fn reading(&self) -> Box<dyn Progress + '_>;

    /// So many rows are being written as code.
    fn writing(&self, rows: u64) -> Box<dyn Progress + '_>;
}

/// Backs a store up into a new folder.
pub fn backup(
    store: &dyn Store,
    folder: &Path,
    options: &Options,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<BackedUp, BackupError> {
    let staging = Staging::new(folder)?;
    let spool = Spool::new(staging.spool());
    let snapshot = store.snapshot(options.read_time)?;
    read(snapshot.as_ref(), &options.selection, &spool, stages.reading().as_ref(), stop)?;
    let read_time = snapshot.read_time();
    drop(snapshot);

    let spooled = spool.into_kinds();
    let kinds = infer(&spooled, stop)?;
    let rows = spooled.values().map(SpooledKind::rows).sum();
    let chosen = options.selection.kinds.is_some() || options.selection.namespaces.is_some();
    if rows == 0 && chosen {
        return Err(BackupError::NothingChosen(store.place().clone()));
    }
    let name = names::backup_name(&folder_name(staging.place()), &templates::dependency_names());
    let written = write_kinds(&staging.folder(), &name, &kinds, &spooled, options, stages.writing(rows).as_ref(), stop)?;
    for (kind, written) in kinds.iter().zip(&written) {
        let source = store.place().url.to_string();
        let manifest = KindManifest::new(&kind.name, &source, read_time, written.rows, written.files.clone());
        folder::write(&staging.folder(), &KindManifest::path(&kind.file), manifest.to_text().as_bytes())?;
    }
    write_templates(&staging.folder(), &name, &kinds, &written)?;
    let kinds = kinds.into_iter().map(|kind| kind.name).zip(written).collect();
    Ok(BackedUp { folder: staging.publish()?, source: store.place().clone(), read_time, kinds })
}

fn folder_name(place: &Path) -> String {
    place.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn infer(spooled: &BTreeMap<String, SpooledKind>, stop: &AtomicBool) -> Result<Vec<Kind>, ShardError> {
    let kinds: Vec<_> = spooled.iter().collect();
    let inferred: Result<Vec<_>, ShardError> = kinds
        .into_par_iter()
        .map(|(name, kind)| {
            let mut inference = Inference::default();
            for entity in kind.entities() {
                stop::check(stop)?;
                inference.add(&entity?);
            }
            Ok((name.clone(), inference.fields()))
        })
        .collect();
    Ok(name_kinds(inferred?))
}

fn write_kinds(
    folder: &Path,
    name: &str,
    kinds: &[Kind],
    spooled: &BTreeMap<String, SpooledKind>,
    options: &Options,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Vec<Written>, ShardError> {
    kinds
        .par_iter()
        .zip(spooled.values().collect::<Vec<_>>())
        .map(|(kind, spooled)| shards::write(folder, name, kind, options.shard_bytes, spooled.entities(), progress, stop))
        .collect()
}

fn write_templates(folder: &Path, name: &str, kinds: &[Kind], written: &[Written]) -> Result<(), FolderError> {
    let volumes: BTreeSet<String> = written.iter().flat_map(|written| written.volumes.iter().cloned()).collect();
    let manifest = BackupManifest { format: FORMAT, name: name.to_owned() };
    let mut files = Templates { name, volumes: &volumes }.files();
    files.extend(
        [
            ("manifest.json", manifest.to_text()),
            (
                templates::MODELS_LIBRARY,
                templates::models_library(kinds.iter().map(|kind| (kind.file.as_str(), kind.structure.as_str()))),
            ),
        ]
        .map(|(file, text)| (file.to_owned(), text)),
    );
    files.extend(templates::GIT_FILES.map(|(file, text)| (file.to_owned(), text.to_owned())));
    for (file, text) in &files {
        folder::write(folder, file, text.as_bytes())?;
    }
    Ok(())
}
