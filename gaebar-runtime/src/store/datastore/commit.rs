//! Entities by the commit: how many go into one request.

use std::collections::HashSet;

use googleapis_tonic_google_datastore_v1::google::datastore::v1::commit_request;
use prost::Message as _;

use crate::model::{Entity, Key};
use crate::proto::Home;
use crate::proto::written::{CommitRequest, Mutation, Operation};
use crate::store::WriteMode;

/// The most mutations in a commit (Datastore's page "Quotas and limits": 500 entities a `Commit`). Neither emulator minds more.
const MAX_MUTATIONS: usize = 500;
/// The most bytes in a commit. Production takes 10 MiB ("Quotas and limits": API request size), both emulators 4 MiB
/// (the default of gRPC in Java): there the Datastore emulator hangs up, and the Firestore emulator says
/// `RESOURCE_EXHAUSTED`, which would be tried again in vain. The rest is room for what surrounds the mutations.
const MAX_BYTES: usize = 3_500_000;
/// The most bytes of a request that consists of one entity.
pub(super) const MAX_REQUEST: usize = 4 << 20;
/// The most bytes of an entity ("Quotas and limits": 1 MiB - 4 bytes).
pub(super) const MAX_ENTITY: usize = 1_048_572;

/// The mutation that writes an entity.
pub(super) fn write(home: &Home, mode: WriteMode, entity: &Entity) -> Mutation {
    let entity = home.entity_to_proto(entity);
    let operation = match mode {
        WriteMode::Upsert => Operation::Upsert(entity),
        WriteMode::Insert => Operation::Insert(entity),
        WriteMode::Update => Operation::Update(entity),
    };
    Mutation { operation: Some(operation) }
}

/// The mutation that deletes an entity.
pub(super) fn delete(home: &Home, key: &Key) -> Mutation {
    Mutation { operation: Some(Operation::Delete(home.key_to_proto(key))) }
}

/// Mutations that go in one commit.
#[derive(Debug, Default)]
pub(super) struct Batch<'a> {
    mutations: Vec<Mutation>,
    keys: HashSet<&'a Key>,
    bytes: usize,
    ends: Option<(&'a Key, &'a Key)>,
}

impl<'a> Batch<'a> {
    /// Adds a mutation of a key's entity, unless the batch is full: then it comes back as the first of the next one.
    pub(super) fn push(&mut self, key: &'a Key, mutation: Mutation) -> Option<Self> {
        // A field's tag and length, beside the field.
        let bytes = mutation.encoded_len() + 6;
        if self.is_full(bytes, key) {
            let mut next = Self::default();
            next.add(mutation, bytes, key);
            return Some(next);
        }
        self.add(mutation, bytes, key);
        None
    }

    fn add(&mut self, mutation: Mutation, bytes: usize, key: &'a Key) {
        self.mutations.push(mutation);
        self.keys.insert(key);
        self.bytes += bytes;
        self.ends = Some((self.ends.map_or(key, |(first, _)| first), key));
    }

    /// Whether the next entity needs another commit. One that is too large itself goes alone; one whose key is here
    /// already waits, since servers refuse two mutations of an entity in a commit.
    fn is_full(&self, bytes: usize, key: &Key) -> bool {
        self.mutations.len() >= MAX_MUTATIONS
            || !self.mutations.is_empty() && self.bytes + bytes > MAX_BYTES
            || self.keys.contains(key)
    }

    /// What is tried, to complete "could not …". `None` for an empty batch.
    pub(super) fn action(&self) -> Option<String> {
        let (first, last) = self.ends?;
        Some(match self.mutations.len() {
            1 => format!("write {first}"),
            count => format!("write {count} entities, {first} to {last}"),
        })
    }

    /// The message.
    pub(super) fn into_request(self, home: &Home) -> CommitRequest {
        CommitRequest {
            project_id: home.project.clone(),
            database_id: home.database.clone(),
            mode: commit_request::Mode::NonTransactional.into(),
            mutations: self.mutations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    fn entity(id: i64, bytes: usize) -> Entity {
        let blob = Value::from(vec![7_u8; bytes]).unindexed();
        Entity::new(Key::root("A", id), [("blob".to_owned(), blob)].into()).unwrap()
    }

    /// The ids in each commit.
    fn commits(entities: &[Entity]) -> Vec<usize> {
        let home = Home { project: "p".into(), database: "d".into() };
        let mut sizes = Vec::new();
        let mut batch = Batch::default();
        let mut done = |batch: Batch<'_>| {
            let request = batch.into_request(&home);
            assert!(request.encoded_len() <= MAX_REQUEST || request.mutations.len() == 1);
            sizes.push(request.mutations.len());
        };
        for entity in entities {
            if let Some(next) = batch.push(entity.key(), write(&home, WriteMode::Upsert, entity)) {
                done(std::mem::replace(&mut batch, next));
            }
        }
        done(batch);
        sizes
    }

    #[test]
    fn commits_close_at_500_entities() {
        let entities: Vec<_> = (1..=1_001).map(|id| entity(id, 10)).collect();
        assert_eq!(commits(&entities), [500, 500, 1]);
        assert_eq!(commits(&entities[..500]), [500]);
    }

    #[test]
    fn commits_close_below_what_emulators_take() {
        let entities: Vec<_> = (1..=10).map(|id| entity(id, 1_000_000)).collect();
        assert_eq!(commits(&entities), [3, 3, 3, 1]);
    }

    #[test]
    fn an_entity_that_is_too_large_goes_alone() {
        let entities = [entity(1, 10), entity(2, 5_000_000), entity(3, 10)];
        assert_eq!(commits(&entities), [1, 1, 1]);
        assert_eq!(commits(&entities[1..]), [1, 1]);
    }

    #[test]
    fn an_entity_that_comes_twice_is_written_twice_in_order() {
        assert_eq!(commits(&[entity(1, 1), entity(2, 1), entity(1, 2), entity(3, 1)]), [2, 2]);
    }
}
