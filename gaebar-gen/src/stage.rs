//! From spooled entities to a staged backup: what is new, and of a backup that is there what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use crate::bite::Bite;
use crate::changes::changes;
use crate::coverage::Covering;
use crate::draft::{Done, Drafts, SharedDraft};
use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError};
use crate::manifest::{BackupManifest, KindManifest, MANIFEST, Origin};
use crate::memo::Memo;
use crate::previous::{InBites, PreviousKind};
use crate::progress::{Progress, Silent};
use crate::releases::Foundation;
use crate::schema::Kind;
use crate::shape::{Reshape, shape};
use crate::shards::{self, Job, ShardError, Written};
use crate::spool::SpooledKind;
use crate::templates::{self, Templates};
use crate::verify;

/// What there is to know of the rows of kinds that are written again.
#[derive(Debug, Clone, Copy)]
pub enum Before<'a> {
    /// All, by kind.
    Known(&'a BTreeMap<String, PreviousKind>),
    /// It is found out in bites.
    InBites(InBites<'a>),
}

/// What is to be staged, and where.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The folder for files that are new or changed.
    pub staging: &'a Path,
    /// The backup that is there, if it is updated.
    pub present: Option<&'a Path>,
    /// The backup's name.
    pub name: &'a str,
    /// All of its kinds, with their structs.
    pub known: &'a [(KindManifest, Kind)],
    /// What rows they had, those of them that are written again.
    pub before: Before<'a>,
    /// Where the entities were read; each kind keeps its own if there is none.
    pub origin: Option<Origin>,
    /// What the backup covers in the end.
    pub covering: &'a Covering<'a>,
    /// When kinds get new structs.
    pub reshape: Reshape,
    /// A shard closes before it would pass so many bytes of source.
    pub shard_bytes: usize,
    /// Whether nearly empty shards are merged.
    pub compact: bool,
    /// What is remembered of shards.
    pub memo: Option<&'a Memo>,
    /// What was staged before, and where that is written down for whoever goes on; nobody does if there are none.
    pub drafts: Option<&'a Drafts>,
    /// How much is done now, kind by kind; all of it, and kinds in parallel, if nothing is said.
    pub bite: Option<&'a Bite>,
}

/// What was staged.
#[derive(Debug)]
pub struct Staged {
    /// What was written of each kind.
    pub kinds: BTreeMap<String, Written>,
    /// Kinds that had a struct, and have a new one.
    pub reshaped: BTreeSet<String>,
    /// Files that the backup had, and has no more.
    pub removed: Vec<String>,
    /// The backup's own manifest.
    pub manifest: BackupManifest,
}

/// What is being done, for progress: a stage begins anew at its first row.
pub trait Stages {
    /// The store is being read.
    fn reading(&self) -> Box<dyn Progress + '_>;

    /// So many rows are being looked at, for the structs of their kinds and, in bites, for what changed.
    fn shaping(&self, _rows: u64) -> Box<dyn Progress + '_> {
        Box::new(Silent)
    }

    /// So many files are being downloaded. Of each that came, its path is told as a kind's row is.
    fn downloading(&self, _files: u64) -> Box<dyn Progress + '_> {
        Box::new(Silent)
    }

    /// So many rows, which were downloaded, are being verified.
    fn verifying(&self, _rows: u64) -> Box<dyn Progress + '_> {
        Box::new(Silent)
    }

    /// So many rows are being written as code.
    fn writing(&self, rows: u64) -> Box<dyn Progress + '_>;

    /// The backup with this seal ([`crate::manifest`]) is about to be put in its place, and is not if this fails.
    fn publishing(&self, _seal: &str) -> Result<(), FolderError> {
        Ok(())
    }
}

impl Stages for Silent {
    fn reading(&self) -> Box<dyn Progress + '_> {
        Box::new(Self)
    }

    fn writing(&self, _: u64) -> Box<dyn Progress + '_> {
        Box::new(Self)
    }
}

