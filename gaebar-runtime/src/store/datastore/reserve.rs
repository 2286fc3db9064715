//! Numeric ids that a server must not give out again.
//!
//! Servers keep a counter, and make ids of it: sequential ones, which are the counter's own number, or scattered ones above 2^52, which
//! have its bits in reverse. `ReserveIds` takes ids out of both.
//!
//! The Datastore emulator (2.3.1) answers `ReserveIds` and does nothing. Nor does it look whether an entity is there before it gives its
//! id to another, which replaces that: an emulator that starts empty, and so counts from 1, would replace what was restored into it, row
//! by row. But `AllocateIds` advances its counter, which all projects share and which is kept with the data. So the counter is driven past
//! those of the restored ids, as far as that takes seconds.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use googleapis_tonic_google_datastore_v1::google::datastore::v1 as pb;

use super::connect::Client;
use super::read::DatastoreSnapshot;
use crate::model::{Database, Id, Key, PathElement};
use crate::store::StoreError;

/// The most keys in a `ReserveIds` (neither emulator minds more; a commit's limit is a safe one).
const MAX_RESERVED: usize = 500;
/// The largest id that a server gives out by itself, and the largest that the Firestore emulator reserves: it answers
/// `UNKNOWN` for larger and negative ones, which need no reserving. Ids are sequential below 2^52, scattered above.
const LARGEST_AUTOMATIC_ID: u64 = FIRST_SCATTERED + (1 << 51) - 1;
const FIRST_SCATTERED: u64 = 1 << 52;
/// Where the lowest bit of a counter begins, before its bits are reversed, so that its highest come to 2^50.
const SCATTER: u32 = 13;

/// How far the Datastore emulator's counter is driven: it allocates about 100,000 ids a second.
const FARTHEST: u64 = 1_000_000;
/// Ids in an `AllocateIds`. The answer is about 21 bytes an id, of the 4 MiB that a client takes by default.
const BLOCK: u64 = 20_000;

/// Reserves ids, by what the server can do.
#[derive(Debug, Default)]
pub(super) struct Reserver {
    is_datastore_emulator: OnceLock<bool>,
    /// The least that the counter of the Datastore emulator stands at.
    counter: Mutex<u64>,
    /// A [`Caveat`].
    caveat: AtomicU8,
}

/// What is to be said, the worse the higher.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Caveat {
    Allocated = 1,
    OutOfReach = 2,
}

impl Reserver {
    /// Makes sure that none of these keys' ids is given out, as far as the server does that by itself.
    pub(super) fn reserve(&self, client: &Client, keys: &[&Key]) -> Result<(), StoreError> {
        let automatic = |key: &&&Key| *key.database() == Database::Own && automatic_id(key).is_some();
        let keys: Vec<&Key> = keys.iter().filter(automatic).copied().collect();
        if keys.is_empty() {
            Ok(())
        } else if self.is_datastore_emulator(client)? {
            self.advance(client, keys.into_iter().filter_map(automatic_id))
        } else {
            keys.chunks(MAX_RESERVED).try_for_each(|keys| reserve(client, keys))
        }
    }

