//! Carries a plan out: commits its rows, several batches at once; then deletes; then reads everything back.
//!
//! It ends well only when every row that was to be committed was. After the first failure no new batch begins; those in flight are
//! finished, and rows that were not written are named, the first of them in full.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::batches::{self, Batch, Work, by_kind, lock, look_up};
use super::journal::Journal;
use super::pace::Pace;
use super::plan::{OnConflict, Plan, PlanError, each_entity};
use super::report::{Failures, Incomplete, Progress, Restored};
use super::rows::RowRef;
use super::zeros;
use crate::model::{Entity, Key};
use crate::store::{Store, StoreError, WriteMode};

/// How to carry a plan out.
pub struct Execution<'a> {
    /// How fast.
    pub pace: &'a Pace,
    /// Where commits are written down.
    pub journal: Option<&'a Journal>,
    /// Whether to read everything back and compare.
    pub check: bool,
    /// Hears of rows that were committed.
    pub committing: &'a dyn Progress,
    /// Hears of rows that were read back.
    pub checking: &'a dyn Progress,
    /// Whether somebody asked to stop.
    pub stop: &'a AtomicBool,
}

impl Plan<'_> {
    /// Carries the plan out.
    pub fn execute(self, execution: &Execution) -> Result<Restored, Incomplete> {
        let total = self.total();
        let rows = total.create + total.replace;
        let commits = Commits { plan: &self, execution, stopped: AtomicBool::new(false), outcome: Mutex::default() };
        batches::go(self.source, self.options.jobs, &commits);
        let Outcome { kinds, failures, problem } = commits.outcome.into_inner().unwrap_or_default();
        let interrupted = || execution.stop.load(Ordering::Relaxed);
        let mut done = Restored { kinds, ..Restored::default() };
        // The count is compared too: success is what was counted, not the absence of complaints.
        if !failures.is_empty() || problem.is_some() || done.rows() != rows {
            return Err(Incomplete { done, rows, failures, problem, interrupted: interrupted() });
        }
        if let Err(error) = self.delete(execution, &mut done.deleted) {
            let problem = format!("{} of {} were deleted: {error}", done.deleted, total.delete);
            return Err(Incomplete { done, rows, failures, problem: Some(problem), interrupted: interrupted() });
        }
        if execution.check {
            let check = Check { plan: &self, execution, outcome: Mutex::default() };
            batches::go(self.source, self.options.jobs, &check);
            let Outcome { kinds, failures, problem } = check.outcome.into_inner().unwrap_or_default();
            let checked = kinds.values().sum();
            done.checked = Some(checked);
            let all = total.create + total.replace + total.equal + total.done;
            if !failures.is_empty() || problem.is_some() || checked != all {
                return Err(Incomplete { done, rows, failures, problem, interrupted: interrupted() });
            }
        }
        Ok(done)
    }

    /// Deletes what the plan says, and only that: what came to the target since is left alone.
    fn delete(&self, execution: &Execution, deleted: &mut u64) -> Result<(), PlanError> {
        if self.deletes.is_empty() {
            return Ok(());
        }
        for scan in &self.cover().scans() {
            each_entity(self.store, scan, execution.stop, &mut |entities| {
                let keys: Vec<_> = entities.iter().map(Entity::key).filter(|key| self.deletes.contains(key)).collect();
                for keys in keys.chunks(execution.pace.batch().min(keys.len().max(1))) {
                    if !execution.pace.pass(keys.len(), execution.stop) {
                        return Ok(());
                    }
                    self.store.delete(keys)?;
                    *deleted += keys.len() as u64;
                }
                Ok(())
            })?;
        }
        // Asked to stop within the last page, it looked like the end.
        if execution.stop.load(Ordering::Relaxed) && *deleted < self.total().delete {
            return Err(PlanError::Interrupted);
        }
        Ok(())
    }
}

#[derive(Default)]
struct Outcome {
    kinds: BTreeMap<String, u64>,
    failures: Failures,
    /// What failed and is no row's fault.
    problem: Option<String>,
}

impl Outcome {
    fn count(&mut self, entities: &[Entity], progress: &dyn Progress) {
        for (kind, rows) in by_kind(entities) {
            *self.kinds.entry(kind.to_owned()).or_default() += rows;
            progress.done(kind, rows);
        }
    }
}

fn fail(outcome: &Mutex<Outcome>, plan: &Plan, row: RowRef, key: Option<&Key>, problem: String) {
    // Looked up without the lock: it reads a file.
    let named = !lock(outcome).failures.is_full();
    let place = plan.source.place(row);
    let place = if named { place.with_line(plan.folder) } else { place };
    lock(outcome).failures.add(place, key.cloned(), problem);
}

struct Commits<'a> {
    plan: &'a Plan<'a>,
    execution: &'a Execution<'a>,
    stopped: AtomicBool,
    outcome: Mutex<Outcome>,
}

