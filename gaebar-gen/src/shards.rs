//! From a kind's entities to its shards and volumes on disk.
//!
//! Rows are made in parallel, a chunk at a time, and appended in order; what is held is a chunk and the open shard.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{AddAssign, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gaebar_runtime::store::Encoded;
use rayon::prelude::*;
use thiserror::Error;

use crate::emit::{self, Row, Sidecar};
use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError};
use crate::previous::{PreviousKind, PreviousShard, index, key_hash};
use crate::progress::Progress;
use crate::schema::Kind;
use crate::spool::{Finder, Location, SpoolError, SpooledKind};
use crate::stop::{self, Interrupted};
use crate::templates;

/// A shard closes before it would pass this many bytes of source.
pub const SHARD_BYTES: usize = 300_000;
/// A volume takes this many rows: beyond, rustc gets slower by the row, and needs some 35 KB of memory for each.
const VOLUME_ROWS: usize = 5_000;
/// A volume takes this much source: rustc needs some 17 bytes of memory for a byte of text.
const VOLUME_SOURCE: usize = 16 << 20;
/// A volume takes this many expressions: rustc needs some 900 bytes of memory for each.
const VOLUME_EXPRESSIONS: usize = 600_000;
/// A volume takes this many bytes of blobs: rustc needs 4 bytes of memory for each.
const VOLUME_BLOBS: usize = 128 << 20;
/// A shard with less than this part of its size is nearly empty.
const NEARLY_EMPTY: usize = 4;
/// Rows that are made at once.
const CHUNK_ROWS: usize = 256;
/// Encoded bytes that are made into rows at once.
const CHUNK_BYTES: usize = 4 << 20;

/// Why a kind's shards could not be written.
#[derive(Debug, Error)]
pub enum ShardError {
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A file is at a place that the backup needs, and is none of the backup's.
    #[error("{path} is in the way: the backup needs its place, and it is no part of it; move it elsewhere", path = .0.display())]
    Taken(PathBuf),
    /// Row numbers are 32 bits.
    #[error("kind {0:?} has more than 4,294,967,295 entities; back it up in parts with --namespaces")]
    TooManyRows(String),
}

/// What was written of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// How many rows.
    pub rows: u64,
    /// The number that the next new row gets.
    pub next_row: u64,
    /// How many shards.
    pub shards: u32,
    /// Bytes of source and blobs.
    pub bytes: u64,
    /// The names of its volumes, in order.
    pub volumes: Vec<String>,
    /// Its files and their fingerprints.
    pub files: BTreeMap<String, Fingerprint>,
    /// How many of them are new or changed.
    pub changed: u64,
}

/// Where and how a kind is written.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The folder for files that are new or changed.
    pub folder: &'a Path,
    /// The backup that is there, if it is updated.
    pub present: Option<&'a Path>,
    /// The backup's name.
    pub backup: &'a str,
    /// The kind.
    pub kind: &'a Kind,
    /// What there was of it before.
    pub previous: Option<&'a PreviousKind>,
    /// A shard closes before it would pass so many bytes.
    pub shard_bytes: usize,
    /// Whether nearly empty shards are merged.
    pub compact: bool,
    /// Hears of rows.
    pub progress: &'a dyn Progress,
    /// Whether somebody asked to stop.
    pub stop: &'a AtomicBool,
}

impl Job<'_> {
    /// Only the backup's own files are replaced.
    pub fn check_free(&self, file: &str) -> Result<(), ShardError> {
        let listed = self.previous.is_some_and(|previous| previous.manifest.files.contains_key(file));
        match self.present.map(|present| present.join(file)) {
            Some(path) if !listed && path.symlink_metadata().is_ok() => Err(ShardError::Taken(path)),
            _ => Ok(()),
        }
    }
}

/// Whether the gate reads a file wherever it looks at rows.
fn is_read(file: &str) -> bool {
    file.starts_with("models/") || file.contains("/src/shard_")
}

