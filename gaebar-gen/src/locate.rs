//! Where the entities of a kind that is written again stood before: the shard and the row, and whether they are as they were.

use std::sync::atomic::AtomicBool;

use crate::bite::Bite;
use crate::draft::KindDraft;
use crate::memo::entity_hash;
use crate::previous::{PreviousKind, key_hash};
use crate::progress::Progress;
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

/// An entity that was found.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// The shard and the row, if it had one.
    place: Option<(usize, usize)>,
    is_unchanged: bool,
    location: Location,
}

/// Finds the rows that entities had, on from where a draft says. Where that is more than a bite, it ends with [`ShardError::Paused`].
pub fn locate(
    previous: &PreviousKind,
    spooled: &SpooledKind,
    draft: &mut KindDraft,
    bite: Option<&Bite>,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Located, ShardError> {
    let mut located = Located { shards: vec![Vec::new(); previous.shards.len()], ..Located::default() };
    if !draft.found()?.is_some_and(|found| located.add_all(previous, &found)) {
        draft.begin_anew()?;
        return Err(ShardError::Paused);
    }
    progress.add(&previous.kind.name, located.rows());
    if let Some(mut to) = draft.found_to().cloned() {
        let places = previous.places();
        let mut bytes = Vec::new();
        for found in spooled.located_from(to.clone()) {
            stop::check(stop)?;
            let (location, record) = found?;
            let place = places.get(&key_hash(&record.key)).copied();
            let known = place.and_then(|(shard, at)| previous.shards[shard].rows[at].entity);
            let is_unchanged = known.is_some_and(|known| known == entity_hash(&record.bytes));
            let found = Found { place, is_unchanged, location };
            located.add(previous, found);
            progress.add(&previous.kind.name, 1);
            if let Some(bite) = bite {
                bytes.extend(found.to_bytes());
                to.pass(location, &record);
                bite.take(1);
                if bite.is_over() {
                    draft.find(&bytes, to)?;
                    return Err(ShardError::Paused);
                }
            }
        }
        if bite.is_some() {
            draft.find(&bytes, to)?;
            draft.find_all()?;
        }
    }
    for rows in &mut located.shards {
        rows.sort_unstable_by_key(|row| row.at);
    }
    Ok(located)
}

impl Located {
    /// Adds an entity; `None`, if there was no such row.
    fn add(&mut self, previous: &PreviousKind, Found { place, is_unchanged, location }: Found) -> Option<()> {
        let has_exceptions = match place {
            None => {
                self.new.push(location);
                true
            }
            Some((shard, at)) => {
                let known = previous.shards.get(shard)?.rows.get(at)?;
                self.shards.get_mut(shard)?.push(Placed { at, location, is_unchanged });
                !is_unchanged || known.has_exceptions
            }
        };
        self.most_exceptions += u64::from(has_exceptions);
        Some(())
    }

    /// Adds those that were found before, and says whether they can be of that kind.
    fn add_all(&mut self, previous: &PreviousKind, found: &[u8]) -> bool {
        let (found, rest) = found.as_chunks::<FOUND>();
        rest.is_empty() && found.iter().all(|found| self.add(previous, Found::from_bytes(found)).is_some())
    }

    fn rows(&self) -> u64 {
        (self.new.len() + self.shards.iter().map(Vec::len).sum::<usize>()) as u64
    }
}

/// Bytes of an entity that was found.
const FOUND: usize = 40;
/// In the place of a shard's number: there was none.
const NEW: u64 = u64::MAX;

impl Found {
    fn to_bytes(self) -> [u8; FOUND] {
        let (shard, at) = self.place.map_or((NEW, 0), |(shard, at)| (shard as u64, at as u64));
        let [group, run, offset] = self.location.into();
        let words = [shard, at << 1 | u64::from(self.is_unchanged), group, run, offset].map(u64::to_le_bytes);
        std::array::from_fn(|byte| words.as_flattened()[byte])
    }

    fn from_bytes(bytes: &[u8; FOUND]) -> Self {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[8 * at + byte]));
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (shard, at) = (word(0), word(1));
        Self {
            place: (shard != NEW).then(|| (number(shard), number(at >> 1))),
            is_unchanged: at & 1 == 1,
            location: [word(2), word(3), word(4)].into(),
        }
    }
}
