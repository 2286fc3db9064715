//! What Gaebar remembers of shards that it wrote: which entity each row was made of. So an update reads and makes no row of an entity that
//! is as it was.
//!
//! A memo stands in the user's cache, and not in the backup: whoever can write into a backup could otherwise have Gaebar believe that a row is
//! what it is not. A file is named after the hash of its shard, and holds a hash of what else decides how a row looks, 40 bytes a row, and a
//! hash of all that. It may be lost at any time; then rows are read and made again.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::cache::private_folder;
use crate::emit;
use crate::fingerprint::Fingerprint;
use crate::folder::{self, SizeLimit};
use crate::previous::{KeyHash, key_hash};
use crate::schema::Kind;

/// 128 bits of the hash of an entity's bytes.
pub type EntityHash = [u8; 16];

/// The hash of an entity, which is given as [`proto::encode`](gaebar_runtime::proto::encode) gives it.
pub fn entity_hash(bytes: &[u8]) -> EntityHash {
    key_hash(bytes)
}

/// What is known of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownRow {
    /// Its number.
    pub number: u32,
    /// The key of its entity.
    pub key: KeyHash,
    /// The entity, if no more than that and the number decides what stands in the shard. A row that includes blobs has other files, too.
    pub entity: Option<EntityHash>,
    /// About how many expressions it is made of.
    pub expressions: u32,
    /// Whether something may stand in `other`.
    pub has_exceptions: bool,
}

/// Says in the number of expressions that there are exceptions.
const EXCEPTIONS: u32 = 1 << 31;
const ROW: usize = 40;

impl KnownRow {
    /// Its bytes.
    pub fn to_bytes(self) -> [u8; ROW] {
        let mut bytes = [0; ROW];
        bytes[..4].copy_from_slice(&self.number.to_le_bytes());
        bytes[4..20].copy_from_slice(&self.key);
        bytes[20..36].copy_from_slice(&self.entity.unwrap_or_default());
        let exceptions = if self.has_exceptions { EXCEPTIONS } else { 0 };
        bytes[36..].copy_from_slice(&(self.expressions.min(EXCEPTIONS - 1) | exceptions).to_le_bytes());
        bytes
    }

    /// The rows that have these bytes.
    pub fn all_from_bytes(bytes: &[u8]) -> Vec<Self> {
        bytes.as_chunks::<ROW>().0.iter().map(Self::from_bytes).collect()
    }

    fn from_bytes(bytes: &[u8; ROW]) -> Self {
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        let hash = |at: usize| std::array::from_fn(|byte| bytes[at + byte]);
        let (entity, expressions): (EntityHash, u32) = (hash(20), number(36));
        Self {
            number: number(0),
            key: hash(4),
            entity: Some(entity).filter(|entity| *entity != EntityHash::default()),
            expressions: expressions & !EXCEPTIONS,
            has_exceptions: expressions & EXCEPTIONS != 0,
        }
    }
}

/// A folder of memos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memo {
    folder: PathBuf,
}

impl Memo {
    /// In a folder of the user's own, such as [`cache::folder`](crate::cache::folder).
    pub fn new(cache: &Path) -> Self {
        Self { folder: cache.join("rows") }
    }

    /// The rows of the shard that has exactly these bytes, if they are known.
    pub fn recall(&self, shard: &Fingerprint, kind: &Kind) -> Option<Vec<KnownRow>> {
        let bytes = folder::read_regular(&self.path(shard), SizeLimit::PROGRESS).ok()??;
        let (content, checksum) = bytes.split_last_chunk::<32>()?;
        let (decides, rows) = content.split_first_chunk::<32>()?;
        let (rows, rest) = rows.as_chunks::<ROW>();
        let is_whole = rest.is_empty() && hash(content) == *checksum && *decides == what_decides(kind);
        is_whole.then(|| rows.iter().map(KnownRow::from_bytes).collect())
    }

    /// Remembers the rows of a shard. What can't be remembered is made again, so that a failure is none.
    pub fn keep(&self, shard: &Fingerprint, kind: &Kind, rows: impl IntoIterator<Item = KnownRow>) {
        let mut bytes = what_decides(kind).to_vec();
        bytes.extend(rows.into_iter().flat_map(KnownRow::to_bytes));
        bytes.extend(hash(&bytes));
        let _ = private_folder(&self.folder).map(|_| fs::write(self.path(shard), bytes));
    }

    /// Forgets a shard that is no more.
    pub fn forget(&self, shard: &Fingerprint) {
        let _ = fs::remove_file(self.path(shard));
    }

    fn path(&self, shard: &Fingerprint) -> PathBuf {
        self.folder.join(shard.sha256())
    }
}

/// What decides how the row of an entity looks, beside the entity and the number: the struct, and who writes it.
fn what_decides(kind: &Kind) -> [u8; 32] {
    hash(format!("{} {}", env!("CARGO_PKG_VERSION"), emit::kind(kind)).as_bytes())
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(structure: &str) -> Kind {
        Kind { name: "K".to_owned(), file: "k".to_owned(), structure: structure.to_owned(), fields: Vec::new() }
    }

    #[test]
    fn what_is_kept_is_recalled_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let memo = Memo::new(folder.path());
        let shard = Fingerprint::of(b"shard");
        let row = |number, entity, has_exceptions| KnownRow { number, key: [7; 16], entity, expressions: 12, has_exceptions };
        let rows = vec![row(1, Some([1; 16]), false), row(u32::MAX, None, true)];
        assert_eq!(memo.recall(&shard, &kind("K")), None);
        memo.keep(&shard, &kind("K"), rows.iter().copied());
        assert_eq!(memo.recall(&shard, &kind("K")), Some(rows));
        assert_eq!(memo.recall(&shard, &kind("Other")), None, "the struct decides how a row looks");
        assert_eq!(memo.recall(&Fingerprint::of(b"other"), &kind("K")), None);
        let path = memo.path(&shard);
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 1], &whole[1..], &[], &[&whole[..40], &[whole[40] ^ 1], &whole[41..]].concat()] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(memo.recall(&shard, &kind("K")), None);
        }
        fs::write(&path, whole).unwrap();
        memo.forget(&shard);
        assert_eq!(memo.recall(&shard, &kind("K")), None);
    }
}