/// Stages a backup, or what changes of one. Where that is more than a bite, it ends with [`ShardError::Paused`], and the next call goes on.
pub fn stage(
    plan: &Plan,
    spooled: &BTreeMap<String, SpooledKind>,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<Staged, ShardError> {
    let kinds = shape(plan, spooled, stages, stop)?;
    let done = loop {
        let progress = stages.writing(plan.rows(&kinds, spooled)?);
        let done = plan.each(&kinds, |kind| stage_kind(plan, kind, &spooled[&kind.name], progress.as_ref(), stop))?;
        drop(progress);
        // Whatever is not is staged again, once: then it is of this call.
        if plan.each(&kinds, |kind| plan.is_sound(kind))?.into_iter().all(|is_sound| is_sound) {
            break done;
        }
    };
    let is_written = |kind: &Kind| spooled.contains_key(&kind.name);
    let untouched: Vec<_> = plan.known.iter().filter(|(_, kind)| !is_written(kind)).collect();
    let all_kinds = || kinds.iter().chain(untouched.iter().map(|(_, kind)| kind));
    let coverage = plan.covering.now(all_kinds().map(|kind| kind.name.as_str()));
    let structures = all_kinds().map(|kind| (kind.file.as_str(), kind.structure.as_str()));
    let mut volumes = verify::volumes(untouched.iter().map(|(manifest, _)| manifest));
    let (mut written, mut reshaped, mut removed) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    for (kind, done) in kinds.iter().zip(done) {
        volumes.extend(done.written.volumes.iter().cloned());
        reshaped.extend(done.is_reshaped.then(|| kind.name.clone()));
        removed.extend(done.removed);
        written.insert(kind.name.clone(), done.written);
    }
    let manifest = BackupManifest::new(plan.name, &coverage);
    let templates =
        Templates { name: plan.name, volumes: &volumes, coverage: Some(&coverage), foundation: Foundation::present() };
    removed.extend(stage_templates(plan, &manifest, structures, templates)?);
    Ok(Staged { kinds: written, reshaped, removed, manifest })
}

impl<'a> Plan<'a> {
    /// Works on kinds: on all at once, or one after the other where a bite may be over in between.
    pub(crate) fn each<T: Sync, R: Send>(
        &self,
        kinds: &[T],
        work: impl Fn(&T) -> Result<R, ShardError> + Send + Sync,
    ) -> Result<Vec<R>, ShardError> {
        match self.bite {
            Some(_) => kinds.iter().map(work).collect(),
            None => kinds.par_iter().map(work).collect(),
        }
    }

    /// An error where the bite is over.
    pub(crate) fn pause(&self) -> Result<(), ShardError> {
        if self.bite.is_some_and(Bite::is_over) { Err(ShardError::Paused) } else { Ok(()) }
    }

    /// A kind that the backup has.
    fn known(&self, kind: &Kind) -> Option<&'a (KindManifest, Kind)> {
        self.known.iter().find(|(_, known)| known.name == kind.name)
    }

    /// How many rows are written.
    fn rows(&self, kinds: &[Kind], spooled: &BTreeMap<String, SpooledKind>) -> Result<u64, ShardError> {
        let mut rows = 0;
        for kind in kinds {
            let done = self.draft(kind)?.lock().done().map(|done| done.written.rows);
            rows += done.map_or_else(|| self.rows_of(kind, spooled), Ok)?;
        }
        Ok(rows)
    }

    /// How many rows a kind has. Those that stay are not known at once: till then, they are as many as there were before.
    fn rows_of(&self, kind: &Kind, spooled: &BTreeMap<String, SpooledKind>) -> Result<u64, ShardError> {
        let now = spooled[&kind.name].rows();
        match (self.before, self.known(kind)) {
            (Before::InBites(bites), Some((before, _))) if bites.selection.namespaces.is_some() => {
                let draft = self.draft(kind)?;
                let draft = draft.lock();
                Ok(if draft.knows_all() { now + draft.kept_rows() } else { now.max(before.rows) })
            }
            _ => Ok(now),
        }
    }

    /// How many rows of a kind that the backup has are looked at in bites: those that it had, those that it has, and these once more if it
    /// may get a new struct.
    pub(crate) fn looked_at(
        &self,
        (manifest, kind): &(KindManifest, Kind),
        spooled: &BTreeMap<String, SpooledKind>,
    ) -> Result<u64, ShardError> {
        let now = self.rows_of(kind, spooled)?;
        let is_reshaped = self.draft(kind)?.lock().looked().1.rows() > 0;
        Ok(manifest.rows + if is_reshaped { 2 * now } else { now })
    }

    pub(crate) fn draft(&self, kind: &Kind) -> Result<SharedDraft, FolderError> {
        self.drafts.map_or_else(|| Ok(SharedDraft::default()), |drafts| drafts.kind(&kind.file))
    }

    /// Whether what others have staged of a kind is what it was.
    fn is_sound(&self, kind: &Kind) -> Result<bool, ShardError> {
        self.drafts.map_or(Ok(true), |drafts| Ok(drafts.is_sound(&kind.file)?))
    }
}

