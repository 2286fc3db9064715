//! Rows without a compiler: the reader gives the same entities as the compiled binary.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gaebar_runtime::model::Entity;
use gaebar_runtime::restore::{Coverage, RowPlace, RowRef, RowSource};

use crate::folder::{self, SizeLimit};
use crate::reader::{self, Blobs, ReadRow};
use crate::templates;
use crate::verify::{Contents, VerifiedKind, VerifiedShard, read_blob};

/// Shards that are kept read, of those that have rows left: more than workers that restore at once, each of which is at one.
const SHARDS_KEPT: usize = 32;

/// The rows of a backup that the reader accepted, read a shard at a time.
#[derive(Debug)]
pub struct InterpretedRows {
    backup: PathBuf,
    contents: Contents,
    /// Of each shard its kind and its place there.
    shards: Vec<(usize, usize)>,
    read: Mutex<VecDeque<Shard>>,
}

/// A shard that was read, and of each row the number and the entity, until somebody takes it.
#[derive(Debug)]
struct Shard {
    number: usize,
    rows: Vec<(u32, Option<Entity>)>,
    left: usize,
}

impl Shard {
    fn take(&mut self, at: usize) -> Option<Entity> {
        let entity = self.rows.get_mut(at)?.1.take()?;
        self.left -= 1;
        Some(entity)
    }
}

impl InterpretedRows {
    /// The rows of a backup in its folder.
    pub fn new(backup: &Path, contents: Contents) -> Self {
        let of_kind =
            |(kind, of): (usize, &VerifiedKind)| (0..of.shards.len()).map(move |shard| (kind, shard)).collect::<Vec<_>>();
        let shards = contents.kinds.iter().enumerate().flat_map(of_kind).collect();
        Self { backup: backup.to_owned(), contents, shards, read: Mutex::default() }
    }

    fn shard(&self, shard: usize) -> Option<(&VerifiedKind, &VerifiedShard)> {
        let (kind, shard) = self.shards.get(shard)?;
        let kind = self.contents.kinds.get(*kind)?;
        Some((kind, kind.shards.get(*shard)?))
    }

    /// A shard's file, below the backup's folder; empty if there is no such shard.
    pub fn file(&self, shard: usize) -> &str {
        self.shard(shard).map_or("", |(_, shard)| &shard.file)
    }

    /// Takes something of a shard, which is read again if it is not there, or if somebody took that already.
    fn with<T>(&self, number: usize, take: impl Fn(&mut Shard) -> Option<T>) -> Result<Option<T>, String> {
        let cached = |read: &mut VecDeque<Shard>| {
            let at = read.iter().position(|shard| shard.number == number)?;
            let taken = take(&mut read[at])?;
            if read[at].left == 0 {
                read.remove(at);
            }
            Some(taken)
        };
        if let Some(taken) = cached(&mut lock(&self.read)) {
            return Ok(Some(taken));
        }
        let (kind, shard) = self.shard(number).ok_or_else(|| format!("there is no shard {number}"))?;
        let rows: Vec<_> = self.parse(kind, shard)?.into_iter().map(|row| (row.number, Some(row.entity))).collect();
        let mut shard = Shard { number, left: rows.len(), rows };
        let taken = take(&mut shard);
        let mut read = lock(&self.read);
        read.retain(|shard| shard.number != number);
        if shard.left > 0 {
            read.push_back(shard);
        }
        if read.len() > SHARDS_KEPT {
            read.pop_front();
        }
        Ok(taken)
    }

    /// A row's entity, if it is of this namespace. Others stay for whoever asks for theirs.
    pub fn entity_of(&self, namespace: &str, row: RowRef) -> Result<Option<Entity>, String> {
        let take = |shard: &mut Shard| match &shard.rows.get(row.at)?.1 {
            Some(entity) if entity.key().namespace() != namespace => Some(None),
            _ => shard.take(row.at).map(Some),
        };
        self.with(row.shard, take)?.ok_or_else(|| no_row(row))
    }

    /// Reads a shard again, which must still be what was verified.
    fn parse(&self, kind: &VerifiedKind, shard: &VerifiedShard) -> Result<Vec<ReadRow>, String> {
        let path = self.backup.join(&shard.file);
        let bytes = folder::read_regular(&path, SizeLimit::of_part(&shard.file)).map_err(|error| error.to_string())?;
        let Some(bytes) = bytes.filter(|bytes| shard.accepted.matches(bytes)) else {
            return Err(format!("{} was changed since it was verified", path.display()));
        };
        let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
        let models = templates::crate_name(&self.contents.manifest.name, "models");
        let blobs = Sidecars(path.parent().unwrap_or(&self.backup).join("blobs"));
        reader::shard(&kind.kind, &models, &text, &blobs)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

impl RowSource for InterpretedRows {
    fn digest(&self) -> String {
        self.contents.digest()
    }

    fn coverage(&self) -> Coverage {
        self.contents.coverage()
    }

    fn shards(&self) -> usize {
        self.shards.len()
    }

    fn rows(&self, shard: usize) -> usize {
        self.shard(shard).map_or(0, |(_, shard)| shard.rows)
    }

    fn place(&self, row: RowRef) -> RowPlace {
        let number = self.with(row.shard, |shard| shard.rows.get(row.at).map(|(number, _)| *number));
        let number = number.ok().flatten().unwrap_or_default();
        RowPlace { file: self.file(row.shard).to_owned(), number, line: None }
    }

    fn entity(&self, row: RowRef) -> Result<Entity, String> {
        self.with(row.shard, |shard| shard.take(row.at))?.ok_or_else(|| no_row(row))
    }
}

fn no_row(row: RowRef) -> String {
    format!("there is no row at place {}", row.at)
}

fn lock(read: &Mutex<VecDeque<Shard>>) -> MutexGuard<'_, VecDeque<Shard>> {
    read.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sidecars(PathBuf);

impl Blobs for Sidecars {
    fn blob(&self, sha256: &str) -> Result<Vec<u8>, String> {
        read_blob(&self.0, sha256)
    }
}
