//! The spool: what was read from a store, on disk, until it is written as rows.
//!
//! A *run* is entities of one kind, ascending by key: those of one scan, or a part of them where a server has another
//! order (the Cloud Datastore emulator sorts names by their UTF-16 units). Runs that overlap are merged, the others
//! follow one another, so all entities come in order, whichever scan ended first. A file holds one run: for each entity the lengths of its
//! key and of its encoded bytes (4 bytes each, little-endian), the key as [`order_key`] gives it, and the bytes. So entities are put in
//! order, found and compared as bytes, and decoded only by who looks into them.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use gaebar_runtime::model::{Entity, order_key, parse_order_key};
use gaebar_runtime::proto;
use gaebar_runtime::store::Encoded;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::folder::SizeLimit;

/// Bytes that are written and read at a time.
const BUFFER: usize = 1 << 17;
/// Runs that are open at once where rows are found again.
const MOST_OPEN: usize = 64;

/// Why the spool can't be written or read.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// The disk failed, or is full.
    #[error("the spool {path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes are not those of the entity that should be there.
    #[error("what was read into {path} is damaged: {problem}; if it is so again, something else changed the store's file", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The store gave an entity more than once.
    #[error("the store gave {0} twice: its answers overlap; try again")]
    Twice(String),
}

/// A folder of runs.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    next: AtomicUsize,
    runs: Mutex<Vec<Run>>,
    /// Whether runs are made safe on disk, for whoever goes on.
    is_synced: bool,
}

/// A run, as far as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its file has this number.
    pub number: usize,
    /// The kind of its entities.
    pub kind: String,
    /// How many there are.
    pub rows: u64,
    /// The bytes of its first key, as [`order_key`] gives them.
    first: Vec<u8>,
    /// Those of its last.
    last: Vec<u8>,
}

impl Run {
    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.run", self.number))
    }
}

impl Spool {
    /// A spool in an empty folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, next: AtomicUsize::new(0), runs: Mutex::default(), is_synced: false }
    }

    /// A spool in a folder that has these runs, and may have leavings of others. If it is synced, its runs are safe on disk once they are
    /// told; else they outlive this process, and not the machine's.
    pub fn kept(folder: PathBuf, runs: Vec<Run>, is_synced: bool) -> Result<Self, SpoolError> {
        let failed = |source| SpoolError::Io { path: folder.clone(), source };
        let mut next = 0;
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<usize>().ok());
            next = number.map_or(next, |number| next.max(number.saturating_add(1)));
        }
        Ok(Self { folder, next: AtomicUsize::new(next), runs: Mutex::new(runs), is_synced })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins to take the entities of a scan.
    pub fn writer(&self, kind: &str) -> Writer<'_> {
        Writer { spool: self, kind: kind.to_owned(), open: None, closed: Vec::new() }
    }

    fn flush(&self, run: &Run, file: &mut BufWriter<File>) -> Result<(), SpoolError> {
        let flushed = file.flush().and_then(|()| if self.is_synced { file.get_ref().sync_data() } else { Ok(()) });
        flushed.map_err(self.failed(run))
    }

    fn failed(&self, run: &Run) -> impl FnOnce(io::Error) -> SpoolError + use<> {
        let path = run.path(&self.folder);
        move |source| SpoolError::Io { path, source }
    }

    /// Takes some entities of one kind, as a scan of their own.
    pub fn add(&self, entities: &[&Entity]) -> Result<(), SpoolError> {
        let Some(first) = entities.first() else { return Ok(()) };
        let mut writer = self.writer(first.kind());
        writer.write(entities.iter().map(|entity| Encoded::from(*entity)))?;
        writer.finish()?;
        Ok(())
    }

    /// The runs that are whole.
    pub fn into_runs(self) -> Vec<Run> {
        self.runs.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read, by kind.
    pub fn into_kinds(self) -> BTreeMap<String, SpooledKind> {
        let mut kinds: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for run in self.runs.into_inner().unwrap_or_else(PoisonError::into_inner) {
            kinds.entry(run.kind.clone()).or_default().push(run);
        }
        let filed = |runs: Vec<Run>| runs.into_iter().map(|run| Filed { path: run.path(&self.folder), run }).collect();
        let spooled = |runs| SpooledKind { folder: self.folder.clone(), groups: group(filed(runs)) };
        kinds.into_iter().map(|(kind, runs)| (kind, spooled(runs))).collect()
    }
}