impl Work for Commits<'_> {
    fn wants(&self, row: RowRef) -> bool {
        self.plan.actions.get(row).writes()
    }

    fn prepare(&self, entity: Entity) -> Option<Entity> {
        Some(self.plan.held(entity))
    }

    fn unreadable(&self, row: RowRef, problem: String) {
        self.fail(row, None, problem);
    }

    fn batch(&self, Batch { rows, entities, .. }: Batch) {
        let size = self.execution.pace.batch().min(rows.len()).max(1);
        for (rows, entities) in rows.chunks(size).zip(entities.chunks(size)) {
            if !self.execution.pace.pass(rows.len(), self.execution.stop) {
                return;
            }
            self.commit(rows, entities);
        }
    }

    fn is_over(&self) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.execution.stop.load(Ordering::Relaxed)
    }
}

impl Commits<'_> {
    fn store(&self) -> &dyn Store {
        self.plan.store
    }

    /// Ids are reserved first: were the process killed in between, an id would be reserved in vain, and never given
    /// out twice.
    fn commit(&self, rows: &[RowRef], entities: &[Entity]) {
        let keys: Vec<_> = entities.iter().map(Entity::key).collect();
        match self.store().reserve_ids(&keys) {
            Ok(()) => self.write(rows, entities),
            Err(error) => self.fail_all(rows, entities, &error),
        }
    }

    /// Commits entities. If the server minds one of them, halves are tried until it stands alone: the others pass.
    fn write(&self, rows: &[RowRef], entities: &[Entity]) {
        let mode = match self.plan.options.on_conflict {
            OnConflict::Overwrite => WriteMode::Upsert,
            OnConflict::Skip | OnConflict::Fail => WriteMode::Insert,
            OnConflict::UpdateOnly => WriteMode::Update,
        };
        match self.store().write(mode, entities) {
            Ok(()) => self.succeed(rows, entities),
            // It may be what a try before this one wrote, whose answer was lost.
            Err(error) if error.exists_already() && self.are_there(entities) => self.succeed(rows, entities),
            Err(error) if error.is_about_an_entity() && rows.len() > 1 => {
                let half = rows.len() / 2;
                self.write(&rows[..half], &entities[..half]);
                self.write(&rows[half..], &entities[half..]);
            }
            Err(error) => self.fail_all(rows, entities, &error),
        }
    }

    /// Whether the target has just these entities.
    fn are_there(&self, entities: &[Entity]) -> bool {
        look_up(self.store(), entities).is_ok_and(|there| entities.iter().all(|entity| there.get(entity.key()) == Some(entity)))
    }

    fn succeed(&self, rows: &[RowRef], entities: &[Entity]) {
        if let Some(Err(error)) = self.execution.journal.map(|journal| journal.committed(rows)) {
            self.stopped.store(true, Ordering::Relaxed);
            lock(&self.outcome).problem = Some(error.to_string());
        }
        lock(&self.outcome).count(entities, self.execution.committing);
    }

    fn fail_all(&self, rows: &[RowRef], entities: &[Entity], error: &StoreError) {
        let problem = error.to_string();
        for (row, entity) in rows.iter().zip(entities) {
            self.fail(*row, Some(entity.key()), problem.clone());
        }
    }

    fn fail(&self, row: RowRef, key: Option<&Key>, problem: String) {
        self.stopped.store(true, Ordering::Relaxed);
        fail(&self.outcome, self.plan, row, key, problem);
    }
}

/// Reads back what the target must hold now.
struct Check<'a> {
    plan: &'a Plan<'a>,
    execution: &'a Execution<'a>,
    outcome: Mutex<Outcome>,
}

impl Work for Check<'_> {
    fn wants(&self, row: RowRef) -> bool {
        self.plan.actions.get(row).ends_equal()
    }

    fn prepare(&self, entity: Entity) -> Option<Entity> {
        Some(self.plan.held(entity))
    }

    fn unreadable(&self, row: RowRef, problem: String) {
        fail(&self.outcome, self.plan, row, None, problem);
    }

    fn batch(&self, Batch { rows, entities, .. }: Batch) {
        let there = match zeros::settle(self.plan.store, &entities) {
            Ok(there) => there,
            Err(error) => {
                lock(&self.outcome).problem.get_or_insert(format!("it could not be checked: {error}"));
                return;
            }
        };
        for (row, entity) in rows.iter().zip(&entities) {
            let problem = match there.get(entity.key()) {
                None => "it was committed, and is not there".to_owned(),
                Some(there) if there != entity => format!("it reads back otherwise: {}", difference(entity, there)),
                Some(_) => continue,
            };
            fail(&self.outcome, self.plan, *row, Some(entity.key()), problem);
        }
        lock(&self.outcome).count(&entities, self.execution.checking);
    }

    fn is_over(&self) -> bool {
        self.execution.stop.load(Ordering::Relaxed)
    }
}

/// The first property that differs.
fn difference(entity: &Entity, there: &Entity) -> String {
    let mut names: Vec<_> = entity.properties.keys().chain(there.properties.keys()).collect();
    names.sort_unstable();
    let differs = |name: &&String| entity.properties.get(*name) != there.properties.get(*name);
    names.into_iter().find(differs).map_or_else(String::new, |name| format!("property {name:?}"))
}
