//! What restoring would do, from the rows and the live target: made before anything is written.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::ops::AddAssign;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use thiserror::Error;

use super::batches::{self, Batch, Work, by_kind, lock, look_up};
use super::choose::{Choice, Namespaces, is_own_kind, references};
use super::coverage::{Chosen, Cover, Others};
use super::journal::Done;
use super::named::Named;
use super::noticed::{Noticed, Noticing};
use super::report::{Failures, Progress};
use super::rows::{RowRef, RowSource};
use crate::model::{Entity, Key};
use crate::proto::Home;
use crate::store::{Scan, Store, StoreError, View};

/// Entities of the target asked for at a time.
const PAGE_ROWS: usize = 500;

/// What happens to entities that the target has already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum OnConflict {
    /// They are replaced
    #[default]
    Overwrite,
    /// They are left as they are
    Skip,
    /// Nothing is restored if there is one
    Fail,
    /// They are replaced, and no others are created
    UpdateOnly,
}

/// What to restore, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Which rows.
    pub choice: Choice,
    /// Into which namespaces.
    pub namespaces: Namespaces,
    /// What happens to entities that the target has.
    pub on_conflict: OnConflict,
    /// Delete the target's entities that are missing in the backup, where that covers their kinds and namespaces ([`Cover`]).
    pub mirror: bool,
    /// Write entities that are equal, too.
    pub write_all: bool,
    /// Count what the target has beside the backup's entities. A mirror does anyway.
    pub count_others: bool,
    /// Rows to read and write at once.
    pub jobs: usize,
}

/// What is done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Action {
    /// Nothing: it was not chosen.
    Out,
    /// The target does not have its entity.
    Create,
    /// The target has another state of its entity.
    Replace,
    /// The target has just this entity.
    Equal,
    /// The target has its entity, and keeps it.
    Leave,
    /// The target does not have its entity, and only entities that it has are written.
    Miss,
    /// An earlier restore, which this one goes on with, committed it.
    Done,
}

impl Action {
    fn of(byte: u8) -> Self {
        let all = [Self::Out, Self::Create, Self::Replace, Self::Equal, Self::Leave, Self::Miss, Self::Done];
        all.into_iter().find(|action| *action as u8 == byte).unwrap_or(Self::Out)
    }

    pub(super) fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Replace)
    }

    /// Whether the target must hold the row's entity in the end.
    pub(super) fn ends_equal(self) -> bool {
        matches!(self, Self::Create | Self::Replace | Self::Equal | Self::Done)
    }
}

/// An action for each row of a backup.
#[derive(Debug)]
pub(super) struct Actions(Vec<Box<[AtomicU8]>>);

impl Actions {
    fn new(source: &dyn RowSource) -> Self {
        let shard = |shard| (0..source.rows(shard)).map(|_| AtomicU8::new(Action::Out as u8)).collect();
        Self((0..source.shards()).map(shard).collect())
    }

    pub(super) fn get(&self, row: RowRef) -> Action {
        let byte = self.0.get(row.shard).and_then(|shard| shard.get(row.at));
        byte.map_or(Action::Out, |byte| Action::of(byte.load(Ordering::Relaxed)))
    }

    fn set(&self, row: RowRef, action: Action) {
        if let Some(byte) = self.0.get(row.shard).and_then(|shard| shard.get(row.at)) {
            byte.store(action as u8, Ordering::Relaxed);
        }
    }
}

/// How many entities of a kind something happens to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize))]
pub struct Counts {
    /// The target does not have them.
    pub create: u64,
    /// The target has them in another state.
    pub replace: u64,
    /// The target has just them.
    pub equal: u64,
    /// The target has them, and they are left as they are.
    pub leave: u64,
    /// The target does not have them, and they are not created.
    pub miss: u64,
    /// Committed already by the restore that this one goes on with.
    pub done: u64,
    /// The target has them, the backup has not, and they are deleted.
    pub delete: u64,
    /// The target has them, the backup has not, and they are left as they are. Only counted on request.
    pub others: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.create += more.create;
        self.replace += more.replace;
        self.equal += more.equal;
        self.leave += more.leave;
        self.miss += more.miss;
        self.done += more.done;
        self.delete += more.delete;
        self.others += more.others;
    }
}

