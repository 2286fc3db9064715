//! Downloads a backup from a Gaebar elsewhere, whole or not at all.
//!
//! If it is to, the remote makes the backup first, a step a request ([`drive`]).
//!
//! The [`Remote`] is not trusted: what it lists is checked before anything is asked for ([`check`]), each file is checked as it comes
//! ([`download`]), and the whole is read by the reader before it is put in its place. Files that were checked stay in Gaebar's own
//! folder in or beside the backup, so that the next pull goes on from there.
//!
//! Where a backup stands already, what was downloaded is a store like any other ([`rows`]), from which that backup is updated: its rows
//! keep their numbers.

mod download;
mod drive;
mod error;
mod remote;
mod rows;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

pub use error::{Paused, PullError};
pub use remote::{Plain, Remote};

use crate::backup::{BackedUp, BackupError, Options, backup, forget};
use crate::folder::{self, FolderError};
use crate::listing::{Listing, is_backup_file};
use crate::manifest::MANIFEST;
use crate::private::{Private, PrivateError, no_links_in};
use crate::publish::Staging;
use crate::stage::Stages;
use crate::steps::Budget;
use crate::verify::{JustLooking, read};
use rows::Rows;

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
    /// What is done at the most before it is [`PullError::Paused`]: one step there, or so many files. Without one it goes on to the end.
    pub budget: Option<Budget>,
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
    /// What became of the backup that was there, if one was.
    pub updated: Option<BackedUp>,
}

/// Downloads a backup of the remote's into a folder, which has no files yet, or a backup that is updated as `options` say. `stages` hear
/// of rows that are read there, and then here.
pub fn pull(
    remote: &Remote,
    wanted: &Wanted,
    place: &Path,
    options: &Options,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<Pulled, PullError> {
    if place.join(MANIFEST).exists() {
        return into_backup(remote, wanted, place, options, stages, stop);
    }
    let staging = Staging::new(place)?;
    let pulled = staging.private().spool().join("pulled");
    let pulling = download(remote, wanted, &pulled, stages, stop)?;
    // Where it is downloaded to, it outlives a kill.
    read(&pulled, &JustLooking)?;
    folder::remove(&staging.folder())?;
    std::fs::rename(&pulled, staging.folder()).map_err(FolderError::at("move", &pulled))?;
    let folder = staging.publish()?;
    staging.private().clear_spool()?;
    Ok(Pulled { folder, ..pulling })
}

/// Updates a backup from the rows of the remote's.
fn into_backup(
    remote: &Remote,
    wanted: &Wanted,
    place: &Path,
    options: &Options,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<Pulled, PullError> {
    let folder = place.canonicalize().map_err(FolderError::at("find", place))?;
    let private = own(&folder)?;
    let pulled = private.folder().join("pulled");
    let pulling = download(remote, wanted, &pulled, stages, stop)?;
    let updated = backup(&Rows::new(&pulled)?, &folder, options, stages, stop).map_err(|error| match error {
        // Reading it again is less than going on would be.
        BackupError::Unfinished { source, .. } => {
            let _ = forget(&folder);
            *source
        }
        error => error,
    })?;
    folder::remove(private.folder())?;
    Ok(Pulled { folder, updated: Some(updated), ..pulling })
}

/// Where files wait that a backup is updated from: beside what the update itself holds.
fn own(backup: &Path) -> Result<Private, PrivateError> {
    let own = backup.join(".gaebar");
    no_links_in(&own)?;
    Private::hold(&own.join("pull"), backup)
}

/// Downloads what is missing of a backup in a folder for that.
fn download(
    remote: &Remote,
    wanted: &Wanted,
    pulled: &Path,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<Pulled, PullError> {
    if let Some(store) = wanted.store {
        drive::back_up(remote, store, wanted, stages.reading().as_ref(), stop)?;
    }
    let listing = remote.files(wanted.backup, stop)?;
    let bytes = check(&listing)?;
    std::fs::create_dir_all(pulled).map_err(FolderError::at("create the folder", pulled))?;
    drop_others(pulled, &listing)?;
    let missing: Vec<_> = listing.files.iter().filter(|file| !download::is_there(pulled, file)).collect();
    let needed = missing.iter().map(|file| file.bytes).sum();
    // A file system that does not tell how much is free will say when it is full.
    if let Ok(free) = fs4::available_space(pulled)
        && free < needed
    {
        return Err(PullError::Space { needed, free, folder: pulled.to_owned() });
    }
    let kept = listing.files.len() - missing.len();
    let left = download::all(remote, wanted, pulled, &missing, stop)?;
    if left > 0 {
        return Err(PullError::Paused(Paused::Downloading { files: listing.files.len() - left, of: listing.files.len() }));
    }
    Ok(Pulled { folder: pulled.to_owned(), files: listing.files.len(), bytes, kept, updated: None })
}

/// Removes what was downloaded for a backup that is not going to be.
pub fn forget_pulled(place: &Path) -> Result<(), PullError> {
    if !place.join(MANIFEST).exists() {
        return Ok(forget(place)?);
    }
    let private = own(place)?;
    Ok(folder::remove(private.folder())?)
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
