//! Rows by the batch: several workers claim rows in the backup's order, and make entities of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rows::{RowRef, RowSource};
use crate::model::{Entity, Key};
use crate::proto;
use crate::store::{Store, StoreError};

/// Rows a worker takes at a time: the most mutations that Datastore takes in one commit.
const BATCH_ROWS: usize = 500;
/// Encoded bytes a worker holds before it hands them on, which bounds memory where entities are large.
const BATCH_BYTES: usize = 3 << 20;

/// Some rows, and the entities that they recreate.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<RowRef>,
    pub(super) entities: Vec<Entity>,
    bytes: usize,
}

/// What is done with rows.
pub(super) trait Work: Sync {
    /// Whether a row is needed at all.
    fn wants(&self, row: RowRef) -> bool;

    /// An entity as it is needed, or none.
    fn prepare(&self, entity: Entity) -> Option<Entity>;

    /// A row that gives no entity.
    fn unreadable(&self, row: RowRef, problem: String);

    /// A batch that is not empty.
    fn batch(&self, batch: Batch);

    /// Whether to claim no more rows.
    fn is_over(&self) -> bool;
}

/// Goes through all rows that are wanted, with so many workers, until the work is over.
pub(super) fn go(source: &dyn RowSource, jobs: usize, work: &dyn Work) {
    let next = Mutex::new(RowRef { shard: 0, at: 0 });
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while !work.is_over() {
                    let claimed = claim(source, &next, work);
                    if claimed.is_empty() {
                        return;
                    }
                    run(source, claimed, work);
                }
            });
        }
    });
}

/// The next rows in the backup's order.
fn claim(source: &dyn RowSource, next: &Mutex<RowRef>, work: &dyn Work) -> Vec<RowRef> {
    let mut next = lock(next);
    let mut claimed = Vec::with_capacity(BATCH_ROWS);
    while claimed.len() < BATCH_ROWS && next.shard < source.shards() {
        if next.at < source.rows(next.shard) {
            if work.wants(*next) {
                claimed.push(*next);
            }
            next.at += 1;
        } else {
            *next = RowRef { shard: next.shard + 1, at: 0 };
        }
    }
    claimed
}

fn run(source: &dyn RowSource, claimed: Vec<RowRef>, work: &dyn Work) {
    let mut batch = Batch::default();
    for row in claimed {
        match source.entity(row) {
            Ok(entity) => {
                if let Some(entity) = work.prepare(entity) {
                    batch.bytes += proto::encoded_len(&entity);
                    batch.rows.push(row);
                    batch.entities.push(entity);
                }
            }
            Err(problem) => work.unreadable(row, problem),
        }
        if batch.bytes >= BATCH_BYTES {
            work.batch(std::mem::take(&mut batch));
        }
    }
    if !batch.rows.is_empty() {
        work.batch(batch);
    }
}

/// What a store has of these entities' keys, by key.
pub(super) fn look_up(store: &dyn Store, entities: &[Entity]) -> Result<HashMap<Key, Entity>, StoreError> {
    let keys: Vec<_> = entities.iter().map(Entity::key).collect();
    Ok(store.lookup(&keys)?.into_iter().map(|entity| (entity.key().clone(), entity)).collect())
}

/// How many entities there are of each kind.
pub(super) fn by_kind(entities: &[Entity]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for entity in entities {
        *counts.entry(entity.kind()).or_default() += 1;
    }
    counts
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
