//! What a compiled backup is made of: shards of rows, in volumes, in a backup.

use super::RowError;
use crate::model::Entity;

/// A kind's struct; [`kind!`](crate::kind) implements it.
pub trait Row: Copy {
    /// The kind.
    const KIND: &'static str;

    /// The entity that the row recreates.
    fn entity(self) -> Result<Entity, RowError>;
}

/// A shard's table: the number of each row and its function.
pub type Rows<T> = &'static [(u32, fn() -> T)];

/// A shard: one source file of rows of one kind.
///
/// Rows come out as encoded `google.datastore.v1.Entity` messages, keys of the backup's own database without a
/// project, so that an application and its backups may use different versions of this crate.
#[derive(Debug, Clone, Copy)]
pub struct Shard {
    /// The file's name without `.rs`.
    pub name: &'static str,
    /// The kind of all its rows.
    pub kind: &'static str,
    /// How many rows there are.
    pub rows: usize,
    /// The number of the row at a place in the table.
    pub number: fn(usize) -> u32,
    /// The entity of the row at a place in the table, encoded; or what is wrong with it.
    pub row: fn(usize) -> Result<Vec<u8>, String>,
}

/// A volume: one crate of shards.
#[derive(Debug, Clone, Copy)]
pub struct Volume {
    /// The folder's name below `volumes/`.
    pub name: &'static str,
    /// Its shards.
    pub shards: &'static [Shard],
}

/// The namespaces that a backup covers: unknown, all ([`Backup::ALL`]), or a list.
type Namespaces = Option<Option<&'static [&'static str]>>;

/// Kinds with the namespaces that a backup covers of each; those of all other kinds; kinds that are excepted from that.
type Covered = (&'static [(&'static str, Namespaces)], (Namespaces, &'static [&'static str]));

/// A backup, compiled.
#[derive(Debug, Clone, Copy)]
pub struct Backup {
    /// Its name.
    pub name: &'static str,
    /// Its volumes.
    pub volumes: &'static [Volume],
    /// The kinds that it has, or had in an earlier state, and the namespaces that it covers of each.
    pub kinds: &'static [(&'static str, Namespaces)],
    /// The namespaces that it covers of all other kinds, and kinds for which that does not hold.
    pub other_kinds: (Namespaces, &'static [&'static str]),
}

impl Backup {
    /// All namespaces.
    pub const ALL: Namespaces = Some(None);
    /// Nobody recorded which namespaces.
    pub const UNKNOWN: Namespaces = None;

    /// These namespaces.
    pub const fn only(namespaces: &'static [&'static str]) -> Namespaces {
        Some(Some(namespaces))
    }

    /// What it covers, in types of the standard library: an application may have another version of this crate.
    pub fn covered(&self) -> Covered {
        (self.kinds, self.other_kinds)
    }

    /// How many rows it holds.
    pub fn rows(&self) -> usize {
        self.shards().map(|(_, shard)| shard.rows).sum()
    }

    /// Its shards, each with the volume it stands in.
    pub fn shards(&self) -> impl Iterator<Item = (&'static Volume, &'static Shard)> + use<> {
        self.volumes.iter().flat_map(|volume| volume.shards.iter().map(move |shard| (volume, shard)))
    }
}

/// The row at a place in a shard's table, encoded. [`shard!`](crate::shard) uses it.
pub fn encode<T: Row>(rows: Rows<T>, at: usize) -> Result<Vec<u8>, String> {
    let (_, row) = rows.get(at).ok_or_else(|| format!("there is no row at place {at}"))?;
    let entity = row().entity().map_err(|error| error.to_string())?;
    Ok(crate::proto::encode(&entity))
}

/// The [`Shard`] of a module that has a table `ROWS`.
#[macro_export]
macro_rules! shard {
    ($shard:ident, $kind:ty) => {
        $crate::rows::Shard {
            name: stringify!($shard),
            kind: <$kind as $crate::rows::Row>::KIND,
            rows: $shard::ROWS.len(),
            number: |at| $shard::ROWS[at].0,
            row: |at| $crate::rows::encode::<$kind>($shard::ROWS, at),
        }
    };
}
