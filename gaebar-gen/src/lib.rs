//! Backs up a Datastore to Rust source. The modules stand in the order in which data flows through them.

pub mod backup;
pub mod merge;
pub mod upgrade;

pub mod checkpoint;
mod named;
pub mod read;
pub mod reading;
pub mod spool;

pub mod cache;
pub mod changes;
pub mod locate;
pub mod memo;
pub mod previous;

pub mod names;
pub mod schema;

pub mod draft;
pub mod emit;
pub mod releases;
pub mod shape;
pub mod shards;
pub mod stage;
pub mod templates;

pub mod coverage;
pub mod fingerprint;
pub mod folder;
pub mod listing;
pub mod manifest;
pub mod private;
pub mod publish;
pub mod update;

pub mod compile;
pub mod reader;
mod vanished;
pub mod verify;
pub mod volume;

pub mod interpret;
pub mod linked;

pub mod compare;

pub mod bite;
pub mod config;
pub mod progress;
pub mod seed;
pub mod stop;

#[cfg(feature = "web")]
pub mod pull;
#[cfg(feature = "web")]
pub mod secret;
#[cfg(feature = "web")]
pub mod steps;
#[cfg(feature = "web")]
pub mod web;
