//! Finished backups that a store keeps for instances which did not take the last step: their files are parts, as a spool's are, in the list of
//! the job's last turn. They stay until the job is removed, or a later one has finished the same backup.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Instant;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::job::Job;
use super::parts::Blob;
use super::state::State;
use super::turn::{Claim, Keeping, List, Turn};
use super::{StateError, StepError, Sums};
use crate::bite::Bite;
use crate::folder::{self, FolderError};
use crate::listing::{ListedFile, Listing, is_backup_file};
use crate::manifest::{KindManifest, MANIFEST, ManifestError};
use crate::names::hex;
use crate::private::PrivateError;
use crate::publish::{PublishError, Staging};
use crate::update::{self, PULL, Update, UpdateError};

/// Why a finished backup is not kept, or not brought here.
#[derive(Debug, Error)]
pub(super) enum KeptError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("job {job} has made another {backup:?}")]
    Local { backup: String, job: u64 },
}

impl KeptError {
    /// What is told of it.
    pub(super) fn of(self, backup: &str) -> StepError {
        match self {
            Self::State(error) => error.into(),
            Self::Local { backup, job } => StepError::Local { backup, job },
            Self::Publish(PublishError::Private(error @ PrivateError::Busy { .. }))
            | Self::Update(UpdateError::Private(error @ PrivateError::Busy { .. })) => error.into(),
            error => StepError::Kept { backup: backup.to_owned(), problem: error.to_string() },
        }
    }
}

impl Claim {
    /// Keeps the backup that is finished on this disk with the job, as many of its files as a step may copy, and ends the turn. The job is done
    /// once all are in the store. Whether they are.
    pub(super) fn keep_backup(mut self, job: &mut Job, place: &Path, bite: &Bite) -> Result<bool, KeptError> {
        let (_reading, begun) = (update::reading(place)?, Instant::now());
        let listed = listing(place)?.files;
        let (digest, of) = (digest(&listed), listed.len() as u64);
        let took_several = self.keeping.is_some();
        // What was copied before, by name: a file that somebody edited does not have the hash that is listed.
        let before =
            self.keeping.take().filter(|keeping| keeping.digest == digest).map(|keeping| keeping.files).unwrap_or_default();
        // What was staged is there, in the spool; what stays as it was, in the version before.
        let version = self.state.version(job.backup())?;
        let in_store = version.values().chain(self.spool.values());
        let in_store: BTreeMap<_, _> = in_store.map(|blob| ((blob.bytes, blob.sha256.clone()), blob.clone())).collect();
        let mut files = BTreeMap::new();
        for file in listed {
            let there = before.get(&file.path).or_else(|| in_store.get(&(file.bytes, file.sha256)));
            let blob = match there {
                Some(there) => there.clone(),
                None if bite.is_over() => continue,
                None => {
                    let path = place.join(&file.path);
                    let gone = || FolderError::at("read", &path)(io::ErrorKind::NotFound.into());
                    let mut from = folder::open_regular(&path)?.ok_or_else(gone)?;
                    bite.take(1);
                    self.parts.add(&self.state, &mut from, &path)?
                }
            };
            files.insert(file.path, blob);
        }
        let copied = files.len() as u64;
        job.copy(copied, of, begun.elapsed().as_secs_f64());
        if copied < of {
            let spool = std::mem::take(&mut self.spool);
            self.end(&List { job: job.clone(), files: spool, keeping: Some(Keeping { digest, files }) })?;
            return Ok(false);
        }
        job.kept = files.values().map(|blob| blob.bytes).sum();
        if took_several {
            // Another instance may have been finishing it, too, and have counted some.
            job.kinds = KindManifest::read_all(place)?.into_iter().map(|kind| (kind.kind, kind.rows)).collect();
        }
        self.end(&List { job: job.clone(), files, keeping: None })?;
        Ok(true)
    }
}

impl Keeping {
    /// Whether the backup is finished on this disk.
    pub(super) fn is_at(&self, place: &Path) -> bool {
        place.join(MANIFEST).is_file() && listing(place).is_ok_and(|listing| digest(&listing.files) == self.digest)
    }
}

