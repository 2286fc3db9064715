//! The main job's first half: store, spool, schema, shards, folder; anew, or in a backup that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gaebar_runtime::model::Timestamp;
use gaebar_runtime::store::{Place, ReadTime, Store, StoreError};
use rayon::prelude::*;
use thiserror::Error;

use crate::folder::{self, FolderError};
use crate::manifest::{BackupManifest, FORMAT, KindManifest, MANIFEST};
use crate::names;
use crate::previous::{PreviousError, PreviousKind, previous};
use crate::progress::Progress;
use crate::publish::{PublishError, Staging};
use crate::read::{ReadError, Selection, read};
use crate::schema::{Inference, Kind, name_fields, name_kinds};
use crate::shards::{self, Job, ShardError, Written};
use crate::spool::{Spool, SpooledKind};
use crate::stop;
use crate::templates::{self, Templates};
use crate::update::{Update, UpdateError};
use crate::verify::Edit;

/// How to back up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What to read. What is not selected stays in a backup as it is.
    pub selection: Selection,
    /// As of when; now if not given.
    pub read_time: Option<Timestamp>,
    /// A shard closes before it would pass so many bytes of source.
    pub shard_bytes: usize,
    /// Give kinds that the backup has new structs, after all of their entities; rows that do not fit the old ones change anyway.
    pub reshape: bool,
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
    /// What was written of each kind that was read.
    pub kinds: BTreeMap<String, Written>,
    /// Whether there was a backup already, which was updated.
    pub updated: bool,
    /// Edits within the grammar that the update replaced by what the store holds.
    pub replaced_edits: Vec<Edit>,
}

