//! A step of a mirror: some more of the target is looked through for entities that the backup does not have. Before somebody confirms the
//! plan they are counted; after that, those and no others are deleted.
//!
//! Of keys, hashes are kept, in files of the job's own folder: one a step, which a step that is taken again replaces.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use gaebar_runtime::model::{Entity, Key, order_key};
use gaebar_runtime::restore::{Chosen, Cover, Options, RowSource};
use gaebar_runtime::store::{self, Cursor, Store, StoreError, View};

use super::Budget;
use super::job::{Job, Others, Planned, Stage, Work};
use super::restore::{With, keep_pace, look_at};
use crate::folder::{self, SizeLimit};
use crate::previous::{KeyHash, key_hash};

/// Entities of the target that are asked for at a time.
const PAGE: u64 = 500;
/// Keys of the backup's rows.
const OURS: &str = "ours";
/// Keys of entities that only the target has.
const THEIRS: &str = "theirs";

/// The keys that a job knows.
pub(super) struct Keys<'a>(pub(super) &'a Path);

impl Keys<'_> {
    /// Keeps those of rows that a step has planned.
    pub(super) fn keep_ours(&self, step: u64, keys: &[KeyHash]) -> Result<(), String> {
        self.keep(OURS, step, keys)
    }

    fn keep(&self, what: &str, step: u64, keys: &[KeyHash]) -> Result<(), String> {
        folder::write_again(self.0, &format!("{what}.{step}"), keys.as_flattened()).map_err(|error| error.to_string())
    }

    /// All of them, of which there must be so many.
    fn all(&self, what: &str, count: u64) -> Result<HashSet<KeyHash>, String> {
        let mut all = HashSet::new();
        for name in folder::files(self.0).map_err(|error| error.to_string())? {
            if name.split('.').next() == Some(what) {
                let bytes = folder::read_regular(&self.0.join(name), SizeLimit::PROGRESS);
                let bytes = bytes.map_err(|error| error.to_string())?.unwrap_or_default();
                all.extend(bytes.as_chunks().0);
            }
        }
        if all.len() as u64 == count { Ok(all) } else { Err(LOST.to_owned()) }
    }
}

/// Files of a job are gone, or of another; or an earlier Gaebar began it, which looked elsewhere.
const LOST: &str = "What was found out for the plan is not there any more; nothing was deleted. Cancel this, and begin anew.";

/// The hash by which a key is known.
pub(super) fn hash(key: &Key) -> KeyHash {
    key_hash(&order_key(key))
}

/// Counts what only the target has.
pub(super) fn counted(job: &mut Job, With { url, rows, rules, stop, own, .. }: With) -> Result<(), String> {
    let store = look_at(url).map_err(|error| error.to_string())?;
    let Work::Restore { plan, others, .. } = &mut job.work else { return Ok(()) };
    let ours = Keys(own).all(OURS, plan.values().map(|kind| kind.create + kind.replace + kind.equal + kind.leave).sum())?;
    if others.cover.is_none() && (others.scan, &others.cursor) != (0, &None) {
        return Err(LOST.to_owned());
    }
    if !is_covered(others, plan, rows, store.as_ref(), rules.budget, stop).map_err(|error| error.to_string())? {
        return Ok(());
    }
    let mut theirs = Vec::new();
    let walked = walk(others, store.as_ref(), rules.budget, stop, &mut |kind, entities| {
        let before = theirs.len();
        theirs.extend(entities.iter().map(|entity| hash(entity.key())).filter(|key| !ours.contains(key)));
        let found = theirs.len() - before;
        if found > 0 {
            plan.entry(kind.to_owned()).or_default().delete += found as u64;
        }
        *job.kinds.entry(kind.to_owned()).or_default() += entities.len() as u64;
        Ok(())
    });
    Keys(own).keep(THEIRS, job.steps, &theirs)?;
    if walked? {
        job.enter(Stage::Confirming, None);
    }
    Ok(())
}

