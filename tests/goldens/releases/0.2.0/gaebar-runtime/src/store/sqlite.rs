//! `sqlite:PATH`: a development datastore in one file.
//!
//! ```sql
//! select key_text, length(entity) from entities where kind = 'Profile';
//! ```
//! An entity is a `google.datastore.v1.Entity` message without a project; the key blob sorts as Datastore sorts keys.
//! WAL with `synchronous=FULL`: what was committed survives a power cut, and a reader keeps its snapshot while
//! somebody writes.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::{Cursor, Encoded, Page, Place, ReadTime, Realm, Scan, Snapshot, Store, StoreError, StoreUrl, View, WriteMode};
use crate::model::{Entity, Key, PathElement, Timestamp, order_namespace, order_path, parse_order_path};
use crate::proto;

/// "gaeb" in ASCII, in the file's header: says that the file is a store of Gaebar's.
const APPLICATION_ID: i32 = 0x6761_6562;
/// The layout of the table.
const USER_VERSION: i32 = 1;
/// How long to wait for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of entities after which a page ends.
const PAGE_BYTES: usize = 4 << 20;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS entities (
        namespace TEXT NOT NULL,
        kind TEXT NOT NULL,
        key BLOB NOT NULL,
        key_text TEXT NOT NULL,
        entity BLOB NOT NULL,
        UNIQUE (namespace, kind, key)
    ) STRICT;";

/// A datastore in a file.
#[derive(Debug)]
pub struct SqliteStore {
    place: Place,
    connection: Mutex<Connection>,
}

impl SqliteStore {
    /// Opens a store that exists, for reading.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// Opens a store, which is created if there is none.
    pub fn open_or_create(path: &Path) -> Result<Self, StoreError> {
        Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
    }

    fn connect(path: &Path, access: OpenFlags) -> Result<Self, StoreError> {
        let place = Place { url: StoreUrl::Sqlite(path.to_owned()), realm: Realm::Local };
        let writes = access.contains(OpenFlags::SQLITE_OPEN_CREATE);
        if !writes && !path.exists() {
            return Err(StoreError::Open {
                store: place.to_string(),
                problem: "there is no such file".to_owned(),
                next: "check the path; `gaebar seed suite --to sqlite:PATH` makes a store to try things on".to_owned(),
            });
        }
        let failed = failed(&place, "open the file");
        let connection = connect(path, access).map_err(failed)?;
        // Looked at before anything is set: a database of somebody else's is left as it is.
        let ours = |connection: &Connection| -> rusqlite::Result<(i32, i32, i64)> {
            Ok((
                connection.pragma_query_value(None, "application_id", |row| row.get(0))?,
                connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
                connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?,
            ))
        };
        match ours(&connection).map_err(failed)? {
            (APPLICATION_ID, USER_VERSION, _) => {}
            (0, 0, 0) if writes => create(&connection).map_err(failed)?,
            _ => {
                return Err(StoreError::Open {
                    store: place.to_string(),
                    problem: "the file is a database, but none that this version of Gaebar wrote".to_owned(),
                    next: "choose another path".to_owned(),
                });
            }
        }
        if writes {
            let settings = || {
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.pragma_update(None, "synchronous", "FULL")
            };
            settings().map_err(failed)?;
        }
        Ok(Self { place, connection: Mutex::new(connection) })
    }

    fn path(&self) -> &Path {
        match &self.place.url {
            StoreUrl::Sqlite(path) => path,
            StoreUrl::Datastore { .. } | StoreUrl::Memory => Path::new(""),
        }
    }
}

fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    // Without OPEN_URI: a path stays a path, whatever is in it.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {USER_VERSION}; COMMIT;"
    ))
}