/// Why there is no plan. Nothing was written.
#[derive(Debug, Error)]
pub enum PlanError {
    /// Rows can't be read, or can't go where they should.
    #[error("{failures}")]
    Rows {
        /// Which.
        failures: Failures,
    },
    /// Something was named that the backup does not have.
    #[error("the backup has {0}. Nothing was restored")]
    NotThere(String),
    /// What was named is there, but nothing that meets all conditions.
    #[error("no row of the backup meets all of these conditions. Nothing was restored")]
    NoneChosen,
    /// The target has entities that were to be created.
    #[error("{count} of the entities exist in {target}, so nothing was restored: {}{}", .first.join(", "), if *.count > .first.len() as u64 { ", …" } else { "" })]
    Exist {
        /// The target.
        target: String,
        /// How many.
        count: u64,
        /// The first of them.
        first: Vec<String>,
    },
    /// The target can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// What restoring is going to do. It is for the target that it was made from.
pub struct Plan<'a> {
    pub(super) source: &'a dyn RowSource,
    pub(super) store: &'a dyn Store,
    pub(super) folder: Option<&'a Path>,
    pub(super) options: Options,
    /// The project and database of the target.
    home: Home,
    pub(super) actions: Actions,
    /// Keys of entities to delete.
    pub(super) deletes: KeySet,
    cover: Cover,
    kinds: BTreeMap<String, Counts>,
    noticed: Noticed,
}

impl Plan<'_> {
    /// What happens, by kind.
    pub fn kinds(&self) -> &BTreeMap<String, Counts> {
        &self.kinds
    }

    /// Where a mirror looks for entities to delete.
    pub fn cover(&self) -> &Cover {
        &self.cover
    }

    /// Whether what only the target has is deleted.
    pub fn is_mirror(&self) -> bool {
        self.options.mirror
    }

    /// What to know of the entities that the target is to hold.
    pub fn noticed(&self) -> &Noticed {
        &self.noticed
    }

    /// A row's entity as the target holds it.
    pub(super) fn held(&self, entity: Entity) -> Entity {
        held(&self.options, &self.home, entity)
    }

    /// What happens in all.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        for counts in self.kinds.values() {
            total += *counts;
        }
        total
    }
}

/// A row's entity as a target holds it.
fn held(options: &Options, home: &Home, entity: Entity) -> Entity {
    let mut entity = options.namespaces.entity(entity);
    home.adopt(&mut entity);
    entity
}

/// Keys, by hashes that nobody can foresee.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    hashers: (RandomState, RandomState),
    hashes: HashSet<u128>,
}

impl KeySet {
    fn hash(&self, key: &Key) -> u128 {
        u128::from(self.hashers.0.hash_one(key)) << 64 | u128::from(self.hashers.1.hash_one(key))
    }