/// Writes the volumes of a kind. Rows that were there keep their numbers and their shards; new ones go to the end of the
/// last shard, in the order of their keys.
pub fn write<'a>(job: Job<'a>, spooled: &'a SpooledKind) -> Result<Written, ShardError> {
    let mut writer = Writer::new(job, spooled);
    let Some(previous) = job.previous else {
        writer.append_all(spooled.records())?;
        return writer.finish();
    };
    let places = previous.places();
    let mut known: Vec<Vec<(usize, Location)>> = vec![Vec::new(); previous.shards.len()];
    let mut new = Vec::new();
    for found in spooled.located() {
        stop::check(job.stop)?;
        let (location, record) = found?;
        match places.get(&key_hash(&record.key)) {
            Some((shard, at)) => known[*shard].push((*at, location)),
            None => new.push(location),
        }
    }
    drop(places);
    let mut finder = spooled.finder();
    let mut overflow = Vec::new();
    for (shard, mut rows) in previous.shards.iter().zip(known) {
        rows.sort_unstable_by_key(|(at, _)| *at);
        let rows: Vec<_> = rows.into_iter().map(|(at, location)| (shard.rows[at].0, location)).collect();
        overflow.extend_from_slice(writer.rewrite(shard, &rows, &mut finder)?);
    }
    writer.append_numbered(&overflow, &mut finder)?;
    writer.append_all(new.into_iter().map(|location| finder.record(location)))?;
    writer.finish()
}

struct Writer<'a> {
    job: Job<'a>,
    spooled: &'a SpooledKind,
    models: String,
    written: Written,
    shard: Option<Shard>,
    volume: Option<Volume>,
    /// The numbers that the next new shard and volume get.
    next_shard: u32,
    next_volume: u32,
}

/// The shard that is open.
struct Shard {
    name: String,
    rows: Vec<(u32, String)>,
    bytes: usize,
}

/// The volume that is open.
struct Volume {
    name: String,
    weight: Weight,
    shards: Vec<String>,
    sidecars: BTreeSet<String>,
}

/// What rows add to a shard and a volume.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    rows: usize,
    source: usize,
    expressions: usize,
    blobs: usize,
}

impl Weight {
    fn of(row: &Row) -> Self {
        let blobs = row.sidecars.iter().map(|sidecar| sidecar.bytes.len()).sum();
        Self { rows: 1, source: row.text.len(), expressions: row.expressions, blobs }
    }
}

impl AddAssign for Weight {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.source += other.source;
        self.expressions += other.expressions;
        self.blobs += other.blobs;
    }
}

/// How far a bound reaches.
#[derive(Debug, Clone, Copy)]
enum Room {
    /// For rows that come to the end.
    Usual,
    /// For rows that stay where they are, and may have grown.
    Grown,
}

impl Room {
    fn of(self, bound: usize) -> usize {
        match self {
            Self::Usual => bound,
            Self::Grown => bound + bound / 2,
        }
    }
}

impl<'a> Writer<'a> {
    fn new(job: Job<'a>, spooled: &'a SpooledKind) -> Self {
        let shards = job.previous.map_or(&[][..], |previous| &previous.shards);
        let after = |numbers: &mut dyn Iterator<Item = u32>| numbers.max().map_or(0, |number| number + 1);
        Self {
            job,
            spooled,
            models: templates::crate_name(job.backup, "models"),
            written: Written { next_row: job.previous.map_or(1, |previous| previous.manifest.next_row), ..Written::default() },
            shard: None,
            volume: None,
            next_shard: after(&mut shards.iter().map(|shard| index(&shard.name))),
            next_volume: after(&mut shards.iter().map(|shard| index(&shard.volume))),
        }
    }

