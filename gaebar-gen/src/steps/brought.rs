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
            if here.is_some_and(|token| token == kept.token.as_bytes()) && place.join(MANIFEST).is_file() {
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

/// The file that says which of the versions that were kept is on this disk: the word of its turn.
fn brought(name: &str) -> String {
    format!("{name}.kept")
}
