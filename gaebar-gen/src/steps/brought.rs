//! Finished backups on this disk, which other instances keep in a store: they come here when somebody asks for them or a step needs them.

use std::path::PathBuf;

use super::StepError;
use super::job::{Job, is_backup_name};
use super::jobs::{Jobs, lock};
use super::kept::KeptError;
use super::state::State;
use super::turn::Turn;
use crate::folder::{self, FolderError, SizeLimit};
use crate::listing::Listing;
use crate::manifest::{MANIFEST, seal_of};
use crate::update;

/// Which versions of a backup this disk may have, as long as nobody but Gaebar's jobs changes it there: the file that says so.
pub(super) struct Brought {
    folder: PathBuf,
    file: String,
    /// The word of the turn whose version it is; none if the store has not heard of it.
    token: String,
    /// What it is, or is about to be.
    seals: Vec<String>,
}

impl Brought {
    fn has_come(self, token: String, seal: String) -> Result<(), FolderError> {
        Self { token, seals: vec![seal], ..self }.write()
    }

    /// It may be another, which a step is about to put there.
    pub(super) fn or(&self, seal: &str) -> Result<(), FolderError> {
        let seals = self.seals.iter().cloned().chain([seal.to_owned()]).collect();
        Self { folder: self.folder.clone(), file: self.file.clone(), token: self.token.clone(), seals }.write()
    }

    fn write(&self) -> Result<(), FolderError> {
        let lines = format!("{}\n{}", self.token, self.seals.join("\n"));
        folder::write_again(&self.folder, &self.file, lines.as_bytes())
    }
}

impl Jobs {
    /// The names of finished backups that a store keeps, and that are not on this disk as they were finished last.
    pub fn kept_elsewhere(&self) -> Result<Vec<String>, StepError> {
        let Some(state) = self.state()? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for (name, kept) in state.kept()? {
            if is_backup_name(&name) && !self.has(&name, &kept)? {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Brings the finished backup of a name to this disk, if other instances keep it in a store, and what is here is none or an earlier
    /// version. One that did not come from there, or was changed since, is not replaced.
    pub fn bring(&self, name: &str) -> Result<(), StepError> {
        self.state()?.map_or(Ok(()), |state| self.bring_from(&state, name))
    }

    pub(super) fn bring_from(&self, state: &State, name: &str) -> Result<(), StepError> {
        let _bringing = lock(&self.bringing);
        let place = self.backups.join(name);
        // The name becomes a folder's.
        while let Some(kept) = state.kept()?.remove(name).filter(|_| is_backup_name(name)) {
            if self.has(name, &kept)? {
                break;
            }
            let come = self.may_replace(state, name, &kept).and_then(|may| match may {
                Replace::Nothing => Ok(()),
                Replace::WhatIsHere => state.bring(&kept, &place, &self.sums),
                Replace::Never => Err(KeptError::Local { backup: name.to_owned(), job: kept.job }),
            });
            match come {
                Ok(()) => return self.has_brought(name, kept.token),
                // It was removed meanwhile, or replaced by a later one.
                Err(_) if state.kept()?.get(name).is_none_or(|now| now.token != kept.token) => {}
                Err(error) => return Err(error.of(name)),
            }
        }
        Ok(())
    }

    /// Whether a backup is on this disk in a version that is kept.
    fn has(&self, name: &str, kept: &Turn) -> Result<bool, StepError> {
        Ok(self.backups.join(name).join(MANIFEST).is_file() && self.brought(name)?.token == kept.token)
    }

    /// Whether what is here may be replaced by what is kept.
    fn may_replace(&self, state: &State, name: &str, kept: &Turn) -> Result<Replace, KeptError> {
        let place = self.backups.join(name);
        if !place.join(MANIFEST).is_file() {
            return Ok(Replace::WhatIsHere);
        }
        let _reading = update::reading(&place)?;
        let (seal, kinds) = seal_of(&place)?;
        let listing = Listing::of(&place, &kinds.iter().collect::<Vec<_>>())?;
        let mut is_as_it_says = true;
        for file in &listing.files {
            is_as_it_says = is_as_it_says && self.sums.is(&place.join(&file.path), file.bytes, &file.sha256)?;
        }
        Ok(match self.brought(name) {
            _ if !is_as_it_says => Replace::Never,
            // Whoever brought it was killed before it could say so.
            _ if state.is(kept, &listing)? => Replace::Nothing,
            Ok(brought) if brought.seals.contains(&seal) => Replace::WhatIsHere,
            _ => Replace::Never,
        })
    }

    /// What is known of a backup on this disk.
    pub(super) fn brought(&self, name: &str) -> Result<Brought, StepError> {
        let (folder, file) = (self.folder()?.to_owned(), format!("{name}.kept"));
        let text = folder::read_regular(&folder.join(&file), SizeLimit::PROGRESS)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.split('\n').map(str::to_owned);
        Ok(Brought { folder, file, token: lines.next().unwrap_or_default(), seals: lines.collect() })
    }

    pub(super) fn has_brought(&self, name: &str, token: String) -> Result<(), StepError> {
        let (seal, _) = seal_of(&self.backups.join(name)).map_err(|error| KeptError::from(error).of(name))?;
        Ok(self.brought(name)?.has_come(token, seal)?)
    }

    /// Removes what a store keeps of a job that has ended: its backup, which no other instance can bring to its disk any more.
    pub(super) fn forget(&self, mut job: Job) -> Result<Job, StepError> {
        if job.kept == 0 {
            return Ok(job);
        }
        // Nobody begins meanwhile what needs it.
        let alone = self.alone()?;
        let Some(turn) = &alone.turn else { return Ok(job) };
        let needs_it =
            |other: &Job| !other.stage.has_ended() && other.work.folder().is_some_and(|(name, _)| name == job.backup());
        if let Some(other) = self.all()?.into_iter().find(needs_it) {
            return Err(StepError::Taken { id: other.id, what: "backup" });
        }
        turn.state.remove(job.id)?;
        job.kept = 0;
        job.say("removed: its backup is not kept for other instances any more");
        self.save(&job)?;
        Ok(job)
    }
}

/// What becomes of a backup that is here when the store keeps another version.
enum Replace {
    /// It is that very one.
    Nothing,
    /// It is an earlier one, or none.
    WhatIsHere,
    /// Somebody made or changed it here.
    Never,
}
