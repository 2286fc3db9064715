//! `datastore://PROJECT[/DATABASE]`: Cloud Datastore, Firestore in Datastore mode, and both emulators, over gRPC.
//!
//! [`connect`](connect::Client) finds the server and makes calls, with their deadlines and retries; writing is here, by the
//! [`commit`](commit::Batch); reading is a [`read::DatastoreSnapshot`]. Calls block the caller's thread, which must not be
//! one that drives async code; several calls are in flight at once over one connection.

mod commit;
mod connect;
mod credentials;
mod lookup;
mod query;
mod read;
mod reserve;
mod retry;

use prost::Message as _;

use self::commit::{Batch, MAX_ENTITY, MAX_REQUEST};
use self::connect::Client;
use self::reserve::Reserver;
use super::{Place, Snapshot, Store, StoreError, View, WriteMode};
use crate::model::{Entity, Key};
use crate::proto::written::Mutation;

/// The most keys in a `Lookup` ("Quotas and limits": 1,000). Fewer, so that an answer stays within what fits memory.
const MAX_LOOKED_UP: usize = 500;

/// A database of a Google Cloud project, or of an emulator.
pub struct DatastoreStore {
    client: Client,
    reserver: Reserver,
}

impl std::fmt::Debug for DatastoreStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatastoreStore").field("place", &self.client.place).finish_non_exhaustive()
    }
}

impl DatastoreStore {
    /// Connects to a database of a project; the default database is the empty string.
    ///
    /// With `DATASTORE_EMULATOR_HOST` in the environment that is an emulator's, and never anything else, reachable or
    /// not. Otherwise it is the real one, with Google's application default credentials.
    pub fn connect(project: &str, database: &str) -> Result<Self, StoreError> {
        Ok(Self { client: Client::connect(project, database)?, reserver: Reserver::default() })
    }

    /// Connects to the emulator at an address (`HOST:PORT`), whatever the environment says.
    pub fn connect_to_emulator(host: &str, project: &str, database: &str) -> Result<Self, StoreError> {
        Ok(Self { client: Client::connect_to_emulator(host, project, database)?, reserver: Reserver::default() })
    }

    fn commit_all<'a>(&self, mutations: impl Iterator<Item = (&'a Key, Mutation)>) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for (key, mutation) in mutations {
            if let Some(next) = batch.push(key, mutation) {
                self.commit(std::mem::replace(&mut batch, next))?;
            }
        }
        self.commit(batch)
    }

    fn commit(&self, batch: Batch<'_>) -> Result<(), StoreError> {
        let Some(action) = batch.action() else { return Ok(()) };
        let request = batch.into_request(&self.client.home);
        let bytes = request.encoded_len();
        if bytes > MAX_REQUEST {
            // Never sent: the Datastore emulator hangs up on it, and no server takes an entity of this size.
            return Err(StoreError::Refused {
                store: self.client.place.to_string(),
                action,
                code: "INVALID_ARGUMENT".to_owned(),
                message: format!("it takes {bytes} bytes; Datastore takes at most {MAX_ENTITY} for an entity"),
            });
        }
        self.client.commit(action, &request)
    }
}

impl Store for DatastoreStore {
    fn place(&self) -> &Place {
        &self.client.place
    }

    fn snapshot(&self, view: View) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        Ok(Box::new(read::DatastoreSnapshot::take(&self.client, view)?))
    }

    fn write(&self, mode: WriteMode, entities: &[Entity]) -> Result<(), StoreError> {
        let home = &self.client.home;
        self.commit_all(entities.iter().map(|entity| (entity.key(), commit::write(home, mode, entity))))
    }

    fn delete(&self, keys: &[&Key]) -> Result<(), StoreError> {
        let home = &self.client.home;
        self.commit_all(keys.iter().map(|key| (*key, commit::delete(home, key))))
    }

    fn lookup(&self, keys: &[&Key]) -> Result<Vec<Entity>, StoreError> {
        let mut found = Vec::new();
        for keys in keys.chunks(MAX_LOOKED_UP) {
            found.extend(lookup::lookup(&self.client, keys)?);
        }
        Ok(found)
    }

    fn reserve_ids(&self, keys: &[&Key]) -> Result<(), StoreError> {
        self.reserver.reserve(&self.client, keys)
    }

    fn caveat(&self) -> Option<&'static str> {
        self.reserver.caveat()
    }
}
