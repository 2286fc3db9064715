//! Comparisons of backups with stores. One takes longer than a page may, so it goes on by itself, and pages show how far it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

use axum::http::StatusCode;
use gaebar_runtime::model::{Properties, Value};
use gaebar_runtime::store::{self, StoreUrl};

use super::problem::Problem;
use crate::compare::{CompareError, Compared, Difference, Side, changes, compare};
use crate::emit::notations;
use crate::read::Selection;

/// Comparisons that run at once.
const MOST_RUNNING: usize = 2;
/// Comparisons that are kept. Each keeps some megabytes at the most.
const MOST_KEPT: usize = 20;
/// Differences that are kept of one. All are counted.
pub(super) const MOST_TOLD: usize = 1_000;
/// Properties of an entity that are kept.
const MOST_PROPERTIES: usize = 20;
/// Characters of a value that are kept.
const MOST_VALUE: usize = 200;

/// Those of this process, by backup and store.
#[derive(Debug, Default)]
pub(super) struct Comparisons(Mutex<BTreeMap<(String, String), Arc<Comparison>>>);

/// A comparison, under way or done.
#[derive(Debug)]
pub(super) struct Comparison {
    begun: Instant,
    limit: Duration,
    /// With how many scans the store is read.
    scans: usize,
    stop: AtomicBool,
    ended: Mutex<Option<Ended>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How a comparison ended.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    Compared(Arc<Differences>),
    Failed(Problem),
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) equal: u64,
    /// Entities of the store that were not compared: the backup does not cover their kinds or namespaces.
    pub(super) not_covered: u64,
    /// References of the backup that name the store's own project.
    pub(super) own_references: u64,
    /// By kind.
    pub(super) counts: BTreeMap<String, Counts>,
    /// The first of them.
    pub(super) told: Vec<Told>,
    pub(super) seconds: f64,
}

/// How many entities differ.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) only_backup: u64,
    pub(super) only_store: u64,
    pub(super) changed: u64,
}

impl Counts {
    pub(super) fn all(self) -> u64 {
        self.only_backup + self.only_store + self.changed
    }
}

/// In which way an entity differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    OnlyBackup,
    OnlyStore,
    Changed,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnlyBackup => "only in the backup",
            Self::OnlyStore => "only in the store",
            Self::Changed => "differs",
        })
    }
}

/// An entity that differs.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) change: Change,
    pub(super) key: String,
    pub(super) properties: Vec<ToldProperty>,
    /// Properties that differ and are not kept.
    pub(super) more: usize,
}

/// A property that differs: its value in the backup, and in the store.
#[derive(Debug)]
pub(super) struct ToldProperty {
    pub(super) name: String,
    pub(super) backup: Option<String>,
    pub(super) store: Option<String>,
}

impl Comparisons {
    /// The last comparison of a backup with a store.
    pub(super) fn get(&self, backup: &str, store: &str) -> Option<Arc<Comparison>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(backup.to_owned(), store.to_owned())).cloned()
    }

    /// Begins to compare. One that is under way already goes on.
    pub(super) fn begin(
        &self,
        backup: (&str, &Path),
        store: (&str, &StoreUrl),
        (limit, scans): (Duration, usize),
    ) -> Result<(), Problem> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (backup.0.to_owned(), store.0.to_owned());
        if all.get(&name).is_some_and(|comparison| comparison.ended().is_none()) {
            return Ok(());
        }
        if all.values().filter(|comparison| comparison.ended().is_none()).count() >= MOST_RUNNING {
            let (what, next) = ("Other comparisons are under way.", "Wait until one is done, or stop it; then compare again.");
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, what, next));
        }
        all.remove(&name);
        let oldest =
            || all.iter().filter(|(_, one)| one.ended().is_some()).min_by_key(|(_, one)| one.begun).map(|(name, _)| name.clone());
        if let Some(oldest) = oldest().filter(|_| all.len() >= MOST_KEPT) {
            all.remove(&oldest);
        }
        let comparison = Arc::new(Comparison {
            begun: Instant::now(),
            limit,
            scans,
            stop: AtomicBool::new(false),
            ended: Mutex::default(),
            thread: Mutex::default(),
        });
        let (of, folder, url) = (Arc::clone(&comparison), backup.1.to_owned(), store.1.clone());
        let thread = thread::Builder::new().name("gaebar compare".to_owned()).spawn(move || of.run(&folder, &url));
        let thread = thread.map_err(|_| Problem::broken())?;
        *comparison.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        // Where the time is up, who compares does not notice by itself.
        let timed = Arc::downgrade(&comparison);
        tokio::spawn(async move {
            tokio::time::sleep(limit).await;
            if let Some(comparison) = timed.upgrade() {
                comparison.stop();
            }
        });
        all.insert(name, comparison);
        Ok(())
    }

    /// Stops all of them, and waits for that: they have files to remove.
    pub(super) fn stop(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for comparison in all.values() {
            comparison.stop();
        }
        for comparison in all.into_values() {
            if let Some(thread) = comparison.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // One that has panicked has said so.
                let _ = thread.join();
            }
        }
    }
}

