//! The blobs of a volume, as its shards are read.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::kind::Volume;
use super::{Gate, read_blob};
use crate::folder::FolderError;
use crate::manifest::KindManifest;
use crate::reader::Blobs;

/// The blobs of a volume. Each is what its name says, whoever reads it, and however often.
pub(super) struct BlobFiles<'a> {
    gate: &'a Gate<'a>,
    folder: String,
    used: Mutex<BTreeSet<String>>,
}

impl Gate<'_> {
    /// The blobs of a volume, for who reads its shards.
    pub(super) fn blobs(&self, volume: &str) -> BlobFiles<'_> {
        BlobFiles { gate: self, folder: format!("volumes/{volume}/src/blobs"), used: Mutex::default() }
    }
}

impl BlobFiles<'_> {
    fn used(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that were read are in the manifest.
    pub(super) fn are_listed(&self, volume: &Volume) {
        for blob in self.used().difference(&volume.blobs) {
            self.gate.refuse(format!("{}/{blob}", self.folder), "is in no manifest");
        }
    }

    /// The others are as the manifest says.
    pub(super) fn others(&self, manifest: &KindManifest, volume: &Volume, is_edited: bool) -> Result<(), FolderError> {
        for blob in volume.blobs.difference(&self.used()) {
            let file = format!("{}/{blob}", self.folder);
            // An edit may have taken the last row that had it, and the blob too. What is left goes with the next backup.
            let is_gone = is_edited && self.gate.backup.join(&file).symlink_metadata().is_err();
            if !is_gone
                && let Some(bytes) = self.gate.read(&file)?
                && !manifest.files[&file].matches(&bytes)
            {
                self.gate.refuse(file, "is not as it was backed up");
            }
        }
        Ok(())
    }
}

impl Blobs for BlobFiles<'_> {
    fn blob(&self, sha256: &str) -> Result<Vec<u8>, String> {
        let bytes = read_blob(&self.gate.backup.join(&self.folder), sha256)?;
        let file = format!("{}/{sha256}", self.folder);
        self.gate.visitor.file(&file, &bytes).map_err(|error| error.to_string())?;
        self.used().insert(sha256.to_owned());
        Ok(bytes)
    }
}