/// A run that is whole, and its file.
#[derive(Debug, Clone)]
struct Filed {
    path: PathBuf,
    run: Run,
}

/// Puts runs in order, those that overlap together.
fn group(mut runs: Vec<Filed>) -> Vec<Vec<Filed>> {
    runs.sort_unstable_by(|a, b| a.run.first.cmp(&b.run.first));
    let mut groups: Vec<Vec<Filed>> = Vec::new();
    let mut end = Vec::new();
    for filed in runs {
        if let Some(group) = groups.last_mut().filter(|_| filed.run.first <= end) {
            end = end.max(filed.run.last.clone());
            group.push(filed);
        } else {
            end.clone_from(&filed.run.last);
            groups.push(vec![filed]);
        }
    }
    groups
}

/// Takes the entities of one scan. They count once it is finished.
#[derive(Debug)]
pub struct Writer<'a> {
    spool: &'a Spool,
    kind: String,
    open: Option<(Run, BufWriter<File>)>,
    /// Runs that were closed since the last checkpoint.
    closed: Vec<Run>,
}

impl Writer<'_> {
    /// Adds entities. Where they do not follow those before, a new run begins. Returns how many bytes they are.
    pub fn write(&mut self, entities: impl IntoIterator<Item = Encoded>) -> Result<usize, SpoolError> {
        let mut written = 0;
        for Encoded { key, bytes } in entities {
            if self.open.as_ref().is_some_and(|(run, _)| run.last >= key) {
                self.close()?;
            }
            let (run, file) = if let Some(open) = &mut self.open {
                open
            } else {
                let number = self.spool.next.fetch_add(1, Ordering::Relaxed);
                let run = Run { number, kind: self.kind.clone(), rows: 0, first: key.clone(), last: Vec::new() };
                let file = File::create_new(run.path(&self.spool.folder)).map_err(self.spool.failed(&run))?;
                self.open.insert((run, BufWriter::with_capacity(BUFFER, file)))
            };
            append(file, &key, &bytes).map_err(self.spool.failed(run))?;
            written += bytes.len();
            run.last = key;
            run.rows += 1;
        }
        Ok(written)
    }

    fn close(&mut self) -> Result<(), SpoolError> {
        if let Some((run, mut file)) = self.open.take() {
            self.spool.flush(&run, &mut file)?;
            self.closed.push(run.clone());
            self.spool.runs.lock().unwrap_or_else(PoisonError::into_inner).push(run);
        }
        Ok(())
    }

    /// The runs that were written since this was asked before, as far as they were.
    pub fn checkpoint(&mut self) -> Result<Vec<Run>, SpoolError> {
        let mut runs = std::mem::take(&mut self.closed);
        if let Some((run, file)) = &mut self.open {
            self.spool.flush(run, file)?;
            runs.push(run.clone());
        }
        Ok(runs)
    }

    /// Ends the scan. Returns the runs that were written since a [`checkpoint`](Self::checkpoint).
    pub fn finish(&mut self) -> Result<Vec<Run>, SpoolError> {
        self.close()?;
        Ok(std::mem::take(&mut self.closed))
    }
}

fn append(file: &mut impl io::Write, key: &[u8], bytes: &[u8]) -> io::Result<()> {
    for part in [key, bytes] {
        file.write_all(&u32::try_from(part.len()).map_err(io::Error::other)?.to_le_bytes())?;
    }
    file.write_all(key)?;
    file.write_all(bytes)
}

