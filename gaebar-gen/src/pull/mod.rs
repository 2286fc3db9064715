//! Downloads a backup from a Gaebar elsewhere, whole or not at all.
//!
//! If it is to, the remote makes the backup first, a step a request ([`drive`]).
//!
//! The [`Remote`] is not trusted: what it lists is checked before anything is asked for ([`check`]), each file is checked as it comes
//! ([`download`]), and the whole is read by the reader before it is put in its place. Files that were checked stay in Gaebar's own
//! folder beside the backup, so that the next pull goes on from there.

mod download;
mod drive;
mod error;
mod remote;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

pub use error::PullError;
pub use remote::{Plain, Remote};

use crate::folder::{self, FolderError};
use crate::listing::{Listing, is_backup_file};
use crate::publish::Staging;
use crate::stage::Stages;
use crate::verify::{JustLooking, read};

/// Files of a backup: more than a thousand kinds and ten million rows come to.
const MOST_FILES: usize = 200_000;
/// The largest file of a backup: many times what the generator writes.
const MOST_BYTES: u64 = 16 << 20;

/// What is wanted of a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The backup's name there.
    pub backup: &'a str,
    /// The name that a store has there which is backed up into it first; the backup is pulled as it is without one.
    pub store: Option<&'a str>,
}

/// What was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Where the backup is.
    pub folder: PathBuf,
    /// How many files it has.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them had been downloaded before.
    pub kept: usize,
}

/// Downloads a backup of the remote's into a folder, which must not exist or be empty. `stages` hear of rows that are read
/// there.
pub fn pull(
    remote: &Remote,
    wanted: &Wanted,
    place: &Path,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<Pulled, PullError> {
    let staging = Staging::new(place)?;
    if let Some(store) = wanted.store {
        drive::back_up(remote, store, wanted.backup, stages.reading().as_ref(), stop)?;
    }
    let listing = remote.files(wanted.backup, stop)?;
    let bytes = check(&listing)?;
    let pulled = staging.private().spool().join("pulled");
    std::fs::create_dir_all(&pulled).map_err(FolderError::at("create the folder", &pulled))?;
    drop_others(&pulled, &listing)?;
    let missing: Vec<_> = listing.files.iter().filter(|file| !download::is_there(&pulled, file)).collect();
    let needed = missing.iter().map(|file| file.bytes).sum();
    // A file system that does not tell how much is free will say when it is full.
    if let Ok(free) = fs4::available_space(&pulled)
        && free < needed
    {
        return Err(PullError::Space { needed, free, folder: pulled });
    }
    let kept = listing.files.len() - missing.len();
    download::all(remote, wanted.backup, &pulled, &missing, stop)?;

    folder::remove(&staging.folder())?;
    std::fs::rename(&pulled, staging.folder()).map_err(FolderError::at("move", &pulled))?;
    read(&staging.folder(), &JustLooking)?;
    let folder = staging.publish()?;
    staging.private().clear_spool()?;
    Ok(Pulled { folder, files: listing.files.len(), bytes, kept })
}

/// Looks at what a remote says that it has; returns the bytes of all files.
fn check(listing: &Listing) -> Result<u64, PullError> {
    let refused = |path: &str, problem: &'static str| Err(PullError::Listed { path: path.to_owned(), problem });
    let mut paths = BTreeSet::new();
    if listing.files.len() > MOST_FILES {
        return Err(PullError::List(format!("it has {} files; a backup has at most {MOST_FILES}", listing.files.len())));
    }
    for file in &listing.files {
        if !is_backup_file(&file.path) {
            return refused(&file.path, "is no file of a backup");
        }
        // Some file systems take names that differ by case for one.
        if !paths.insert(file.path.to_ascii_lowercase()) {
            return refused(&file.path, "is listed twice");
        }
        if file.bytes > MOST_BYTES {
            return refused(&file.path, "is larger than any file of a backup");
        }
    }
    Ok(listing.files.iter().map(|file| file.bytes).sum())
}

/// Removes what an earlier pull left, and the backup does not have any more.
fn drop_others(pulled: &Path, listing: &Listing) -> Result<(), FolderError> {
    let listed: BTreeSet<&str> = listing.files.iter().map(|file| file.path.as_str()).collect();
    for file in folder::files(pulled)?.into_iter().filter(|file| !listed.contains(file.as_str())) {
        let path = pulled.join(file);
        std::fs::remove_file(&path).map_err(FolderError::at("remove", &path))?;
        // And folders that are empty now: the first that is not can't be removed.
        let _ = path.ancestors().skip(1).take_while(|above| *above != pulled).try_for_each(std::fs::remove_dir);
    }
    Ok(())
}
