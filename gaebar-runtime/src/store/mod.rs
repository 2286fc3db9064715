//! Stores: what entities are read from and written to.
//!
//! A store is opened by its URL. Reading happens through a [`Snapshot`], page by page, so that memory stays
//! bounded by a page; writing replaces entities. Calls block; callers run several at once from threads of their own.

mod error;
mod memory;
mod url;

#[cfg(feature = "datastore")]
mod datastore;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt::{self, Display};

#[cfg(feature = "datastore")]
pub use datastore::DatastoreStore;
pub use error::StoreError;
pub use memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use url::StoreUrl;

use crate::model::{Entity, Key, Timestamp, order_key};
use crate::proto;
use crate::visible::visible;

/// Where entities are read from and written to.
pub trait Store: Send + Sync {
    /// The store by name, as every prompt and summary gives it.
    fn place(&self) -> &Place;

    /// A view for reading.
    fn snapshot(&self, view: View) -> Result<Box<dyn Snapshot + '_>, StoreError>;

    /// Writes entities. All of them are committed once this returns `Ok`; after an error some may be. The store splits them into as
    /// many commits as it needs.
    fn write(&self, mode: WriteMode, entities: &[Entity]) -> Result<(), StoreError>;

    /// Writes entities, replacing those that exist.
    fn upsert(&self, entities: &[Entity]) -> Result<(), StoreError> {
        self.write(WriteMode::Upsert, entities)
    }

    /// Deletes entities; there need not be any.
    fn delete(&self, keys: &[&Key]) -> Result<(), StoreError>;

    /// The entities with these keys, as they are now, in any order. Those that do not exist are left out.
    fn lookup(&self, keys: &[&Key]) -> Result<Vec<Entity>, StoreError>;

    /// Makes sure that the store never gives out the numeric ids of these keys again. Others are passed over.
    fn reserve_ids(&self, keys: &[&Key]) -> Result<(), StoreError>;

    /// What to know of this store from now on, as a sentence: where [`Store::reserve_ids`] was not done as it says, for instance.
    fn caveat(&self) -> Option<&'static str> {
        None
    }
}

/// What writing does where an entity exists, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Replaces it, or creates it.
    Upsert,
    /// Creates it; `ALREADY_EXISTS` if there is one ([`StoreError::exists_already`]).
    Insert,
    /// Replaces it; `NOT_FOUND` if there is none.
    Update,
}

/// As of when a store is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As of now, all of it where the store can do that.
    Now,
    /// As of a time; [`StoreError::NoPast`] if the store keeps no earlier versions of its entities.
    Then(Timestamp),
    /// Each page as of when it is read, for as long as reading takes.
    Latest,
}

/// A view of a store at a point in time.
pub trait Snapshot: Send + Sync {
    /// When, and whether all of it is of that time.
    fn read_time(&self) -> ReadTime;

    /// All namespaces that hold entities; the default one is the empty string.
    fn namespaces(&self) -> Result<Vec<String>, StoreError>;

    /// The kinds of a namespace, without the server's own (`__…__`).
    fn kinds(&self, namespace: &str) -> Result<Vec<String>, StoreError>;

    /// Keys that divide a large kind into at most `parts` ranges of about the same size, in order. None for a small one.
    fn split(&self, namespace: &str, kind: &str, parts: usize) -> Result<Vec<Key>, StoreError>;

    /// The next entities of a scan in the order of their keys, at most `limit` of them.
    fn page(&self, scan: &Scan, cursor: Option<&Cursor>, limit: usize) -> Result<Page, StoreError>;

    /// The same as bytes. A store that keeps entities so hands them out as they are, and leaves it to whoever decodes them to find out
    /// that they are none.
    fn encoded_page(&self, scan: &Scan, cursor: Option<&Cursor>, limit: usize) -> Result<Page<Encoded>, StoreError> {
        let Page { entities, next } = self.page(scan, cursor, limit)?;
        Ok(Page { entities: entities.iter().map(Encoded::from).collect(), next })
    }
}

/// When a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadTime {
    /// The time.
    pub time: Timestamp,
    /// Whether everything read is of that one time.
    pub consistent: bool,
}

