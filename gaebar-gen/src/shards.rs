//! From a kind's entities to its shards and volumes on disk.
//!
//! Rows are made in parallel, a chunk at a time, and appended in order; what is held is a chunk and the open shard.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gaebar_runtime::store::Encoded;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bite::Bite;
use crate::draft::{self, Behind, Closed, KindDraft};
use crate::emit::{self, Row, Sidecar};
use crate::fingerprint::{Fingerprint, RowDigest, digest};
use crate::folder::{self, FolderError, SizeLimit};
use crate::locate::{Located, Placed};
use crate::memo::{KnownRow, Memo, entity_hash};
use crate::previous::{PreviousError, PreviousKind, PreviousShard, index, key_hash};
use crate::progress::Progress;
use crate::schema::Kind;
use crate::spool::{Finder, Location, Position, SpoolError, SpooledKind};
use crate::stop::{self, Interrupted};
use crate::templates;
use crate::verify::Edit;
use crate::volume::{Room, Volume, Weight};

/// A shard closes before it would pass this many bytes of source.
pub const SHARD_BYTES: usize = 300_000;
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
    /// What the backup held is not to be understood.
    #[error(transparent)]
    Previous(#[from] PreviousError),
    /// A row that the update would keep was edited by hand.
    #[error(
        "rows that this update would keep were edited, which it would hide: {0}\nPut them back (`git checkout`), or back up all namespaces of the kind"
    )]
    Edited(Box<Edit>),
    /// Somebody asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// There is more to do than was to be done in one go.
    #[error("a part was written; there is more to do")]
    Paused,
    /// A file is at a place that the backup needs, and is none of the backup's.
    #[error("{path} is in the way: the backup needs its place, and it is no part of it; move it elsewhere", path = .0.display())]
    Taken(PathBuf),
    /// Row numbers are 32 bits.
    #[error("kind {0:?} has more than 4,294,967,295 entities; back it up in parts with --namespaces")]
    TooManyRows(String),
}

/// What was written of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// How many rows.
    pub rows: u64,
    /// The number that the next new row gets.
    pub next_row: u64,
    /// How many shards.
    pub shards: u32,
    /// Bytes of source and blobs.
    pub bytes: u64,
    /// The names of its volumes, in order. A draft tells them by their files.
    #[serde(skip)]
    pub volumes: Vec<String>,
    /// Its files and their fingerprints. A draft tells them as they come.
    #[serde(skip)]
    pub files: BTreeMap<String, Fingerprint>,
    /// How many files are new, changed, or gone.
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
    /// Where it is remembered what rows were made of.
    pub memo: Option<&'a Memo>,
    /// Hears of rows.
    pub progress: &'a dyn Progress,
    /// How much of it is written now.
    pub bite: Option<&'a Bite>,
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

    fn make(&self, spooled: &SpooledKind, source: &Source) -> Result<Made, ShardError> {
        let (number, record) = match source {
            Source::Text(known, text) => {
                let (expressions, has_exceptions) = (known.expressions as usize, known.has_exceptions);
                let row = Row { text: (*text).to_owned(), sidecars: Vec::new(), expressions, has_exceptions };
                return Ok(Made { known: *known, digest: digest(text), row });
            }
            Source::Entity(number, record) | Source::Spooled(number, _, record) => (*number, record),
        };
        let number = u32::try_from(number).map_err(|_| ShardError::TooManyRows(self.kind.name.clone()))?;
        let row = emit::row(self.kind, number, &spooled.decode(record)?);
        let is_all = row.sidecars.is_empty() && self.memo.is_some();
        let known = KnownRow {
            number,
            key: key_hash(&record.key),
            entity: is_all.then(|| entity_hash(&record.bytes)),
            expressions: u32::try_from(row.expressions).unwrap_or(u32::MAX),
            has_exceptions: row.has_exceptions,
        };
        Ok(Made { known, digest: digest(&row.text), row })
    }
}

/// Whether the gate reads a file wherever it looks at rows.
fn is_read(file: &str) -> bool {
    file.starts_with("models/") || file.contains("/src/shard_")
}

/// Writes the volumes of a kind, on from where its draft ends. Rows that were there, and where they stood was `located`, keep their numbers
/// and their shards; new ones go to the end of the last shard, in the order of their keys.
pub fn write<'a>(
    job: Job<'a>,
    spooled: &'a SpooledKind,
    located: Option<&Located>,
    draft: &'a mut KindDraft,
) -> Result<Written, ShardError> {
    let mut writer = Writer::go_on(job, spooled, draft);
    match job.previous.zip(located) {
        Some((previous, located)) => writer.write_again(previous, located)?,
        None => writer.append_spooled()?,
    }
    writer.finish()
}

