//! A backup is verified some shards at a time, in as many calls and by as many processes as it takes.
//!
//! Of each shard that was accepted, a file keeps what no two rows of a kind may share: the rows' numbers, and hashes of their keys. A shard
//! that has such a file is behind. One whose file is lost is verified again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use gaebar_runtime::model::order_key;
use serde::{Deserialize, Serialize};

use super::kind::Numbers;
use super::{Claimed, Gate, Scope, VerifiedKind, VerifyError, Visitor};
use crate::bite::Bite;
use crate::folder::{self, FolderError, SizeLimit};
use crate::previous::key_hash;
use crate::reader::ReadRow;

/// Says what the files are of.
const OF: &str = "of";

/// What is known of the shards that were accepted: a folder, in which each has a file by its number in the backup.
#[derive(Debug)]
pub struct Bites {
    folder: PathBuf,
}

/// What is known of a shard.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    /// Of each row the number, and the hash of the key.
    rows: Vec<(u32, u128)>,
    /// Namespaces that it has rows of.
    namespaces: BTreeSet<String>,
}

/// How far verifying is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Far {
    /// The rows of each kind that were accepted; of some, none were yet.
    pub kinds: BTreeMap<String, u64>,
    /// All rows of the backup.
    pub total: u64,
    /// Whether no shard is left.
    pub is_all: bool,
}