/// The entities of one kind in one namespace, or of a range of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The namespace.
    pub namespace: String,
    /// The kind.
    pub kind: String,
    /// The first key of the range.
    pub from: Option<Key>,
    /// The first key past the range.
    pub to: Option<Key>,
}

/// Where a scan goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub Vec<u8>);

/// Some entities of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T = Entity> {
    /// The entities, ascending by key.
    pub entities: Vec<T>,
    /// Where to go on; `None` at the end. A page may be empty and not the last.
    pub next: Option<Cursor>,
}

/// An entity as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Its key, as [`order_key`] gives it.
    pub key: Vec<u8>,
    /// The entity, as [`proto::encode`] gives it: the same bytes are the same entity.
    pub bytes: Vec<u8>,
}

impl From<&Entity> for Encoded {
    fn from(entity: &Entity) -> Self {
        Self { key: order_key(entity.key()), bytes: proto::encode(entity) }
    }
}

/// A store by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The URL.
    pub url: StoreUrl,
    /// What kind of place it is.
    pub realm: Realm,
}

/// What kind of place a store is: how careful to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Realm {
    /// A file on this machine, or memory.
    Local,
    /// An emulator at an address.
    Emulator(String),
    /// A real project.
    Production,
}

impl Place {
    /// What stands behind the URL of a source on an emulator. Not where that was: it may be elsewhere each time.
    pub const ON_EMULATOR: &str = " (emulator)";

    /// The store as the source of a backup: its URL, in which nothing hides, and whether that meant an emulator.
    pub fn source(&self) -> String {
        let on_emulator = if let Realm::Emulator(_) = self.realm { Self::ON_EMULATOR } else { "" };
        visible(&self.url.to_string()) + on_emulator
    }

    /// The store by a name that is the same wherever one stands.
    pub fn identity(&self) -> String {
        let url = match &self.url {
            StoreUrl::Sqlite(path) => format!("sqlite:{}", std::path::absolute(path).as_ref().unwrap_or(path).display()),
            url => url.to_string(),
        };
        match &self.realm {
            Realm::Emulator(host) => format!("{url} at {host}"),
            Realm::Local | Realm::Production => url,
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.realm {
            Realm::Local => write!(f, "{}", self.url),
            Realm::Emulator(host) => write!(f, "{} (emulator at {host})", self.url),
            Realm::Production => write!(f, "{} (a real project)", self.url),
        }
    }
}

/// Opens an existing store for reading.
#[cfg(all(feature = "sqlite", feature = "datastore"))]
pub fn open(url: &StoreUrl) -> Result<Box<dyn Store>, StoreError> {
    Ok(match url {
        StoreUrl::Sqlite(path) => Box::new(SqliteStore::open(path)?),
        StoreUrl::Datastore { project, database } => Box::new(DatastoreStore::connect(project, database)?),
        StoreUrl::Memory => Box::new(MemoryStore::default()),
    })
}

/// Whether a store can be opened for writing, without creating one: to know before long work begins.
#[cfg(all(feature = "sqlite", feature = "datastore"))]
pub fn check_target(url: &StoreUrl) -> Result<(), StoreError> {
    match url {
        StoreUrl::Sqlite(path) if !path.exists() => match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => Err(StoreError::Open {
                store: url.to_string(),
                problem: format!("there is no folder {}", folder.display()),
                next: "make it first, or check the path".to_owned(),
            }),
            _ => Ok(()),
        },
        _ => open_or_create(url).map(|_| ()),
    }
}

/// Opens a store for writing; a local one that does not exist is created.
#[cfg(all(feature = "sqlite", feature = "datastore"))]
pub fn open_or_create(url: &StoreUrl) -> Result<Box<dyn Store>, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => Ok(Box::new(SqliteStore::open_or_create(path)?)),
        StoreUrl::Datastore { .. } | StoreUrl::Memory => open(url),
    }
}

/// The time on this machine, to the microsecond.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // A clock past year 9999 reads as 1970: a wrong date in a manifest, and nothing else.
    Timestamp::new(since.as_secs().cast_signed(), since.subsec_nanos())
        .or_else(|_| Timestamp::new(0, 0))
        .map_or_else(|_| unreachable!("1970 is a time"), Timestamp::to_micros)
}
