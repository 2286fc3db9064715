//! From a kind's entities to its shards and volumes on disk.
//!
//! Rows are made in parallel, a chunk at a time, and appended in order; what is held is a chunk and the open shard.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gaebar_runtime::model::Entity;
use rayon::prelude::*;
use thiserror::Error;

use crate::emit::{self, Row, Sidecar};
use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError};
use crate::progress::Progress;
use crate::schema::Kind;
use crate::spool::SpoolError;
use crate::stop::{self, Interrupted};
use crate::templates;

/// A shard closes before it would pass this many bytes of source.
pub const SHARD_BYTES: usize = 300_000;
/// A volume takes this many rows: beyond, rustc gets slower by the row, and needs some 35 KB of memory for each.
const VOLUME_ROWS: u32 = 5_000;
/// A volume takes this much source: rustc needs some 17 bytes of memory for a byte of text.
const VOLUME_SOURCE: usize = 16 << 20;
/// A volume takes this many expressions: rustc needs some 900 bytes of memory for each.
const VOLUME_EXPRESSIONS: usize = 600_000;
/// A volume takes this many bytes of blobs: rustc needs 4 bytes of memory for each.
const VOLUME_BLOBS: usize = 128 << 20;
/// Rows that are made at once.
const CHUNK_ROWS: usize = 256;
/// Encoded bytes that are made into rows at once.
const CHUNK_BYTES: usize = 4 << 20;

/// Why a kind's shards could not be written.
#[derive(Debug, Error)]
pub enum ShardError {
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Somebody asked to stop.
    #[error("{0}; nothing was written")]
    Interrupted(#[from] Interrupted),
    /// Row numbers are 32 bits.
    #[error("kind {0:?} has more than 4,294,967,295 entities; back it up in parts with --namespaces")]
    TooManyRows(String),
}

/// What was written of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// How many rows.
    pub rows: u32,
    /// How many shards.
    pub shards: u32,
    /// Bytes of source and blobs.
    pub bytes: u64,
    /// The names of its volumes, in order.
    pub volumes: Vec<String>,
    /// Its files and their fingerprints.
    pub files: BTreeMap<String, Fingerprint>,
}

/// Writes the volumes of a kind below `folder`, a backup called `backup`.
pub fn write(
    folder: &Path,
    backup: &str,
    kind: &Kind,
    shard_bytes: usize,
    entities: impl Iterator<Item = Result<Entity, SpoolError>>,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Written, ShardError> {
    let mut writer = Writer {
        folder,
        backup,
        kind,
        shard_bytes,
        models: templates::crate_name(backup, "models"),
        written: Written::default(),
        shard: Shard::default(),
        volume: Volume::default(),
    };
    let mut entities = entities.peekable();
    while entities.peek().is_some() {
        stop::check(stop)?;
        let mut chunk = Vec::with_capacity(CHUNK_ROWS);
        let mut bytes = 0;
        while chunk.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
            let Some(entity) = entities.next().transpose()? else { break };
            bytes += gaebar_runtime::proto::encoded_len(&entity);
            chunk.push(entity);
        }
        let first = writer.written.rows;
        let made: Option<Vec<_>> = chunk
            .par_iter()
            .enumerate()
            .map(|(at, entity)| {
                let number = u32::try_from(at).ok()?.checked_add(first)?.checked_add(1)?;
                Some((number, emit::row(kind, number, entity)))
            })
            .collect();
        for (number, row) in made.ok_or_else(|| ShardError::TooManyRows(kind.name.clone()))? {
            writer.push(number, row)?;
        }
        progress.add(&kind.name, chunk.len() as u64);
    }
    writer.finish()
}

struct Writer<'a> {
    folder: &'a Path,
    backup: &'a str,
    kind: &'a Kind,
    shard_bytes: usize,
    models: String,
    written: Written,
    shard: Shard,
    volume: Volume,
}

/// The shard that is open.
#[derive(Default)]
struct Shard {
    rows: Vec<(u32, String)>,
    bytes: usize,
}