struct Writer<'a> {
    job: Job<'a>,
    spooled: &'a SpooledKind,
    models: String,
    written: Written,
    /// Where it is written down what was written.
    draft: &'a mut KindDraft,
    shard: Option<Shard>,
    volume: Option<Volume>,
    /// Files that are not as the manifest says.
    edited: BTreeSet<String>,
    /// The numbers that the next new shard and volume get.
    next_shard: u32,
    next_volume: u32,
}

/// The shard that is open.
struct Shard {
    name: String,
    rows: Vec<Made>,
    bytes: usize,
    /// Whether it is remembered as it was.
    is_remembered: bool,
}

/// What a row is made from.
enum Source<'t> {
    /// An entity.
    Entity(u64, Encoded),
    /// An entity, and where it stands.
    Spooled(u64, Location, Encoded),
    /// The text that it has, and what is known of it.
    Text(KnownRow, &'t str),
}

/// A row that was made.
struct Made {
    known: KnownRow,
    digest: RowDigest,
    row: Row,
}

/// The rows of a shard as they stand in its file.
struct OldRows {
    text: String,
    rows: Vec<Range<usize>>,
}

impl OldRows {
    fn row(&self, at: usize) -> &str {
        &self.text[self.rows[at].clone()]
    }
}

impl<'a> Writer<'a> {
    fn new(job: Job<'a>, spooled: &'a SpooledKind, draft: &'a mut KindDraft) -> Self {
        let shards = job.previous.map_or(&[][..], |previous| &previous.shards);
        let after = |numbers: &mut dyn Iterator<Item = u32>| numbers.max().map_or(0, |number| number + 1);
        Self {
            job,
            spooled,
            models: templates::crate_name(job.backup, "models"),
            written: Written { next_row: job.previous.map_or(1, |previous| previous.manifest.next_row), ..Written::default() },
            draft,
            shard: None,
            volume: None,
            edited: BTreeSet::new(),
            next_shard: after(&mut shards.iter().map(|shard| index(&shard.name))),
            next_volume: after(&mut shards.iter().map(|shard| index(&shard.volume))),
        }
    }

    /// Goes on after the last shard that was closed.
    fn go_on(job: Job<'a>, spooled: &'a SpooledKind, draft: &'a mut KindDraft) -> Self {
        let mut writer = Self::new(job, spooled, draft);
        let files = writer.draft.files().clone();
        if let Some(Closed { written, next_shard, next_volume, open, .. }) = writer.draft.closed().cloned() {
            (writer.next_shard, writer.next_volume) = (next_shard, next_volume);
            writer.volume = open.map(|(name, weight)| Volume::open(name, weight, &files));
            writer.written = Written { volumes: draft::volumes(&files), files, ..written };
            job.progress.add(&job.kind.name, writer.written.rows);
        }
        writer
    }