/// Stages a kind, or what changes of it; or finds that this was done.
fn stage_kind(
    plan: &Plan,
    kind: &Kind,
    spooled: &SpooledKind,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Done, ShardError> {
    let draft = plan.draft(kind)?;
    let mut draft = draft.lock();
    if let Some(done) = draft.done() {
        progress.add(&kind.name, done.written.rows);
        return Ok(done.clone());
    }
    let changes = plan.known(kind).map(|known| changes(plan, known, spooled, &mut draft, &Silent, stop)).transpose()?;
    let previous = changes.as_ref().map(|changes| changes.previous.as_ref());
    let (kind, spooled) = changes.as_ref().map_or((kind, spooled), |changes| (&changes.kind, changes.spooled.as_ref()));
    let job = Job {
        folder: plan.staging,
        present: plan.present,
        backup: plan.name,
        kind,
        previous,
        shard_bytes: plan.shard_bytes,
        compact: plan.compact,
        memo: plan.memo,
        progress,
        bite: plan.bite,
        stop,
    };
    let mut written = shards::write(job, spooled, changes.as_ref().map(|changes| &changes.located), &mut draft)?;
    let before = previous.map(|previous| &previous.manifest);
    let files = before.into_iter().flat_map(|before| before.files.keys());
    let removed: Vec<_> = files.filter(|file| !written.files.contains_key(*file)).cloned().collect();
    written.changed += removed.len() as u64;
    let namespaces = plan.covering.kind(&kind.name);
    // A kind in which nothing changed keeps its manifest, read time and all.
    let unchanged = before.is_some_and(|before| before.files == written.files && before.namespaces == namespaces);
    let mut manifest = None;
    if let Some(origin) = plan.origin.clone().or_else(|| before.map(KindManifest::origin)).filter(|_| !unchanged) {
        let origin = Origin { namespaces, ..origin };
        let path = KindManifest::path(&kind.file);
        if before.is_none() {
            job.check_free(&path)?;
        }
        let text = KindManifest::new(&kind.name, &origin, written.rows, written.next_row, written.files.clone()).to_text();
        folder::write_part(plan.staging, &path, text.as_bytes())?;
        manifest = Some((path, Fingerprint::of(text.as_bytes())));
    }
    let done = Done { written, is_reshaped: previous.is_some_and(|previous| previous.kind != *kind), removed };
    draft.finish(manifest, done.clone())?;
    plan.pause()?;
    Ok(done)
}

/// Stages the files that follow from the kinds and this version, where they are not there already. Returns those of another version's
/// runtime that this one's does not have.
fn stage_templates<'k>(
    plan: &Plan,
    manifest: &BackupManifest,
    structures: impl Iterator<Item = (&'k str, &'k str)>,
    templates: Templates,
) -> Result<Vec<String>, FolderError> {
    let mut files = templates.files();
    files.push((MANIFEST.to_owned(), manifest.to_text().into_bytes()));
    files.push((templates::MODELS_LIBRARY.to_owned(), templates::models_library(structures).into_bytes()));
    let Some(present) = plan.present else {
        // What a user made of them later stays.
        files.extend(templates::TOOL_FILES.map(|(file, text)| (file.to_owned(), text.as_bytes().to_vec())));
        for (file, bytes) in &files {
            folder::write_part(plan.staging, file, bytes)?;
        }
        return Ok(Vec::new());
    };
    // What a user made of them stays; without them, merges and diffs would be less than they are.
    let missing = templates::TOOL_FILES.iter().filter(|(file, _)| present.join(file).symlink_metadata().is_err());
    files.extend(missing.map(|(file, text)| ((*file).to_owned(), text.as_bytes().to_vec())));
    stage_changed(plan.staging, present, &files)?;
    let known: BTreeSet<_> = files.iter().map(|(file, _)| file.as_str()).collect();
    let source = format!("{}/src", templates::RUNTIME);
    let others = folder::files(&present.join(&source))?.into_iter().map(|file| format!("{source}/{file}"));
    let is_code = |file: &str| Path::new(file).extension().is_some_and(|extension| extension == "rs");
    let has_plain_name = |file: &str| file.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    Ok(others.filter(|file| is_code(file) && has_plain_name(file) && !known.contains(file.as_str())).collect())
}

/// Stages files that are not in a backup as they are here. Returns which.
pub fn stage_changed(staging: &Path, backup: &Path, files: &[(String, Vec<u8>)]) -> Result<Vec<String>, FolderError> {
    let mut changed = Vec::new();
    for (file, bytes) in files {
        if !folder::holds(&backup.join(file), bytes)? {
            folder::write_part(staging, file, bytes)?;
            changed.push(file.clone());
        }
    }
    Ok(changed)
}
