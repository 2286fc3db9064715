//! A backup that another version wrote gets this version's runtime, templates and format. Its entities stay what they are.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use thiserror::Error;

use crate::coverage::Covering;
use crate::folder::{self, FolderError};
use crate::manifest::BackupManifest;
use crate::previous::{PreviousError, previous};
use crate::read::Selection;
use crate::shape::Reshape;
use crate::shards::ShardError;
use crate::spool::Spool;
use crate::stage::{Before, Plan, Staged, Stages, stage};
use crate::update::{Update, UpdateError};
use crate::verify::{Edit, VerifyError};

/// Shards and volumes stay as they are, however large.
const ANY_SIZE: usize = usize::MAX / 4;

/// Why a backup was not upgraded.
#[derive(Debug, Error)]
pub enum UpgradeError {
    /// What it holds is not to be understood.
    #[error(transparent)]
    Previous(#[from] PreviousError),
    /// Somebody edited it, which an upgrade would hide.
    #[error("the backup was edited since it was backed up, which an upgrade would hide: {0}\nPut it back first (`git checkout`)")]
    Edited(Box<Edit>),
    /// It can't be changed.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// Its rows were not written.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Upgrades a backup. Returns the files that changed.
pub fn upgrade(backup: &Path, stages: &dyn Stages, stop: &AtomicBool) -> Result<Vec<String>, UpgradeError> {
    BackupManifest::read(backup).map_err(|error| PreviousError::from(VerifyError::from(error)))?;
    let update = Update::new(backup)?;
    let spool = Spool::new(update.rows()?);
    // With no namespace selected, all rows stay as they are.
    let nothing = Selection { namespaces: Some(Vec::new()), ..Selection::default() };
    let (contents, previous) = previous(backup, &nothing, &spool, None, &|_| true)?;
    let covering = Covering::unchanged(contents.coverage());
    if let Some(edit) = contents.edits.into_iter().next() {
        return Err(UpgradeError::Edited(Box::new(edit)));
    }
    let mut spooled = spool.into_kinds();
    for kind in previous.keys() {
        spooled.entry(kind.clone()).or_default();
    }
    let known: Vec<_> = previous.values().map(|kind| (kind.manifest.clone(), kind.kind.clone())).collect();
    let plan = Plan {
        staging: &update.folder(),
        present: Some(backup),
        name: &contents.manifest.name,
        known: &known,
        before: Before::Known(&previous),
        origin: None,
        covering: &covering,
        reshape: Reshape::Never,
        shard_bytes: ANY_SIZE,
        compact: false,
        memo: None,
        drafts: None,
        bite: None,
    };
    let Staged { removed, .. } = stage(&plan, &spooled, stages, stop)?;
    let mut changed = folder::files(&update.folder())?;
    changed.extend(removed.iter().cloned());
    changed.sort_unstable();
    update.commit(removed)?;
    Ok(changed)
}
