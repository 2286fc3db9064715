//! The jobs of a folder of backups, on disk in `.gaebar/jobs` there: a file each, which is replaced whole.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::job::{Job, LAST, Rows, Stage, Work, is_backup_name, utc};
use super::replaced::replaced;
use super::restore::With;
use super::state::{Opened, State, now};
use super::turn::Claim;
use super::{Rules, StateError, StateStore, StepError, Stores, Sums, backup, confirmed, pull, restore, verify};
use crate::backup::{BackupError, at_work, spool_of};
use crate::config::is_same;
use crate::folder::{self, FolderError, SizeLimit};
use crate::linked::Linked;
use crate::private::{self, Private, PrivateError};
use crate::publish::PublishError;
use crate::pull::{PullError, forget_pulled, waiting_for, with_waiting};
use crate::secret::Secret;
use crate::update::UpdateError;

/// Jobs that have ended and are kept; the oldest go first.
const MOST_KEPT: usize = 20;
/// How long cancelling waits for a step that is under way.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long who begins a job waits for others that begin one.
const PATIENCE_TO_BEGIN: Duration = Duration::from_secs(10);

/// The jobs of a folder of backups.
#[derive(Debug)]
pub struct Jobs {
    pub(super) backups: PathBuf,
    folder: PathBuf,
    /// Backups that are compiled into this program.
    linked: Vec<Linked>,
    /// Whether the steps of a job in this process are to end.
    stops: Mutex<HashMap<u64, Arc<AtomicBool>>>,
    /// Where jobs are kept beside this disk, which may be gone with the next request.
    state: Option<Opened>,
    /// What confirmed restores are sealed with.
    secret: Secret,
    /// Held while a finished backup comes to this disk.
    pub(super) bringing: Mutex<()>,
    pub(super) sums: Sums,
}

/// A job that nobody else steps meanwhile, here or, where it is kept in a store, elsewhere.
struct Held {
    job: Job,
    turn: Option<Claim>,
    /// Whether its backup is finished on this disk, and has to be copied.
    is_finished: bool,
    lock: File,
}

/// Nobody else begins a job as long as there is this.
pub(super) struct Alone {
    /// Elsewhere neither, where jobs are kept in a store.
    pub(super) turn: Option<Claim>,
    _lock: File,
}

impl Jobs {
    /// Those of the backups in a folder, which need not exist yet, and of backups that are compiled into this program; kept in a store, too,
    /// if there is one for that. A restore that was confirmed goes on where the same secret is.
    pub fn new(backups: &Path, linked: Vec<Linked>, state: Option<StateStore>, secret: Secret) -> Self {
        let folder = backups.join(".gaebar").join("jobs");
        let (stops, bringing, sums) = (Mutex::default(), Mutex::default(), Sums::default());
        let state = state.map(Opened::new);
        Self { backups: backups.to_owned(), folder, linked, stops, state, secret, bringing, sums }
    }

    /// All of them that can be read, the latest first.
    pub fn all(&self) -> Result<Vec<Job>, StepError> {
        let here = self.ids()?.into_iter().filter_map(|id| self.here(id).ok());
        let mut jobs: BTreeMap<u64, Job> = here.map(|job| (job.id, job)).collect();
        if let Some(state) = self.state()? {
            jobs.retain(|_, job| job.stage.has_ended());
            jobs.extend(state.jobs()?.into_iter().filter_map(|(id, job)| Some((id, job.ok()?))));
        }
        Ok(jobs.into_values().rev().collect())
    }

    /// The numbers of the others, and why they can't be read.
    pub fn unreadable(&self) -> Result<Vec<(u64, StepError)>, StepError> {
        let here = self.ids()?.into_iter().filter_map(|id| Some((id, self.here(id).err()?)));
        let kept = self.state()?.map_or(Ok(Vec::new()), |state| state.jobs())?;
        Ok(here.chain(kept.into_iter().filter_map(|(id, job)| Some((id, job.err()?.into())))).collect())
    }