    /// What [`crate::store::Store::caveat`] says.
    pub(super) fn caveat(&self) -> Option<&'static str> {
        match self.caveat.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(
                "the Datastore emulator ignores ReserveIds, and replaces an entity whose id it gives to a new one; its counter was \
                 driven past the ids that were restored, so that it does not come to them again",
            ),
            _ => Some(
                "the Datastore emulator ignores ReserveIds, and replaces an entity whose id it gives to a new one; its counter was \
                 driven past those restored ids that are among the first 1,000,000 it gives out, but not past those that come later",
            ),
        }
    }

    fn is_datastore_emulator(&self, client: &Client) -> Result<bool, StoreError> {
        if let Some(known) = self.is_datastore_emulator.get() {
            return Ok(*known);
        }
        let is_one = DatastoreSnapshot::is_datastore_emulator(client)?;
        Ok(*self.is_datastore_emulator.get_or_init(|| is_one))
    }

    /// Drives the counter past those of some ids.
    fn advance(&self, client: &Client, ids: impl Iterator<Item = u64>) -> Result<(), StoreError> {
        let (near, far): (Vec<_>, Vec<_>) = ids.map(counter_of).partition(|counter| *counter <= FARTHEST);
        let caveat = if far.is_empty() { Caveat::Allocated } else { Caveat::OutOfReach };
        self.caveat.fetch_max(caveat as u8, Ordering::Relaxed);
        let wanted = near.into_iter().max().unwrap_or_default();
        // Others that want it further wait meanwhile, and find it there.
        let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        let mut has_restarted = false;
        while *counter < wanted {
            // At first, where it stands is not known.
            let count = if *counter == 0 { 1 } else { (wanted - *counter).min(BLOCK) };
            let last = allocate(client, count)?.into_iter().map(counter_of).max().unwrap_or_default();
            // An emulator that was restarted counts from the beginning. What it lost is noticed when it is read back.
            if last <= *counter && (last == 0 || has_restarted) {
                let (store, action) = (client.place.to_string(), ALLOCATE.to_owned());
                let problem = format!("it gave out no id past its {counter}th");
                return Err(StoreError::Nonsense { store, action, problem });
            }
            has_restarted |= last <= *counter;
            *counter = last;
        }
        Ok(())
    }
}

/// What is tried, to complete "could not …".
const ALLOCATE: &str = "allocate numeric ids";

/// A key's numeric id, if it is one that a server may give out.
fn automatic_id(key: &Key) -> Option<u64> {
    match key.last() {
        PathElement { id: Id::Number(number), .. } => {
            u64::try_from(*number).ok().filter(|id| (1..=LARGEST_AUTOMATIC_ID).contains(id))
        }
        _ => None,
    }
}

/// The counter that an id is made of.
fn counter_of(id: u64) -> u64 {
    if id < FIRST_SCATTERED { id } else { (id - FIRST_SCATTERED).reverse_bits() >> SCATTER }
}

fn reserve(client: &Client, keys: &[&Key]) -> Result<(), StoreError> {
    let request = pb::ReserveIdsRequest {
        project_id: client.home.project.clone(),
        database_id: client.home.database.clone(),
        keys: keys.iter().map(|key| client.home.key_to_proto(key)).collect(),
    };
    let action = format_args!("reserve {} numeric ids", keys.len());
    client.call(action, &request, async |mut datastore, request| datastore.reserve_ids(request).await)?;
    Ok(())
}

/// So many ids that nobody uses.
fn allocate(client: &Client, count: u64) -> Result<Vec<u64>, StoreError> {
    let element = pb::key::PathElement { kind: "Gaebar".to_owned(), id_type: None };
    let key = pb::Key { path: vec![element], ..pb::Key::default() };
    let request = pb::AllocateIdsRequest {
        project_id: client.home.project.clone(),
        database_id: client.home.database.clone(),
        keys: vec![key; usize::try_from(count).unwrap_or(1)],
    };
    let answer = client.call(ALLOCATE, &request, async |mut datastore, request| datastore.allocate_ids(request).await)?;
    let id = |mut key: pb::Key| match key.path.pop()?.id_type? {
        pb::key::path_element::IdType::Id(id) => u64::try_from(id).ok(),
        pb::key::path_element::IdType::Name(_) => None,
    };
    Ok(answer.keys.into_iter().filter_map(id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_behind_an_id_is_known() {
        // As both emulators give them out, from 1.
        let scattered = [5_629_499_534_213_120, 5_066_549_580_791_808, 6_192_449_487_634_432, 4_785_074_604_081_152];
        assert_eq!(scattered.map(counter_of), [1, 2, 3, 4]);
        assert_eq!([1, 77, FIRST_SCATTERED - 1].map(counter_of), [1, 77, FIRST_SCATTERED - 1]);
        assert_eq!(counter_of(LARGEST_AUTOMATIC_ID), (1 << 51) - 1);
    }
}
