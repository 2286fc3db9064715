//! One kind of a backup, a shard at a time: for who reads it in several goes, and keeps what is known of its rows.

use std::collections::BTreeMap;
use std::path::Path;

use super::kind::{Numbers, Volume};
use super::{Contents, Edit, Gate, JustLooking, Scope, VerifyError, Visitor};
use crate::manifest::KindManifest;
use crate::memo::KnownRow;
use crate::schema::Kind;

/// A kind whose shards are not read yet.
pub struct OneKind<'a> {
    backup: &'a Path,
    manifest: &'a KindManifest,
    kind: &'a Kind,
    volumes: BTreeMap<String, Volume>,
}

impl<'a> OneKind<'a> {
    /// A kind of a backup, by its manifest and its struct.
    pub fn new(backup: &'a Path, manifest: &'a KindManifest, kind: &'a Kind) -> Result<Self, VerifyError> {
        let gate = Gate::new(backup, Scope::Rows, &JustLooking)?;
        let volumes = gate.volumes(manifest, kind).unwrap_or_default();
        gate.finish(Vec::new(), Vec::new())?;
        Ok(Self { backup, manifest, kind, volumes })
    }

    /// The files of its shards, in no order.
    pub fn shards(&self) -> impl Iterator<Item = &str> {
        self.volumes.values().flat_map(|volume| volume.shards.values()).map(String::as_str)
    }

    /// Reads a shard. Returns the edits in it.
    pub fn read(&self, volume: &str, shard: &str, visitor: &dyn Visitor) -> Result<Vec<Edit>, VerifyError> {
        let gate = Gate::new(self.backup, Scope::Rows, visitor)?;
        let blobs = gate.blobs(volume);
        let read = gate.shards(self.manifest, self.kind, &[&shard.to_owned()], &blobs)?;
        if let Some(listed) = self.volumes.get(volume) {
            blobs.are_listed(listed);
        }
        let edits = read.into_iter().flatten().flat_map(|shard| shard.edits).collect();
        gate.finish(Vec::new(), edits).map(|Contents { edits, .. }| edits)
    }

    /// The blobs of a volume are as they were backed up; in one that was edited, some may be gone.
    pub fn check_blobs(&self, volume: &str, is_edited: bool) -> Result<(), VerifyError> {
        let gate = Gate::new(self.backup, Scope::Rows, &JustLooking)?;
        if let Some(listed) = self.volumes.get(volume) {
            gate.blobs(volume).others(self.manifest, listed, is_edited)?;
        }
        gate.finish(Vec::new(), Vec::new()).map(drop)
    }

    /// The rows of all of its shards go together.
    pub fn check_rows<'r>(
        &self,
        shards: impl Iterator<Item = (String, &'r [KnownRow])>,
        is_edited: bool,
    ) -> Result<(), VerifyError> {
        let gate = Gate::new(self.backup, Scope::Rows, &JustLooking)?;
        let (mut numbers, mut all) = (Numbers::of(self.manifest), 0);
        for (shard, rows) in shards {
            all += rows.len();
            gate.numbers(&mut numbers, &shard, &rows.iter().map(|row| row.number).collect::<Vec<_>>());
            for row in rows.iter().filter(|row| !gate.entities.add_key(row.key)) {
                gate.refuse(&shard, format!("the key of row_{} is there twice", row.number));
            }
        }
        if !is_edited {
            gate.rows_are(self.manifest, all);
        }
        gate.finish(Vec::new(), Vec::new()).map(drop)
    }
}
