//! Whether a step that was broken off had put the backup in its place. Which one it is about to put there, it notes before: by its seal.

use std::path::PathBuf;

use super::StepError;
use super::brought::Brought;
use super::job::{Job, Stage, Work};
use super::jobs::{Jobs, not_removed};
use crate::backup;
use crate::folder::{self, FolderError, SizeLimit};
use crate::manifest::seal_of;
use crate::progress::Progress;
use crate::publish;
use crate::stage::Stages;
use crate::update;
use crate::verify::{Claimed, Writer};

/// The file in a job's own folder.
const NOTE: &str = "publishing";

/// The stages of a job's step, which notes what it is about to publish.
pub(super) struct Noting<'a> {
    pub(super) stages: &'a dyn Stages,
    pub(super) notes: &'a Notes,
}

/// Where it notes that.
pub(super) struct Notes {
    /// The job's own folder.
    pub(super) own: PathBuf,
    /// Where a store keeps the backup, too: the versions of it on this disk that are no work of others.
    pub(super) brought: Option<Brought>,
}

impl Stages for Noting<'_> {
    fn reading(&self) -> Box<dyn Progress + '_> {
        self.stages.reading()
    }

    fn shaping(&self, rows: u64) -> Box<dyn Progress + '_> {
        self.stages.shaping(rows)
    }

    fn downloading(&self, files: u64) -> Box<dyn Progress + '_> {
        self.stages.downloading(files)
    }

    fn writing(&self, rows: u64) -> Box<dyn Progress + '_> {
        self.stages.writing(rows)
    }

    fn publishing(&self, seal: &str) -> Result<(), FolderError> {
        let Notes { own, brought } = self.notes;
        folder::write_again(own, NOTE, seal.as_bytes())?;
        folder::sync_folder(own)?;
        brought.as_ref().map_or(Ok(()), |brought| brought.or(seal))
    }
}

impl Jobs {
    /// Where a job's step notes what it is about to publish.
    pub(super) fn notes(&self, job: &Job) -> Result<Notes, StepError> {
        let brought = if self.state()?.is_some() { Some(self.brought(job.backup())?) } else { None };
        Ok(Notes { own: self.own(job.id), brought })
    }

    /// Ends a job whose last step was broken off when the backup was in its place already. Whether it was.
    pub(super) fn was_published(&self, job: &mut Job) -> Result<bool, StepError> {
        let note = self.own(job.id).join(NOTE);
        let Some(noted) = folder::read_regular(&note, SizeLimit::NOTE)? else { return Ok(false) };
        let place = self.backups.join(job.backup());
        // An update that was certain is finished by that. What is damaged is not what was noted.
        let held = update::reading(&place).ok().zip(seal_of(&place).ok());
        let Some((reading, (_, kinds))) = held.filter(|(_, (seal, _))| seal.as_bytes() == noted) else {
            std::fs::remove_file(&note).map_err(FolderError::at("remove", &note))?;
            return Ok(false);
        };
        drop(reading);
        self.forget_read(job)?;
        // An update from what was pulled has a spool as well.
        backup::forget(&place).map_err(|error| not_removed(&error))?;
        publish::sweep(&place);
        if let Work::Pull { files, bytes, there, unknown_runtime, .. } = &mut job.work {
            (files.0, bytes.here) = (files.1, bytes.of);
            there.made();
            if let Ok(Writer::Unknown { version }) = Claimed::of(&place).and_then(|claimed| claimed.frame(&place)) {
                *unknown_runtime = Some(version);
            }
        }
        job.enter(Stage::Done, None);
        job.kinds = kinds.into_iter().map(|kind| (kind.kind, kind.rows)).collect();
        job.say("the step before was broken off when the backup was in its place already");
        Ok(true)
    }
}