    fn insert(&mut self, key: &Key) -> bool {
        self.hashes.insert(self.hash(key))
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.hashes.contains(&self.hash(key))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// Makes a plan: reads every row that is chosen, and from the target what it has of them. `done` is what an earlier restore committed.
///
/// `folder` is the backup's folder, where it is at hand: then a failure also names the line.
pub fn plan<'a>(
    source: &'a dyn RowSource,
    store: &'a dyn Store,
    options: Options,
    done: Option<&Done>,
    folder: Option<&'a Path>,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Plan<'a>, PlanError> {
    let named = Named::new(&options);
    let home = store.place().url.home();
    let chosen = if options.choice.with_references && !options.choice.is_everything() {
        Some(with_references(source, &options, &home, &named, folder, stop)?)
    } else {
        None
    };
    let planning = Planning {
        source,
        store,
        folder,
        options: &options,
        home: &home,
        named: &named,
        chosen,
        done,
        progress,
        stop,
        actions: Actions::new(source),
        found: Mutex::default(),
        wrong: AtomicBool::new(false),
        existing: AtomicU64::new(0),
    };
    batches::go(source, options.jobs, &planning);
    let existing = planning.existing.into_inner();
    let Found { kinds, keys, namespaces, noticed, failures, error, first } = planning.found.into_inner().unwrap_or_default();
    if let Some(error) = error {
        return Err(error.into());
    }
    if !failures.is_empty() {
        return Err(PlanError::Rows { failures });
    }
    if stop.load(Ordering::Relaxed) {
        return Err(PlanError::Interrupted);
    }
    let actions = planning.actions;
    let noticed = noticed.finish(source, folder);
    let (deletes, cover) = (KeySet::default(), Cover::default());
    let mut plan = Plan { source, store, folder, options, home, actions, deletes, cover, kinds, noticed };
    // What is named for a mirror need not be in the backup.
    let others = if plan.options.mirror { Some(plan.look_for_others(&keys, &namespaces, stop)?) } else { None };
    if let Some(missing) = named.missing(others.as_ref()) {
        return Err(PlanError::NotThere(missing));
    }
    if plan.kinds.is_empty() && plan.cover.kinds.is_empty() && !plan.options.choice.is_everything() {
        return Err(PlanError::NoneChosen);
    }
    if existing > 0 {
        return Err(PlanError::Exist { target: store.place().to_string(), count: existing, first });
    }
    if plan.options.count_others && !plan.options.mirror {
        plan.look_for_others(&keys, &namespaces, stop)?;
    }
    Ok(plan)
}

impl Plan<'_> {
    /// Goes through what the target has where the backup covers it. Returns the names of what was found.
    fn look_for_others(&mut self, keys: &KeySet, namespaces: &BTreeSet<String>, stop: &AtomicBool) -> Result<Others, PlanError> {
        let coverage = self.source.coverage();
        let kinds = self.kinds.keys().cloned().collect();
        let chosen = Chosen { kinds: &kinds, namespaces };
        self.cover = Cover::new(&coverage, &self.options, chosen, self.store)?;
        if self.options.mirror {
            let snapshot = self.store.snapshot(View::Latest)?;
            for namespace in self.cover.namespaces.clone() {
                self.cover.look_for_kinds(&namespace, snapshot.as_ref(), &coverage, &self.options)?;
            }
        }
        let (mut found_kinds, mut found_namespaces) = (BTreeSet::new(), BTreeSet::new());
        for scan in &self.cover.scans() {
            each_entity(self.store, scan, stop, &mut |entities| {
                for entity in entities.iter().filter(|entity| !keys.contains(entity.key())) {
                    found_kinds.insert(scan.kind.clone());
                    found_namespaces.insert(scan.namespace.clone());
                    let counts = self.kinds.entry(scan.kind.clone()).or_default();
                    if self.options.mirror {
                        counts.delete += 1;
                        self.deletes.insert(entity.key());
                    } else {
                        counts.others += 1;
                    }
                }
                Ok(())
            })?;
        }
        Ok(Others { coverage, cover: self.cover.clone(), kinds: found_kinds, namespaces: found_namespaces })
    }
}

/// Calls `each` with all entities of a scan, page by page.
pub(super) fn each_entity(
    store: &dyn Store,
    scan: &Scan,
    stop: &AtomicBool,
    each: &mut dyn FnMut(&[Entity]) -> Result<(), StoreError>,
) -> Result<(), PlanError> {
    let snapshot = store.snapshot(View::Now)?;
    let mut cursor = None;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(PlanError::Interrupted);
        }
        let page = snapshot.page(scan, cursor.as_ref(), PAGE_ROWS)?;
        each(&page.entities)?;
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
}

