//! From spooled entities to a staged backup: what is new, and of a backup that is there what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gaebar_runtime::rows::Flags;
use rayon::prelude::*;

use crate::bite::Bite;
use crate::draft::{Done, Drafts, KindDraft, SharedDraft};
use crate::emit;
use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError};
use crate::locate::{Located, locate};
use crate::manifest::{BackupManifest, FORMAT, KindManifest, MANIFEST, Origin};
use crate::memo::Memo;
use crate::previous::PreviousKind;
use crate::progress::{Progress, Silent};
use crate::reader;
use crate::releases::Foundation;
use crate::schema::{Inference, Kind, Type, name_fields, name_kinds};
use crate::shards::{self, Job, ShardError, Written};
use crate::spool::SpooledKind;
use crate::stop;
use crate::templates::{self, Templates};
use crate::verify;

/// A kind is reshaped when a property stands in `other`, and would not have to, in more than one of so many rows. In every row that
/// costs rustc a quarter of what a row of 8 scalars does, in half of them a tenth; and a reshape changes every row of the kind once.
const ROWS_AN_EXCEPTION: u64 = 2;
/// A kind of fewer rows is left as it is: all of its exceptions cost less than a tenth of a second.
const LEAST_ROWS: u64 = 1_000;

/// When kinds that a backup has get new structs. What does not fit stands in a row's `other` otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reshape {
    /// Never.
    Never,
    /// Where new ones would fit half of the rows better.
    WhereManyDoNotFit,
    /// On request.
    Always,
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
    /// What rows the kinds had that are written again. Of the known kinds, those that are neither here nor in the drafts are left for later.
    pub previous: &'a BTreeMap<String, PreviousKind>,
    /// Where the entities were read; each kind keeps its own if there is none.
    pub origin: Option<Origin>,
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
}

/// What is being done, for progress: a stage begins anew at its first row.
pub trait Stages {
    /// The store is being read.
    fn reading(&self) -> Box<dyn Progress + '_>;

    /// So many rows are being looked at for the structs of their kinds.
    fn shaping(&self, _rows: u64) -> Box<dyn Progress + '_> {
        Box::new(Silent)
    }

    /// So many files are being downloaded. Of each that came, its path is told as a kind's row is.
    fn downloading(&self, _files: u64) -> Box<dyn Progress + '_> {
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
    let structures = kinds.iter().chain(untouched.iter().map(|(_, kind)| kind));
    let structures = structures.map(|kind| (kind.file.as_str(), kind.structure.as_str()));
    let mut volumes = verify::volumes(untouched.iter().map(|(manifest, _)| manifest));
    let (mut written, mut reshaped, mut removed) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    for (kind, done) in kinds.iter().zip(done) {
        volumes.extend(done.written.volumes.iter().cloned());
        reshaped.extend(done.is_reshaped.then(|| kind.name.clone()));
        removed.extend(done.removed);
        written.insert(kind.name.clone(), done.written);
    }
    removed.extend(stage_templates(plan, structures, &volumes)?);
    Ok(Staged { kinds: written, reshaped, removed })
}

impl Plan<'_> {
    /// Works on kinds: on all at once, or one after the other where a bite may be over in between.
    fn each<T: Sync, R: Send>(
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
    fn pause(&self) -> Result<(), ShardError> {
        if self.bite.is_some_and(Bite::is_over) { Err(ShardError::Paused) } else { Ok(()) }
    }

    /// How many rows are written, or were before. Of a kind that is left for later, those that it keeps are not known yet: there, it is as
    /// many as before.
    fn rows(&self, kinds: &[Kind], spooled: &BTreeMap<String, SpooledKind>) -> Result<u64, ShardError> {
        let before: BTreeMap<_, _> = self.known.iter().map(|(manifest, kind)| (kind.name.as_str(), manifest.rows)).collect();
        let mut rows = 0;
        for kind in kinds {
            let now = spooled[&kind.name].rows();
            rows += match (self.draft(kind)?.lock().done(), before.get(kind.name.as_str())) {
                (Some(done), _) => done.written.rows,
                (None, Some(before)) if !self.previous.contains_key(&kind.name) => now.max(*before),
                (None, _) => now,
            };
        }
        Ok(rows)
    }

    fn draft(&self, kind: &Kind) -> Result<SharedDraft, FolderError> {
        self.drafts.map_or_else(|| Ok(SharedDraft::default()), |drafts| drafts.kind(&kind.file))
    }

    /// Whether what others have staged of a kind is what it was.
    fn is_sound(&self, kind: &Kind) -> Result<bool, ShardError> {
        self.drafts.map_or(Ok(true), |drafts| Ok(drafts.is_sound(&kind.file)?))
    }
}

