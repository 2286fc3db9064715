//! After git has merged two people's backups: the files that list kinds and volumes are made anew.

use std::path::Path;

use thiserror::Error;

use crate::folder::FolderError;
use crate::manifest::{BackupManifest, KindManifest};
use crate::releases::Foundation;
use crate::stage::stage_changed;
use crate::templates::{self, Templates};
use crate::update::{Update, UpdateError};
use crate::verify::{self, VerifyError};

/// Why lists could not be made anew.
#[derive(Debug, Error)]
pub enum MergeError {
    /// A kind is not in order, so nobody knows what to list.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The backup can't be changed.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Makes the lists of a backup's kinds and volumes anew, from the kinds. Returns the files that changed.
pub fn merge(backup: &Path) -> Result<Vec<String>, MergeError> {
    BackupManifest::read(backup).map_err(VerifyError::from)?;
    let update = Update::new(backup)?;
    let (manifest, kinds) = verify::structs(backup)?;
    let volumes = verify::volumes(kinds.iter().map(|(manifest, _): &(KindManifest, _)| manifest));
    let mut files = Templates { name: &manifest.name, volumes: &volumes, foundation: Foundation::present() }.lists();
    let structures = kinds.iter().map(|(_, kind)| (kind.file.as_str(), kind.structure.as_str()));
    files.push((templates::MODELS_LIBRARY.to_owned(), templates::models_library(structures).into_bytes()));
    let changed = stage_changed(&update.folder(), backup, &files)?;
    update.commit(Vec::new())?;
    Ok(changed)
}
