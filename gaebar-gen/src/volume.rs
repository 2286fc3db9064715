//! What fits into a volume. A volume is a crate, so its bounds are what rustc can do with one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::emit::Row;
use crate::fingerprint::Fingerprint;
use crate::previous::index;

/// A volume takes this many rows: after one changed, all of its volume is compiled again, while smaller ones cost the whole no less.
const VOLUME_ROWS: usize = 1_000;
/// Rows that are in a volume stay in it up to this many, as earlier versions have filled them; and half as many again.
const VOLUME_ROWS_THERE: usize = 5_000;
/// A volume takes this much source: rustc needs some 17 bytes of memory for a byte of text.
const VOLUME_SOURCE: usize = 16 << 20;
/// A volume takes this many expressions: rustc needs some 900 bytes of memory for each.
const VOLUME_EXPRESSIONS: usize = 600_000;
/// A volume takes this many bytes of blobs: rustc needs 4 bytes of memory for each.
const VOLUME_BLOBS: usize = 128 << 20;

/// The volume that is open.
#[derive(Debug)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub weight: Weight,
    /// The names of its shards.
    pub shards: Vec<String>,
    /// The hashes of its blobs.
    pub sidecars: BTreeSet<String>,
}

impl Volume {
    /// One that is empty.
    pub fn new(name: String) -> Self {
        Self { name, weight: Weight::default(), shards: Vec::new(), sidecars: BTreeSet::new() }
    }

    /// One that was begun, with what is in it.
    pub fn open(name: String, weight: Weight, files: &BTreeMap<String, Fingerprint>) -> Self {
        let folder = format!("volumes/{name}/src/");
        let mut volume = Self { weight, ..Self::new(name) };
        for file in files.keys().filter_map(|file| file.strip_prefix(&folder)) {
            match file.strip_prefix("blobs/") {
                Some(blob) => drop(volume.sidecars.insert(blob.to_owned())),
                None => volume.shards.extend(file.strip_suffix(".rs").map(str::to_owned)),
            }
        }
        volume.shards.sort_by_key(|shard| index(shard));
        volume
    }

    /// Whether more fits in. The first row fits, however large.
    pub fn has_room(&self, more: Weight, room: Room) -> bool {
        let mut whole = self.weight;
        whole += more;
        let rows = match room {
            Room::Usual => VOLUME_ROWS,
            Room::Grown => room.of(VOLUME_ROWS_THERE),
        };
        self.weight.rows == 0
            || (whole.rows <= rows
                && whole.source <= room.of(VOLUME_SOURCE)
                && whole.expressions <= room.of(VOLUME_EXPRESSIONS)
                && whole.blobs <= room.of(VOLUME_BLOBS))
    }
}

/// What rows add to a shard and a volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weight {
    rows: usize,
    /// Bytes of source.
    pub source: usize,
    expressions: usize,
    blobs: usize,
}

impl Weight {
    /// What a row adds.
    pub fn of(row: &Row) -> Self {
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
pub enum Room {
    /// For rows that come to the end.
    Usual,
    /// For rows that stay where they are, and may have grown.
    Grown,
}

impl Room {
    /// The bound with that room.
    pub fn of(self, bound: usize) -> usize {
        match self {
            Self::Usual => bound,
            Self::Grown => bound + bound / 2,
        }
    }
}
