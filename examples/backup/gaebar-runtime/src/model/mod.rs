//! What a Datastore holds, free of I/O: an [`Entity`] has a [`Key`] and named [`Value`]s.
//!
//! Everything inside Gaebar uses this model; a store translates at its own edge. Equality is bit for
//! bit (a NaN equals itself, `-0.0` differs from `0.0`), since restoring must change nothing.
//!
//! Source of the rules: the reference page of `google.datastore.v1`, and what the two emulators accept.

mod entity;
mod key;
mod key_text;
mod order;
mod timestamp;
mod value;

pub use entity::{Entity, EntityError};
pub use key::{Database, Id, Key, KeyError, PathElement};
pub use key_text::{KeyTextError, write_quoted};
pub use order::{OrderError, order_key, order_namespace, order_path, parse_order_key, parse_order_path};
pub use timestamp::{Timestamp, TimestampError};
pub use value::{Data, Double, Embedded, GeoPoint, Properties, Value, keys_mut};
