//! A step of a restore: some more windows of rows are planned, or planned and written at once.
//!
//! A window that was written and not counted, because a step was broken off, is found equal the next time.

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gaebar_runtime::model::Entity;
use gaebar_runtime::restore::{
    Coverage, Done, Execution, Incomplete, OnConflict, Options, Pace, Plan, PlanError, Progress, RowPlace, RowRef, RowSource,
    is_own_kind, plan,
};
use gaebar_runtime::store::{self, MemoryStore, Place, Realm, Store, StoreError, StoreUrl};

use super::Rules;
use super::job::{Job, Stage, Work, YES};
use super::others::{self, Keys};
use crate::previous::KeyHash;

/// Windows a full step is divided into, so that its time can end between them.
const WINDOWS: usize = 5;
/// The rows are of another backup.
pub(super) const OTHER: &str =
    "The backup is not what it was when the plan was made. Cancel this, and begin anew for another plan.";
/// Writes a second that a real project gets, which is what Google asks for at first.
const REAL_RATE: f64 = 500.0;

/// What a step of a restore is taken with.
#[derive(Clone, Copy)]
pub(super) struct With<'a> {
    /// The target.
    pub(super) url: &'a StoreUrl,
    /// The rows of the job's backup.
    pub(super) rows: &'a dyn RowSource,
    /// The backup's folder, which has the rows' source, if it is there.
    pub(super) folder: Option<&'a Path>,
    /// The job's own folder.
    pub(super) own: &'a Path,
    /// What a step may do.
    pub(super) rules: &'a Rules,
    /// Whether somebody asked to stop.
    pub(super) stop: &'a AtomicBool,
}

/// Takes a step.
pub(super) fn step(job: &mut Job, with: With) -> Result<(), String> {
    let rows = with.rows;
    let Work::Restore { digest, .. } = &mut job.work else { return Ok(()) };
    if *digest.get_or_insert_with(|| rows.digest()) != rows.digest() {
        return Err(OTHER.to_owned());
    }
    if job.stage == Stage::Confirming && is_confirmed(job, with.url) {
        begin(job, rows);
    }
    match job.stage {
        Stage::Planning => planned(job, with),
        Stage::Restoring => restored(job, with),
        Stage::Counting => others::counted(job, with),
        Stage::Deleting => others::deleted(job, with),
        _ => Ok(()),
    }
}

/// Whether somebody has said that the target is meant.
fn is_confirmed(job: &Job, url: &StoreUrl) -> bool {
    let Work::Restore { confirm, .. } = &job.work else { return false };
    *confirm == project(url).unwrap_or_else(|| YES.to_owned())
}

/// Begins to write.
fn begin(job: &mut Job, rows: &dyn RowSource) {
    let Work::Restore { at, has_begun, .. } = &mut job.work else { return };
    (*at, *has_begun) = ((0, 0), true);
    job.enter(Stage::Restoring, Some(all(rows)));
}

fn all(rows: &dyn RowSource) -> u64 {
    (0..rows.shards()).map(|shard| rows.rows(shard) as u64).sum()
}

fn planned(job: &mut Job, with: With) -> Result<(), String> {
    let With { rows, own, .. } = with;
    job.total = Some(all(rows));
    let mut keys = Vec::new();
    let ended = plan_windows(job, with, &mut keys);
    let Work::Restore { mirror, .. } = &job.work else { return Ok(()) };
    if *mirror {
        // Of a step that failed, too: the windows before that are behind.
        Keys(own).keep_ours(job.steps, &keys)?;
    }
    if ended? {
        let next = if *mirror { Stage::Counting } else { Stage::Confirming };
        job.enter(next, None);
    }
    Ok(())
}

/// Plans some windows. Whether they were the last. A mirror is told which keys the backup has.
fn plan_windows(job: &mut Job, with: With, keys: &mut Vec<KeyHash>) -> Result<bool, String> {
    let With { url, rows, folder, rules, stop, .. } = with;
    let store = look_at(url).map_err(|error| error.to_string())?;
    let options = Options { mirror: false, ..options(job)? };
    let Work::Restore { mirror, plan: so_far, noticed, others, at, .. } = &mut job.work else { return Ok(true) };
    let mut windows = Windows::new(rows, at, rules);
    while let Some(window) = windows.next(stop) {
        let part = plan(&window, store.as_ref(), options.clone(), None, folder, &Silent, stop);
        let Some(part) = unless_stopped(part)? else { break };
        if *mirror {
            for at in 0..window.rows {
                let entity = window.entity(RowRef { shard: 0, at })?;
                if !is_own_kind(entity.kind()) {
                    others.namespaces.insert(entity.key().namespace().to_owned());
                    keys.push(others::hash(entity.key()));
                }
            }
        }
        for (kind, counts) in part.kinds() {
            so_far.entry(kind.clone()).or_default().add(counts);
        }
        *noticed += part.noticed().clone();
        count(&mut job.kinds, &part);
        windows.pass(&window);
    }
    Ok(windows.is_at_end())
}

