//! Finished backups on this disk, which other instances keep in a store: they come here when somebody asks for them or a step needs them.

use super::StepError;
use super::job::{Job, is_backup_name};
use super::jobs::{Jobs, lock};
use super::state::State;
use super::turn::Claim;
use crate::folder;
use crate::manifest::MANIFEST;

impl Jobs {
    /// Brings the finished backup of a name to this disk, if other instances keep it in a store, and what is here is none or another.
    pub fn bring(&self, name: &str) -> Result<(), StepError> {
        self.state()?.map_or(Ok(()), |state| self.bring_from(&state, name))
    }

    /// Brings all finished backups that other instances keep.
    pub fn bring_all(&self) -> Result<(), StepError> {
        let Some(state) = self.state()? else { return Ok(()) };
        state.kept()?.keys().try_for_each(|name| self.bring_from(&state, name))
    }

    pub(super) fn bring_from(&self, state: &State, name: &str) -> Result<(), StepError> {
        let _bringing = lock(&self.bringing);
        let place = self.backups.join(name);
        // The name becomes a folder's.
        while let Some(kept) = state.kept()?.remove(name).filter(|_| is_backup_name(name)) {
            let here = folder::read_regular(&self.folder.join(brought(name)))?;
            // One that was finished here, and that the store does not have as a whole yet, was made of what it has.
            let is_of_it = |note: Vec<u8>| note.split(|byte| *byte == b' ').next() == Some(kept.token.as_bytes());
            if here.is_some_and(is_of_it) && place.join(MANIFEST).is_file() {
                break;
            }
            match state.bring(&kept, &place, &self.sums) {
                Ok(()) => return self.has_brought(name, &kept.token),
                // It was removed meanwhile, or replaced by a later one.
                Err(_) if state.kept()?.get(name).is_none_or(|now| now.token != kept.token) => {}
                Err(error) => return Err(error.of(name)),
            }
        }
        Ok(())
    }

    pub(super) fn has_brought(&self, name: &str, token: &str) -> Result<(), StepError> {
        Ok(folder::write_again(&self.folder, &brought(name), token.as_bytes())?)
    }

    /// Notes that a backup was finished on this disk, which a store does not have as a whole yet.
    pub(super) fn has_finished(&self, state: &State, name: &str, digest: &str) -> Result<(), StepError> {
        let kept = state.kept()?.remove(name).map(|kept| kept.token).unwrap_or_default();
        self.has_brought(name, &format!("{kept} {digest}"))
    }

    /// Whether that was noted.
    pub(super) fn is_finished(&self, name: &str, digest: &str) -> Result<bool, StepError> {
        let note = folder::read_regular(&self.folder.join(brought(name)))?.unwrap_or_default();
        let has_it = note.split(|byte| *byte == b' ').nth(1) == Some(digest.as_bytes());
        Ok(has_it && self.backups.join(name).join(MANIFEST).is_file())
    }

    /// Removes what a store keeps of a job that has ended: its backup, which no other instance can bring to its disk any more.
    pub(super) fn forget(&self, mut job: Job) -> Result<Job, StepError> {
        let Some(state) = self.state()?.filter(|_| job.kept > 0) else { return Ok(job) };
        // Nobody begins meanwhile what needs it.
        let beginning = Claim::take(state, 0)?;
        let needs_it =
            |other: &Job| !other.stage.has_ended() && other.work.folder().is_some_and(|(name, _)| name == job.backup());
        if let Some(other) = self.all()?.into_iter().find(needs_it) {
            return Err(StepError::Taken { id: other.id, what: "backup" });
        }
        beginning.state.remove(job.id)?;
        job.kept = 0;
        job.say("removed: its backup is not kept for other instances any more");
        self.save(&job)?;
        Ok(job)
    }
}

/// The file that says which of the versions that were kept is on this disk: the word of its turn. Behind a blank, the hash of what was
/// finished since.
fn brought(name: &str) -> String {
    format!("{name}.kept")
}