struct Planning<'a> {
    source: &'a dyn RowSource,
    store: &'a dyn Store,
    folder: Option<&'a Path>,
    options: &'a Options,
    home: &'a Home,
    named: &'a Named,
    /// The rows that are chosen, if that is not told by their keys.
    chosen: Option<HashSet<RowRef>>,
    done: Option<&'a Done>,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    actions: Actions,
    found: Mutex<Found>,
    /// Something is wrong, so that there will be no plan.
    wrong: AtomicBool,
    /// Entities that exist and should not.
    existing: AtomicU64,
}

#[derive(Default)]
struct Found {
    kinds: BTreeMap<String, Counts>,
    /// The keys in the target, where they are needed.
    keys: KeySet,
    namespaces: BTreeSet<String>,
    noticed: Noticing,
    failures: Failures,
    error: Option<StoreError>,
    /// The first entities that exist and should not.
    first: Vec<String>,
}

/// Entities that exist and are named.
const NAMED: usize = 5;

impl Planning<'_> {
    fn fail(&self, row: RowRef, key: Option<&Key>, problem: String) {
        self.wrong.store(true, Ordering::Relaxed);
        let place = self.source.place(row).with_line(self.folder);
        lock(&self.found).failures.add(place, key.cloned(), problem);
    }

    fn action(&self, row: RowRef, entity: &Entity, there: Option<&Entity>) -> Action {
        use OnConflict::{Fail, Overwrite, Skip, UpdateOnly};
        match (self.options.on_conflict, there) {
            _ if self.done.is_some_and(|done| done.contains(row)) => Action::Done,
            (UpdateOnly, None) => Action::Miss,
            (_, None) => Action::Create,
            (Skip, Some(_)) => Action::Leave,
            // Going on with an earlier restore: it may have written this, and died before it could say so.
            (Fail, Some(there)) if self.done.is_some() && there == entity => Action::Equal,
            (Fail, Some(_)) => {
                if self.existing.fetch_add(1, Ordering::Relaxed) < NAMED as u64 {
                    lock(&self.found).first.push(entity.key().to_string());
                }
                Action::Out
            }
            (Overwrite | UpdateOnly, Some(there)) if there == entity && !self.options.write_all => Action::Equal,
            (Overwrite | UpdateOnly, Some(_)) => Action::Replace,
        }
    }
}

impl Work for Planning<'_> {
    fn wants(&self, row: RowRef) -> bool {
        self.chosen.as_ref().is_none_or(|chosen| chosen.contains(&row))
    }

    fn prepare(&self, entity: Entity) -> Option<Entity> {
        if is_own_kind(entity.kind()) {
            return None;
        }
        self.named.see(entity.key());
        let is_chosen = self.chosen.is_some() || self.options.choice.includes(entity.key());
        is_chosen.then(|| self.options.namespaces.entity(entity))
    }

    fn unreadable(&self, row: RowRef, problem: String) {
        self.fail(row, None, problem);
    }

    fn batch(&self, Batch { rows, mut entities, .. }: Batch) {
        let adopted: Vec<_> = entities.iter_mut().map(|entity| self.home.adopt(entity)).collect();
        let keys: Vec<_> = entities.iter().map(Entity::key).collect();
        let needs_keys = self.options.mirror || self.options.count_others || self.options.namespaces != Namespaces::Same;
        if needs_keys {
            let mut found = lock(&self.found);
            let twice: Vec<_> = rows.iter().zip(&keys).filter(|(_, key)| !found.keys.insert(key)).collect();
            drop(found);
            for (row, key) in twice {
                self.fail(*row, Some(key), format!("another row goes to {key} too: the namespaces that are mapped meet"));
            }
        }
        let there = match look_up(self.store, &entities) {
            Ok(there) => there,
            Err(error) => {
                self.wrong.store(true, Ordering::Relaxed);
                lock(&self.found).error.get_or_insert(error);
                return;
            }
        };
        let mut kinds: BTreeMap<&str, Counts> = BTreeMap::new();
        let mut noticed = Noticing::default();
        for ((row, entity), adopted) in rows.iter().zip(&entities).zip(adopted) {
            let action = self.action(*row, entity, there.get(entity.key()));
            self.actions.set(*row, action);
            if action.ends_equal() {
                noticed.look(*row, entity, adopted, self.home);
            }
            let counts = kinds.entry(entity.kind()).or_default();
            match action {
                Action::Create => counts.create += 1,
                Action::Replace => counts.replace += 1,
                Action::Equal => counts.equal += 1,
                Action::Leave => counts.leave += 1,
                Action::Miss => counts.miss += 1,
                Action::Done => counts.done += 1,
                Action::Out => {}
            }
        }
        for (kind, rows) in by_kind(&entities) {
            self.progress.done(kind, rows);
        }
        let mut found = lock(&self.found);
        found.noticed.add(noticed);
        found.namespaces.extend(keys.iter().map(|key| key.namespace().to_owned()));
        for (kind, counts) in kinds {
            *found.kinds.entry(kind.to_owned()).or_default() += counts;
        }
    }

    fn is_over(&self) -> bool {
        self.wrong.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed)
    }
}