/// The kinds that are staged, sorted: those that are known with the structs that they had, new ones with those that fit all of their entities.
fn shape(
    plan: &Plan,
    spooled: &BTreeMap<String, SpooledKind>,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<Vec<Kind>, ShardError> {
    let named = new_kinds(spooled.keys(), plan.known);
    let rows: u64 = named.iter().map(|kind| spooled[&kind.name].rows()).sum();
    let mut kinds = Vec::new();
    if rows > 0 {
        let progress = stages.shaping(rows);
        kinds = plan.each(&named, |kind| {
            let draft = plan.draft(kind)?;
            let mut draft = draft.lock();
            if let Some(shaped) = draft.model().and_then(|model| reader::kind(&kind.file, model).ok()) {
                progress.add(&kind.name, spooled[&kind.name].rows());
                return Ok(shaped);
            }
            let inference = infer(plan, kind, &spooled[&kind.name], &mut draft, progress.as_ref(), stop)?;
            let shaped = Kind { fields: name_fields(inference.fields()), ..kind.clone() };
            draft.shape(emit::kind(&shaped))?;
            plan.pause()?;
            Ok(shaped)
        })?;
    }
    kinds.extend(plan.known.iter().map(|(_, kind)| kind).filter(|kind| spooled.contains_key(&kind.name)).cloned());
    kinds.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(kinds)
}

/// Those of the kinds that a backup does not have, with their names and no fields yet. Structs are found for all of them first.
pub(crate) fn new_kinds<'n>(names: impl Iterator<Item = &'n String>, known: &[(KindManifest, Kind)]) -> Vec<Kind> {
    let known = || known.iter().map(|(_, kind)| kind);
    let old: BTreeSet<_> = known().map(|kind| kind.name.as_str()).collect();
    name_kinds(names.filter(|name| !old.contains(name.as_str())).map(|name| (name.clone(), Vec::new())), known())
}

