//! The main job's first half: store, spool, schema, shards, folder; anew, or in a backup that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gaebar_runtime::restore::Coverage;
use gaebar_runtime::store::{Place, ReadTime, Store, StoreUrl};
use thiserror::Error;

use crate::bite::Bite;
use crate::checkpoint::{Lasts, has_rows};
use crate::coverage::{Covering, coverage};
use crate::draft::Drafts;
use crate::folder::FolderError;
use crate::manifest::{KindManifest, MANIFEST, Origin, seal};
use crate::memo::Memo;
use crate::named::{kinds_of, missing_namespace, namespaces_of};
use crate::names;
use crate::previous::{InBites, PreviousError, is_replaced, previous};
use crate::private::{Private, SPOOL};
use crate::progress::Progress;
use crate::publish::{PublishError, Staging, beside, sweep};
use crate::read::{ReadError, Selection};
use crate::reading::{Begin, Reading};
use crate::schema::Kind;
use crate::shape::Reshape;
use crate::shards::{SHARD_BYTES, ShardError, Written};
use crate::spool::{Spool, SpoolError, SpooledKind};
use crate::stage::{Before, Plan, Staged, Stages, stage};
use crate::templates;
use crate::update::{PRIVATE, Update, UpdateError};
use crate::verify::{Contents, Edit, VerifyError, structs};

/// How to back up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What to read. What is not selected stays in a backup as it is.
    pub selection: Selection,
    /// As of when, and whether an interrupted backup is gone on with.
    pub begin: Begin,
    /// A shard closes before it would pass so many bytes of source.
    pub shard_bytes: usize,
    /// When kinds that the backup has get new structs.
    pub reshape: Reshape,
    /// Merge shards that are nearly empty.
    pub compact: bool,
    /// Go on if the store holds nothing, and the backup does.
    pub allow_empty: bool,
    /// What is remembered of shards, so that an update makes the rows alone that changed. The backup is the same without.
    pub memo: Option<Memo>,
    /// What the store covers, if it is a backup itself and all of it is read.
    pub source_covers: Option<Coverage>,
}

impl Options {
    /// A backup of the present, with shards of the usual size.
    pub fn new(selection: Selection) -> Self {
        Self {
            selection,
            begin: Begin::Now,
            shard_bytes: SHARD_BYTES,
            reshape: Reshape::WhereManyDoNotFit,
            compact: false,
            allow_empty: false,
            memo: None,
            source_covers: None,
        }
    }
}

/// What was backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// The backup's folder.
    pub folder: PathBuf,
    /// The store.
    pub source: Place,
    /// Other stores that the backup was taken from before.
    pub other_sources: Vec<String>,
    /// When it was read.
    pub read_time: ReadTime,
    /// Entities that an interrupted backup had read before.
    pub resumed: u64,
    /// Whether an interrupted backup was to be gone on with, and the store can't be read any more as it was then.
    pub began_anew: bool,
    /// What was written of each kind that was read.
    pub kinds: BTreeMap<String, Written>,
    /// Whether there was a backup already, which was updated.
    pub updated: bool,
    /// Kinds that had a struct, and have a new one.
    pub reshaped: BTreeSet<String>,
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
    /// A kind was named that neither the store nor the backup has.
    #[error(
        "{store} has no entities of kind {kind:?}{there}; nothing was written. If it is one that is still to come, say --allow-empty"
    )]
    NoSuchKind {
        /// The store.
        store: Box<Place>,
        /// The kind.
        kind: String,
        /// Those that there are, where the store can list them.
        there: String,
    },
    /// A namespace was named in which neither the store nor the backup has anything.
    #[error(
        "{store} has no entities in the namespace {namespace:?}{there}; nothing was written. If they are still to come, say --allow-empty"
    )]
    NoSuchNamespace {
        /// The store.
        store: Box<Place>,
        /// The namespace.
        namespace: String,
        /// Those that there are, where the store can list them.
        there: String,
    },
    /// The store holds nothing, and the backup does.
    #[error(
        "{store} holds no entities, and the backup has {rows} rows, which would all go; is it the right project, database and namespace? If so, say --allow-empty"
    )]
    Emptied {
        /// The store.
        store: Place,
        /// The rows.
        rows: u64,
    },
    /// The store was not read to its end.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The shards were not written.
    #[error(transparent)]
    Shard(ShardError),
    /// It came to an end before the backup was there, and may go on.
    #[error(
        "{source}\nNo backup was written, and what was read is kept in {spool}. Say --resume to go on from it; without it, the next backup begins anew", spool = .spool.display()
    )]
    Unfinished {
        /// Why.
        source: Box<BackupError>,
        /// Where it is.
        spool: PathBuf,
    },
}

