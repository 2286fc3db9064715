//! What somebody named of a backup, to tell what of it is not there: a slip of the pen would else restore nothing, and pass for success.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::batches::lock;
use super::choose::{Choice, Namespaces, is_under};
use super::plan::Options;
use crate::model::Key;

/// Names of a backup that are told where one is wrong.
const TOLD: usize = 30;

/// The names in a restore's options, and what the backup was seen to have.
pub(super) struct Named<'a> {
    options: &'a Options,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    kinds: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    keys: BTreeSet<String>,
}

impl<'a> Named<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Self { options, seen: Mutex::default() }
    }

    /// The backup has an entity with this key.
    pub(super) fn see(&self, key: &Key) {
        let Choice { kinds, namespaces, keys, under, .. } = &self.options.choice;
        let is_mapped = matches!(self.options.namespaces, Namespaces::Map(_));
        if kinds.is_none() && namespaces.is_none() && keys.is_empty() && under.is_empty() && !is_mapped {
            return;
        }
        let mut seen = lock(&self.seen);
        if !seen.kinds.contains(key.kind()) {
            seen.kinds.insert(key.kind().to_owned());
        }
        if !seen.namespaces.contains(key.namespace()) {
            seen.namespaces.insert(key.namespace().to_owned());
        }
        let met = keys.iter().filter(|named| *named == key).chain(under.iter().filter(|above| is_under(above, key)));
        seen.keys.extend(met.map(Key::to_string));
    }

    /// What was named and is not there, and what there is, once all rows were seen.
    pub(super) fn missing(self) -> Option<String> {
        let Choice { kinds, namespaces, keys, under, .. } = &self.options.choice;
        let seen = self.seen.into_inner().unwrap_or_default();
        let mapped = match &self.options.namespaces {
            Namespaces::Map(map) => Some(map.keys()),
            Namespaces::Same | Namespaces::Into(_) => None,
        };
        let kind = kinds.iter().flatten().find(|kind| !seen.kinds.contains(*kind));
        if let Some(kind) = kind {
            return Some(format!("no row of kind {kind:?}; its kinds are {}", list(&seen.kinds)));
        }
        let mut named = namespaces.iter().flatten().chain(mapped.into_iter().flatten());
        if let Some(namespace) = named.find(|namespace| !seen.namespaces.contains(*namespace)) {
            return Some(format!("no row in the namespace {namespace:?}; its namespaces are {}", list(&seen.namespaces)));
        }
        let is_missing = |key: &&Key| !seen.keys.contains(&key.to_string());
        let key = keys.iter().find(is_missing).map(|key| format!("no row with the key {key}"));
        key.or_else(|| under.iter().find(is_missing).map(|key| format!("no row with the key {key}, and none below it")))
    }
}

fn list(names: &BTreeSet<String>) -> String {
    let told: Vec<_> = names.iter().take(TOLD).map(|name| format!("{name:?}")).collect();
    told.join(", ") + if names.len() > TOLD { ", …" } else { "" }
}
