//! Bytes in a store that takes small entities: a file in parts, with its size and hash.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use gaebar_runtime::model::{Data, Entity, Properties, Value};
use gaebar_runtime::store::WriteMode;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::StateError;
use super::state::{State, of_job};
use crate::folder::FolderError;
use crate::names::hex;

/// Bytes of a part. Servers take 1 MiB an entity, with its key and names.
const MOST: usize = 900_000;
/// Bytes that are written, and parts that are read, at a time.
const AT_ONCE: usize = 2 * MOST;
const PARTS_AT_ONCE: usize = 4;
/// Parts of all files of a job: a terabyte.
const MOST_PARTS: u64 = 1 << 20;
/// The property of a part.
const BYTES: &str = "bytes";

/// Where bytes are: a file, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Blob {
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// The job that wrote it, and the turn. What a version of a backup has of the one before was written by another job.
    pub(super) job: u64,
    turn: u64,
    /// Its parts: from the first on, so many.
    first: u32,
    parts: u32,
}

impl Blob {
    /// Whether these can be where their bytes are: a store may say of itself what it likes.
    pub(super) fn are_sound<'a>(blobs: impl IntoIterator<Item = &'a Self>) -> bool {
        let mut all = 0;
        blobs.into_iter().all(|blob| {
            all += u64::from(blob.parts);
            u64::from(blob.parts) == blob.bytes.div_ceil(MOST as u64) && all <= MOST_PARTS
        })
    }

    /// The names of its parts' entities, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = String> + use<> {
        let (job, turn) = (self.job, self.turn);
        (self.first..self.first.saturating_add(self.parts)).map(move |part| name(job, turn, part))
    }

    /// The name of its first part, and the one after that of its last.
    pub(super) fn range(&self) -> (String, String) {
        let name = |part| name(self.job, self.turn, part);
        (name(self.first), name(self.first.saturating_add(self.parts)))
    }

    /// Reads it, a part at a time; fails if it is not what it was.
    pub(super) fn read(&self, state: &State, each: &mut dyn FnMut(&[u8]) -> Result<(), StateError>) -> Result<(), StateError> {
        let mut hash = Sha256::new();
        let names: Vec<_> = self.names().collect();
        for names in names.chunks(PARTS_AT_ONCE) {
            let keys: Vec<_> = names.iter().map(|name| state.key(name.clone())).collect();
            let found = state.store.lookup(&keys.iter().collect::<Vec<_>>())?;
            let found: BTreeMap<_, _> = found.iter().map(|entity| (entity.key().to_string(), entity)).collect();
            for key in &keys {
                let value = found.get(&key.to_string()).and_then(|entity| entity.properties.get(BYTES));
                let Some(Data::Blob(bytes)) = value.map(|value| &value.data) else {
                    return Err(state.damaged(key, &"it is missing"));
                };
                hash.update(bytes);
                each(bytes)?;
            }
        }
        if hex(&hash.finalize()) != self.sha256 {
            return Err(state.damaged(&state.key(name(self.job, self.turn, self.first)), &"its bytes do not have their hash"));
        }
        Ok(())
    }

    /// All of it.
    pub(super) fn all(&self, state: &State) -> Result<Vec<u8>, StateError> {
        let mut all = Vec::new();
        self.read(state, &mut |bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(all)
    }
}

/// The parts that a turn writes.
pub(super) struct Parts {
    job: u64,
    turn: u64,
    next: u32,
    waiting: Vec<Entity>,
    waiting_bytes: usize,
}

impl Parts {
    pub(super) fn new(job: u64, turn: u64) -> Self {
        Self { job, turn, next: 0, waiting: Vec::new(), waiting_bytes: 0 }
    }

    /// Adds bytes up to their end; `path` is where they come from. They are in the store once [`Parts::flush`] returns.
    pub(super) fn add(&mut self, state: &State, from: &mut dyn Read, path: &Path) -> Result<Blob, StateError> {
        let (mut hash, mut all, first) = (Sha256::new(), 0, self.next);
        loop {
            let mut bytes = Vec::new();
            let key = state.key(name(self.job, self.turn, self.next));
            let read = from.take(MOST as u64).read_to_end(&mut bytes).map_err(FolderError::at("read", path))?;
            if read == 0 {
                break;
            }
            hash.update(&bytes);
            all += read as u64;
            self.waiting_bytes += read;
            self.next += 1;
            let properties = Properties::from([(BYTES.to_owned(), Value::from(bytes).unindexed())]);
            self.waiting.push(Entity::new(key.clone(), properties).map_err(|error| state.damaged(&key, &error))?);
            if self.waiting_bytes >= AT_ONCE {
                self.flush(state)?;
            }
        }
        let sha256 = hex(&hash.finalize());
        Ok(Blob { bytes: all, sha256, job: self.job, turn: self.turn, first, parts: self.next - first })
    }

    /// Writes what was added.
    pub(super) fn flush(&mut self, state: &State) -> Result<(), StateError> {
        state.store.write(WriteMode::Upsert, &self.waiting)?;
        self.waiting.clear();
        self.waiting_bytes = 0;
        Ok(())
    }

    /// The names of all that were added.
    pub(super) fn names(&self) -> impl Iterator<Item = String> + use<> {
        let (job, turn) = (self.job, self.turn);
        (0..self.next).map(move |part| name(job, turn, part))
    }
}

fn name(job: u64, turn: u64, part: u32) -> String {
    format!("{} {turn:020} {part:010}", of_job("part", job))
}
