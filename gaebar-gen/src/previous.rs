//! What a backup held before it is updated: the numbers and shards that its rows keep, and the structs of its kinds.

mod in_bites;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use gaebar_runtime::model::order_key;
use sha2::{Digest as _, Sha256};

use crate::fingerprint::Fingerprint;
use crate::folder::FolderError;
use crate::manifest::KindManifest;
use crate::memo::{KnownRow, Memo};
use crate::read::Selection;
use crate::reader::ReadRow;
use crate::schema::Kind;
use crate::spool::{Spool, SpoolError};
use crate::verify::{Contents, Edit, VerifyError, Visitor, read_kinds};

pub use in_bites::InBites;

/// 128 bits of a key's hash: all that is kept of each key.
pub type KeyHash = [u8; 16];

/// The hash of a key, which is given as [`order_key`] gives it.
pub fn key_hash(key: &[u8]) -> KeyHash {
    let digest = Sha256::digest(key);
    let mut hash = KeyHash::default();
    hash.copy_from_slice(&digest[..16]);
    hash
}

/// A kind as it was.
#[derive(Debug, Clone)]
pub struct PreviousKind {
    /// Its manifest.
    pub manifest: KindManifest,
    /// Its struct.
    pub kind: Kind,
    /// Its shards, in order.
    pub shards: Vec<PreviousShard>,
}

/// A shard as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousShard {
    /// The name of its volume.
    pub volume: String,
    /// Its own name, without `.rs`.
    pub name: String,
    /// What is known of its rows, in order: at least their numbers and keys.
    pub rows: Vec<KnownRow>,
}

impl PreviousShard {
    /// The one in a file of a backup, with no rows yet.
    fn of(file: &str) -> Self {
        let volume = file.split('/').nth(1).unwrap_or_default().to_owned();
        let name = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        Self { volume, name, rows: Vec::new() }
    }

    /// Its file.
    pub fn file(&self) -> String {
        format!("volumes/{}/src/{}.rs", self.volume, self.name)
    }

    fn order(&self) -> (u32, u32) {
        (index(&self.volume), index(&self.name))
    }
}

impl PreviousKind {
    /// Where each key's row stands: the shard and the place in it.
    pub fn places(&self) -> HashMap<KeyHash, (usize, usize)> {
        let rows = self
            .shards
            .iter()
            .enumerate()
            .flat_map(|(shard, previous)| previous.rows.iter().enumerate().map(move |(at, row)| (row.key, (shard, at))));
        rows.collect()
    }
}

/// Reads the kinds that are wanted of a backup that is about to be updated; of shards that are remembered, only the hash. Rows of chosen
/// kinds in namespaces that were not chosen stay as they are: they go into the spool, as if they had been read.
pub fn previous(
    backup: &Path,
    selection: &Selection,
    spool: &Spool,
    memo: Option<&Memo>,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<(Contents, BTreeMap<String, PreviousKind>), PreviousError> {
    let gather = Gather { selection, spool, memo, rows: Mutex::default(), failed: Mutex::default() };
    let contents = read_kinds(backup, &gather, wanted)?;
    if let Some(error) = gather.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error.into());
    }
    let mut rows = gather.rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    let kinds = contents.kinds.iter().map(|kind| {
        let mut shards: Vec<_> = kind.shards.iter().map(|verified| PreviousShard::of(&verified.file)).collect();
        shards.sort_by_key(PreviousShard::order);
        for shard in &mut shards {
            shard.rows = rows.remove(&shard.file()).unwrap_or_default();
        }
        (kind.kind.name.clone(), PreviousKind { manifest: kind.manifest.clone(), kind: kind.kind.clone(), shards })
    });
    let kinds = kinds.collect();
    Ok((contents, kinds))
}

/// The number at the end of `profile_0` or `shard_12`.
pub fn index(name: &str) -> u32 {
    // The gate has seen to it that there is one.
    name.rsplit('_').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Whether an edit is one that an update replaces by what the store holds. Of a kind that is written anew, others would pass as backed up.
pub fn is_replaced(edit: &Edit, selection: &Selection) -> bool {
    match edit {
        Edit::Row { key, .. } => selection.includes_namespace(key.namespace()),
        Edit::Gone { .. } => selection.namespaces.is_none(),
    }
}

/// Why an earlier state can't be read.
#[derive(Debug, thiserror::Error)]
pub enum PreviousError {
    /// The backup was refused.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

struct Gather<'a> {
    selection: &'a Selection,
    spool: &'a Spool,
    memo: Option<&'a Memo>,
    rows: Mutex<BTreeMap<String, Vec<KnownRow>>>,
    failed: Mutex<Option<SpoolError>>,
}

impl Gather<'_> {
    fn gathered(&self, shard: &str, rows: Vec<KnownRow>) {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).insert(shard.to_owned(), rows);
    }
}

impl Visitor for Gather<'_> {
    fn file(&self, _: &str, _: &[u8]) -> Result<(), FolderError> {
        Ok(())
    }

    fn rows(&self, shard: &str, rows: &[ReadRow]) {
        let kept = rows.iter().map(|row| &row.entity).filter(|entity| {
            self.selection.includes_kind(entity.kind()) && !self.selection.includes_namespace(entity.key().namespace())
        });
        let kept: Vec<_> = kept.collect();
        if let Err(error) = self.spool.add(&kept) {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
        let known = |row: &ReadRow| KnownRow {
            number: row.number,
            key: key_hash(&order_key(row.entity.key())),
            entity: None,
            expressions: 0,
            has_exceptions: true,
        };
        self.gathered(shard, rows.iter().map(known).collect());
    }

    fn recall(&self, shard: &str, kind: &Kind, accepted: &Fingerprint) -> Option<Vec<KnownRow>> {
        // Rows that stay because their namespace was not selected have to be read.
        let rows = self.memo.filter(|_| self.selection.namespaces.is_none())?.recall(accepted, kind)?;
        self.gathered(shard, rows.clone());
        Some(rows)
    }
}
