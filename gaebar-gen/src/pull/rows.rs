//! A backup that was downloaded, as a store to read: an update takes its entities as it takes any store's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gaebar_runtime::model::{Entity, Key, Timestamp, order_key};
use gaebar_runtime::restore::{Coverage, RowRef, RowSource as _};
use gaebar_runtime::store::{Cursor, Page, Place, ReadTime, Scan, Snapshot, Store, StoreError, View, WriteMode};
use gaebar_runtime::visible::visible;

use super::PullError;
use super::verified::Accepted;
use crate::interpret::InterpretedRows;
use crate::manifest;
use crate::verify::Contents;

/// The rows of a backup, which the reader has accepted.
pub(super) struct Rows {
    place: Place,
    read_time: ReadTime,
    rows: InterpretedRows,
    /// Which shards have rows of a namespace and a kind.
    shards: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
}

impl Rows {
    /// Those of the backup in a folder.
    pub(super) fn new(backup: &Path, Accepted { contents, namespaces, .. }: Accepted) -> Result<Self, PullError> {
        let (place, read_time) = (place(&contents)?, read_time(&contents)?);
        let mut shards: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
        let kinds = contents.kinds.iter().flat_map(|kind| kind.shards.iter().map(|_| &kind.manifest.kind));
        for (shard, (kind, namespaces)) in kinds.zip(namespaces).enumerate() {
            for namespace in namespaces {
                shards.entry(namespace).or_default().entry(kind.clone()).or_default().push(shard);
            }
        }
        Ok(Self { place, read_time, rows: InterpretedRows::new(backup, contents), shards })
    }

    /// What the backup covers.
    pub(super) fn coverage(&self) -> Coverage {
        self.rows.coverage()
    }

    fn failed(&self, action: &str, message: String) -> StoreError {
        StoreError::Refused { store: self.place.to_string(), action: action.to_owned(), code: "DATA_LOSS".to_owned(), message }
    }

    /// Nobody writes to a backup that is only read.
    fn read_only(&self) -> StoreError {
        self.failed("write", "this is a backup that was downloaded".to_owned())
    }
}

/// The store that the backup was taken from: an update says that its rows are from there.
fn place(contents: &Contents) -> Result<Place, PullError> {
    let sources = contents.taken_from();
    let place = match sources.as_slice() {
        // It is told as it stands.
        [source] if visible(source) == *source => manifest::place(source),
        _ => None,
    };
    match place {
        Some(place) => Ok(place),
        None if sources.is_empty() => Err(PullError::Source("no store".to_owned())),
        None => Err(PullError::Source(visible(&sources.join(", ")))),
    }
}

/// As of when its rows are: kinds that were read at several times are not of one.
fn read_time(contents: &Contents) -> Result<ReadTime, PullError> {
    let mut times = BTreeSet::new();
    for kind in &contents.kinds {
        let time: Timestamp = kind.manifest.read_time.parse().map_err(|_| PullError::Time(kind.manifest.read_time.clone()))?;
        times.insert(time);
    }
    let consistent = times.len() == 1 && contents.kinds.iter().all(|kind| kind.manifest.consistent);
    let time = times.pop_last().ok_or_else(|| PullError::Source("no store".to_owned()))?;
    Ok(ReadTime { time, consistent })
}

impl Store for Rows {
    fn place(&self) -> &Place {
        &self.place
    }

    fn snapshot(&self, view: View) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        match view {
            View::Then(_) => Err(StoreError::NoPast { store: self.place.to_string() }),
            View::Now | View::Latest => Ok(Box::new(AsBackedUp(self))),
        }
    }

    fn write(&self, _: WriteMode, _: &[Entity]) -> Result<(), StoreError> {
        Err(self.read_only())
    }

    fn delete(&self, _: &[&Key]) -> Result<(), StoreError> {
        Err(self.read_only())
    }

    fn lookup(&self, _: &[&Key]) -> Result<Vec<Entity>, StoreError> {
        Err(self.failed("look up", "a backup that was downloaded is read from one end to the other".to_owned()))
    }

    fn reserve_ids(&self, _: &[&Key]) -> Result<(), StoreError> {
        Err(self.read_only())
    }
}

struct AsBackedUp<'a>(&'a Rows);

impl AsBackedUp<'_> {
    /// Where a cursor goes on: a place among the scan's shards, and one in that shard.
    fn at(&self, cursor: Option<&Cursor>) -> Result<(usize, usize), StoreError> {
        let Some(Cursor(bytes)) = cursor else { return Ok((0, 0)) };
        let parse = |bytes: &[u8]| {
            let (shard, row) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
            Some((shard.parse().ok()?, row.parse().ok()?))
        };
        parse(bytes).ok_or_else(|| self.0.failed("go on", "its cursor is of another store".to_owned()))
    }
}

impl Snapshot for AsBackedUp<'_> {
    fn read_time(&self) -> ReadTime {
        self.0.read_time
    }

    fn namespaces(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.0.shards.keys().cloned().collect())
    }

    fn kinds(&self, namespace: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.0.shards.get(namespace).into_iter().flat_map(|kinds| kinds.keys().cloned()).collect())
    }

    fn split(&self, _: &str, _: &str, _: usize) -> Result<Vec<Key>, StoreError> {
        Ok(Vec::new())
    }

    /// Shard by shard, as rows stand there: a backup has later rows behind others. Only a page by itself ascends.
    fn page(&self, scan: &Scan, cursor: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let Rows { rows, shards, .. } = self.0;
        let shards = shards.get(&scan.namespace).and_then(|kinds| kinds.get(&scan.kind)).map_or(&[][..], Vec::as_slice);
        let (mut shard, mut at) = self.at(cursor)?;
        let mut entities = Vec::new();
        while let Some(number) = shards.get(shard).filter(|_| entities.len() < limit) {
            if at >= rows.rows(*number) {
                (shard, at) = (shard + 1, 0);
                continue;
            }
            let entity = rows.entity_of(&scan.namespace, RowRef { shard: *number, at });
            entities.extend(entity.map_err(|problem| self.0.failed("read", problem))?);
            at += 1;
        }
        entities.sort_by_cached_key(|entity| order_key(entity.key()));
        let next = (shard < shards.len()).then(|| Cursor(format!("{shard} {at}").into_bytes()));
        Ok(Page { entities, next })
    }
}