/// The rows that a choice includes, and those that they refer to, directly or not.
fn with_references(
    source: &dyn RowSource,
    options: &Options,
    home: &Home,
    named: &Named,
    folder: Option<&Path>,
    stop: &AtomicBool,
) -> Result<HashSet<RowRef>, PlanError> {
    let (gathered, hashers) = (Mutex::default(), KeySet::default());
    let gather = Gather { source, folder, options, home, named, stop, gathered, hashers };
    batches::go(source, 1, &gather);
    let Gathered { rows, mut chosen, mut wanted, failures } = std::mem::take(&mut *lock(&gather.gathered));
    if stop.load(Ordering::Relaxed) {
        return Err(PlanError::Interrupted);
    }
    if !failures.is_empty() {
        return Err(PlanError::Rows { failures });
    }
    while let Some(hash) = wanted.pop() {
        let Some(row) = rows.get(&hash).filter(|row| !chosen.contains(row)).copied() else { continue };
        chosen.insert(row);
        // It could be read a moment ago.
        if let Ok(entity) = source.entity(row) {
            wanted.extend(gather.references(&held(options, home, entity)));
        }
    }
    Ok(chosen)
}

struct Gather<'a> {
    source: &'a dyn RowSource,
    folder: Option<&'a Path>,
    options: &'a Options,
    home: &'a Home,
    named: &'a Named,
    stop: &'a AtomicBool,
    gathered: Mutex<Gathered>,
    hashers: KeySet,
}

#[derive(Default)]
struct Gathered {
    /// Each row by its key in the target.
    rows: HashMap<u128, RowRef>,
    chosen: HashSet<RowRef>,
    /// What chosen rows refer to.
    wanted: Vec<u128>,
    failures: Failures,
}

impl Gather<'_> {
    /// What an entity refers to once it is in the target: what is the target's own there may be a row of the backup.
    fn references(&self, entity: &Entity) -> Vec<u128> {
        let mut found = HashSet::new();
        references(&entity.properties, &mut found);
        found.into_iter().map(|key| self.hashers.hash(key)).collect()
    }
}

impl Work for Gather<'_> {
    fn wants(&self, _: RowRef) -> bool {
        true
    }

    fn prepare(&self, entity: Entity) -> Option<Entity> {
        self.named.see(entity.key());
        Some(entity)
    }

    fn unreadable(&self, row: RowRef, problem: String) {
        let place = self.source.place(row).with_line(self.folder);
        lock(&self.gathered).failures.add(place, None, problem);
    }

    fn batch(&self, Batch { rows, entities, .. }: Batch) {
        let mut gathered = lock(&self.gathered);
        for (row, entity) in rows.into_iter().zip(entities) {
            let is_chosen = self.options.choice.includes(entity.key());
            let entity = held(self.options, self.home, entity);
            gathered.rows.insert(self.hashers.hash(entity.key()), row);
            if is_chosen {
                gathered.chosen.insert(row);
                gathered.wanted.extend(self.references(&entity));
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