fn failed(place: &Place, action: &'static str) -> impl Fn(rusqlite::Error) -> StoreError + Copy {
    move |source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => StoreError::Open {
            store: place.to_string(),
            problem: format!("could not {action}: another process keeps the file locked"),
            next: "try again when that is done".to_owned(),
        },
        _ => StoreError::Sqlite { store: place.to_string(), action, source },
    }
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A panic while the lock was held leaves at most an open transaction, which SQLite rolls back.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for SqliteStore {
    fn place(&self) -> &Place {
        &self.place
    }

    fn snapshot(&self, view: View) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        if let View::Then(_) = view {
            return Err(StoreError::NoPast { store: self.place.to_string() });
        }
        let failed = failed(&self.place, "begin to read");
        let connection = connect(self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
        // A deferred transaction takes its snapshot with its first read.
        connection.execute_batch("BEGIN; SELECT 1 FROM entities LIMIT 1;").map_err(failed)?;
        Ok(Box::new(SqliteSnapshot { place: &self.place, read_time: super::now(), connection: Mutex::new(connection) }))
    }

    fn write(&self, mode: WriteMode, entities: &[Entity]) -> Result<(), StoreError> {
        if let Some(entity) = entities.iter().find(|entity| proto::depth(entity) > proto::DEEPEST) {
            return Err(StoreError::Refused {
                store: self.place.to_string(),
                action: format!("write {}", entity.key()),
                code: "INVALID_ARGUMENT".to_owned(),
                message: "its values are nested deeper than Datastore takes".to_owned(),
            });
        }
        // Encoding before the lock is taken lets several writers encode at once.
        let rows: Vec<_> = entities
            .iter()
            .map(|entity| (entity.key(), order_path(entity.key().path()), entity.key().to_string(), proto::encode(entity)))
            .collect();
        let mut connection = lock(&self.connection);
        let statement = match mode {
            WriteMode::Upsert => {
                "INSERT INTO entities (namespace, kind, key, key_text, entity) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET entity = excluded.entity"
            }
            WriteMode::Insert => {
                "INSERT INTO entities (namespace, kind, key, key_text, entity) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING"
            }
            WriteMode::Update => "UPDATE entities SET key_text = ?4, entity = ?5 WHERE namespace = ?1 AND kind = ?2 AND key = ?3",
        };
        // The key of an entity that is there and should not be, or the other way round: then nothing is written.
        let mut write = || -> rusqlite::Result<Option<&Key>> {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            {
                let mut statement = transaction.prepare_cached(statement)?;
                for (key, path, text, entity) in &rows {
                    if statement.execute(params![key.namespace(), key.kind(), path, text, entity])? != 1 {
                        return Ok(Some(*key));
                    }
                }
            }
            transaction.commit()?;
            Ok(None)
        };
        match write().map_err(failed(&self.place, "write entities"))? {
            None => Ok(()),
            Some(key) => Err(StoreError::conflict(&self.place, mode, key)),
        }
    }

    fn delete(&self, keys: &[&Key]) -> Result<(), StoreError> {
        let mut connection = lock(&self.connection);
        let mut delete = || -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            {
                let mut statement =
                    transaction.prepare_cached("DELETE FROM entities WHERE namespace = ? AND kind = ? AND key = ?")?;
                for key in keys {
                    statement.execute(params![key.namespace(), key.kind(), order_path(key.path())])?;
                }
            }
            transaction.commit()
        };
        delete().map_err(failed(&self.place, "delete entities"))
    }

    fn lookup(&self, keys: &[&Key]) -> Result<Vec<Entity>, StoreError> {
        let connection = lock(&self.connection);
        let read = || -> rusqlite::Result<Vec<(&Key, StoredEntity)>> {
            let mut statement =
                connection.prepare_cached("SELECT entity FROM entities WHERE namespace = ? AND kind = ? AND key = ?")?;
            let mut found = Vec::new();
            for key in keys {
                let path = order_path(key.path());
                let entity = statement.query_row(params![key.namespace(), key.kind(), path], |row| row.get(0)).optional()?;
                found.extend(entity.map(|entity| (*key, (path, entity))));
            }
            Ok(found)
        };
        let found = read().map_err(failed(&self.place, "look entities up"))?;
        drop(connection);
        found.iter().map(|(key, (path, bytes))| entity(&self.place, (key.namespace(), key.kind()), path, bytes)).collect()
    }

    fn reserve_ids(&self, _: &[&Key]) -> Result<(), StoreError> {
        // The file gives out no ids of its own.
        Ok(())
    }
}

/// The key's bytes and the entity's.
type StoredEntity = (Vec<u8>, Vec<u8>);

struct SqliteSnapshot<'a> {
    place: &'a Place,
    read_time: Timestamp,
    connection: Mutex<Connection>,
}

