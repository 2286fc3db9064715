//! What a backup says of itself, for who reads it shard by shard, in several goes.

use std::path::Path;

use super::{Contents, Gate, JustLooking, Scope, VerifiedKind, VerifiedShard, VerifyError, Writer};
use crate::manifest::KindManifest;

/// What the manifests of a backup say that it holds. Nothing of that was read yet, but the structs.
#[derive(Debug)]
pub struct Claimed(Contents);

impl Claimed {
    /// That of the backup in a folder.
    pub fn of(backup: &Path) -> Result<Self, VerifyError> {
        let gate = Gate::new(backup, Scope::Rows, &JustLooking)?;
        let mut kinds = Vec::new();
        for manifest in KindManifest::read_all(backup)? {
            if let Some(kind) = gate.model(&manifest)?
                && let Some(volumes) = gate.volumes(&manifest, &kind)
            {
                let files = volumes.values().flat_map(|volume| volume.shards.values());
                let shards: Vec<_> = files.map(|file| VerifiedShard::claimed(file, &manifest.files[file])).collect();
                gate.rows_are(&manifest, shards.iter().map(|shard| shard.rows).sum());
                kinds.push(VerifiedKind { manifest, kind, shards });
            }
        }
        gate.nothing_twice(kinds.iter().map(|kind| &kind.kind));
        Ok(Self(gate.finish(kinds, Vec::new())?))
    }

    /// A hash over all that is claimed, to the bytes of each shard.
    pub fn digest(&self) -> String {
        self.0.digest()
    }

    /// The kinds, sorted, with their shards.
    pub(super) fn kinds(&self) -> &[VerifiedKind] {
        &self.0.kinds
    }

    /// The shards of all kinds, in order.
    pub(super) fn shards(&self) -> impl Iterator<Item = &VerifiedShard> {
        self.0.kinds.iter().flat_map(|kind| &kind.shards)
    }

    /// How many rows all kinds have.
    pub fn rows(&self) -> u64 {
        self.0.kinds.iter().map(|kind| kind.manifest.rows).sum()
    }

    /// Verifies what is in the backup beside its rows: that all of it, and nothing else, is there as its writer's version makes it. Returns
    /// the writer, who may be unknown.
    pub fn frame(&self, backup: &Path) -> Result<Writer, VerifyError> {
        let gate = Gate::new(backup, Scope::Everything, &JustLooking)?;
        for VerifiedKind { manifest, kind, .. } in self.kinds() {
            for (name, volume) in gate.volumes(manifest, kind).unwrap_or_default() {
                gate.crate_of(&name, &volume, kind)?;
            }
        }
        let (_, writer) = gate.derived(self.kinds())?;
        gate.finish(Vec::new(), Vec::new())?;
        Ok(writer)
    }

    /// The contents of a backup of which all that is claimed was read, and is so.
    pub fn accepted(self) -> Contents {
        self.0
    }
}