/// Deletes what only the target had when the plan was made.
pub(super) fn deleted(job: &mut Job, With { url, rules, stop, own, .. }: With) -> Result<(), String> {
    let store = store::open_or_create(url).map_err(|error| error.to_string())?;
    let Work::Restore { plan, others, deleted, .. } = &mut job.work else { return Ok(()) };
    let ours = Keys(own).all(OURS, plan.values().map(|kind| kind.create + kind.replace + kind.equal + kind.leave).sum())?;
    let theirs = Keys(own).all(THEIRS, plan.values().map(|kind| kind.delete).sum())?;
    let walked = walk(others, store.as_ref(), rules.budget, stop, &mut |kind, entities| {
        let only_there = entities.iter().map(Entity::key).filter(|key| !ours.contains(&hash(key)));
        let (confirmed, came): (Vec<_>, Vec<_>) = only_there.partition(|key| theirs.contains(&hash(key)));
        // Nobody said that what came to the target since is to be deleted.
        if let Some(key) = came.first() {
            let planned = plan.get(kind).map_or(0, |kind| kind.delete);
            return Err(format!(
                "{key} is in the target and not in the backup, and was not when the plan was made: the plan that was confirmed says {planned} \
                 of kind {kind:?} are deleted. {deleted} were deleted in all. Cancel it, and begin anew."
            ));
        }
        if !confirmed.is_empty() {
            let begun = Instant::now();
            store.delete(&confirmed).map_err(|error| error.to_string())?;
            *deleted += confirmed.len() as u64;
            keep_pace(store.place(), confirmed.len() as u64, begun);
        }
        *job.kinds.entry(kind.to_owned()).or_default() += entities.len() as u64;
        Ok(())
    });
    if walked? {
        job.enter(Stage::Done, None);
    }
    Ok(())
}

/// Finds out where the mirror looks, on from where that is. Whether it is known now.
fn is_covered(
    others: &mut Others,
    plan: &BTreeMap<String, Planned>,
    rows: &dyn RowSource,
    store: &dyn Store,
    budget: Budget,
    stop: &AtomicBool,
) -> Result<bool, StoreError> {
    let coverage = rows.coverage();
    let options = Options { mirror: true, ..Options::default() };
    let Others { namespaces, cover, listed, .. } = others;
    let cover = if let Some(cover) = cover {
        cover
    } else {
        let kinds = plan.keys().cloned().collect();
        cover.insert(Cover::new(&coverage, &options, Chosen { kinds: &kinds, namespaces }, store)?)
    };
    let (snapshot, bite) = (store.snapshot(View::Latest)?, budget.bite());
    for namespace in cover.namespaces.clone().iter().skip(*listed) {
        if bite.is_over() || stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        cover.look_for_kinds(namespace, snapshot.as_ref(), &coverage, &options)?;
        *listed += 1;
        bite.take(1);
    }
    Ok(true)
}

/// What is done with a page of a kind's entities.
type Each<'a> = dyn FnMut(&str, &[Entity]) -> Result<(), String> + 'a;

/// Goes through some more of the target's entities that a mirror looks at, a page at a time. Whether the end was reached.
fn walk(others: &mut Others, store: &dyn Store, budget: Budget, stop: &AtomicBool, each: &mut Each) -> Result<bool, String> {
    let (snapshot, bite) = (store.snapshot(View::Latest).map_err(|error| error.to_string())?, budget.bite());
    let scans = others.cover.as_ref().map(Cover::scans).ok_or(LOST)?;
    while let Some(scan) = scans.get(others.scan) {
        let most = usize::try_from(bite.rows().min(PAGE)).unwrap_or(1);
        let page = snapshot.page(scan, others.cursor.clone().map(Cursor).as_ref(), most).map_err(|error| error.to_string())?;
        each(&scan.kind, &page.entities)?;
        // Even a look that finds nothing takes its time.
        bite.take((page.entities.len() as u64).max(1));
        (others.scan, others.cursor) = match page.next {
            Some(Cursor(next)) => (others.scan, Some(next)),
            None => (others.scan + 1, None),
        };
        if bite.is_over() || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(others.scan >= scans.len())
}