/// How many bytes of a file a record takes.
fn size(record: &Encoded) -> u64 {
    (8 + record.key.len() + record.bytes.len()) as u64
}

fn read(file: &mut impl io::Read) -> io::Result<Encoded> {
    let mut lengths = [[0; 4]; 2];
    file.read_exact(lengths.as_flattened_mut())?;
    let mut part = |length: [u8; 4]| {
        let length = u32::from_le_bytes(length);
        // A spool may lie in a backup that came from elsewhere.
        SizeLimit::BLOB.check(length.into())?;
        let mut bytes = vec![0; length as usize];
        file.read_exact(&mut bytes).map(|()| bytes)
    };
    Ok(Encoded { key: part(lengths[0])?, bytes: part(lengths[1])? })
}

/// The entities of one kind.
#[derive(Debug, Clone, Default)]
pub struct SpooledKind {
    folder: PathBuf,
    /// Each group is past the one before; the runs of a group overlap.
    groups: Vec<Vec<Filed>>,
}

impl SpooledKind {
    /// These and others, which lie in another folder.
    #[must_use]
    pub fn with(self, others: Self) -> Self {
        let runs = self.groups.into_iter().chain(others.groups).flatten().collect();
        Self { folder: self.folder, groups: group(runs) }
    }

    /// How many there are.
    pub fn rows(&self) -> u64 {
        self.groups.iter().flatten().map(|filed| filed.run.rows).sum()
    }

    /// The entities, ascending by namespace and key. An entity that comes twice is an error.
    pub fn records(&self) -> impl Iterator<Item = Result<Encoded, SpoolError>> + '_ {
        self.located().map(|found| found.map(|(_, record)| record))
    }

    /// The same, each with the place where it can be found again.
    pub fn located(&self) -> impl Iterator<Item = Result<(Location, Encoded), SpoolError>> + '_ {
        self.located_from(Position::default())
    }

    /// The same, those alone that come after a position.
    pub fn located_from(&self, position: Position) -> impl Iterator<Item = Result<(Location, Encoded), SpoolError>> + '_ {
        let Position { group: first, passed, last } = position;
        self.groups.iter().enumerate().skip(first).flat_map(move |(group, runs)| {
            let before = if group == first { (passed.clone(), last.clone()) } else { Default::default() };
            Merge::new(runs, before)
                .map(move |found| found.map(|(run, offset, record)| (Location { group, run, offset }, record)))
        })
    }

    /// The entity of a record.
    pub fn decode(&self, record: &Encoded) -> Result<Entity, SpoolError> {
        let damaged = |problem| SpoolError::Damaged { path: self.folder.clone(), problem };
        let entity = proto::decode(&record.bytes).map_err(|error| damaged(error.to_string()))?;
        // The spool of a backup that was killed has lain on disk.
        if order_key(entity.key()) == record.key {
            return Ok(entity);
        }
        Err(damaged(format!("{} stands in the place of another entity", entity.key())))
    }

    /// Finds entities again.
    pub fn finder(&self) -> Finder<'_> {
        Finder { kind: self, open: BTreeMap::new() }
    }
}

/// Where an entity stands in a spooled kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    group: usize,
    run: usize,
    offset: u64,
}

impl From<Location> for [u64; 3] {
    fn from(location: Location) -> Self {
        [location.group as u64, location.run as u64, location.offset]
    }
}

impl From<[u64; 3]> for Location {
    fn from([group, run, offset]: [u64; 3]) -> Self {
        // What is past the end of memory is in no spool.
        let number = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Self { group: number(group), run: number(run), offset }
    }
}

/// How far somebody has come who goes through a kind's entities in order; at first, nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    group: usize,
    /// Of the group's runs, how many rows are behind, and bytes.
    passed: BTreeMap<usize, (u64, u64)>,
    /// The key that came last.
    last: Vec<u8>,
}

