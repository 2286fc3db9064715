//! From spooled entities to a staged backup: what is new, and of a backup that is there what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gaebar_runtime::rows::Flags;
use rayon::prelude::*;

use crate::folder::{self, FolderError};
use crate::locate::{Located, locate};
use crate::manifest::{BackupManifest, FORMAT, KindManifest, MANIFEST, Origin};
use crate::memo::Memo;
use crate::previous::PreviousKind;
use crate::progress::{Progress, Silent};
use crate::releases::Foundation;
use crate::schema::{Inference, Kind, Type, name_fields, name_kinds};
use crate::shards::{self, Job, ShardError, Written};
use crate::spool::SpooledKind;
use crate::stop;
use crate::templates::{self, Templates};

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
    /// Its kinds as they were.
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

/// What is being done, for progress: the stage begins anew at its first row.
pub trait Stages {
    /// The store is being read.
    fn reading(&self) -> Box<dyn Progress + '_>;

    /// So many files are being downloaded. Of each that came, its path is told as a kind's row is.
    fn downloading(&self, _files: u64) -> Box<dyn Progress + '_> {
        Box::new(Silent)
    }

    /// So many rows are being written as code.
    fn writing(&self, rows: u64) -> Box<dyn Progress + '_>;
}

impl Stages for Silent {
    fn reading(&self) -> Box<dyn Progress + '_> {
        Box::new(Self)
    }

    fn writing(&self, _: u64) -> Box<dyn Progress + '_> {
        Box::new(Self)
    }
}

/// Stages a backup, or what changes of one.
pub fn stage(
    plan: &Plan,
    spooled: &BTreeMap<String, SpooledKind>,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<Staged, ShardError> {
    let before = plan.previous.par_iter().filter_map(|(name, kind)| Some((name.as_str(), kind, spooled.get(name)?)));
    let located: BTreeMap<_, _> =
        before.map(|(name, kind, spooled)| Ok((name, locate(kind, spooled, stop)?))).collect::<Result<_, ShardError>>()?;
    let (kinds, reshaped) = shape(plan, spooled, &located, stop)?;
    let progress = stages.writing(spooled.values().map(SpooledKind::rows).sum());
    let job = |kind| Job {
        folder: plan.staging,
        present: plan.present,
        backup: plan.name,
        kind,
        previous: plan.previous.get(&kind.name),
        shard_bytes: plan.shard_bytes,
        compact: plan.compact,
        memo: plan.memo,
        progress: progress.as_ref(),
        stop,
    };
    let written: Result<Vec<_>, ShardError> =
        kinds.par_iter().map(|kind| shards::write(job(kind), &spooled[&kind.name], located.get(kind.name.as_str()))).collect();
    let written: BTreeMap<_, _> = kinds.iter().map(|kind| kind.name.clone()).zip(written?).collect();
    let mut removed = Vec::new();
    for kind in &kinds {
        let written = &written[&kind.name];
        let before = plan.previous.get(&kind.name).map(|before| &before.manifest);
        let files = before.into_iter().flat_map(|before| before.files.keys());
        removed.extend(files.filter(|file| !written.files.contains_key(*file)).cloned());
        // A kind in which nothing changed keeps its manifest, read time and all.
        let unchanged = before.is_some_and(|before| before.files == written.files);
        if let Some(origin) = plan.origin.clone().or_else(|| before.map(KindManifest::origin)).filter(|_| !unchanged) {
            if before.is_none() {
                job(kind).check_free(&KindManifest::path(&kind.file))?;
            }
            let manifest = KindManifest::new(&kind.name, &origin, written.rows, written.next_row, written.files.clone());
            folder::write(plan.staging, &KindManifest::path(&kind.file), manifest.to_text().as_bytes())?;
        }
    }
    drop(progress);
    let untouched: Vec<_> = plan.previous.values().filter(|before| !written.contains_key(&before.kind.name)).collect();
    let all = kinds.iter().chain(untouched.iter().map(|before| &before.kind));
    let structures = all.map(|kind| (kind.file.as_str(), kind.structure.as_str()));
    let kept = untouched.iter().flat_map(|before| before.shards.iter().map(|shard| shard.volume.clone()));
    let volumes = written.values().flat_map(|written| written.volumes.iter().cloned()).chain(kept).collect();
    removed.extend(stage_templates(plan, structures, &volumes)?);
    Ok(Staged { kinds: written, reshaped, removed })
}

/// The struct of each kind: that which it had, or one after all of its entities. The names of those that have a new one come with them.
fn shape(
    plan: &Plan,
    spooled: &BTreeMap<String, SpooledKind>,
    located: &BTreeMap<&str, Located>,
    stop: &AtomicBool,
) -> Result<(Vec<Kind>, BTreeSet<String>), ShardError> {
    let previous = plan.previous;
    let infer = |kind: &SpooledKind| {
        let mut inference = Inference::default();
        for record in kind.records() {
            stop::check(stop)?;
            inference.add(&kind.decode(&record?)?);
        }
        Ok::<_, ShardError>(inference)
    };
    // Going through all entities once more is for those alone that may get a struct.
    let may_change = |name: &str, kind: &SpooledKind| match plan.reshape {
        Reshape::Never => false,
        Reshape::WhereManyDoNotFit => {
            kind.rows() >= LEAST_ROWS && located[name].most_exceptions > kind.rows() / ROWS_AN_EXCEPTION
        }
        Reshape::Always => kind.rows() > 0,
    };
    let looked_at = spooled.par_iter().filter(|(name, kind)| !previous.contains_key(*name) || may_change(name, kind));
    let inferred: Result<BTreeMap<_, _>, ShardError> = looked_at.map(|(name, kind)| Ok((name.clone(), infer(kind)?))).collect();
    let (known, new): (BTreeMap<_, _>, BTreeMap<_, _>) = inferred?.into_iter().partition(|(name, _)| previous.contains_key(name));
    let new = new.into_iter().map(|(name, inference)| (name, inference.fields()));
    let mut kinds = name_kinds(new, previous.values().map(|before| &before.kind));
    let mut reshaped = BTreeSet::new();
    for before in previous.values().map(|before| &before.kind).filter(|kind| spooled.contains_key(&kind.name)) {
        let mut kind = before.clone();
        if let Some(inference) = known.get(&kind.name) {
            let fields = inference.fields();
            if plan.reshape == Reshape::Always || has_many_exceptions(inference, before, &fields) {
                kind.fields = name_fields(fields);
            }
        }
        reshaped.extend((kind != *before).then(|| kind.name.clone()));
        kinds.push(kind);
    }
    kinds.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok((kinds, reshaped))
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
            folder::write(plan.staging, file, bytes)?;
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
            folder::write(staging, file, bytes)?;
            changed.push(file.clone());
        }
    }
    Ok(changed)
}
