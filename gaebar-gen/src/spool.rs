//! The spool: what was read from a store, on disk, until it is written as rows.
//!
//! A *run* is the entities of one scan, ascending by key. Scans cover ranges of keys that do not overlap, so a kind's
//! runs, put in the order of their first keys, give all its entities in order, whichever scan ended first. A file holds
//! one run: for each entity the length of its encoded bytes (4 bytes, little-endian), and the bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use gaebar_runtime::model::{Entity, Key, order_key};
use gaebar_runtime::proto::{self, ProtoError};
use thiserror::Error;

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
    /// The bytes are not what was written.
    #[error("the spool {path} is damaged: {source}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ProtoError,
    },
    /// A scan gave a key again, or keys out of order.
    #[error("the store gave {second} after {first}: its answers are out of order; try again")]
    Order {
        /// The key before.
        first: Key,
        /// The key that should have come earlier.
        second: Key,
    },
}

/// A folder of runs.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    next: AtomicUsize,
    kinds: Mutex<BTreeMap<String, Vec<Run>>>,
}

/// A run that is complete.
#[derive(Debug, Clone)]
struct Run {
    path: PathBuf,
    first: Key,
    last: Key,
    rows: u64,
}

impl Spool {
    /// A spool in an empty folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, next: AtomicUsize::new(0), kinds: Mutex::default() }
    }

    /// Begins a run of a kind.
    pub fn run(&self, kind: &str) -> RunWriter<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        RunWriter { spool: self, kind: kind.to_owned(), path: self.folder.join(format!("{number}.run")), file: None, ends: None, rows: 0 }
    }

    /// What was read, by kind. Fails if two scans overlap.
    pub fn into_kinds(self) -> Result<BTreeMap<String, SpooledKind>, SpoolError> {
        let kinds = self.kinds.into_inner().unwrap_or_else(PoisonError::into_inner);
        kinds
            .into_iter()
            .map(|(kind, mut runs)| {
                runs.sort_by_cached_key(|run| order_key(&run.first));
                for pair in runs.windows(2) {
                    ascending(&pair[0].last, &pair[1].first)?;
                }
                Ok((kind, SpooledKind { runs }))
            })
            .collect()
    }
}

fn ascending(first: &Key, second: &Key) -> Result<(), SpoolError> {
    if order_key(first) < order_key(second) {
        Ok(())
    } else {
        Err(SpoolError::Order { first: first.clone(), second: second.clone() })
    }
}

/// A run being written. It counts once it is finished; an empty one leaves no file.
#[derive(Debug)]
pub struct RunWriter<'a> {
    spool: &'a Spool,
    kind: String,
    path: PathBuf,
    file: Option<BufWriter<File>>,
    ends: Option<(Key, Key)>,
    rows: u64,
}

impl RunWriter<'_> {
    /// Adds the next entities, ascending by key.
    pub fn write(&mut self, entities: &[Entity]) -> Result<(), SpoolError> {
        for entity in entities {
            match &mut self.ends {
                Some((_, last)) => {
                    ascending(last, entity.key())?;
                    *last = entity.key().clone();
                }
                None => self.ends = Some((entity.key().clone(), entity.key().clone())),
            }
            self.rows += 1;
            self.append(&proto::encode(entity)).map_err(|source| SpoolError::Io { path: self.path.clone(), source })?;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BufWriter::with_capacity(1 << 18, File::create_new(&self.path)?)),
        };
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(bytes)
    }

    /// Ends the run.
    pub fn finish(mut self) -> Result<(), SpoolError> {
        if let Some(mut file) = self.file.take() {
            file.flush().map_err(|source| SpoolError::Io { path: self.path.clone(), source })?;
        }
        if let Some((first, last)) = self.ends {
            let run = Run { path: self.path, first, last, rows: self.rows };
            self.spool.kinds.lock().unwrap_or_else(PoisonError::into_inner).entry(self.kind).or_default().push(run);
        }
        Ok(())
    }
}

/// The entities of one kind.
#[derive(Debug)]
pub struct SpooledKind {
    runs: Vec<Run>,
}

impl SpooledKind {
    /// How many there are.
    pub fn rows(&self) -> u64 {
        self.runs.iter().map(|run| run.rows).sum()
    }

    /// The entities, ascending by namespace and key.
    pub fn entities(&self) -> impl Iterator<Item = Result<Entity, SpoolError>> + '_ {
        self.runs.iter().flat_map(|run| RunReader { path: &run.path, file: None, left: run.rows })
    }
}

struct RunReader<'a> {
    path: &'a Path,
    file: Option<BufReader<File>>,
    left: u64,
}

impl RunReader<'_> {
    fn record(&mut self) -> io::Result<Vec<u8>> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BufReader::with_capacity(1 << 18, File::open(self.path)?)),
        };
        let mut length = [0; 4];
        file.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl Iterator for RunReader<'_> {
    type Item = Result<Entity, SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let path = || self.path.to_owned();
        Some(match self.record() {
            Ok(bytes) => proto::decode(&bytes).map_err(|source| SpoolError::Damaged { path: path(), source }),
            Err(source) => {
                self.left = 0;
                Err(SpoolError::Io { path: path(), source })
            }
        })
    }
}