    /// The rows of a kind that had none, in the order of their keys.
    fn append_spooled(&mut self) -> Result<(), ShardError> {
        let mut at = match self.draft.closed().map(|closed| &closed.at) {
            Some(Behind::Entities(at)) => at.clone(),
            _ => Position::default(),
        };
        let spooled = self.spooled.located_from(at.clone()).zip(self.written.next_row..);
        let numbered = spooled.map(|(found, number)| found.map(|(location, record)| Source::Spooled(number, location, record)));
        self.each(numbered, |writer, source, made| {
            writer.append(made, || Behind::Entities(at.clone()))?;
            writer.written.next_row += 1;
            if let Source::Spooled(_, location, record) = source {
                at.pass(location, &record);
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The rows of a kind that had some: those in the shards that there were, then those that found no room there, then new ones.
    fn write_again(&mut self, previous: &PreviousKind, located: &Located) -> Result<(), ShardError> {
        let (shards, mut appended) = match self.draft.closed().map(|closed| &closed.at) {
            Some(Behind::Shards(shards, appended)) => (*shards, *appended),
            _ => (0, 0),
        };
        let mut finder = self.spooled.finder();
        for (at, (shard, rows)) in previous.shards.iter().zip(&located.shards).enumerate().skip(shards) {
            let kept = self.rewrite(at, shard, rows, &mut finder)?;
            for row in &rows[kept..] {
                self.draft.leave(shard.rows[row.at].number, row.location);
            }
        }
        let left: Vec<_> = self.draft.left().iter().map(|(number, location)| (u64::from(*number), *location)).collect();
        let new = (previous.manifest.next_row..).zip(located.new.iter().copied());
        let last = left.into_iter().chain(new).skip(appended);
        let last = last.map(|(number, location)| Ok(Source::Entity(number, finder.record(location)?)));
        self.each(last, |writer, source, made| {
            writer.append(made, || Behind::Shards(previous.shards.len(), appended))?;
            appended += 1;
            if let Source::Entity(number, _) = source {
                writer.written.next_row = writer.written.next_row.max(number + 1);
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The rows of the shard that was there at a place among the others. Returns how many are within its bound; the others are left.
    fn rewrite(&mut self, at: usize, shard: &PreviousShard, rows: &[Placed], finder: &mut Finder) -> Result<usize, ShardError> {
        let old = self.old_rows(shard, rows)?;
        let mut source = |placed: &Placed| match &old {
            Some(old) if placed.is_unchanged => Ok(Source::Text(shard.rows[placed.at], old.row(placed.at))),
            _ => Ok(Source::Entity(u64::from(shard.rows[placed.at].number), finder.record(placed.location)?)),
        };
        if rows.is_empty() || (self.job.compact && self.merge(&mut rows.iter().map(&mut source))?) {
            return Ok(rows.len());
        }
        let shards = self.written.shards;
        self.close_shard()?;
        if self.volume.as_ref().is_some_and(|volume| volume.name != shard.volume) {
            self.close_volume()?;
        }
        if self.written.shards > shards {
            self.pause(Behind::Shards(at, 0))?;
        }
        self.volume.get_or_insert_with(|| Volume::new(shard.volume.clone()));
        let is_remembered = old.is_some() && rows.iter().all(|row| row.is_unchanged);
        self.shard = Some(Shard { name: shard.name.clone(), rows: Vec::new(), bytes: 0, is_remembered });
        let mut kept = 0;
        self.each(rows.iter().map(source), |writer, _, made| {
            if !writer.has_room(Weight::of(&made.row), Room::Grown) {
                return Ok(ControlFlow::Break(()));
            }
            kept += 1;
            writer.put_row(made)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(kept)
    }

    /// The rows of a shard as they stand in its file, if some of them are to stay so. A shard that was edited is written again.
    fn old_rows(&mut self, shard: &PreviousShard, rows: &[Placed]) -> Result<Option<OldRows>, ShardError> {
        let Some((present, previous)) = self.job.present.zip(self.job.previous) else { return Ok(None) };
        let file = shard.file();
        let known = previous.manifest.files.get(&file);
        let bytes = folder::read_regular(&present.join(&file), SizeLimit::of_part(&file))?
            .filter(|bytes| known.is_some_and(|known| known.matches(bytes)));
        let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) else {
            self.edited.insert(file);
            return Ok(None);
        };
        // With another struct, each row is another.
        if previous.kind != *self.job.kind || !rows.iter().any(|row| row.is_unchanged) {
            return Ok(None);
        }
        let rows: Vec<_> = emit::rows(&text).into_iter().map(|(start, row)| start..start + row.len()).collect();
        Ok((rows.len() == shard.rows.len()).then_some(OldRows { text, rows }))
    }

    /// Puts the rows of a shard to the end of the open one, if one of the two is nearly empty and both fit into one.
    fn merge(&mut self, rows: &mut dyn Iterator<Item = Result<Source, SpoolError>>) -> Result<bool, ShardError> {
        let Some(open) = self.shard.as_ref().map(|shard| shard.bytes) else { return Ok(false) };
        let mut all = Vec::new();
        let mut whole = Weight::default();
        self.each(rows, |writer, _, made| {
            whole += Weight::of(&made.row);
            all.push(made);
            Ok(if writer.has_room(whole, Room::Usual) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let nearly_empty = self.job.shard_bytes / NEARLY_EMPTY;
        if !self.has_room(whole, Room::Usual) || open.min(whole.source) > nearly_empty {
            return Ok(false);
        }
        for made in all {
            self.put_row(made)?;
        }
        Ok(true)
    }

    /// Makes rows, a chunk of them at a time in parallel, until `take` has enough.
    fn each<'t>(
        &mut self,
        mut sources: impl Iterator<Item = Result<Source<'t>, SpoolError>>,
        mut take: impl FnMut(&mut Self, Source<'t>, Made) -> Result<ControlFlow<()>, ShardError>,
    ) -> Result<(), ShardError> {
        loop {
            stop::check(self.job.stop)?;
            let mut chunk = Vec::with_capacity(CHUNK_ROWS);
            let mut bytes = 0;
            while chunk.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
                let Some(source) = sources.next().transpose()? else { break };
                bytes += match &source {
                    Source::Entity(_, record) | Source::Spooled(_, _, record) => record.bytes.len(),
                    Source::Text(_, text) => text.len(),
                };
                chunk.push(source);
            }
            if chunk.is_empty() {
                return Ok(());
            }
            let (job, spooled) = (self.job, self.spooled);
            let made: Vec<_> = chunk.par_iter().map(|source| job.make(spooled, source)).collect();
            for (source, made) in chunk.into_iter().zip(made) {
                if take(self, source, made?)?.is_break() {
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

    /// A shard was closed: whoever goes on later may do so from here. Stops where the bite is over.
    fn pause(&mut self, at: Behind) -> Result<(), ShardError> {
        let is_over = self.job.bite.is_some_and(Bite::is_over);
        // What was found of a kind that the backup has is on disk only where there are bites, and nobody can go on without.
        if self.job.previous.is_some() && !is_over {
            return Ok(());
        }
        let Written { rows, next_row, shards, bytes, changed, .. } = self.written;
        let written = Written { rows, next_row, shards, bytes, changed, ..Written::default() };
        let open = self.volume.as_ref().map(|volume| (volume.name.clone(), volume.weight));
        let (next_shard, next_volume) = (self.next_shard, self.next_volume);
        self.draft.close(Closed { at, written, next_shard, next_volume, open })?;
        if is_over { Err(ShardError::Paused) } else { Ok(()) }
    }

    /// Adds a row at the end, in a new shard or volume where the open one has enough. `behind` is what was written before.
    fn append(&mut self, made: Made, behind: impl FnOnce() -> Behind) -> Result<(), ShardError> {
        let (weight, shards) = (Weight::of(&made.row), self.written.shards);
        if !self.has_room(weight, Room::Usual) {
            self.close_shard()?;
        }
        if self.volume.as_ref().is_some_and(|volume| !volume.has_room(weight, Room::Usual)) {
            self.close_volume()?;
        }
        if self.written.shards > shards {
            self.pause(behind())?;
        }
        if self.volume.is_none() {
            self.volume = Some(Volume::new(format!("{}_{}", self.job.kind.file, self.next_volume)));
            self.next_volume += 1;
        }
        if self.shard.is_none() {
            self.shard =
                Some(Shard { name: format!("shard_{}", self.next_shard), rows: Vec::new(), bytes: 0, is_remembered: false });
            self.next_shard += 1;
        }
        self.put_row(made)
    }

    /// Adds a row to the open shard.
    fn put_row(&mut self, mut made: Made) -> Result<(), ShardError> {
        let weight = Weight::of(&made.row);
        let sidecars = std::mem::take(&mut made.row.sidecars);
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
            shard.bytes += made.row.text.len();
            shard.rows.push(made);
        }
        self.written.rows += 1;
        self.job.progress.add(&self.job.kind.name, 1);
        if let Some(bite) = self.job.bite {
            bite.take(1);
        }
        Ok(())
    }

    fn close_shard(&mut self) -> Result<(), ShardError> {
        let (Some(Shard { name, rows, is_remembered, .. }), Some(volume)) = (self.shard.take(), &mut self.volume) else {
            return Ok(());
        };
        if rows.is_empty() {
            return Ok(());
        }
        let file = format!("volumes/{}/src/{name}.rs", volume.name);
        volume.shards.push(name);
        let text = emit::shard(self.job.kind, &self.models, rows.iter().map(|made| (made.known.number, made.row.text.as_str())));
        let fingerprint = Fingerprint::of_shard(text.as_bytes(), rows.iter().map(|made| made.digest));
        let known = self.job.previous.and_then(|previous| previous.manifest.files.get(&file));
        if let Some(memo) = self.job.memo.filter(|_| !is_remembered || known != Some(&fingerprint)) {
            memo.keep(&fingerprint, self.job.kind, rows.iter().map(|made| made.known));
        }
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
        let manifest = templates::Packages::of_backup(self.job.backup).volume(&name);
        self.write(&format!("volumes/{name}/Cargo.toml"), manifest.as_bytes())?;
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

    /// A file that is as it was is left where it is. Shards and models were compared with what the manifest says of them; other files may be
    /// missing, or changed.
    fn put(&mut self, file: String, bytes: &[u8], fingerprint: Fingerprint) -> Result<(), ShardError> {
        let known = self.job.previous.and_then(|previous| previous.manifest.files.get(&file));
        let is_there = match self.job.present.zip(self.job.previous) {
            None => false,
            Some(_) if is_read(&file) => known == Some(&fingerprint) && !self.edited.contains(&file),
            Some((present, _)) => known == Some(&fingerprint) && folder::holds(&present.join(&file), bytes)?,
        };
        if !is_there {
            self.job.check_free(&file)?;
            folder::write_part(self.job.folder, &file, bytes)?;
            self.written.changed += 1;
            if let Some((memo, known)) = self.job.memo.zip(known).filter(|(_, known)| **known != fingerprint) {
                memo.forget(known);
            }
        }
        self.draft.file(&file, &fingerprint, !is_there);
        self.written.bytes += bytes.len() as u64;
        self.written.files.insert(file, fingerprint);
        Ok(())
    }
}
