//! What holds for all entities of a backup together, and for each against Datastore's limits.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gaebar_runtime::model::{Data, Database, Embedded, Entity, Id, Key, Value, order_key};
use gaebar_runtime::proto;

use crate::previous::{KeyHash, key_hash};
use crate::reader::ReadRow;

// The page "Quotas and limits" of Cloud Datastore.
const ENTITY_BYTES: usize = 1_048_572;
const INDEXED_BYTES: usize = 1_500;
const NAME_BYTES: usize = 1_500;
const PATH_DEPTH: usize = 100;
const INDEX_ENTRIES: usize = 20_000;
const NESTING: usize = 20;

/// A value, a key or an element of its path has no more bytes than this beside its texts: tags, lengths, numbers and flags.
const OVERHEAD: usize = 64;

/// What is told in full.
const NAMED: usize = 20;
/// References that are remembered while their entities may still come.
const MOST_CANDIDATES: usize = 1 << 16;

/// An entity that Datastore would refuse.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OverLimit {
    /// The shard.
    pub file: String,
    /// The row's line.
    pub line: usize,
    /// Which limit, and by how much.
    pub problem: String,
}

/// References to entities that the backup does not have. They are allowed, and restored as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dangling {
    /// How many different keys.
    pub count: usize,
    /// The first 20 of them.
    pub first: Vec<String>,
}

/// Gathers what the rows of all shards have in common.
#[derive(Debug, Default)]
pub(super) struct Entities {
    keys: Mutex<HashSet<KeyHash>>,
    references: Mutex<References>,
    over_limit: Mutex<Vec<OverLimit>>,
}

#[derive(Debug, Default)]
struct References {
    hashes: HashSet<KeyHash>,
    /// Texts of references whose entity was not seen yet: candidates to be named.
    texts: HashMap<KeyHash, String>,
}

impl Entities {
    /// Takes a row into account; an error if its key was there before.
    pub(super) fn add(&self, file: &str, row: &ReadRow) -> Result<(), String> {
        let key = row.entity.key();
        let hash = key_hash(&order_key(key));
        let mut limits = Limits::default();
        limits.entity(&row.entity);
        let found: Vec<_> = limits.references.into_iter().map(|key| (key_hash(&order_key(key)), key)).collect();
        for problem in limits.problems {
            lock(&self.over_limit).push(OverLimit { file: file.to_owned(), line: row.line, problem });
        }
        let (mut keys, mut references) = (lock(&self.keys), lock(&self.references));
        if !keys.insert(hash) {
            return Err(format!("{key} is there twice"));
        }
        references.texts.remove(&hash);
        for (hash, reference) in found {
            references.hashes.insert(hash);
            if references.texts.len() < MOST_CANDIDATES && !keys.contains(&hash) {
                references.texts.insert(hash, reference.to_string());
            }
        }
        Ok(())
    }

    /// Takes the key of a row into account that is not read; whether it was not there before.
    pub(super) fn add_key(&self, key: KeyHash) -> bool {
        lock(&self.keys).insert(key)
    }

    pub(super) fn into_findings(self) -> (Vec<OverLimit>, Dangling) {
        let keys = self.keys.into_inner().unwrap_or_else(PoisonError::into_inner);
        let References { hashes, texts } = self.references.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut over_limit = self.over_limit.into_inner().unwrap_or_else(PoisonError::into_inner);
        over_limit.sort_unstable();
        let mut first: Vec<_> = texts.into_iter().filter(|(hash, _)| !keys.contains(hash)).map(|(_, text)| text).collect();
        first.sort_unstable();
        first.truncate(NAMED);
        (over_limit, Dangling { count: hashes.difference(&keys).count(), first })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Limits<'a> {
    problems: Vec<String>,
    references: Vec<&'a Key>,
    index_entries: usize,
    /// No fewer bytes than the entity has.
    most_bytes: usize,
}

impl<'a> Limits<'a> {
    fn entity(&mut self, entity: &'a Entity) {
        let key = entity.key();
        if key.path().len() > PATH_DEPTH {
            self.problems.push(format!("{key} has a path of {} elements, and Datastore takes {PATH_DEPTH}", key.path().len()));
        }
        for element in key.path() {
            if let Id::Name(name) = &element.id
                && name.len() > NAME_BYTES
            {
                self.problems.push(format!("a key name has {} bytes, and Datastore takes {NAME_BYTES}", name.len()));
            }
        }
        self.most_bytes += most_bytes(key);
        for (name, value) in &entity.properties {
            self.value(name, value, true, 0);
        }
        // Few entities come near: the others need not be encoded to know.
        let bytes = if self.most_bytes > ENTITY_BYTES { proto::encoded_len(entity) } else { 0 };
        if bytes > ENTITY_BYTES {
            self.problems.push(format!("{key} has {bytes} bytes, and Datastore takes {ENTITY_BYTES}"));
        }
        if self.index_entries > INDEX_ENTRIES {
            self.problems.push(format!("{key} has {} index entries, and Datastore takes {INDEX_ENTRIES}", self.index_entries));
        }
    }

    fn value(&mut self, name: &str, value: &'a Value, indexed: bool, depth: usize) {
        let indexed = indexed && !value.exclude_from_indexes;
        let length = match &value.data {
            Data::String(text) => text.len(),
            Data::Blob(bytes) => bytes.len(),
            _ => 0,
        };
        self.most_bytes += OVERHEAD + name.len() + length;
        if indexed && length > INDEXED_BYTES {
            self.problems.push(format!("the indexed property {name:?} has {length} bytes, and Datastore takes {INDEXED_BYTES}"));
        }
        match &value.data {
            Data::Array(items) => items.iter().for_each(|item| self.value(name, item, indexed, depth)),
            Data::Entity(Embedded { key, properties }) => {
                self.most_bytes += key.as_ref().map_or(0, most_bytes);
                // Told once: the levels below are the same property's.
                if depth == NESTING {
                    self.problems.push(format!("{name:?} is nested deeper than {NESTING} entities"));
                }
                for (name, value) in properties {
                    self.value(name, value, indexed, depth + 1);
                }
            }
            Data::Key(key) => {
                self.most_bytes += most_bytes(key);
                self.index_entries += usize::from(indexed);
                if *key.database() == Database::Own && key.is_complete() {
                    self.references.push(key);
                }
            }
            _ => self.index_entries += usize::from(indexed),
        }
    }
}

/// No fewer bytes than a key has.
fn most_bytes(key: &Key) -> usize {
    let database = match key.database() {
        Database::Own => 0,
        Database::Other { project, database } => project.len() + database.len(),
    };
    let name = |id: &Id| if let Id::Name(name) = id { name.len() } else { 0 };
    let path = key.path().iter().map(|element| OVERHEAD + element.kind.len() + name(&element.id));
    OVERHEAD + key.namespace().len() + database + path.sum::<usize>()
}
