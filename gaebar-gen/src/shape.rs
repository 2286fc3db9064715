//! The struct of each kind: one that fits all entities of a new kind, and that of a kind that the backup has as long as it fits well enough.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use gaebar_runtime::rows::Flags;

use crate::changes::changes;
use crate::draft::KindDraft;
use crate::emit;
use crate::manifest::KindManifest;
use crate::names::raw;
use crate::progress::Progress;
use crate::schema::{Inference, Kind, Type, name_fields, name_kinds};
use crate::shards::ShardError;
use crate::spool::SpooledKind;
use crate::stage::{Plan, Stages};
use crate::stop;

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

/// The kinds that are staged, sorted: those that are known with the structs that they had, new ones with those that fit all of their entities.
/// In bites, it is also found here what of those that are known has changed.
pub fn shape(
    plan: &Plan,
    spooled: &BTreeMap<String, SpooledKind>,
    stages: &dyn Stages,
    stop: &AtomicBool,
) -> Result<Vec<Kind>, ShardError> {
    let named = new_kinds(spooled.keys(), plan.known);
    let known: Vec<_> = plan.known.iter().filter(|(_, kind)| spooled.contains_key(&kind.name)).collect();
    let mut rows: u64 = named.iter().map(|kind| spooled[&kind.name].rows()).sum();
    for known in known.iter().filter(|_| plan.bite.is_some()) {
        rows += plan.looked_at(known, spooled)?;
    }
    let mut kinds = Vec::new();
    if rows > 0 || !named.is_empty() {
        let progress = stages.shaping(rows);
        kinds = plan.each(&named, |kind| {
            let draft = plan.draft(kind)?;
            let mut draft = draft.lock();
            if let Some(shaped) = draft.shaped(&kind.file) {
                progress.add(&kind.name, spooled[&kind.name].rows());
                return Ok(shaped);
            }
            let inference = infer(plan, kind, &spooled[&kind.name], &mut draft, progress.as_ref(), stop)?;
            let shaped = Kind { fields: name_fields(inference.fields()), ..kind.clone() };
            draft.shape(emit::kind(&shaped))?;
            plan.pause()?;
            Ok(shaped)
        })?;
        for known in known.iter().filter(|_| plan.bite.is_some()) {
            look_at(plan, known, spooled, progress.as_ref(), stop)?;
        }
    }
    kinds.extend(known.into_iter().map(|(_, kind)| kind.clone()));
    kinds.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(kinds)
}

/// Looks at some of a kind that the backup has, unless all of it was looked at.
fn look_at(
    plan: &Plan,
    known: &(KindManifest, Kind),
    spooled: &BTreeMap<String, SpooledKind>,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<(), ShardError> {
    let (_, kind) = known;
    let draft = plan.draft(kind)?;
    if draft.lock().model().is_some() {
        progress.add(&kind.name, plan.looked_at(known, spooled)?);
        return Ok(());
    }
    changes(plan, known, &spooled[&kind.name], &mut draft.lock(), progress, stop)?;
    plan.pause()
}

/// Those of the kinds that a backup does not have, with their names and no fields yet. Structs are found for all of them first.
fn new_kinds<'n>(names: impl Iterator<Item = &'n String>, known: &[(KindManifest, Kind)]) -> Vec<Kind> {
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

/// The struct of a known kind: the one it has, or a new one after all of its entities. A kind that was named before it had any entity gets
/// one with the first of them. Fields called like a keyword, unknown to their release, become raw: without that, the kind never compiled.
pub fn reshaped(
    plan: &Plan,
    (manifest, before): (&KindManifest, &Kind),
    spooled: &SpooledKind,
    most_exceptions: u64,
    draft: &mut KindDraft,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Kind, ShardError> {
    if let Some(shaped) = draft.shaped(&before.file) {
        return Ok(shaped);
    }
    let has_had_rows = manifest.next_row > 1;
    // Going through all entities once more is for those alone that may get a struct.
    let may_change = match plan.reshape {
        Reshape::Never => false,
        Reshape::WhereManyDoNotFit if has_had_rows => {
            spooled.rows() >= LEAST_ROWS && most_exceptions > spooled.rows() / ROWS_AN_EXCEPTION
        }
        Reshape::WhereManyDoNotFit | Reshape::Always => spooled.rows() > 0,
    };
    let mut kind = before.clone();
    for field in &mut kind.fields {
        field.name = raw(&field.name);
    }
    if may_change {
        let inference = infer(plan, before, spooled, draft, progress, stop)?;
        let fields = inference.fields();
        if plan.reshape == Reshape::Always || !has_had_rows || has_many_exceptions(&inference, before, &fields) {
            kind.fields = name_fields(fields);
        }
    }
    if plan.bite.is_some() {
        draft.shape(emit::kind(&kind))?;
    }
    Ok(kind)
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