fn restored(job: &mut Job, With { url, rows, folder, rules, stop, .. }: With) -> Result<(), String> {
    let store = store::open_or_create(url).map_err(|error| error.to_string())?;
    let options = Options { mirror: false, ..options(job)? };
    let Work::Restore { mirror, at, first, note, written, others, .. } = &mut job.work else { return Ok(()) };
    let mut windows = Windows::new(rows, at, rules);
    let before = Done::default();
    while let Some(window) = windows.next(stop) {
        let begun = Instant::now();
        let part = plan(&window, store.as_ref(), options.clone(), Some(&before), folder, &Silent, stop);
        if let Err(PlanError::Exist { target, first, .. }) = &part {
            let came = first.join(", ");
            return Err(format!(
                "These came to {target} since the plan was made: {came}. What was written before stays written."
            ));
        }
        let Some(part) = unless_stopped(part)? else { break };
        let mut kinds = job.kinds.clone();
        count(&mut kinds, &part);
        let executed = part.execute(&execution(store.place(), &Pace::new(false, None), stop));
        let done = executed.as_ref().unwrap_or_else(|incomplete| &incomplete.done).clone();
        *written += done.rows();
        *note = store.caveat().map(str::to_owned).or_else(|| note.take());
        match executed {
            Ok(_) => job.kinds = kinds,
            Err(Incomplete { interrupted: true, .. }) => break,
            Err(incomplete) => return Err(incomplete.to_string()),
        }
        if done.checked.is_some_and(|rows| rows > 0) {
            first.get_or_insert((window.shard, window.from, window.rows));
        }
        windows.pass(&window);
        keep_pace(store.place(), done.rows(), begun);
    }
    if windows.is_at_end() {
        if let Some((shard, from, some)) = *first {
            let window = Window { all: rows, shard, from, rows: some };
            let options = Options { jobs: JOBS, ..Options::default() };
            let there = plan(&window, store.as_ref(), options, None, folder, &Silent, stop);
            let Some(there) = unless_stopped(there)? else { return Ok(()) };
            if there.total().replace + there.total().equal == 0 {
                (*at, *first) = ((0, 0), None);
                job.kinds.clear();
                return Err(format!(
                    "Rows written to {} are gone: it was restarted, emptied or replaced. The next step starts from the beginning.",
                    store.place()
                ));
            }
        }
        if *mirror {
            (others.scan, others.cursor) = (0, None);
            job.enter(Stage::Deleting, None);
        } else {
            let kinds = job.kinds.clone();
            job.enter(Stage::Done, None);
            job.kinds = kinds;
        }
    }
    Ok(())
}

/// Waits until writes have taken as long as they should.
pub(super) fn keep_pace(target: &Place, writes: u64, begun: Instant) {
    if target.realm == Realm::Production {
        #[allow(clippy::cast_precision_loss)] // at most a window or a page
        let takes = Duration::from_secs_f64(writes as f64 / REAL_RATE);
        std::thread::sleep(takes.saturating_sub(begun.elapsed()));
    }
}

/// How rows are written: as on the command line, files and emulators are read back.
fn execution<'a>(target: &Place, pace: &'a Pace, stop: &'a AtomicBool) -> Execution<'a> {
    let check = target.realm != Realm::Production;
    Execution { pace, journal: None, check, committing: &Silent, checking: &Silent, stop }
}

/// The project whose name has to be typed before it is written to: a real one's.
pub(super) fn project(url: &StoreUrl) -> Option<String> {
    match url {
        StoreUrl::Datastore { project, .. } if emulator(url).is_none() => Some(project.clone()),
        _ => None,
    }
}

/// A store by a name that tells an emulator's from a real one.
pub(super) fn place(url: &StoreUrl) -> String {
    emulator(url).map_or_else(|| url.to_string(), |host| format!("{url} at {}", host.display()))
}

/// A store as the source of a backup, by the environment.
pub(crate) fn source(url: &StoreUrl) -> String {
    let realm = emulator(url).map_or(Realm::Local, |host| Realm::Emulator(host.to_string_lossy().into_owned()));
    Place { url: url.clone(), realm }.source()
}