impl Position {
    /// The next entity is behind.
    pub fn pass(&mut self, at: Location, record: &Encoded) {
        if at.group != self.group {
            *self = Self { group: at.group, ..Self::default() };
        }
        let (rows, bytes) = self.passed.entry(at.run).or_default();
        *rows += 1;
        *bytes = at.offset + size(record);
        self.last.clone_from(&record.key);
    }
}

/// Reads entities of a kind in any order.
#[derive(Debug)]
pub struct Finder<'a> {
    kind: &'a SpooledKind,
    open: BTreeMap<(usize, usize), File>,
}

impl Finder<'_> {
    /// The entity at a place.
    pub fn record(&mut self, location: Location) -> Result<Encoded, SpoolError> {
        let Location { group, run, offset } = location;
        // What was written down of it has lain on disk.
        let Some(Filed { path, .. }) = self.kind.groups.get(group).and_then(|runs| runs.get(run)) else {
            let problem = format!("it has no run {group}.{run}");
            return Err(SpoolError::Damaged { path: self.kind.folder.clone(), problem });
        };
        // Rows come run after run, so that what is closed is seldom needed again.
        if self.open.len() >= MOST_OPEN && !self.open.contains_key(&(group, run)) {
            self.open.clear();
        }
        let found = |open: &mut BTreeMap<_, File>| -> io::Result<Encoded> {
            let file = match open.entry((group, run)) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(File::open(path)?),
            };
            file.seek(SeekFrom::Start(offset))?;
            read(file)
        };
        found(&mut self.open).map_err(|source| SpoolError::Io { path: path.clone(), source })
    }
}

/// Runs that overlap, merged. A run is opened when its turn comes, and closed at its end: mostly one is open.
struct Merge<'a> {
    runs: &'a [Filed],
    readers: Vec<RunReader>,
    /// The runs whose turn has not come, the one with the smallest key last.
    waiting: Vec<usize>,
    /// The next entity of each reader that has one, the smallest key first.
    heads: BinaryHeap<Reverse<Head>>,
    failed: Option<SpoolError>,
    /// The key that came last; no key is empty.
    last: Vec<u8>,
}

struct Head {
    record: Encoded,
    reader: usize,
    offset: u64,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.record.key.cmp(&other.record.key).then(self.reader.cmp(&other.reader))
    }
}

impl<'a> Merge<'a> {
    /// `passed` says what is left out at the beginning of each run, and `last` is the key before.
    fn new(runs: &'a [Filed], (passed, last): (BTreeMap<usize, (u64, u64)>, Vec<u8>)) -> Self {
        let reader = |(number, Filed { path, run }): (usize, &Filed)| {
            let (rows, offset) = passed.get(&number).copied().unwrap_or_default();
            RunReader { path: path.clone(), file: None, left: run.rows.saturating_sub(rows), offset }
        };
        let readers = runs.iter().enumerate().map(reader).collect();
        let mut waiting: Vec<_> = (0..runs.len()).collect();
        waiting.sort_by(|a, b| runs[*b].run.first.cmp(&runs[*a].run.first));
        Self { runs, readers, waiting, heads: BinaryHeap::new(), failed: None, last }
    }

    /// Opens the runs that begin at or before the smallest key there is.
    fn open(&mut self) {
        while let Some(next) = self.waiting.last().copied() {
            if self.heads.peek().is_some_and(|Reverse(head)| head.record.key < self.runs[next].run.first) {
                return;
            }
            self.waiting.pop();
            self.refill(next);
        }
    }