impl SqliteSnapshot<'_> {
    /// The distinct values of an indexed column, by one look-up a value: `SELECT DISTINCT` would read the whole index.
    fn distinct(&self, next: &str, namespace: Option<&str>) -> Result<Vec<String>, StoreError> {
        let connection = lock(&self.connection);
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = connection.prepare_cached(next)?;
            let mut found: Vec<String> = Vec::new();
            loop {
                let last = found.last();
                let value = match namespace {
                    Some(namespace) => statement.query_row(params![last, namespace], |row| row.get(0)),
                    None => statement.query_row(params![last], |row| row.get(0)),
                };
                match value.optional()? {
                    Some(value) => found.push(value),
                    None => return Ok(found),
                }
            }
        };
        read().map_err(failed(self.place, "list namespaces and kinds"))
    }

    /// The rows of a page, as they stand in the file.
    fn rows(&self, scan: &Scan, cursor: Option<&Cursor>, limit: usize) -> Result<Page<StoredEntity>, StoreError> {
        let path = |key: &Option<Key>| key.as_ref().map(|key| order_path(key.path()));
        // The cursor is the last key read; the smallest key past it is that key with a zero byte behind it.
        let from = match cursor {
            Some(Cursor(last)) => Some([last.as_slice(), &[0]].concat()),
            None => path(&scan.from),
        };
        let connection = lock(&self.connection);
        // At the end of the page: whether a bound was met, so that there may be more.
        let read = || -> rusqlite::Result<(Vec<StoredEntity>, bool)> {
            let mut statement = connection.prepare_cached(
                "SELECT key, entity FROM entities
                 WHERE namespace = ?1 AND kind = ?2 AND key >= coalesce(?3, x'') AND (?4 IS NULL OR key < ?4)
                 ORDER BY key LIMIT ?5",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![scan.namespace, scan.kind, from, path(&scan.to), limit])?;
            let (mut page, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let (key, entity): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
                bytes += entity.len();
                page.push((key, entity));
                if bytes >= PAGE_BYTES {
                    return Ok((page, true));
                }
            }
            let full = i64::try_from(page.len()).is_ok_and(|rows| rows >= limit);
            Ok((page, full))
        };
        let (entities, full) = read().map_err(failed(self.place, "read entities"))?;
        let next = entities.last().filter(|_| full).map(|(key, _)| Cursor(key.clone()));
        Ok(Page { entities, next })
    }
}

impl Snapshot for SqliteSnapshot<'_> {
    fn read_time(&self) -> ReadTime {
        ReadTime { time: self.read_time, consistent: true }
    }

    fn namespaces(&self) -> Result<Vec<String>, StoreError> {
        self.distinct("SELECT namespace FROM entities WHERE ?1 IS NULL OR namespace > ?1 ORDER BY namespace LIMIT 1", None)
    }

    fn kinds(&self, namespace: &str) -> Result<Vec<String>, StoreError> {
        self.distinct(
            "SELECT kind FROM entities WHERE namespace = ?2 AND (?1 IS NULL OR kind > ?1) ORDER BY kind LIMIT 1",
            Some(namespace),
        )
    }

    fn split(&self, _: &str, _: &str, _: usize) -> Result<Vec<Key>, StoreError> {
        // One connection holds the snapshot, so ranges could not be read at once.
        Ok(Vec::new())
    }

    fn page(&self, scan: &Scan, cursor: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let Page { entities, next } = self.rows(scan, cursor, limit)?;
        let entity = |(key, bytes): &StoredEntity| entity(self.place, (&scan.namespace, &scan.kind), key, bytes);
        Ok(Page { entities: entities.iter().map(entity).collect::<Result<_, _>>()?, next })
    }

    fn encoded_page(&self, scan: &Scan, cursor: Option<&Cursor>, limit: usize) -> Result<Page<Encoded>, StoreError> {
        let Page { entities, next } = self.rows(scan, cursor, limit)?;
        let namespace = order_namespace(&scan.namespace);
        let encoded = |(path, bytes): StoredEntity| match parse_order_path(&path) {
            Ok(elements) if elements.last().is_some_and(|last| last.kind == scan.kind) => {
                Ok(Encoded { key: [namespace.as_slice(), &path].concat(), bytes })
            }
            _ => Err(another(self.place, &scan.kind)),
        };
        Ok(Page { entities: entities.into_iter().map(encoded).collect::<Result<_, _>>()?, next })
    }
}

/// The entity of a row, which must be the one that its other columns say.
fn entity(place: &Place, (namespace, kind): (&str, &str), key: &[u8], bytes: &[u8]) -> Result<Entity, StoreError> {
    let entity = proto::decode(bytes).map_err(|source| StoreError::Answer {
        store: place.to_string(),
        action: format!("read an entity of kind {kind:?}"),
        source: Box::new(source),
    })?;
    let path: Option<Vec<PathElement>> = parse_order_path(key).ok();
    if path.as_deref() == Some(entity.key().path()) && (entity.key().namespace(), entity.kind()) == (namespace, kind) {
        Ok(entity)
    } else {
        Err(another(place, &entity.key().to_string()))
    }
}

fn another(place: &Place, whose: &str) -> StoreError {
    StoreError::Open {
        store: place.to_string(),
        problem: format!("the row of {whose} holds another entity"),
        next: "something else changed the file: restore it from a backup".to_owned(),
    }
}