impl Bites {
    /// Those in a folder of Gaebar's own. `of` is the same for the same files alone; what is known of others is dropped.
    pub fn open(folder: &Path, of: &str) -> Result<Self, FolderError> {
        if folder::read_regular(&folder.join(OF), SizeLimit::NOTE)?.as_deref() != Some(of.as_bytes()) {
            folder::remove(folder)?;
            folder::write(folder, OF, of.as_bytes())?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Verifies some more shards of a backup, one at least. `None`: all are behind. A row that somebody edited is an error.
    pub fn take(&self, backup: &Path, claimed: &Claimed, bite: &Bite) -> Result<Option<Far>, VerifyError> {
        let gather = Gather::default();
        let gate = Gate::new(backup, Scope::Rows, &gather)?;
        gate.nothing_is_missing(&claimed.kinds().iter().flat_map(|kind| kind.manifest.files.keys().cloned()).collect())?;
        let mut behind = self.behind()?;
        let (mut far, mut first) = (Far::default(), 0);
        for kind in claimed.kinds() {
            let shards = first..first + kind.shards.len();
            if !bite.is_over() && shards.clone().any(|shard| !behind.contains(&shard)) {
                self.take_of_kind(&gate, kind, first, &mut behind, bite)?;
            }
            let rows: usize = behind.range(shards.clone()).map(|shard| kind.shards[shard - first].rows).sum();
            far.kinds.insert(kind.manifest.kind.clone(), rows as u64);
            far.total += kind.manifest.rows;
            first = shards.end;
        }
        far.is_all = (0..first).all(|shard| behind.contains(&shard));
        gate.finish(Vec::new(), Vec::new())?;
        let mut read = gather.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        if read.is_empty() {
            return Ok(None);
        }
        for (shard, verified) in claimed.shards().enumerate() {
            if let Some(known) = read.remove(&verified.file) {
                self.keep(shard, &known)?;
            }
        }
        Ok(Some(far))
    }

    /// The namespaces that each shard of a backup has rows of, when all are behind.
    pub fn namespaces(&self, claimed: &Claimed) -> Result<Vec<BTreeSet<String>>, FolderError> {
        let lost = |shard| FolderError::at("read", &self.place(shard))(io::ErrorKind::InvalidData.into());
        let of = |(shard, _)| self.known(shard)?.map(|known| known.namespaces).ok_or_else(|| lost(shard));
        claimed.shards().enumerate().map(of).collect()
    }

    /// Verifies some more of a kind, whose shards have numbers from `first` on.
    fn take_of_kind(
        &self,
        gate: &Gate,
        kind: &VerifiedKind,
        first: usize,
        behind: &mut BTreeSet<usize>,
        bite: &Bite,
    ) -> Result<(), VerifyError> {
        let mut numbers = Numbers::of(&kind.manifest);
        let mut ahead = BTreeMap::new();
        for (shard, verified) in (first..).zip(&kind.shards) {
            let known = if behind.contains(&shard) { self.known(shard)? } else { None };
            let Some(known) = known.filter(|known| known.rows.len() == verified.rows) else {
                behind.remove(&shard);
                ahead.insert(verified.file.as_str(), (shard, verified.rows as u64));
                continue;
            };
            for (number, key) in known.rows {
                numbers.insert(number);
                gate.entities.add_key(key.to_be_bytes());
            }
        }
        for (name, volume) in gate.volumes(&kind.manifest, &kind.kind).unwrap_or_default() {
            let mut left: Vec<_> = volume.shards.values().filter(|file| ahead.contains_key(file.as_str())).collect();
            if left.is_empty() {
                continue;
            }
            let blobs = gate.blobs(&name);
            while !left.is_empty() && !bite.is_over() {
                let mut rows = 0;
                let fits = |file: &&&String| {
                    let is_room = rows < bite.rows();
                    rows += ahead[file.as_str()].1;
                    is_room
                };
                let fit = left.iter().take(rayon::current_num_threads()).take_while(fits).count();
                let files: Vec<_> = left.drain(..fit).collect();
                let these = files.iter().map(|file| ahead[file.as_str()]);
                behind.extend(these.clone().map(|(shard, _)| shard));
                bite.take(these.map(|(_, rows)| rows).sum());
                for shard in gate.shards(&kind.manifest, &kind.kind, &files, &blobs)?.into_iter().flatten() {
                    if let Some(edit) = shard.edits.into_iter().next() {
                        return Err(VerifyError::Edited(Box::new(edit)));
                    }
                    gate.numbers(&mut numbers, &shard.shard.file, &shard.numbers);
                }
            }
            blobs.are_listed(&volume);
            if !left.is_empty() {
                break;
            }
            // Those that shards before this bite have used are read once more.
            blobs.others(&kind.manifest, &volume, false)?;
        }
        Ok(())
    }

    /// The numbers of the shards that are behind.
    fn behind(&self) -> Result<BTreeSet<usize>, FolderError> {
        let names = folder::files(&self.folder)?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
    }

    fn known(&self, shard: usize) -> Result<Option<Known>, FolderError> {
        let bytes = folder::read_regular(&self.place(shard), SizeLimit::PROGRESS)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    fn keep(&self, shard: usize, known: &Known) -> Result<(), FolderError> {
        let new = format!("{shard}.new");
        // Serialising numbers and strings can't fail.
        folder::write_again(&self.folder, &new, &serde_json::to_vec(known).unwrap_or_default())?;
        let place = self.place(shard);
        fs::rename(self.folder.join(new), &place).map_err(FolderError::at("write", &place))
    }

    fn place(&self, shard: usize) -> PathBuf {
        self.folder.join(format!("{shard}.json"))
    }
}

/// What was read, by the shards' files.
#[derive(Default)]
struct Gather(Mutex<BTreeMap<String, Known>>);

impl Visitor for Gather {
    fn file(&self, _: &str, _: &[u8]) -> Result<(), FolderError> {
        Ok(())
    }

    fn rows(&self, shard: &str, rows: &[ReadRow]) {
        let keys = || rows.iter().map(|row| (row.number, row.entity.key()));
        let known = Known {
            rows: keys().map(|(number, key)| (number, u128::from_be_bytes(key_hash(&order_key(key))))).collect(),
            namespaces: keys().map(|(_, key)| key.namespace().to_owned()).collect(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(shard.to_owned(), known);
    }
}