    fn refill(&mut self, reader: usize) {
        let offset = self.readers[reader].offset;
        match self.readers[reader].next() {
            Some(Ok(record)) => self.heads.push(Reverse(Head { record, reader, offset })),
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
    }
}

impl Iterator for Merge<'_> {
    /// The run, the offset in it, and the entity.
    type Item = Result<(usize, u64, Encoded), SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.open();
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            self.waiting.clear();
            return Some(Err(error));
        }
        let Reverse(Head { record, reader, offset }) = self.heads.pop()?;
        if self.last == record.key {
            self.heads.clear();
            self.waiting.clear();
            return Some(Err(twice(&record)));
        }
        self.last.clone_from(&record.key);
        self.refill(reader);
        Some(Ok((reader, offset, record)))
    }
}

struct RunReader {
    path: PathBuf,
    file: Option<BufReader<File>>,
    left: u64,
    /// Where the next record begins.
    offset: u64,
}

impl RunReader {
    fn record(&mut self) -> io::Result<Encoded> {
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.offset))?;
            self.file.insert(BufReader::with_capacity(BUFFER, file))
        };
        let record = read(file)?;
        self.offset += size(&record);
        Ok(record)
    }
}

impl Iterator for RunReader {
    type Item = Result<Encoded, SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            self.file = None;
            return None;
        }
        self.left -= 1;
        let record = self.record();
        if record.is_err() {
            self.left = 0;
        }
        Some(record.map_err(|source| SpoolError::Io { path: self.path.clone(), source }))
    }
}

fn twice(record: &Encoded) -> SpoolError {
    match parse_order_key(&record.key) {
        Ok(key) => SpoolError::Twice(key.to_string()),
        Err(_) => SpoolError::Twice("an entity".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use gaebar_runtime::model::{Key, Properties};

    use super::*;

    fn entities(ids: &[i64]) -> Vec<Entity> {
        ids.iter().map(|id| Entity::new(Key::root("K", *id), Properties::new()).unwrap()).collect()
    }

    fn read_back(scans: &[&[i64]]) -> Result<Vec<String>, SpoolError> {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().to_owned());
        for scan in scans {
            let mut writer = spool.writer("K");
            writer.write(entities(scan).iter().map(Encoded::from)).unwrap();
            writer.finish().unwrap();
        }
        let kinds = spool.into_kinds();
        kinds["K"].records().map(|record| Ok(kinds["K"].decode(&record?)?.key().to_string())).collect()
    }

    #[test]
    fn entities_come_in_order_however_scans_interleave() {
        for scans in
            [&[&[1, 2][..], &[3, 4]], &[&[3, 4], &[1, 2]], &[&[1, 4], &[2, 3]], &[&[2, 1, 4, 3], &[]], &[&[4, 3], &[2, 1]]]
        {
            assert_eq!(read_back(scans).unwrap(), ["K/1", "K/2", "K/3", "K/4"], "{scans:?}");
        }
    }

    #[test]
    fn entities_come_in_order_wherever_one_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path().to_owned());
        for scan in [&[1, 4, 5, 9][..], &[2, 3, 8], &[11, 12], &[10]] {
            let mut writer = spool.writer("K");
            writer.write(entities(scan).iter().map(Encoded::from)).unwrap();
            writer.finish().unwrap();
        }
        let kind = &spool.into_kinds()["K"];
        let all: Vec<_> = kind.records().map(Result::unwrap).collect();
        let mut position = Position::default();
        for behind in 0..=all.len() {
            let text = serde_json::to_string(&position).unwrap();
            let left: Vec<_> = kind.located_from(serde_json::from_str(&text).unwrap()).map(|found| found.unwrap().1).collect();
            assert_eq!(left, all[behind..]);
            if let Some(Ok((at, record))) = kind.located_from(position.clone()).next() {
                position.pass(at, &record);
            }
        }
    }

    #[test]
    fn an_entity_that_comes_twice_is_an_error() {
        for scans in [&[&[1, 2][..], &[2, 3]], &[&[1, 1], &[]], &[&[1, 5], &[3, 5]]] {
            assert!(matches!(read_back(scans), Err(SpoolError::Twice(_))), "{scans:?}");
        }
    }
}
