//! The in-memory twin of the stores, for tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Cursor, Page, Place, ReadTime, Realm, Scan, Snapshot, Store, StoreError, StoreUrl, View, WriteMode};
use crate::model::{Entity, Key, Timestamp, order_key};

/// Entities by the bytes of their keys.
#[derive(Debug)]
pub struct MemoryStore {
    place: Place,
    entities: Mutex<BTreeMap<Vec<u8>, Entity>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { place: Place { url: StoreUrl::Memory, realm: Realm::Local }, entities: Mutex::default() }
    }
}

impl MemoryStore {
    /// An empty store that stands for another, which does not exist yet.
    pub fn in_place_of(place: Place) -> Self {
        Self { place, entities: Mutex::default() }
    }

    fn entities(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Entity>> {
        self.entities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn place(&self) -> &Place {
        &self.place
    }

    fn snapshot(&self, view: View) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        if let View::Then(_) = view {
            return Err(StoreError::NoPast { store: self.place.to_string() });
        }
        Ok(Box::new(MemorySnapshot { read_time: super::now(), entities: self.entities().clone() }))
    }

    fn write(&self, mode: WriteMode, entities: &[Entity]) -> Result<(), StoreError> {
        let mut stored = self.entities();
        let wrong = |entity: &&Entity| match mode {
            WriteMode::Upsert => false,
            WriteMode::Insert => stored.contains_key(&order_key(entity.key())),
            WriteMode::Update => !stored.contains_key(&order_key(entity.key())),
        };
        if let Some(entity) = entities.iter().find(wrong) {
            return Err(StoreError::conflict(&self.place, mode, entity.key()));
        }
        for entity in entities {
            stored.insert(order_key(entity.key()), entity.clone());
        }
        Ok(())
    }

    fn delete(&self, keys: &[&Key]) -> Result<(), StoreError> {
        let mut stored = self.entities();
        for key in keys {
            stored.remove(&order_key(key));
        }
        Ok(())
    }

    fn lookup(&self, keys: &[&Key]) -> Result<Vec<Entity>, StoreError> {
        let stored = self.entities();
        Ok(keys.iter().filter_map(|key| stored.get(&order_key(key)).cloned()).collect())
    }

    fn reserve_ids(&self, _: &[&Key]) -> Result<(), StoreError> {
        Ok(())
    }
}

struct MemorySnapshot {
    read_time: Timestamp,
    entities: BTreeMap<Vec<u8>, Entity>,
}

impl MemorySnapshot {
    fn distinct(&self, belongs: impl Fn(&Entity) -> Option<&str>) -> Vec<String> {
        let mut found: Vec<_> = self.entities.values().filter_map(belongs).map(str::to_owned).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Snapshot for MemorySnapshot {
    fn read_time(&self) -> ReadTime {
        ReadTime { time: self.read_time, consistent: true }
    }

    fn namespaces(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.distinct(|entity| Some(entity.key().namespace())))
    }

    fn kinds(&self, namespace: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.distinct(|entity| (entity.key().namespace() == namespace).then(|| entity.kind())))
    }

    fn split(&self, _: &str, _: &str, _: usize) -> Result<Vec<Key>, StoreError> {
        Ok(Vec::new())
    }

    fn page(&self, scan: &Scan, cursor: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let from = match (cursor, &scan.from) {
            (Some(Cursor(last)), _) => Bound::Excluded(last.clone()),
            (None, Some(key)) => Bound::Included(order_key(key)),
            (None, None) => Bound::Unbounded,
        };
        let to = scan.to.as_ref().map(order_key);
        let mut found = self
            .entities
            .range((from, Bound::Unbounded))
            .filter(|(key, entity)| {
                entity.kind() == scan.kind && entity.key().namespace() == scan.namespace && to.as_ref().is_none_or(|to| *key < to)
            })
            .take(limit.saturating_add(1))
            .collect::<Vec<_>>();
        let more = found.len() > limit;
        found.truncate(limit);
        Ok(Page {
            next: found.last().filter(|_| more).map(|(key, _)| Cursor((*key).clone())),
            entities: found.into_iter().map(|(_, entity)| entity.clone()).collect(),
        })
    }
}
