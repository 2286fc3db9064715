//! Where the entities of a kind that is written again stood before: the shard and the row, and whether they are as they were.

use std::sync::atomic::AtomicBool;

use crate::memo::entity_hash;
use crate::previous::{PreviousKind, key_hash};
use crate::shards::ShardError;
use crate::spool::{Location, SpooledKind};
use crate::stop;

/// The entities of a kind, those that had rows apart from the new ones.
#[derive(Debug, Default)]
pub struct Located {
    /// Of each shard there was, the rows that are still there, in order.
    pub shards: Vec<Vec<Placed>>,
    /// Entities that had no row, in the order of their keys.
    pub new: Vec<Location>,
    /// How many rows may have something in `other`; no fewer than have.
    pub most_exceptions: u64,
}

/// An entity that had a row.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// Which row of its shard it was.
    pub at: usize,
    /// Where it is now.
    pub location: Location,
    /// Whether the row that is there is known to be what would be written.
    pub is_unchanged: bool,
}

/// Finds the rows that entities had.
pub fn locate(previous: &PreviousKind, spooled: &SpooledKind, stop: &AtomicBool) -> Result<Located, ShardError> {
    let places = previous.places();
    let mut located = Located { shards: vec![Vec::new(); previous.shards.len()], ..Located::default() };
    for found in spooled.located() {
        stop::check(stop)?;
        let (location, record) = found?;
        let Some((shard, at)) = places.get(&key_hash(&record.key)).copied() else {
            located.new.push(location);
            located.most_exceptions += 1;
            continue;
        };
        let known = &previous.shards[shard].rows[at];
        let is_unchanged = known.entity.is_some_and(|known| known == entity_hash(&record.bytes));
        located.shards[shard].push(Placed { at, location, is_unchanged });
        located.most_exceptions += u64::from(!is_unchanged || known.has_exceptions);
    }
    for rows in &mut located.shards {
        rows.sort_unstable_by_key(|row| row.at);
    }
    Ok(located)
}
