//! What a backup says of itself, for who reads it kind by kind, in several goes.

use std::path::Path;

use super::{Contents, Dangling, Gate, JustLooking, Scope, VerifiedKind, VerifiedShard, VerifyError};
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
                let shards = files.map(|file| VerifiedShard::claimed(file, &manifest.files[file])).collect();
                kinds.push(VerifiedKind { manifest, kind, shards });
            }
        }
        gate.no_struct_twice(kinds.iter().map(|kind| &kind.kind));
        Ok(Self(gate.finish(kinds, Vec::new())?))
    }

    /// A hash over all that is claimed, to the bytes of each shard.
    pub fn digest(&self) -> String {
        self.0.digest()
    }

    /// The kinds, sorted, and how many rows each has.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.kinds.iter().map(|kind| (kind.manifest.kind.as_str(), kind.manifest.rows))
    }

    /// Whether that is what was read of some kinds.
    pub fn includes(&self, read: &Contents) -> bool {
        let is_claimed = |kind: &VerifiedKind| self.0.kinds.iter().any(|claimed| claimed.manifest.sha256 == kind.manifest.sha256);
        read.manifest == self.0.manifest && read.kinds.iter().all(is_claimed)
    }

    /// The contents of a backup that had this digest when all of its kinds were read, and no edit was found. `None`: it has another now.
    pub fn accepted(self, digest: &str) -> Option<Contents> {
        (self.digest() == digest).then_some(Contents { over_limit: Vec::new(), dangling: Dangling::default(), ..self.0 })
    }
}
