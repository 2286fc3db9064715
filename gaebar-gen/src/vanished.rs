//! Detects a store that came back empty while it was read, such as a restarted emulator.
//!
//! A read time does not protect against that: one emulator ignores it, the other keeps earlier versions in memory. Google's servers, and
//! files read in one transaction, need no check. A kind whose last entity was deleted meanwhile looks the same, and fails too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use gaebar_runtime::store::{Place, ReadTime, Realm, Scan, Snapshot, StoreError};
use rayon::prelude::*;

use crate::checkpoint::Found;
use crate::read::{ReadError, Selection};
use crate::stop;

/// Whether a store that is read like this may come back empty.
pub(crate) fn may_vanish(store: &Place, read_time: ReadTime) -> bool {
    match store.realm {
        Realm::Emulator(_) => true,
        Realm::Local => !read_time.consistent,
        Realm::Production => false,
    }
}

/// Fails if a listed namespace or kind is gone, or all entities of a kind that had some: one query per kind.
pub(crate) fn check(
    store: &Place,
    snapshot: &dyn Snapshot,
    selection: &Selection,
    found: &Found,
    stop: &AtomicBool,
) -> Result<(), ReadError> {
    let gone = |what: String| ReadError::Vanished { store: Box::new(store.clone()), what };
    if selection.namespaces.is_none() {
        let listed: BTreeSet<_> = snapshot.namespaces()?.into_iter().collect();
        if let Some(namespace) = found.namespaces.iter().find(|namespace| !listed.contains(*namespace)) {
            return Err(gone(format!("namespace {namespace:?}")));
        }
    }
    let mut kinds: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
    for ((namespace, kind), has_entities) in &found.kinds {
        kinds.entry(namespace).or_default().push((kind, *has_entities));
    }
    let missing = |(namespace, kinds): (&str, Vec<(&str, bool)>)| {
        let (with_entities, empty): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|(_, has_entities)| *has_entities);
        let listed = if empty.is_empty() || selection.kinds.is_some() { None } else { Some(snapshot.kinds(namespace)?) };
        let is_listed = |kind: &str| listed.as_ref().is_none_or(|listed| listed.iter().any(|listed| listed == kind));
        for (kind, has_entities) in with_entities.into_iter().chain(empty) {
            stop::check(stop)?;
            if !(if has_entities { has_some(snapshot, namespace, kind)? } else { is_listed(kind) }) {
                return Ok(Some(format!("kind {kind:?} of namespace {namespace:?}")));
            }
        }
        Ok::<_, ReadError>(None)
    };
    let missing = kinds.into_par_iter().map(missing).find_map_first(Result::transpose);
    missing.map_or(Ok(()), |missing| Err(missing.map_or_else(|error| error, gone)))
}

/// Whether a namespace has an entity of a kind.
pub(crate) fn has_some(snapshot: &dyn Snapshot, namespace: &str, kind: &str) -> Result<bool, StoreError> {
    let scan = Scan { namespace: namespace.to_owned(), kind: kind.to_owned(), from: None, to: None };
    let mut cursor = None;
    loop {
        let page = snapshot.page(&scan, cursor.as_ref(), 1)?;
        cursor = page.next;
        if !page.entities.is_empty() {
            return Ok(true);
        }
        if cursor.is_none() {
            return Ok(false);
        }
    }
}