impl BackupError {
    /// Whether it would help to go on from what was read.
    fn can_be_resumed(&self) -> bool {
        // An entity that came twice would be there again.
        let spoilt = |error: &SpoolError| !matches!(error, SpoolError::Io { .. });
        // Who names other kinds reads something else.
        let is_another = matches!(self, Self::NoSuchKind { .. } | Self::NoSuchNamespace { .. });
        let vanished = matches!(self, Self::Read(ReadError::Vanished { .. }));
        !is_another
            && !vanished
            && !matches!(self, Self::Read(ReadError::Spool(error)) | Self::Shard(ShardError::Spool(error)) if spoilt(error))
    }
}

impl From<ShardError> for BackupError {
    fn from(error: ShardError) -> Self {
        match error {
            ShardError::Previous(error) => error.into(),
            error => Self::Shard(error),
        }
    }
}

impl From<FolderError> for BackupError {
    fn from(error: FolderError) -> Self {
        Self::Publish(error.into())
    }
}

/// Backs a store up: into a new folder, or into a backup that is there, in which rows keep their numbers and shards.
pub fn backup(
    store: &dyn Store,
    folder: &Path,
    options: &Options,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<BackedUp, BackupError> {
    make(store, folder, options, None, stages, stop)
}

/// Writes a bite of what [`read_ahead`] has read. `None`: more is left; else it was the last, and the backup is in its place.
///
/// A bite ends with a shard that is read or written, or with an entity that is looked at.
pub fn write_ahead(
    store: &dyn Store,
    folder: &Path,
    options: &Options,
    bite: &Bite,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<Option<BackedUp>, BackupError> {
    match make(store, folder, options, Some(bite), stages, stop) {
        Err(BackupError::Shard(ShardError::Paused)) => Ok(None),
        done => done.map(Some),
    }
}

fn make(
    store: &dyn Store,
    folder: &Path,
    options: &Options,
    bite: Option<&Bite>,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<BackedUp, BackupError> {
    if folder.join(MANIFEST).exists() {
        let folder = folder.canonicalize().map_err(FolderError::at("find", folder))?;
        sweep(&folder);
        let update = Update::new(&folder)?;
        ended(update.private(), into_backup(store, &folder, &update, options, bite, stages, stop))
    } else {
        let staging = Staging::new(folder)?;
        ended(staging.private(), into_new_folder(store, &staging, options, bite, stages, stop))
    }
}

/// Reads a store for a backup until `stop` is set, and no further: what was read is kept, and gone on from with [`Begin::Resume`]. Once
/// this returns `Ok`, all was read, and [`backup`] writes it.
pub fn read_ahead(
    store: &dyn Store,
    folder: &Path,
    options: &Options,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<(), BackupError> {
    at_work(folder, |private| {
        // Who takes the next step may be another machine.
        let reading = Reading::new(store, &options.selection, options.begin, &private.spool(), Lasts::Always)?;
        reading.finish(&options.selection, progress, stop)?;
        Ok(())
    })
}

/// Removes what was read for a backup that is not going to be.
pub fn forget(folder: &Path) -> Result<(), BackupError> {
    at_work(folder, |private| Ok(private.clear_spool()?))
}

/// Where what is read for a backup lies until it is written.
pub fn spool_of(folder: &Path) -> PathBuf {
    let private = match (folder.parent(), folder.file_name()) {
        (Some(parent), Some(name)) if !folder.join(MANIFEST).exists() => beside(parent, name),
        _ => folder.join(PRIVATE),
    };
    private.join(SPOOL)
}

/// Holds the folder of Gaebar's own of a backup that is there or going to be.
pub(crate) fn at_work(folder: &Path, work: impl FnOnce(&Private) -> Result<(), BackupError>) -> Result<(), BackupError> {
    if folder.join(MANIFEST).exists() {
        let folder = folder.canonicalize().map_err(FolderError::at("find", folder))?;
        work(Update::new(&folder)?.private())
    } else {
        work(Staging::new(folder)?.private())
    }
}

/// What was read stays if somebody may go on from it.
fn ended(private: &Private, result: Result<BackedUp, BackupError>) -> Result<BackedUp, BackupError> {
    match result {
        // Nobody was interrupted: it goes on.
        Err(error @ BackupError::Shard(ShardError::Paused)) => Err(error),
        Err(error) if error.can_be_resumed() && has_rows(&private.spool()) => {
            Err(BackupError::Unfinished { source: Box::new(error), spool: private.spool() })
        }
        Err(error) => {
            // Why there is no backup matters more than what could not be tidied up.
            let _ = private.clear_spool();
            Err(error)
        }
        Ok(done) => {
            private.clear_spool()?;
            Ok(done)
        }
    }
}

fn into_new_folder(
    store: &dyn Store,
    staging: &Staging,
    options: &Options,
    bite: Option<&Bite>,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<BackedUp, BackupError> {
    let reading = Reading::new(store, &options.selection, options.begin, &staging.private().spool(), lasts(store))?;
    let (read_time, resumed) = (reading.read_time(), reading.resumed());
    let began_anew = options.begin.resumes() && resumed.is_none();
    let resumed = resumed.unwrap_or_default();
    let spooled = spool(reading, store, (None, &[]), BTreeMap::new(), options, stages, stop)?;
    let origin = Origin::new(store.place(), read_time);
    let name = names::backup_name(&folder_name(staging.place()), &templates::dependency_names());
    let covering = Covering::new(&options.selection, options.source_covers.as_ref());
    let drafts = Drafts::open(&staging.private().spool(), &what_decides(&name, options, &origin, &covering, &[]))?;
    let plan = Plan {
        staging: drafts.staged(),
        present: None,
        name: &name,
        known: &[],
        before: Before::Known(&BTreeMap::new()),
        origin: Some(origin),
        covering: &covering,
        reshape: options.reshape,
        shard_bytes: options.shard_bytes,
        compact: options.compact,
        memo: options.memo.as_ref(),
        drafts: Some(&drafts),
        bite,
    };
    let Staged { kinds, reshaped, manifest, .. } = stage(&plan, &spooled, stages, stop)?;
    let manifests = KindManifest::read_all(&staging.folder()).map_err(VerifyError::from).map_err(PreviousError::from)?;
    stages.publishing(&seal(&manifest, &manifests))?;
    let (folder, source) = (staging.publish()?, store.place().clone());
    let (other_sources, replaced_edits) = (Vec::new(), Vec::new());
    Ok(BackedUp {
        folder,
        source,
        other_sources,
        read_time,
        resumed,
        began_anew,
        kinds,
        updated: false,
        reshaped,
        replaced_edits,
    })
}

fn into_backup(
    store: &dyn Store,
    folder: &Path,
    update: &Update,
    options: &Options,
    bite: Option<&Bite>,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<BackedUp, BackupError> {
    let spool_folder = update.private().spool();
    let reading = Reading::new(store, &options.selection, options.begin, &spool_folder, lasts(store))?;
    let (read_time, resumed) = (reading.read_time(), reading.resumed());
    let began_anew = options.begin.resumes() && resumed.is_none();
    let resumed = resumed.unwrap_or_default();
    let origin = Origin::new(store.place(), read_time);
    let (manifest, known) = structs(folder).map_err(PreviousError::from)?;
    let covered = coverage(&manifest, known.iter().map(|(manifest, _)| manifest));
    let covering = Covering::after(covered, &options.selection, options.source_covers.as_ref());
    let drafts = Drafts::open(&spool_folder, &what_decides(&manifest.name, options, &origin, &covering, &known))?;
    let kept = Spool::new(update.rows()?);
    let memo = options.memo.as_ref();
    let (contents, previous) = previous(folder, &options.selection, &kept, memo, &|_| bite.is_none())?;
    let replaced_edits = replaced_edits(&contents, &options.selection)?;
    let spooled = spool(reading, store, (Some(folder), &known), kept.into_kinds(), options, stages, stop)?;
    let rows = known.iter().map(|(manifest, _)| manifest.rows).sum();
    if rows > 0 && !options.selection.is_a_part() && !options.allow_empty && spooled.values().all(|kind| kind.rows() == 0) {
        return Err(BackupError::Emptied { store: store.place().clone(), rows });
    }
    let in_bites = |bite| Before::InBites(InBites { backup: folder, selection: &options.selection, memo, bite });
    let before = bite.map_or(Before::Known(&previous), in_bites);
    let plan = Plan {
        staging: drafts.staged(),
        present: Some(folder),
        name: &manifest.name,
        known: &known,
        before,
        origin: Some(origin),
        covering: &covering,
        reshape: options.reshape,
        shard_bytes: options.shard_bytes,
        compact: options.compact,
        memo,
        drafts: Some(&drafts),
        bite,
    };
    let Staged { kinds, reshaped, removed, manifest } = stage(&plan, &spooled, stages, stop)?;
    update.take(drafts.staged())?;
    let changed = KindManifest::read_all(&update.folder()).map_err(VerifyError::from).map_err(PreviousError::from)?;
    let stays = |kind: &&KindManifest| !removed.contains(&kind.path) && changed.iter().all(|changed| changed.path != kind.path);
    stages.publishing(&seal(&manifest, known.iter().map(|(manifest, _)| manifest).filter(stays).chain(&changed)))?;
    update.commit(removed)?;
    let (folder, source) = (folder.to_owned(), store.place().clone());
    let before: BTreeSet<_> = known.into_iter().map(|(manifest, _)| manifest.source).collect();
    let other_sources = before.into_iter().filter(|before| *before != source.source()).collect();
    Ok(BackedUp { folder, source, other_sources, read_time, resumed, began_anew, kinds, updated: true, reshaped, replaced_edits })
}

/// How long what is read of a store has to last. A file is read again in less time than it takes to have all of it safe on disk.
fn lasts(store: &dyn Store) -> Lasts {
    match store.place().url {
        StoreUrl::Sqlite(_) | StoreUrl::Memory => Lasts::UntilRestart,
        StoreUrl::Datastore { .. } => Lasts::Always,
    }
}

/// What decides the bytes of a backup, beside what was read: drafts of anything else are of no use.
fn what_decides(name: &str, options: &Options, origin: &Origin, covering: &Covering, known: &[(KindManifest, Kind)]) -> String {
    let Options { shard_bytes, reshape, compact, .. } = options;
    let version = env!("CARGO_PKG_VERSION");
    let before: Vec<_> = known.iter().map(|(manifest, _)| manifest.sha256.as_str()).collect();
    format!("{version} {name} {shard_bytes} {reshape:?} {compact} {origin:?} {covering:?} {before:?}")
}

/// The edits that the update replaces by what the store holds. Edits in kinds that are not read stay edits; a row that is kept in a
/// kind that is written anew must not be edited, for it would pass as backed up.
fn replaced_edits(contents: &Contents, selection: &Selection) -> Result<Vec<Edit>, BackupError> {
    let kind_of = |edit: &Edit| {
        let kind = contents.kinds.iter().find(|kind| kind.shards.iter().any(|shard| shard.file == edit.file()));
        kind.map_or("", |kind| kind.kind.name.as_str())
    };
    let (read, kept): (Vec<_>, Vec<_>) = contents
        .edits
        .iter()
        .filter(|edit| selection.includes_kind(kind_of(edit)))
        .cloned()
        .partition(|edit| is_replaced(edit, selection));
    match kept.into_iter().next() {
        Some(edit) => Err(ShardError::Edited(Box::new(edit)).into()),
        None => Ok(read),
    }
}

/// Reads what is selected into the spool. Rows that are kept come with it, of the backup in a folder, if there is one.
fn spool(
    reading: Reading,
    store: &dyn Store,
    (folder, known): (Option<&Path>, &[(KindManifest, Kind)]),
    kept: BTreeMap<String, SpooledKind>,
    options: &Options,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<BTreeMap<String, SpooledKind>, BackupError> {
    let mut spooled = reading.finish(&options.selection, stages.reading().as_ref(), stop)?;
    let selection = &options.selection;
    let is_known = |name: &str| known.iter().any(|(_, kind)| kind.name == name);
    let is_empty = |kind: &str| spooled.get(kind).is_none_or(|kind| kind.rows() == 0);
    let mut named = selection.kinds.iter().flatten().filter(|kind| selection.includes_kind(kind));
    if let Some(kind) = named.find(|kind| is_empty(kind) && !is_known(kind) && !options.allow_empty) {
        return Err(BackupError::NoSuchKind { store: store.place().clone().into(), kind: kind.clone(), there: kinds_of(store) });
    }
    if !options.allow_empty
        && let Some(namespace) = missing_namespace(store, selection, folder)?
    {
        return Err(BackupError::NoSuchNamespace { store: store.place().clone().into(), namespace, there: namespaces_of(store) });
    }
    let is_empty = spooled.values().all(|kind| kind.rows() == 0);
    if selection.is_a_part() && known.is_empty() && is_empty && !options.allow_empty {
        return Err(BackupError::NothingChosen(store.place().clone()));
    }
    for (kind, rows) in kept {
        let rows = match spooled.remove(&kind) {
            Some(read) => read.with(rows),
            None => rows,
        };
        spooled.insert(kind, rows);
    }
    // A kind that was read and has no entities any more keeps its struct and its numbers; one that was named has a manifest, too, which
    // says that there are none.
    let known = known.iter().map(|(_, kind)| &kind.name).chain(selection.kinds.iter().flatten());
    let of_source = options.source_covers.iter().flat_map(|source| source.kinds.keys());
    for kind in known.chain(of_source).filter(|kind| selection.includes_kind(kind)) {
        spooled.entry(kind.clone()).or_default();
    }
    Ok(spooled)
}

fn folder_name(place: &Path) -> String {
    place.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
