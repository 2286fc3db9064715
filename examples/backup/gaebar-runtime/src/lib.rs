//! What a Gaebar backup depends on.
//!
//! - [`model`]: what a Datastore holds, free of I/O.
//! - [`rows`]: the words of generated code, and [`kind!`], which declares a kind.
//! - [`proto`]: the model as `google.datastore.v1` messages.
//! - [`store`]: where entities are read from and written to (each store behind a feature).
//! - [`restore`]: puts a backup's rows into a store.
//! - [`visible`]: text from outside, made visible.
//! - `cli` (feature `cli`): the command line of a restore binary.
//! - `source` (feature `source`): this crate's own source, which the generator puts into every backup.

pub mod model;
pub mod proto;
pub mod restore;
pub mod rows;
pub mod store;
pub mod visible;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "source")]
pub mod source;