    /// The numbers of those on this disk.
    fn ids(&self) -> Result<Vec<u64>, StepError> {
        let names = folder::files(self.folder()?)?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).filter(|id| *id < LAST).collect())
    }

    /// A job as its last step left it.
    pub fn get(&self, id: u64) -> Result<Job, StepError> {
        let Some(state) = self.state()? else { return self.here(id) };
        match state.job(id)? {
            Some(job) => Ok(job),
            // It has ended here, and nothing of it is kept; or elsewhere, and then what is here is of before.
            None => self.here(id).and_then(|job| if job.stage.has_ended() { Ok(job) } else { Err(StepError::Missing(id)) }),
        }
    }

    /// A job as its last step on this disk left it.
    fn here(&self, id: u64) -> Result<Job, StepError> {
        let bytes = folder::read_regular(&self.folder()?.join(file(id)), SizeLimit::PROGRESS)?.ok_or(StepError::Missing(id))?;
        let job: Result<Job, _> = serde_json::from_slice(&bytes).map_err(|error| error.to_string());
        job.and_then(|job| job.check(id)).map_err(|problem| StepError::Damaged { id, problem })
    }

    pub(super) fn state(&self) -> Result<Option<Arc<State>>, StepError> {
        Ok(self.state.as_ref().map(Opened::get).transpose()?)
    }

    /// The folder of jobs. Backups may come from anywhere, and with them a link where it should be; none is followed.
    pub(super) fn folder(&self) -> Result<&Path, StepError> {
        for folder in [self.folder.parent().unwrap_or(&self.folder), &self.folder] {
            if folder.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
                return Err(PrivateError::in_the_way(folder, "folder").into());
            }
        }
        Ok(&self.folder)
    }

    /// Where what a job has found out lies, beside its file: what it has read or downloaded, until that is written, or what a restore
    /// knows of keys.
    fn spool(&self, job: &Job) -> PathBuf {
        match job.work {
            Work::Backup { .. } => spool_of(&self.backups.join(job.backup())),
            Work::Restore { .. } => self.own(job.id),
            Work::Pull { .. } => waiting_for(&self.backups.join(job.backup())),
        }
    }

    /// The folder of a job's own.
    pub(super) fn own(&self, id: u64) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// Begins a job. Nothing is read or written yet.
    pub fn begin(&self, mut work: Work, stores: &Stores, rules: &Rules) -> Result<Job, StepError> {
        if let Some((name, _)) = work.folder() {
            self.bring(name)?;
        }
        self.check(&work, stores, rules)?;
        let alone = self.alone()?;
        if let Some(turn) = &alone.turn {
            turn.state.sweep()?;
            // Those that ended elsewhere.
            for id in self.ids()? {
                if self.here(id).is_ok_and(|job| !job.stage.has_ended()) && turn.state.job(id).is_ok_and(|job| job.is_none()) {
                    self.remove(id)?;
                }
            }
        }
        let all = self.all()?;
        for other in all.iter().filter(|job| !job.stage.has_ended()) {
            let meet = work.folder().zip(other.work.folder());
            let what = match (&work, &other.work) {
                // Several may restore a backup at once; who writes it has it alone.
                _ if meet.is_some_and(|((ours, we), (theirs, they))| ours == theirs && (we || they)) => "backup",
                (Work::Restore { target, .. }, Work::Restore { target: other, .. })
                    if stores.get(target).zip(stores.get(other)).is_some_and(|(ours, theirs)| is_same(ours, theirs)) =>
                {
                    "target"
                }
                _ => continue,
            };
            return Err(StepError::Taken { id: other.id, what });
        }
        let replaces = replaced(&work, &self.backups, stores)?;
        for old in all.iter().filter(|job| job.stage.has_ended()).skip(MOST_KEPT - 1) {
            self.remove(old.id)?;
        }
        if let Work::Restore { target, project, place, .. } = &mut work
            && let Some(url) = stores.get(target)
        {
            (*project, *place) = (restore::project(url), restore::place(url));
        }
        // An instance does not know how many there were elsewhere, but what time it is.
        let least = if alone.turn.is_some() { now() } else { 1 };
        let before = self.ids()?.into_iter().chain(all.iter().map(|job| job.id)).max();
        let mut job = Job::new(before.map_or(1, |last| last + 1).max(least), work);
        if let Some(replaces) = replaces {
            job.say(&replaces);
        }
        confirmed::seal(&mut job, &self.secret);
        self.save(&job)?;
        if let Some(state) = self.state()? {
            Claim::take(state, job.id, Duration::ZERO)?.keep(&job, None, &self.sums)?;
        }
        Ok(job)
    }

    /// Has it that nobody else begins a job meanwhile, here or elsewhere. Who is just beginning one is waited for.
    pub(super) fn alone(&self) -> Result<Alone, StepError> {
        let give_up = Instant::now() + PATIENCE_TO_BEGIN;
        loop {
            if let Some(lock) = private::lock(self.folder()?, "begin.lock", File::try_lock)? {
                // There is no job 0.
                match self.state()?.map(|state| Claim::take(state, 0, Duration::ZERO)).transpose() {
                    Err(StateError::Elsewhere { .. }) => {}
                    turn => return Ok(Alone { turn: turn?, _lock: lock }),
                }
            }
            if Instant::now() >= give_up {
                return Err(StepError::Beginning);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Removes what there is of a job that has ended.
    fn remove(&self, id: u64) -> Result<(), FolderError> {
        folder::remove(&self.own(id))?;
        // The job itself last, so that who is cut off before comes back.
        ["lock", "new", "json"].iter().try_for_each(|what| folder::remove_file(&self.folder.join(format!("{id}.{what}"))))
    }

    /// Whether a job makes sense.
    fn check(&self, work: &Work, stores: &Stores, rules: &Rules) -> Result<(), StepError> {
        let refused = |what: String| Err(StepError::Refused(what));
        let (name, store) = match work {
            Work::Backup { store, backup, .. } => (backup, Some(store)),
            Work::Restore { backup, target, .. } => (backup, Some(target)),
            Work::Pull { backup, .. } => (backup, None),
        };
        if let Some(store) = store.filter(|store| !stores.contains_key(*store)) {
            return refused(format!("No store is called {store:?} here; [stores] in gaebar.toml gives stores their names."));
        }
        if let Work::Pull { remote, .. } = work
            && !rules.remotes.contains_key(remote)
        {
            return refused(format!("No Gaebar is called {remote:?} here; [remotes] in gaebar.toml gives Gaebars their names."));
        }
        if !is_backup_name(name) {
            return refused(format!(
                "{name:?} can't be a backup's name: take letters, digits, `-`, `_` and `.`, and at most 100."
            ));
        }
        if let Work::Restore { from, on_conflict, mirror, target, .. } = work {
            restore::on_conflict(on_conflict).map_err(StepError::Refused)?;
            if *mirror && on_conflict != "overwrite" {
                return refused("A mirror replaces what differs: say overwrite with it.".to_owned());
            }
            if !stores.get(target).is_some_and(|url| rules.may_restore_to(url)) {
                return refused(format!("{target:?} may not be restored to: [restore] targets in gaebar.toml does not list it."));
            }
            let is_there = match from {
                Rows::Folder => self.backups.join(name).join(crate::manifest::MANIFEST).is_file(),
                Rows::Linked => self.linked(name).is_some(),
            };
            if !is_there {
                let place = if *from == Rows::Linked { " in this program" } else { "" };
                return refused(format!("There is no backup {name:?}{place}."));
            }
        }
        Ok(())
    }

    /// Takes a step. `confirm` is what somebody typed to say that the target of a restore is meant; empty if nobody was asked.
    pub fn step(&self, id: u64, confirm: &str, stores: &Stores, rules: &Rules) -> Result<Job, StepError> {
        let mut held = self.hold(id, Duration::ZERO)?;
        if held.job.stage.has_ended() {
            return Ok(held.job);
        }
        self.bring_for_step(&mut held)?;
        let job = &mut held.job;
        confirmed::unless_sealed(job, &self.secret);
        if let Work::Restore { project, target, .. } = &mut job.work {
            // What the job's file says of it may have been edited.
            *project = stores.get(target).and_then(restore::project);
        }
        if !confirm.is_empty() {
            if let Some(word) = job.waits_for().filter(|word| *word != confirm) {
                return Err(StepError::Refused(format!("{confirm:?} is not {word}; nothing was written. Type {word} to go on.")));
            }
            if job.stage <= Stage::Confirming
                && let Work::Restore { confirm: said, .. } = &mut job.work
            {
                confirm.clone_into(said);
            }
        }
        if held.is_finished {
            job.stage = Stage::Keeping;
        } else if job.stage == Stage::Keeping {
            job.finish_again();
        }
        let stop = self.stop_of(id);
        let (begun, before) = (Instant::now(), (job.stage, job.rows()));
        job.steps += 1;
        if job.steps == 1 {
            // Whoever cancels it after a kill knows that something may be left.
            confirmed::seal(job, &self.secret);
            self.save(job)?;
        }
        let is_over = held.is_finished || self.was_published(job)?;
        let result = if is_over { Ok(()) } else { self.work(job, stores, rules, &stop) };
        if job.stage == before.0 {
            job.seconds += begun.elapsed().as_secs_f64();
        }
        if job.stage == before.0 && result.is_ok() && !held.is_finished {
            job.say(&format!("step {}: {}", job.steps, job.after_step(before.1)));
        }
        job.problem = None;
        match result {
            Ok(()) => {}
            // Somebody has asked it to end, here or by ending this process.
            Err(backup::Failed::Problem(_)) if stop.load(Ordering::Relaxed) => {}
            Err(backup::Failed::Problem(problem)) => {
                // The rest is told as long as it is the job's problem.
                job.say(&format!("step {} failed: {}", job.steps, problem.lines().next().unwrap_or_default()));
                job.problem = Some(problem);
            }
            Err(backup::Failed::Busy(error)) => return Err(error.into()),
        }
        confirmed::seal(job, &self.secret);
        if matches!(job.stage, Stage::Done | Stage::Keeping) && job.work.folder().is_some_and(|(_, writes)| writes) {
            self.keep_backup(held, rules)
        } else {
            self.keep(held)
        }
    }

    /// Writes down that a step has finished a backup, or copied some of it.
    fn keep_backup(&self, mut held: Held, rules: &Rules) -> Result<Job, StepError> {
        let Some(turn) = held.turn.take() else { return self.keep(held) };
        let job = &mut held.job;
        let (name, token) = (job.backup().to_owned(), turn.token().to_owned());
        let is_all = turn.keep_backup(job, &self.backups.join(&name), &rules.budget.bite()).map_err(|error| error.of(&name))?;
        if is_all {
            self.has_brought(&name, token)?;
        }
        self.keep(held)
    }

    /// Writes down what a step has left.
    fn keep(&self, Held { job, turn, lock: _held, .. }: Held) -> Result<Job, StepError> {
        self.save(&job)?;
        if let Some(turn) = turn {
            turn.keep(&job, Some(&self.spool(&job)), &self.sums)?;
        }
        if job.stage.has_ended() {
            self.let_go(job.id);
            folder::remove(&self.own(job.id))?;
        }
        Ok(job)
    }

    fn work(&self, job: &mut Job, stores: &Stores, rules: &Rules, stop: &AtomicBool) -> Result<(), backup::Failed> {
        let folder = self.backups.join(job.backup());
        let problem = |error: StepError| backup::Failed::Problem(error.to_string());
        let url = |store: &String| {
            let gone = || backup::Failed::Problem(format!("The store {store:?} has no name here any more."));
            stores.get(store).ok_or_else(gone)
        };
        match &job.work {
            Work::Backup { store, .. } => {
                let url = url(store)?;
                backup::step(job, url, &folder, &self.notes(job).map_err(problem)?, rules, stop)
            }
            Work::Pull { remote, .. } => {
                let gone = || backup::Failed::Problem(format!("The Gaebar {remote:?} has no name here any more."));
                let remote = rules.remotes.get(remote).ok_or_else(gone)?;
                pull::step(job, remote, &folder, &self.notes(job).map_err(problem)?, rules, &self.sums, stop)
            }
            Work::Restore { from, backup, target, place, digest, .. } => {
                let url = url(target)?;
                // A plan, and the name that was typed, are for one target, whatever settings and environment say by now.
                if *place != restore::place(url) {
                    return Err(backup::Failed::Problem(format!(
                        "{target:?} is {} now, and was {place} when this was begun; nothing was written. Cancel it, and begin anew.",
                        restore::place(url)
                    )));
                }
                // It was, when the job was begun.
                if !rules.may_restore_to(url) {
                    return Err(backup::Failed::Problem(format!("{url} may not be restored to any more.")));
                }
                let own = self.own(job.id);
                let done = match from {
                    Rows::Folder if job.stage == Stage::Verifying => verify::step(job, &folder, &own, rules.budget),
                    Rows::Folder => verify::rows(&folder, digest.as_deref()).and_then(|rows| {
                        restore::step(job, With { url, rows: &rows, folder: Some(&folder), own: &own, rules, stop })
                    }),
                    Rows::Linked => self
                        .linked(backup)
                        .ok_or_else(|| format!("This program has no backup {backup:?} any more."))
                        .and_then(|rows| restore::step(job, With { url, rows, folder: None, own: &own, rules, stop })),
                };
                done.map_err(backup::Failed::Problem)
            }
        }
    }

    /// A backup that is compiled into this program.
    fn linked(&self, name: &str) -> Option<&Linked> {
        self.linked.iter().find(|backup| backup.name() == name)
    }

    /// Ends a job, and the step of it that is under way here. What a backup had read is removed; what a restore has written stays. A pull's
    /// Gaebar elsewhere is asked to end the job that makes the backup there. Of a job that has ended, the backup that a store keeps is removed
    /// there.
    pub fn cancel(&self, id: u64, rules: &Rules) -> Result<Job, StepError> {
        let job = self.get(id)?;
        if job.stage.has_ended() {
            return self.forget(job);
        }
        let give_up = Instant::now() + PATIENCE;
        let stop = self.stop_of(id);
        stop.store(true, Ordering::Relaxed);
        let held = loop {
            let patience = give_up.saturating_duration_since(Instant::now());
            match self.hold(id, patience) {
                // A step that is under way here, or just beginning, ends now.
                Err(StepError::Busy { process, .. })
                    if process.is_none_or(|process| process == std::process::id()) && !patience.is_zero() => {}
                // Another instance took the next at the same moment.
                Err(StepError::State(StateError::Elsewhere { .. })) if !patience.is_zero() => {}
                held => break held,
            }
            std::thread::sleep(LOOK);
        };
        let ended = held.and_then(|held| self.end(held, rules));
        if !ended.as_ref().is_ok_and(|job| job.stage.has_ended()) {
            stop.store(false, Ordering::Relaxed);
        }
        ended
    }

    fn end(&self, mut held: Held, rules: &Rules) -> Result<Job, StepError> {
        let job = &mut held.job;
        if job.stage.has_ended() {
            return Ok(held.job);
        }
        if job.stage != Stage::Keeping && self.was_published(job)? {
            // Who cancels comes too late, but for the copying.
            if held.turn.is_none() {
                return self.keep(held);
            }
            job.stage = Stage::Keeping;
        }
        // The first step may have been broken off before a store heard of it.
        if job.steps > 0 || held.turn.as_ref().is_some_and(|turn| turn.is_after_a_broken_one) {
            self.forget_read(job)?;
            pull::cancel_there(&mut job.work, rules);
        }
        let leaves = job.leaves();
        // A backup that is finished is only not copied any further.
        job.stage = if job.stage == Stage::Keeping { Stage::Done } else { Stage::Cancelled };
        job.problem = None;
        job.say(&format!("cancelled: {leaves}"));
        self.keep(held)
    }

    /// Removes what a job has read or downloaded.
    pub(super) fn forget_read(&self, job: &Job) -> Result<(), StepError> {
        let place = self.backups.join(job.backup());
        let forgotten = match &job.work {
            Work::Backup { .. } => crate::backup::forget(&place).map_err(PullError::from),
            Work::Pull { .. } => forget_pulled(&place, &self.sums),
            Work::Restore { .. } => Ok(()),
        };
        match forgotten {
            // Where something else stands, nothing was read.
            Ok(()) | Err(PullError::Backup(BackupError::Publish(PublishError::Taken(_)))) => Ok(()),
            Err(error) => Err(not_removed(&error)),
        }
    }

    /// Asks the steps that are under way here to end, for another process to go on.
    pub fn stop(&self) {
        for stop in lock(&self.stops).values() {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn stop_of(&self, id: u64) -> Arc<AtomicBool> {
        Arc::clone(lock(&self.stops).entry(id).or_default())
    }

    /// Forgets what this process keeps of a job.
    fn let_go(&self, id: u64) {
        lock(&self.stops).remove(&id);
    }

    /// Holds a job. Where another instance takes a step of it, its end is waited for so long at the most.
    fn hold(&self, id: u64, patience: Duration) -> Result<Held, StepError> {
        let ended = self.get(id)?.stage.has_ended();
        let name = format!("{id}.lock");
        let place = self.folder.join(&name);
        let Some(mut lock) = private::lock(self.folder()?, &name, File::try_lock)? else {
            let process = private::holder(&place);
            let since = place.metadata().and_then(|file| file.modified()).ok().map(utc);
            return Err(StepError::Busy { process, since });
        };
        let said = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        said.map_err(FolderError::at("write", &place))?;
        // As it is now: a step may have ended just before.
        let Some(state) = self.state()?.filter(|_| !ended) else {
            return Ok(Held { job: self.get(id)?, turn: None, is_finished: false, lock });
        };
        let turn = Claim::take(state, id, patience)?;
        let Some(job) = turn.job.clone().filter(|job| !job.stage.has_ended()) else {
            return Ok(Held { job: self.get(id)?, turn: None, is_finished: false, lock });
        };
        Ok(Held { job, turn: Some(turn), is_finished: false, lock })
    }

    /// Brings to this disk what a step of a job needs.
    fn bring_for_step(&self, held: &mut Held) -> Result<(), StepError> {
        let Held { job, turn: Some(turn), is_finished, .. } = held else { return Ok(()) };
        if let Some((name, _)) = job.work.folder() {
            self.bring_from(&turn.state, name)?;
        }
        let keeping = turn.keeping.as_ref();
        *is_finished = keeping.is_some_and(|keeping| keeping.is_at(&self.backups.join(job.backup())));
        let spool = self.spool(job);
        if !*is_finished && !turn.is_here(&spool, &self.sums)? {
            self.bring_spool(turn, job, &spool)?;
        }
        Ok(())
    }

    /// Brings what a job has found out to this disk.
    fn bring_spool(&self, turn: &Claim, job: &Job, spool: &Path) -> Result<(), StepError> {
        let place = self.backups.join(job.backup());
        let mut brought = Ok(());
        let mut bring = || brought = turn.bring(spool, &self.sums);
        let held = match job.work {
            Work::Restore { .. } => {
                bring();
                Ok(())
            }
            Work::Backup { .. } => {
                let brought = |_: &Private| {
                    bring();
                    Ok(())
                };
                at_work(&place, brought).map_err(PullError::from)
            }
            Work::Pull { .. } => with_waiting(&place, bring),
        };
        match held {
            Ok(()) => Ok(brought?),
            Err(
                PullError::Private(error)
                | PullError::Backup(
                    BackupError::Publish(PublishError::Private(error)) | BackupError::Update(UpdateError::Private(error)),
                ),
            ) => Err(error.into()),
            Err(error) => Err(StepError::Refused(format!("What was read could not be brought here: {error}"))),
        }
    }

    pub(super) fn save(&self, job: &Job) -> Result<(), StepError> {
        let name = format!("{}.new", job.id);
        let folder = self.folder()?;
        let new = folder.join(&name);
        let text = serde_json::to_vec_pretty(job);
        let text = text.map_err(|error| StepError::Damaged { id: job.id, problem: error.to_string() })?;
        folder::write_again(folder, &name, &text)?;
        let place = folder.join(file(job.id));
        fs::rename(&new, &place).map_err(FolderError::at("write", &place))?;
        Ok(folder::sync_folder(folder)?)
    }
}

/// What is told where something is in the way of removing what was read.
pub(super) fn not_removed(error: &dyn Display) -> StepError {
    StepError::Refused(format!("What was read could not be removed: {error}"))
}

/// The file of a job.
fn file(id: u64) -> String {
    format!("{id}.json")
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
