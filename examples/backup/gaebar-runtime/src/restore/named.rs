//! What somebody named of a backup, to tell what of it is not there: a slip of the pen would else restore nothing, and pass for success.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::batches::lock;
use super::choose::{Choice, Namespaces, is_under};
use super::coverage::Others;
use super::plan::Options;
use crate::model::Key;

/// Names of a backup that are told where one is wrong.
const TOLD: usize = 30;

/// The names in a restore's options, and what the backup was seen to have.
pub(super) struct Named {
    choice: Choice,
    namespaces: Namespaces,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    kinds: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    keys: BTreeSet<String>,
}

impl Named {
    pub(super) fn new(options: &Options) -> Self {
        let Options { choice, namespaces, .. } = options.clone();
        Self { choice, namespaces, seen: Mutex::default() }
    }

    /// The backup has an entity with this key.
    pub(super) fn see(&self, key: &Key) {
        let Choice { kinds, namespaces, keys, under, .. } = &self.choice;
        let is_mapped = matches!(self.namespaces, Namespaces::Map(_));
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

    /// What was named and is not there, and what there is, once all rows were seen, and what a mirror has found of the target's own.
    pub(super) fn missing(self, others: Option<&Others>) -> Option<String> {
        let Choice { kinds, namespaces, keys, under, .. } = &self.choice;
        let seen = self.seen.into_inner().unwrap_or_default();
        let mapped = match &self.namespaces {
            Namespaces::Map(map) => Some(map.keys()),
            Namespaces::Same | Namespaces::Into(_) => None,
        };
        let is_kind = |kind: &str| seen.kinds.contains(kind) || others.is_some_and(|others| others.has_kind(kind));
        if let Some(kind) = kinds.iter().flatten().find(|kind| !is_kind(kind)) {
            let neither = match others {
                Some(others) if others.cover.kinds.contains_key(kind) => ", and neither has the target",
                Some(_) => ", and does not cover it",
                None => "",
            };
            return Some(format!("no row of kind {kind:?}{neither}; its kinds are {}", list(&seen.kinds)));
        }
        let mut named = namespaces.iter().flatten().chain(mapped.into_iter().flatten());
        let is_namespace = |name: &str| seen.namespaces.contains(name) || others.is_some_and(|others| others.has_namespace(name));
        if let Some(namespace) = named.find(|namespace| !is_namespace(namespace)) {
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