    /// New rows, with new numbers.
    fn append_all(&mut self, records: impl Iterator<Item = Result<Encoded, SpoolError>>) -> Result<(), ShardError> {
        let first = self.written.next_row;
        let numbered = records.zip(first..).map(|(record, number)| Ok((number, record?)));
        self.each(numbered, |writer, number, row| {
            writer.written.next_row += 1;
            writer.append(number, row)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Rows that move to the end, with the numbers that they have.
    fn append_numbered(&mut self, rows: &[(u32, Location)], finder: &mut Finder) -> Result<(), ShardError> {
        self.each(find(rows, finder), |writer, number, row| {
            writer.append(number, row)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The rows of a shard that was there; those past its bound are given back.
    fn rewrite<'r>(
        &mut self,
        shard: &PreviousShard,
        rows: &'r [(u32, Location)],
        finder: &mut Finder,
    ) -> Result<&'r [(u32, Location)], ShardError> {
        if rows.is_empty() || (self.job.compact && self.merge(rows, finder)?) {
            return Ok(&[]);
        }
        self.close_shard()?;
        if self.volume.as_ref().is_some_and(|volume| volume.name != shard.volume) {
            self.close_volume()?;
        }
        self.volume.get_or_insert_with(|| Volume::new(shard.volume.clone()));
        self.shard = Some(Shard { name: shard.name.clone(), rows: Vec::new(), bytes: 0 });
        let mut kept = 0;
        self.each(find(rows, finder), |writer, number, row| {
            if !writer.has_room(Weight::of(&row), Room::Grown) {
                return Ok(ControlFlow::Break(()));
            }
            kept += 1;
            writer.put_row(number, row)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows.get(kept..).unwrap_or_default())
    }

    /// Puts the rows of a shard to the end of the open one, if one of the two is nearly empty and both fit into one.
    fn merge(&mut self, rows: &[(u32, Location)], finder: &mut Finder) -> Result<bool, ShardError> {
        let Some(open) = self.shard.as_ref().map(|shard| shard.bytes) else { return Ok(false) };
        let mut made = Vec::new();
        let mut whole = Weight::default();
        self.each(find(rows, finder), |writer, number, row| {
            whole += Weight::of(&row);
            made.push((number, row));
            Ok(if writer.has_room(whole, Room::Usual) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let nearly_empty = self.job.shard_bytes / NEARLY_EMPTY;
        if !self.has_room(whole, Room::Usual) || open.min(whole.source) > nearly_empty {
            return Ok(false);
        }
        for (number, row) in made {
            self.put_row(number, row)?;
        }
        Ok(true)
    }

    /// Makes rows, a chunk of them at a time in parallel, until `take` has enough.
    fn each(
        &mut self,
        mut records: impl Iterator<Item = Result<(u64, Encoded), SpoolError>>,
        mut take: impl FnMut(&mut Self, u32, Row) -> Result<ControlFlow<()>, ShardError>,
    ) -> Result<(), ShardError> {
        loop {
            stop::check(self.job.stop)?;
            let mut chunk = Vec::with_capacity(CHUNK_ROWS);
            let mut bytes = 0;
            while chunk.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
                let Some((number, record)) = records.next().transpose()? else { break };
                bytes += record.bytes.len();
                let number = u32::try_from(number).map_err(|_| ShardError::TooManyRows(self.job.kind.name.clone()))?;
                chunk.push((number, record));
            }
            if chunk.is_empty() {
                return Ok(());
            }
            let (kind, spooled) = (self.job.kind, self.spooled);
            let row = |(number, record): &(u32, Encoded)| Ok((*number, emit::row(kind, *number, &spooled.decode(record)?)));
            let rows: Vec<Result<_, SpoolError>> = chunk.par_iter().map(row).collect();
            for row in rows {
                let (number, row) = row?;
                if take(self, number, row)?.is_break() {
                    return Ok(());
                }
            }
        }
    }

    /// Whether more fits into the open shard and volume. The first row fits, however large.
    fn has_room(&self, more: Weight, room: Room) -> bool {
        let shard = self
            .shard
            .as_ref()
            .is_none_or(|shard| shard.rows.is_empty() || shard.bytes + more.source <= room.of(self.job.shard_bytes));
        shard && self.volume.as_ref().is_none_or(|volume| volume.has_room(more, room))
    }

    /// Adds a row at the end, in a new shard or volume where the open one has enough.
    fn append(&mut self, number: u32, row: Row) -> Result<(), ShardError> {
        let weight = Weight::of(&row);
        if !self.has_room(weight, Room::Usual) {
            self.close_shard()?;
        }
        if self.volume.as_ref().is_some_and(|volume| !volume.has_room(weight, Room::Usual)) {
            self.close_volume()?;
        }
        if self.volume.is_none() {
            self.volume = Some(Volume::new(format!("{}_{}", self.job.kind.file, self.next_volume)));
            self.next_volume += 1;
        }
        if self.shard.is_none() {
            self.shard = Some(Shard { name: format!("shard_{}", self.next_shard), rows: Vec::new(), bytes: 0 });
            self.next_shard += 1;
        }
        self.put_row(number, row)
    }

    /// Adds a row to the open shard.
    fn put_row(&mut self, number: u32, row: Row) -> Result<(), ShardError> {
        let weight = Weight::of(&row);
        let Row { text, sidecars, .. } = row;
        let mut files = Vec::new();
        if let Some(volume) = &mut self.volume {
            volume.weight += weight;
            let new = sidecars.into_iter().filter(|sidecar| volume.sidecars.insert(sidecar.sha256.clone()));
            files.extend(new.map(|Sidecar { sha256, bytes }| (format!("volumes/{}/src/blobs/{sha256}", volume.name), bytes)));
        }
        for (file, bytes) in files {
            self.write(&file, &bytes)?;
        }
        if let Some(shard) = &mut self.shard {
            shard.bytes += text.len();
            shard.rows.push((number, text));
        }
        self.written.rows += 1;
        self.job.progress.add(&self.job.kind.name, 1);
        Ok(())
    }

    fn close_shard(&mut self) -> Result<(), ShardError> {
        let (Some(Shard { name, rows, .. }), Some(volume)) = (self.shard.take(), &mut self.volume) else { return Ok(()) };
        if rows.is_empty() {
            return Ok(());
        }
        let file = format!("volumes/{}/src/{name}.rs", volume.name);
        volume.shards.push(name);
        let text = emit::shard(self.job.kind, &self.models, rows.iter().map(|(number, text)| (*number, text.as_str())));
        let fingerprint = Fingerprint::of_shard(text.as_bytes(), rows.iter().map(|(_, text)| text.as_str()));
        self.put(file, text.as_bytes(), fingerprint)?;
        self.written.shards += 1;
        Ok(())
    }

    fn close_volume(&mut self) -> Result<(), ShardError> {
        self.close_shard()?;
        let Some(Volume { name, shards, .. }) = self.volume.take() else { return Ok(()) };
        if shards.is_empty() {
            return Ok(());
        }
        self.write(&format!("volumes/{name}/Cargo.toml"), templates::volume_manifest(self.job.backup, &name).as_bytes())?;
        let library = templates::volume_library(&self.models, &self.job.kind.structure, &shards);
        self.write(&format!("volumes/{name}/src/lib.rs"), library.as_bytes())?;
        self.written.volumes.push(name);
        Ok(())
    }

    fn finish(mut self) -> Result<Written, ShardError> {
        self.close_volume()?;
        let model = emit::kind(self.job.kind);
        self.write(&format!("models/src/{}.rs", self.job.kind.file), model.as_bytes())?;
        Ok(self.written)
    }

    fn write(&mut self, file: &str, bytes: &[u8]) -> Result<(), ShardError> {
        self.put(file.to_owned(), bytes, Fingerprint::of(bytes))
    }

    /// A file that is as it was is left where it is. The gate has compared shards and models with what the manifest says of them; other
    /// files may be missing, or changed.
    fn put(&mut self, file: String, bytes: &[u8], fingerprint: Fingerprint) -> Result<(), ShardError> {
        let known = self.job.previous.and_then(|previous| previous.manifest.files.get(&file));
        let is_there = match self.job.present.zip(self.job.previous) {
            None => false,
            Some((_, previous)) if is_read(&file) => known == Some(&fingerprint) && !previous.edited.contains(&file),
            Some((present, _)) => {
                let there = folder::read_regular(&present.join(&file))?;
                known == Some(&fingerprint) && there.as_deref() == Some(bytes)
            }
        };
        if !is_there {
            self.job.check_free(&file)?;
            folder::write(self.job.folder, &file, bytes)?;
            self.written.changed += 1;
        }
        self.written.bytes += bytes.len() as u64;
        self.written.files.insert(file, fingerprint);
        Ok(())
    }
}

impl Volume {
    fn new(name: String) -> Self {
        Self { name, weight: Weight::default(), shards: Vec::new(), sidecars: BTreeSet::new() }
    }

    fn has_room(&self, more: Weight, room: Room) -> bool {
        let mut whole = self.weight;
        whole += more;
        self.weight.rows == 0
            || (whole.rows <= room.of(VOLUME_ROWS)
                && whole.source <= room.of(VOLUME_SOURCE)
                && whole.expressions <= room.of(VOLUME_EXPRESSIONS)
                && whole.blobs <= room.of(VOLUME_BLOBS))
    }
}

fn find<'r>(
    rows: &'r [(u32, Location)],
    finder: &'r mut Finder,
) -> impl Iterator<Item = Result<(u64, Encoded), SpoolError>> + 'r {
    rows.iter().map(|(number, location)| Ok((u64::from(*number), finder.record(*location)?)))
}