/// The volume that is open.
#[derive(Default)]
struct Volume {
    rows: u32,
    source: usize,
    expressions: usize,
    blobs: usize,
    shards: Vec<String>,
    sidecars: BTreeSet<String>,
}

impl Writer<'_> {
    fn push(&mut self, number: u32, row: Row) -> Result<(), ShardError> {
        let (source, expressions) = (row.text.len(), row.expressions);
        let blobs: usize = row.sidecars.iter().map(|sidecar| sidecar.bytes.len()).sum();
        if !self.shard.rows.is_empty() && self.shard.bytes + source > self.shard_bytes {
            self.close_shard()?;
        }
        let volume = &self.volume;
        if volume.rows > 0
            && (volume.rows >= VOLUME_ROWS
                || volume.expressions + row.expressions > VOLUME_EXPRESSIONS
                || volume.source + source > VOLUME_SOURCE
                || volume.blobs + blobs > VOLUME_BLOBS)
        {
            self.close_volume()?;
        }
        for sidecar in row.sidecars {
            self.write_sidecar(&sidecar)?;
        }
        self.shard.bytes += source;
        self.shard.rows.push((number, row.text));
        self.volume.rows += 1;
        self.volume.source += source;
        self.volume.expressions += expressions;
        self.volume.blobs += blobs;
        self.written.rows = number;
        Ok(())
    }

    fn write_sidecar(&mut self, Sidecar { sha256, bytes }: &Sidecar) -> Result<(), ShardError> {
        if self.volume.sidecars.insert(sha256.clone()) {
            let file = format!("{}/src/blobs/{sha256}", self.volume_folder());
            self.write(&file, bytes)?;
        }
        Ok(())
    }

    fn close_shard(&mut self) -> Result<(), ShardError> {
        let Shard { rows, .. } = std::mem::take(&mut self.shard);
        if rows.is_empty() {
            return Ok(());
        }
        let name = format!("shard_{}", self.written.shards);
        let text = emit::shard(self.kind, &self.models, rows.iter().map(|(number, text)| (*number, text.as_str())));
        let fingerprint = Fingerprint::of_shard(text.as_bytes(), rows.iter().map(|(_, text)| text.as_str()));
        self.put(format!("{}/src/{name}.rs", self.volume_folder()), text.as_bytes(), fingerprint)?;
        self.written.shards += 1;
        self.volume.shards.push(name);
        Ok(())
    }

    fn close_volume(&mut self) -> Result<(), ShardError> {
        self.close_shard()?;
        let name = self.volume_name();
        let folder = self.volume_folder();
        let Volume { shards, .. } = std::mem::take(&mut self.volume);
        self.write(&format!("{folder}/Cargo.toml"), templates::volume_manifest(self.backup, &name).as_bytes())?;
        let library = templates::volume_library(&self.models, &self.kind.structure, &shards);
        self.write(&format!("{folder}/src/lib.rs"), library.as_bytes())?;
        self.written.volumes.push(name);
        Ok(())
    }

    fn finish(mut self) -> Result<Written, ShardError> {
        self.close_volume()?;
        let model = emit::kind(self.kind);
        self.write(&format!("models/src/{}.rs", self.kind.file), model.as_bytes())?;
        Ok(self.written)
    }

    fn write(&mut self, file: &str, bytes: &[u8]) -> Result<(), FolderError> {
        self.put(file.to_owned(), bytes, Fingerprint::of(bytes))
    }

    fn put(&mut self, file: String, bytes: &[u8], fingerprint: Fingerprint) -> Result<(), FolderError> {
        folder::write(self.folder, &file, bytes)?;
        self.written.bytes += bytes.len() as u64;
        self.written.files.insert(file, fingerprint);
        Ok(())
    }

    fn volume_name(&self) -> String {
        format!("{}_{}", self.kind.file, self.written.volumes.len())
    }

    fn volume_folder(&self) -> String {
        format!("volumes/{}", self.volume_name())
    }
}