/// Why there is no backup.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The folder is not to be had.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The backup that is there can't be updated.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The backup that is there is not to be understood.
    #[error("{0}\nTo start anew, name another folder")]
    Previous(#[from] PreviousError),
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

/// Backs a store up: into a new folder, or into a backup that is there, in which rows keep their numbers and shards.
pub fn backup(
    store: &dyn Store,
    folder: &Path,
    options: &Options,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<BackedUp, BackupError> {
    if folder.join(MANIFEST).exists() {
        let folder = folder.canonicalize().map_err(FolderError::at("find", folder))?;
        let update = Update::new(&folder)?;
        let spool = Spool::new(update.spool());
        let (verified, previous) = previous(&folder, &options.selection, &spool)?;
        let edits = verified.edits;
        let before = Before { name: verified.manifest.name, kinds: previous };
        let (made, read_time) = make(store, &update.folder(), before, spool, options, stages, stop)?;
        stage_templates(&update.folder(), Some(&folder), &made)?;
        update.commit(made.removed)?;
        return Ok(BackedUp {
            folder,
            source: store.place().clone(),
            read_time,
            kinds: made.written,
            updated: true,
            replaced_edits: edits,
        });
    }
    let staging = Staging::new(folder)?;
    let name = names::backup_name(&folder_name(staging.place()), &templates::dependency_names());
    let before = Before { name, kinds: BTreeMap::new() };
    let (made, read_time) = make(store, &staging.folder(), before, Spool::new(staging.spool()), options, stages, stop)?;
    stage_templates(&staging.folder(), None, &made)?;
    let folder = staging.publish()?;
    Ok(BackedUp {
        folder,
        source: store.place().clone(),
        read_time,
        kinds: made.written,
        updated: false,
        replaced_edits: Vec::new(),
    })
}

/// A backup before it is written: one without kinds, if it is new.
struct Before {
    name: String,
    kinds: BTreeMap<String, PreviousKind>,
}

/// A backup that is staged, but for what follows from its kinds and volumes.
struct Made {
    name: String,
    /// What was written of each kind that was read.
    written: BTreeMap<String, Written>,
    /// The file and struct of every kind.
    structures: Vec<(String, String)>,
    /// The names of all volumes.
    volumes: BTreeSet<String>,
    /// Files that the backup had, and has no more.
    removed: Vec<String>,
}

/// Reads what is selected, and stages what differs from before.
fn make(
    store: &dyn Store,
    staging: &Path,
    before: Before,
    spool: Spool,
    options: &Options,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<(Made, ReadTime), BackupError> {
    let Before { name, kinds: previous } = before;
    let snapshot = store.snapshot(options.read_time)?;
    read(snapshot.as_ref(), &options.selection, &spool, stages.reading().as_ref(), stop)?;
    let read_time = snapshot.read_time();
    drop(snapshot);

    let mut spooled = spool.into_kinds();
    let rows = spooled.values().map(SpooledKind::rows).sum();
    let chosen = options.selection.kinds.is_some() || options.selection.namespaces.is_some();
    if rows == 0 && chosen && previous.is_empty() {
        return Err(BackupError::NothingChosen(store.place().clone()));
    }
    // A kind that was read and has no entities any more keeps its struct and its numbers.
    for kind in previous.keys().filter(|kind| options.selection.includes_kind(kind)) {
        spooled.entry(kind.clone()).or_default();
    }
    let kinds = shape(&spooled, &previous, options.reshape, stop)?;
    let progress = stages.writing(rows);
    let job = |kind| Job {
        folder: staging,
        backup: &name,
        kind,
        previous: previous.get(&kind.name),
        shard_bytes: options.shard_bytes,
        progress: progress.as_ref(),
        stop,
    };
    let written: Result<Vec<_>, ShardError> =
        kinds.par_iter().map(|kind| shards::write(job(kind), &spooled[&kind.name])).collect();
    let written: BTreeMap<_, _> = kinds.iter().map(|kind| kind.name.clone()).zip(written?).collect();
    drop(progress);

    let mut removed = Vec::new();
    for kind in &kinds {
        let written = &written[&kind.name];
        let before = previous.get(&kind.name);
        let files = before.into_iter().flat_map(|before| before.manifest.files.keys());
        removed.extend(files.filter(|file| !written.files.contains_key(*file)).cloned());
        // A kind in which nothing changed keeps its manifest, read time and all.
        let unchanged = before.is_some_and(|before| written.changed == 0 && before.manifest.files == written.files);
        if !unchanged {
            let source = store.place().url.to_string();
            let manifest =
                KindManifest::new(&kind.name, &source, read_time, written.rows, written.next_row, written.files.clone());
            folder::write(staging, &KindManifest::path(&kind.file), manifest.to_text().as_bytes())?;
        }
    }
    let untouched: Vec<_> = previous.values().filter(|before| !written.contains_key(&before.kind.name)).collect();
    let all = kinds.iter().chain(untouched.iter().map(|before| &before.kind));
    let structures = all.map(|kind| (kind.file.clone(), kind.structure.clone())).collect();
    let kept = untouched.iter().flat_map(|before| before.shards.iter().map(|shard| shard.volume.clone()));
    let volumes = written.values().flat_map(|written| written.volumes.iter().cloned()).chain(kept).collect();
    Ok((Made { name, written, structures, volumes, removed }, read_time))
}

fn folder_name(place: &Path) -> String {
    place.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The struct of each kind: that which it had, or, for a new kind or on request, one after all of its entities.
fn shape(
    spooled: &BTreeMap<String, SpooledKind>,
    previous: &BTreeMap<String, PreviousKind>,
    reshape: bool,
    stop: &AtomicBool,
) -> Result<Vec<Kind>, ShardError> {
    let infer = |kind: &SpooledKind| {
        let mut inference = Inference::default();
        for entity in kind.entities() {
            stop::check(stop)?;
            inference.add(&entity?);
        }
        Ok::<_, ShardError>(inference.fields())
    };
    let wanted: Vec<_> =
        spooled.iter().filter(|(name, kind)| !previous.contains_key(*name) || (reshape && kind.rows() > 0)).collect();
    let inferred: Result<Vec<_>, ShardError> =
        wanted.into_par_iter().map(|(name, kind)| Ok((name.clone(), infer(kind)?))).collect();
    let (known, new): (Vec<_>, Vec<_>) = inferred?.into_iter().partition(|(name, _)| previous.contains_key(name));
    let mut kinds: BTreeMap<String, Kind> =
        spooled.keys().filter_map(|name| Some((name.clone(), previous.get(name)?.kind.clone()))).collect();
    for (name, fields) in known {
        if let Some(kind) = kinds.get_mut(&name) {
            kind.fields = name_fields(fields);
        }
    }
    let named = name_kinds(new, previous.values().map(|before| &before.kind));
    kinds.extend(named.into_iter().map(|kind| (kind.name.clone(), kind)));
    Ok(kinds.into_values().collect())
}

/// Stages the files that follow from the kinds, where they are not there already.
fn stage_templates(staging: &Path, present: Option<&Path>, made: &Made) -> Result<(), FolderError> {
    let manifest = BackupManifest { format: FORMAT, name: made.name.clone() };
    let structures = made.structures.iter().map(|(file, structure)| (file.as_str(), structure.as_str()));
    let mut files = Templates { name: &made.name, volumes: &made.volumes }.files();
    files.push((MANIFEST.to_owned(), manifest.to_text()));
    files.push((templates::MODELS_LIBRARY.to_owned(), templates::models_library(structures)));
    if present.is_none() {
        // What a user made of them later stays.
        files.extend(templates::GIT_FILES.map(|(file, text)| (file.to_owned(), text.to_owned())));
    }
    for (file, text) in &files {
        let is_there = present.is_some_and(|backup| std::fs::read(backup.join(file)).is_ok_and(|bytes| bytes == text.as_bytes()));
        if !is_there {
            folder::write(staging, file, text.as_bytes())?;
        }
    }
    Ok(())
}
