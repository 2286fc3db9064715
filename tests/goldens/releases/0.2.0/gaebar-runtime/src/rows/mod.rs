//! The words of generated code. A shard says `use gaebar_runtime::rows::*`, and its rows are made of these.
//!
//! Everything here is a plain constant: what a row costs the compiler is the reason Gaebar's code looks as it does
//! (struct literals and promoted slices, no calls).

mod backup;
mod field;
mod kind;
mod literal;

pub use backup::{Backup, Row, Rows, Shard, Volume, encode};
pub use field::{Field, Flags, Item, RowError, entity};
pub use literal::Prop::{Is, Null};
pub use literal::{Blob, Embedded, Geo, Key, List, Prop, Time, Value};

/// Names that a shard gets from this module or defines itself, which no kind's struct may have.
///
/// Kept beside the `pub use` lines above; a test of the generator checks that a kind of each of these names compiles.
pub const RESERVED: &[&str] = &[
    "Backup", "Blob", "Embedded", "Field", "Flags", "Geo", "Is", "Item", "Key", "List", "Null", "Prop", "Row", "RowError",
    "Rows", "Self", "Shard", "Time", "Value", "Volume", "BACKUP", "RESERVED", "ROWS", "SHARDS",
];