/// The hash over the names and hashes of files.
fn digest(files: &[ListedFile]) -> String {
    let lines: BTreeSet<_> = files.iter().map(|file| format!("{} {}\n", file.path, file.sha256)).collect();
    hex(&lines.iter().fold(Sha256::new(), Sha256::chain_update).finalize())
}

impl State {
    /// The backups that are kept, each with the last turn of the job that has finished it last.
    pub(super) fn kept(&self) -> Result<BTreeMap<String, Turn>, StateError> {
        // They come in the order of jobs.
        Ok(self.readable_turns()?.into_iter().filter_map(|turn| Some((turn.kept.clone()?, turn))).collect())
    }

    /// Whether a backup that is kept has just these files.
    pub(super) fn is(&self, kept: &Turn, listing: &Listing) -> Result<bool, StateError> {
        let Some(list) = &kept.list else { return Ok(false) };
        let files = self.list(kept.job, list)?.files;
        let same = |file: &ListedFile| {
            files.get(&file.path).is_some_and(|blob| (blob.bytes, &blob.sha256) == (file.bytes, &file.sha256))
        };
        Ok(files.len() == listing.files.len() && listing.files.iter().all(same))
    }

    /// The files of the version of a backup that is kept; none if there is none, or if its list is damaged.
    fn version(&self, backup: &str) -> Result<BTreeMap<String, Blob>, StateError> {
        let Some(turn) = self.kept()?.remove(backup) else { return Ok(BTreeMap::new()) };
        match turn.list.map(|list| self.list(turn.job, &list)).transpose() {
            Err(StateError::Damaged { .. }) => Ok(BTreeMap::new()),
            list => Ok(list?.map(|list| list.files).unwrap_or_default()),
        }
    }

    /// Removes the earlier jobs whose backup a later one has finished again.
    pub(super) fn replaced(&self, backup: &str, by: u64) -> Result<(), StateError> {
        let of_it = |turn: &Turn| turn.job < by && turn.kept.as_deref() == Some(backup);
        self.readable_turns()?.iter().filter(|turn| of_it(turn)).try_for_each(|turn| self.remove(turn.job))
    }

    /// Puts a backup that is kept in its place on this disk, whole or not at all: a new one, or instead of the one that is there.
    pub(super) fn bring(&self, kept: &Turn, place: &Path, sums: &Sums) -> Result<(), KeptError> {
        let Some(list) = &kept.list else { return Ok(()) };
        let files = self.list(kept.job, list)?.files;
        if let Some(name) = files.keys().find(|name| !is_backup_file(name)) {
            return Err(self.damaged(&kept.key(self), &format!("{name:?} is no file of a backup")).into());
        }
        let write = |name: &String, blob: &Blob, folder: &Path| -> Result<(), KeptError> {
            let bytes = blob.all(self)?;
            Ok(folder::write(folder, name, &bytes)?)
        };
        if place.join(MANIFEST).exists() {
            let update = Update::new(place)?;
            let gone = listing(place)?.files.into_iter().map(|file| file.path).filter(|path| !files.contains_key(path)).collect();
            for (name, blob) in &files {
                if !sums.is(&place.join(name), blob.bytes, &blob.sha256)? {
                    write(name, blob, &update.folder())?;
                }
            }
            update.commit(gone)?;
            // What was begun here is of before.
            update.private().clear_spool()?;
            folder::remove(&update.private().folder().join(PULL))?;
        } else {
            let staging = Staging::new(place)?;
            // What was begun here is of before.
            staging.private().clear_spool()?;
            let come = files.iter().try_for_each(|(name, blob)| write(name, blob, &staging.folder()));
            let published = come.and_then(|()| Ok(staging.publish()?));
            staging.private().clear_spool()?;
            published?;
        }
        sums.forget(place);
        Ok(())
    }
}

fn listing(backup: &Path) -> Result<Listing, KeptError> {
    let kinds = KindManifest::read_all(backup)?;
    Ok(Listing::of(backup, &kinds.iter().collect::<Vec<_>>())?)
}