/// Goes through the entities of a kind, on from where its draft says.
fn infer(
    plan: &Plan,
    kind: &Kind,
    spooled: &SpooledKind,
    draft: &mut KindDraft,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Inference, ShardError> {
    let (mut at, mut inference) = draft.looked();
    progress.add(&kind.name, inference.rows());
    for found in spooled.located_from(at.clone()) {
        stop::check(stop)?;
        let (location, record) = found?;
        inference.add(&spooled.decode(&record)?);
        progress.add(&kind.name, 1);
        if let Some(bite) = plan.bite {
            at.pass(location, &record);
            bite.take(1);
            if bite.is_over() {
                draft.look(at, inference)?;
                return Err(ShardError::Paused);
            }
        }
    }
    Ok(inference)
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
    let previous = plan.previous.get(&kind.name);
    let known = plan.known.iter().any(|(_, known)| known.name == kind.name);
    if known && previous.is_none() {
        return Err(ShardError::Paused);
    }
    let located = previous.map(|previous| locate(previous, spooled, stop)).transpose()?;
    let kind = &match previous.zip(located.as_ref()) {
        Some((previous, located)) => reshaped(plan, &previous.kind, spooled, located, stop)?,
        None => kind.clone(),
    };
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
    let mut written = shards::write(job, spooled, located.as_ref(), &mut draft)?;
    let before = previous.map(|previous| &previous.manifest);
    let files = before.into_iter().flat_map(|before| before.files.keys());
    let removed: Vec<_> = files.filter(|file| !written.files.contains_key(*file)).cloned().collect();
    written.changed += removed.len() as u64;
    // A kind in which nothing changed keeps its manifest, read time and all.
    let unchanged = before.is_some_and(|before| before.files == written.files);
    let mut manifest = None;
    if let Some(origin) = plan.origin.clone().or_else(|| before.map(KindManifest::origin)).filter(|_| !unchanged) {
        let path = KindManifest::path(&kind.file);
        if before.is_none() {
            job.check_free(&path)?;
        }
        let text = KindManifest::new(&kind.name, &origin, written.rows, written.next_row, written.files.clone()).to_text();
        folder::write_again(plan.staging, &path, text.as_bytes())?;
        manifest = Some((path, Fingerprint::of(text.as_bytes())));
    }
    let done = Done { written, is_reshaped: previous.is_some_and(|previous| previous.kind != *kind), removed };
    draft.finish(manifest, done.clone())?;
    plan.pause()?;
    Ok(done)
}

/// The struct of a kind that has one: that, or one after all of its entities.
fn reshaped(plan: &Plan, before: &Kind, spooled: &SpooledKind, located: &Located, stop: &AtomicBool) -> Result<Kind, ShardError> {
    // Going through all entities once more is for those alone that may get a struct.
    let may_change = match plan.reshape {
        Reshape::Never => false,
        Reshape::WhereManyDoNotFit => {
            spooled.rows() >= LEAST_ROWS && located.most_exceptions > spooled.rows() / ROWS_AN_EXCEPTION
        }
        Reshape::Always => spooled.rows() > 0,
    };
    if !may_change {
        return Ok(before.clone());
    }
    let mut inference = Inference::default();
    for record in spooled.records() {
        stop::check(stop)?;
        inference.add(&spooled.decode(&record?)?);
    }
    let fields = inference.fields();
    let is_worth_it = plan.reshape == Reshape::Always || has_many_exceptions(&inference, before, &fields);
    Ok(if is_worth_it { Kind { fields: name_fields(fields), ..before.clone() } } else { before.clone() })
}

/// Whether a property is an exception in so many rows that other fields are worth a change of every row.
fn has_many_exceptions(inference: &Inference, before: &Kind, after: &[(String, Type, Flags)]) -> bool {
    let then: BTreeMap<&str, _> = before.fields.iter().map(|field| (field.property.as_str(), (field.ty, field.flags))).collect();
    let now: BTreeMap<&str, _> = after.iter().map(|(name, ty, flags)| (name.as_str(), (*ty, *flags))).collect();
    let spared = |name: &&str| {
        let others = |fields: &BTreeMap<&str, _>| inference.others(name, fields.get(name).copied());
        others(&then).saturating_sub(others(&now))
    };
    let most = then.keys().chain(now.keys()).map(spared).max().unwrap_or_default();
    most > inference.rows() / ROWS_AN_EXCEPTION
}

/// Stages the files that follow from the kinds and this version, where they are not there already. Returns those of another version's
/// runtime that this one's does not have.
fn stage_templates<'k>(
    plan: &Plan,
    structures: impl Iterator<Item = (&'k str, &'k str)>,
    volumes: &BTreeSet<String>,
) -> Result<Vec<String>, FolderError> {
    let manifest = BackupManifest { format: FORMAT, name: plan.name.to_owned() };
    let mut files = Templates { name: plan.name, volumes, foundation: Foundation::present() }.files();
    files.push((MANIFEST.to_owned(), manifest.to_text().into_bytes()));
    files.push((templates::MODELS_LIBRARY.to_owned(), templates::models_library(structures).into_bytes()));
    let Some(present) = plan.present else {
        // What a user made of them later stays.
        files.extend(templates::TOOL_FILES.map(|(file, text)| (file.to_owned(), text.as_bytes().to_vec())));
        for (file, bytes) in &files {
            folder::write_again(plan.staging, file, bytes)?;
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
        if folder::read_regular(&backup.join(file))?.as_ref() != Some(bytes) {
            folder::write_again(staging, file, bytes)?;
            changed.push(file.clone());
        }
    }
    Ok(changed)
}