impl Comparison {
    /// How it ended; `None` while it goes on.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn seconds(&self) -> u64 {
        self.begun.elapsed().as_secs()
    }

    /// Asks it to stop.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn run(&self, backup: &Path, store: &StoreUrl) {
        let ended = match self.compare(backup, store) {
            Ok(differences) => Ended::Compared(Arc::new(differences)),
            Err(problem) => Ended::Failed(problem),
        };
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    }

    fn compare(&self, backup: &Path, store: &StoreUrl) -> Result<Differences, Problem> {
        let unavailable = |what: String, next: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, what, next);
        let store = store::open(store).map_err(|error| {
            unavailable(format!("The store could not be opened: {error}"), "Put that right, and compare again.")
        })?;
        let selection = Selection { scans: self.scans, ..Selection::default() };
        let mut differences = Differences::default();
        let compared = compare(Side::Backup(backup), Side::Store(store.as_ref()), &selection, &self.stop, &mut |difference| {
            differences.tell(difference);
            Ok::<_, io::Error>(())
        });
        let seconds = self.begun.elapsed();
        match compared {
            Ok(Compared { equal, own_references }) => {
                Ok(Differences { equal, own_references, seconds: seconds.as_secs_f64(), ..differences })
            }
            Err(_) if self.stop.load(Ordering::Relaxed) && seconds >= self.limit => {
                let what = format!("This took more than {} s and was given up; nothing was changed.", self.limit.as_secs());
                Err(unavailable(what, "`gaebar diff` on the command line has no such limit; --kinds compares a part."))
            }
            Err(_) if self.stop.load(Ordering::Relaxed) => {
                Err(unavailable("The comparison was stopped; nothing was changed.".to_owned(), "Compare again when you like."))
            }
            Err(error) => Err(unavailable(error.to_string(), advice(&error))),
        }
    }
}

fn advice(error: &CompareError) -> &'static str {
    match error {
        CompareError::Verify(_) => "`gaebar verify` names every file of the backup that is not as it should be.",
        CompareError::Spool(_) | CompareError::Folder(_) | CompareError::Output(_) => {
            "Is the disk of the machine that serves this page full? A comparison needs the size of both sides for a while."
        }
        CompareError::Read(_) => "Put that right, and compare again.",
    }
}

impl Differences {
    fn tell(&mut self, difference: Difference) {
        let nothing = Properties::new();
        let (entity, change, backup, store) = match difference {
            Difference::Removed(entity) => (entity, Change::OnlyBackup, &entity.properties, &nothing),
            Difference::Added(entity) => (entity, Change::OnlyStore, &nothing, &entity.properties),
            Difference::Changed(one, other) => (one, Change::Changed, &one.properties, &other.properties),
            Difference::NotCovered(_) => {
                self.not_covered += 1;
                return;
            }
        };
        let counts = self.counts.entry(entity.kind().to_owned()).or_default();
        *match change {
            Change::OnlyBackup => &mut counts.only_backup,
            Change::OnlyStore => &mut counts.only_store,
            Change::Changed => &mut counts.changed,
        } += 1;
        if self.told.len() < MOST_TOLD {
            let mut properties: Vec<_> = changes(backup, store).collect();
            let more = properties.len().saturating_sub(MOST_PROPERTIES);
            properties.truncate(MOST_PROPERTIES);
            let property = |(name, backup, store): (&str, Option<&Value>, Option<&Value>)| {
                let [backup, store] = notations(backup, store).map(|value| value.as_deref().map(cut));
                ToldProperty { name: cut(name), backup, store }
            };
            let properties = properties.into_iter().map(property).collect();
            self.told.push(Told { change, key: entity.key().to_string(), properties, more });
        }
    }
}

/// The beginning of a text.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
