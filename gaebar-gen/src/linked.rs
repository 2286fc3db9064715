//! A backup that is compiled into a program: its rows, without its folder and without a compiler.
//!
//! An application that depends on a backup's crate deploys it along with itself:
//!
//! ```toml
//! production = { path = "backups/production", default-features = false }
//! ```
//!
//! ```text
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
use gaebar_runtime::restore::{Coverage, RowPlace, RowRef, RowSource};
use sha2::{Digest as _, Sha256};

use crate::names::hex;

/// A backup that is compiled into this program.
#[derive(Debug, Clone)]
pub struct Linked {
    name: &'static str,
    shards: Arc<[LinkedShard]>,
    covered: Covered,
    digest: Arc<OnceLock<String>>,
}

type Names = &'static [&'static str];
type Namespaces = Option<Option<Names>>;

/// What a backup covers, as its `BACKUP` says: namespaces of kinds, and of other kinds with exceptions. Those that are unknown are `None`,
/// and all are `Some(None)`.
pub type Covered = (&'static [(&'static str, Namespaces)], (Namespaces, Names));

/// What the `BACKUP` of Gaebar 0.1.0 and 0.2.0 does not have. A method of its own, in later versions, goes before this one.
pub trait NoCoverage {
    /// What the backup covers: unknown.
    fn covered(&self) -> Covered {
        Covered::default()
    }
}

impl<T> NoCoverage for T {}

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
    ($backup:path) => {{
        #[allow(unused_imports)]
        use $crate::linked::NoCoverage as _;
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
        .covering($backup.covered())
    }};
}

impl Linked {
    /// A backup by its name and its shards, in order.
    pub fn new(name: &'static str, shards: impl IntoIterator<Item = LinkedShard>) -> Self {
        Self { name, shards: shards.into_iter().collect(), covered: Covered::default(), digest: Arc::default() }
    }

    /// The same, of which it is known what it covers.
    #[must_use]
    pub fn covering(self, covered: Covered) -> Self {
        Self { covered, ..self }
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
    /// A hash over all rows and what is covered. The rows are run for it, once.
    fn digest(&self) -> String {
        let digest = || {
            let mut hash = Sha256::new();
            hash.update(format!("{:?}", self.covered));
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

    fn coverage(&self) -> Coverage {
        self.covered.into()
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

#[cfg(test)]
mod tests {
    use gaebar_runtime::model::{Key, Properties};

    use super::*;

    fn row(at: usize) -> Result<Vec<u8>, String> {
        match i64::try_from(at + 1) {
            Ok(id @ 1..=3) => Ok(proto::encode(&Entity::new(Key::root("A", id), Properties::new()).unwrap())),
            _ => Err(format!("there is no row at place {at}")),
        }
    }

    fn linked(rows: usize, row: fn(usize) -> Result<Vec<u8>, String>) -> Linked {
        let number = |at| u32::try_from(at).unwrap() + 1;
        Linked::new("a", [LinkedShard { volume: "a_0", name: "shard_0", kind: "A", rows, number, row }])
    }

    #[test]
    fn other_rows_have_another_digest() {
        let digests = [linked(2, row), linked(3, row), linked(3, |at| row(2 - at)), linked(3, |_| Err(String::new()))];
        let digests: std::collections::BTreeSet<_> = digests.iter().map(Linked::digest).collect();
        assert_eq!(digests.len(), 4);
        assert_eq!(linked(2, row).digest(), linked(2, row).digest());
    }

    #[test]
    fn a_row_that_is_not_there_or_no_entity_is_an_error_and_has_a_place() {
        let linked = linked(2, |at| if at == 1 { Ok(vec![0xff]) } else { row(at) });
        let of = |shard, at| linked.entity(RowRef { shard, at });
        assert_eq!(of(0, 0).unwrap().key().to_string(), "A/1");
        assert!(of(0, 1).is_err() && of(0, 7).is_err() && of(1, 0).is_err());
        assert_eq!(linked.place(RowRef { shard: 0, at: 1 }).to_string(), "row_2 in volumes/a_0/src/shard_0.rs");
        assert_eq!(linked.place(RowRef { shard: 0, at: 9 }).number, 0);
    }
}
