//! A backup that is compiled into a program: its rows, without its folder and without a compiler.
//!
//! An application that depends on a backup's crate deploys it along with itself:
//!
//! ```toml
//! production = { path = "backups/production", default-features = false }
//! ```
//!
//! ```ignore
//! let production: Linked = gaebar_gen::linked!(production::BACKUP);
//! ```
//!
//! The backup carries a runtime of its own, which may be of another version than the application's. So [`linked!`](crate::linked) looks
//! at nothing but the fields of `BACKUP`, and what crosses is made of the standard library's types: names, counts, functions, and
//! entities as encoded bytes. What runs was compiled with the application, so that is the place to run `gaebar verify`: before.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use gaebar_runtime::model::Entity;
use gaebar_runtime::proto;
use gaebar_runtime::restore::{RowPlace, RowRef, RowSource};
use sha2::{Digest as _, Sha256};

use crate::names::hex;

/// A backup that is compiled into this program.
#[derive(Debug, Clone)]
pub struct Linked {
    name: &'static str,
    shards: Arc<[LinkedShard]>,
    digest: Arc<OnceLock<String>>,
}

/// A shard of it. [`linked!`](crate::linked) makes them.
#[derive(Debug, Clone, Copy)]
pub struct LinkedShard {
    /// The folder's name below `volumes/`.
    pub volume: &'static str,
    /// The file's name without `.rs`.
    pub name: &'static str,
    /// The kind of all its rows.
    pub kind: &'static str,
    /// How many rows there are.
    pub rows: usize,
    /// The number of the row at a place below `rows`.
    pub number: fn(usize) -> u32,
    /// The entity of the row at a place, as an encoded `google.datastore.v1.Entity`; or what is wrong with it.
    pub row: fn(usize) -> Result<Vec<u8>, String>,
}

/// The [`Linked`](crate::linked::Linked) of a backup's `BACKUP`, whatever version of the runtime the backup has.
#[macro_export]
macro_rules! linked {
    ($backup:path) => {
        $crate::linked::Linked::new(
            $backup.name,
            $backup.volumes.iter().flat_map(|volume| {
                volume.shards.iter().map(move |shard| $crate::linked::LinkedShard {
                    volume: volume.name,
                    name: shard.name,
                    kind: shard.kind,
                    rows: shard.rows,
                    number: shard.number,
                    row: shard.row,
                })
            }),
        )
    };
}

impl Linked {
    /// A backup by its name and its shards, in order.
    pub fn new(name: &'static str, shards: impl IntoIterator<Item = LinkedShard>) -> Self {
        Self { name, shards: shards.into_iter().collect(), digest: Arc::default() }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its kinds, with the number of rows of each.
    pub fn kinds(&self) -> BTreeMap<&'static str, usize> {
        let mut kinds = BTreeMap::new();
        for shard in self.shards.iter() {
            *kinds.entry(shard.kind).or_default() += shard.rows;
        }
        kinds
    }

    /// The rows of a kind, in order.
    pub fn rows_of(&self, kind: &str) -> impl Iterator<Item = RowRef> {
        let shards = self.shards.iter().enumerate().filter(move |(_, shard)| shard.kind == kind);
        shards.flat_map(|(shard, LinkedShard { rows, .. })| (0..*rows).map(move |at| RowRef { shard, at }))
    }
}

impl RowSource for Linked {
    /// A hash over all rows. They are run for it, once.
    fn digest(&self) -> String {
        let digest = || {
            let mut hash = Sha256::new();
            for shard in self.shards.iter() {
                for at in 0..shard.rows {
                    let row = (shard.row)(at).unwrap_or_else(String::into_bytes);
                    hash.update((shard.number)(at).to_le_bytes());
                    hash.update((row.len() as u64).to_le_bytes());
                    hash.update(row);
                }
            }
            hex(&hash.finalize())
        };
        self.digest.get_or_init(digest).clone()
    }

    fn shards(&self) -> usize {
        self.shards.len()
    }

    fn rows(&self, shard: usize) -> usize {
        self.shards.get(shard).map_or(0, |shard| shard.rows)
    }

    fn place(&self, row: RowRef) -> RowPlace {
        let shard = self.shards.get(row.shard).filter(|shard| row.at < shard.rows);
        let (file, number) = shard.map_or_else(Default::default, |shard| {
            (format!("volumes/{}/src/{}.rs", shard.volume, shard.name), (shard.number)(row.at))
        });
        RowPlace { file, number, line: None }
    }

    fn entity(&self, row: RowRef) -> Result<Entity, String> {
        let shard = self.shards.get(row.shard).ok_or_else(|| format!("there is no shard {}", row.shard))?;
        proto::decode(&(shard.row)(row.at)?).map_err(|error| error.to_string())
    }
}