/// The emulator that a store is on.
fn emulator(url: &StoreUrl) -> Option<OsString> {
    matches!(url, StoreUrl::Datastore { .. }).then(|| std::env::var_os("DATASTORE_EMULATOR_HOST")).flatten()
}

/// Opens a target to look at it. One that does not exist is not created for that.
pub(super) fn look_at(url: &StoreUrl) -> Result<Box<dyn Store>, StoreError> {
    match url {
        StoreUrl::Sqlite(path) if !path.exists() => {
            store::check_target(url)?;
            Ok(Box::new(MemoryStore::in_place_of(Place { url: url.clone(), realm: Realm::Local })))
        }
        url => store::open(url),
    }
}

/// What to do with entities that the target has, by its name on the command line.
pub(super) fn on_conflict(name: &str) -> Result<OnConflict, String> {
    use clap::ValueEnum as _;
    OnConflict::from_str(name, false)
        .map_err(|_| format!("{name:?} is no way to meet what the target has: say overwrite, skip, fail or update-only"))
}

fn options(job: &Job) -> Result<Options, String> {
    let Work::Restore { on_conflict: name, mirror, .. } = &job.work else { return Ok(Options::default()) };
    Ok(Options { on_conflict: on_conflict(name)?, mirror: *mirror, jobs: JOBS, ..Options::default() })
}

/// Rows to read and write at once.
const JOBS: usize = 4;

fn unless_stopped(plan: Result<Plan<'_>, PlanError>) -> Result<Option<Plan<'_>>, String> {
    match plan {
        Ok(plan) => Ok(Some(plan)),
        Err(PlanError::Interrupted) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Counts the rows of a plan as done.
fn count(kinds: &mut std::collections::BTreeMap<String, u64>, plan: &Plan) {
    for (kind, counts) in plan.kinds() {
        let rows = counts.create + counts.replace + counts.equal + counts.leave + counts.miss + counts.done;
        *kinds.entry(kind.clone()).or_default() += rows;
    }
}

/// Nobody listens.
struct Silent;

impl Progress for Silent {
    fn done(&self, _: &str, _: u64) {}
}

/// The windows of a step, from where the last one ended.
struct Windows<'a> {
    rows: &'a dyn RowSource,
    at: &'a mut (usize, usize),
    left: usize,
    most: usize,
    until: Instant,
}

impl<'a> Windows<'a> {
    fn new(rows: &'a dyn RowSource, at: &'a mut (usize, usize), rules: &Rules) -> Self {
        let all = rules.budget.rows.max(1);
        Self { rows, at, left: all, most: all.div_ceil(WINDOWS), until: Instant::now() + rules.budget.time }
    }

    /// The next window, if the step may go on.
    fn next(&mut self, stop: &AtomicBool) -> Option<Window<'a>> {
        if self.is_at_end() || self.left == 0 || Instant::now() >= self.until || stop.load(Ordering::Relaxed) {
            return None;
        }
        let (shard, from) = *self.at;
        let rows = (self.rows.rows(shard) - from).min(self.most).min(self.left);
        Some(Window { all: self.rows, shard, from, rows })
    }

    /// A window is done.
    fn pass(&mut self, window: &Window) {
        self.left -= window.rows;
        self.at.1 += window.rows;
    }

    /// Whether no rows are left. Goes over to the next shard where one is at its end.
    fn is_at_end(&mut self) -> bool {
        while self.at.0 < self.rows.shards() && self.at.1 >= self.rows.rows(self.at.0) {
            *self.at = (self.at.0 + 1, 0);
        }
        self.at.0 >= self.rows.shards()
    }
}

/// Some rows of a shard, as if there were no others.
struct Window<'a> {
    all: &'a dyn RowSource,
    shard: usize,
    from: usize,
    rows: usize,
}

impl Window<'_> {
    fn row(&self, row: RowRef) -> RowRef {
        RowRef { shard: self.shard, at: self.from + row.at }
    }
}

impl RowSource for Window<'_> {
    fn digest(&self) -> String {
        self.all.digest()
    }

    fn coverage(&self) -> Coverage {
        self.all.coverage()
    }

    fn shards(&self) -> usize {
        1
    }

    fn rows(&self, _: usize) -> usize {
        self.rows
    }

    fn place(&self, row: RowRef) -> RowPlace {
        self.all.place(self.row(row))
    }

    fn entity(&self, row: RowRef) -> Result<Entity, String> {
        self.all.entity(self.row(row))
    }
}
