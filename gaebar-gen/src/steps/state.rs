//! The store in which jobs are kept: the entities of Gaebar's own kind there, which are [turns](super::turn) and their [parts](super::parts).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::{self, Debug};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use gaebar_runtime::model::{Data, Entity, Id, Key, Properties, Value};
use gaebar_runtime::restore::is_own_kind;
use gaebar_runtime::store::{self, Scan, Store, StoreUrl, View, WriteMode};

use super::StateError;
use super::job::Job;
use super::parts::Blob;
use super::turn::{List, Turn};

/// The kind, if no other is named.
pub(super) const KIND: &str = "_GaebarState";
/// Entities that are looked through at a time. Parts have up to 900 kB each.
const PAGE: usize = 4;
/// The property of a turn, and of its list: JSON.
const TEXT: &str = "turn";

/// Where jobs are kept beside the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateStore {
    url: StoreUrl,
    kind: String,
}

impl StateStore {
    /// A store, and a kind of entities there: `_GaebarState`, or another that begins with `_Gaebar`.
    pub fn new(url: StoreUrl, kind: Option<&str>) -> Result<Self, StateError> {
        let kind = kind.unwrap_or(KIND).to_owned();
        if is_own_kind(&kind) { Ok(Self { url, kind }) } else { Err(StateError::Kind(kind)) }
    }

    pub(super) fn open(&self) -> Result<Arc<State>, StateError> {
        Ok(Arc::new(State { store: store::open_or_create(&self.url)?, kind: self.kind.clone() }))
    }
}

/// The store, which is opened once: to connect to it again takes a request or some.
#[derive(Debug)]
pub(super) struct Opened {
    store: StateStore,
    state: OnceLock<Arc<State>>,
}

impl Opened {
    pub(super) fn new(store: StateStore) -> Self {
        Self { store, state: OnceLock::new() }
    }

    pub(super) fn get(&self) -> Result<Arc<State>, StateError> {
        match self.state.get() {
            Some(state) => Ok(Arc::clone(state)),
            // One that can't be opened is tried again by whoever asks next.
            None => self.store.open().map(|state| Arc::clone(self.state.get_or_init(|| state))),
        }
    }
}

/// The jobs in a store.
pub(super) struct State {
    pub(super) store: Box<dyn Store>,
    kind: String,
}

impl Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl State {
    /// The key of one of Gaebar's entities.
    pub(super) fn key(&self, name: String) -> Key {
        Key::root(self.kind.clone(), name)
    }

    /// All jobs that have not ended, or whose backups are kept, by number; or what is wrong with those that can't be read.
    pub(super) fn jobs(&self) -> Result<Vec<Read>, StateError> {
        let mut ids = BTreeSet::new();
        self.each("turn", &mut |entity| {
            ids.extend(job_of(entity.key()));
            Ok(())
        })?;
        let mut jobs = Vec::new();
        for id in ids {
            match self.job(id) {
                Ok(job) => jobs.extend(job.map(|job| (id, Ok(job)))),
                Err(error @ StateError::Damaged { .. }) => jobs.push((id, Err(error))),
                Err(error) => return Err(error),
            }
        }
        Ok(jobs)
    }

    /// A job that has not ended, or whose backup is kept.
    pub(super) fn job(&self, id: u64) -> Result<Option<Job>, StateError> {
        Ok(self.list_of(id)?.map(|list| list.job))
    }

    /// What there is of such a job.
    fn list_of(&self, id: u64) -> Result<Option<List>, StateError> {
        let mut seen = None;
        loop {
            let list = self.turns(id)?.into_iter().rev().find_map(|turn| turn.list);
            let Some(blob) = &list else { return Ok(None) };
            match self.list(id, blob) {
                // When another turn has ended, the parts of the one before go.
                Err(StateError::Damaged { .. }) if list != seen => seen = list,
                found => return found.map(Some),
            }
        }
    }

    /// Removes what is left of jobs whose beginning or end was cut off, and backups that later jobs have finished.
    pub(super) fn sweep(&self) -> Result<(), StateError> {
        let mut jobs: BTreeMap<u64, Vec<Turn>> = BTreeMap::new();
        for turn in self.readable_turns()? {
            jobs.entry(turn.job).or_default().push(turn);
        }
        let kept: BTreeSet<_> = self.kept()?.into_values().map(|turn| turn.job).collect();
        jobs.retain(|job, turns| !kept.contains(job) && !turns.iter().any(Turn::is_under_way));
        for id in jobs.into_keys() {
            match self.job(id) {
                Ok(job) if job.as_ref().is_none_or(|job| job.stage.has_ended()) => self.remove(id)?,
                // What is damaged is for somebody to look at.
                Ok(_) | Err(StateError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes all that there is of a job, but what a later version of its backup has still.
    pub(super) fn remove(&self, job: u64) -> Result<(), StateError> {
        let mut turns = self.turns(job)?;
        let blob = turns.iter().rev().find_map(Turn::last_list).cloned();
        let trace = turns.pop();
        if let Some(trace) = &trace {
            // Before its parts go: nobody is to look for them.
            self.write(WriteMode::Upsert, &trace.without_list(blob.clone()))?;
        }
        self.delete(&turns.iter().map(|turn| turn.key(self)).collect::<Vec<_>>())?;
        let list = match blob.map(|blob| self.list(job, &blob)).transpose() {
            // Whoever was cut off before had removed what it had of other jobs: that goes first.
            Err(StateError::Damaged { .. }) => None,
            list => list?,
        };
        let needed = self.blobs_of_others(job)?;
        let names: HashSet<_> = needed.iter().flat_map(Blob::names).collect();
        let of_others = list.iter().flat_map(List::blobs).filter(|blob| blob.job != job).flat_map(Blob::names);
        let mut parts: Vec<_> = of_others.filter(|name| !names.contains(name)).map(|name| self.key(name)).collect();
        self.each_own_part(job, &needed, &mut |part| {
            parts.push(part.key().clone());
            Ok(())
        })?;
        self.delete(&parts)?;
        // Last, so that who is cut off before leaves a trace of what is to be removed.
        self.delete(&trace.iter().map(|turn| turn.key(self)).collect::<Vec<_>>())
    }

    /// What all other jobs have in parts.
    fn blobs_of_others(&self, job: u64) -> Result<Vec<Blob>, StateError> {
        let others: BTreeSet<_> = self.readable_turns()?.iter().map(|turn| turn.job).filter(|other| *other != job).collect();
        let mut blobs = Vec::new();
        for other in others {
            let list = match self.list_of(other) {
                // Nobody can read what it has.
                Err(StateError::Damaged { .. }) => None,
                list => list?,
            };
            blobs.extend(list.iter().flat_map(List::blobs).cloned());
        }
        Ok(blobs)
    }

    /// Goes through the parts that a job has written, but those that are needed: they are not even read.
    fn each_own_part(&self, job: u64, needed: &[Blob], each: &mut Each) -> Result<(), StateError> {
        let (mut from, end) = bounds(&of_job("part", job));
        let ranges: BTreeSet<_> = needed.iter().filter(|blob| blob.job == job).map(Blob::range).collect();
        for (first, after) in ranges {
            if from < first {
                self.each_between(&from, &first, each)?;
            }
            from = from.max(after);
        }
        self.each_between(&from, &end, each)
    }

    /// A turn by its key.
    pub(super) fn turn(&self, key: &Key) -> Result<Option<Turn>, StateError> {
        self.store.lookup(&[key])?.first().map(|entity| self.parse(entity)).transpose()
    }

    /// The turns of a job, in order.
    pub(super) fn turns(&self, job: u64) -> Result<Vec<Turn>, StateError> {
        let mut turns = Vec::new();
        self.each(&of_job("turn", job), &mut |entity| {
            turns.push(self.parse(entity)?);
            Ok(())
        })?;
        Ok(turns)
    }

    /// The turns of all jobs, in order, but those that are damaged: one job's is nothing to the others.
    pub(super) fn readable_turns(&self) -> Result<Vec<Turn>, StateError> {
        let mut turns = Vec::new();
        self.each("turn", &mut |entity| {
            turns.extend(self.parse(entity).ok());
            Ok(())
        })?;
        Ok(turns)
    }

    /// Goes through the entities whose names begin with a word or some, in order.
    fn each(&self, prefix: &str, each: &mut Each) -> Result<(), StateError> {
        let (from, to) = bounds(prefix);
        self.each_between(&from, &to, each)
    }

    /// Goes through the entities from a name on, up to another.
    fn each_between(&self, from: &str, to: &str, each: &mut Each) -> Result<(), StateError> {
        let (from, to) = (self.key(from.to_owned()), self.key(to.to_owned()));
        let scan = Scan { namespace: String::new(), kind: self.kind.clone(), from: Some(from), to: Some(to) };
        let snapshot = self.store.snapshot(View::Latest)?;
        let mut cursor = None;
        loop {
            let page = snapshot.page(&scan, cursor.as_ref(), PAGE)?;
            page.entities.iter().try_for_each(&mut *each)?;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    pub(super) fn write(&self, mode: WriteMode, turn: &Turn) -> Result<(), StateError> {
        let text = serde_json::to_string(turn).map_err(|error| self.damaged(&turn.key(self), &error))?;
        let properties = Properties::from([(TEXT.to_owned(), Value::from(text).unindexed())]);
        let entity = Entity::new(turn.key(self), properties).map_err(|error| self.damaged(&turn.key(self), &error))?;
        Ok(self.store.write(mode, &[entity])?)
    }

    fn parse(&self, entity: &Entity) -> Result<Turn, StateError> {
        let text = match entity.properties.get(TEXT).map(|value| &value.data) {
            Some(Data::String(text)) => text.as_str(),
            _ => "",
        };
        let turn: Turn = serde_json::from_str(text).map_err(|error| self.damaged(entity.key(), &error))?;
        let problem = if turn.key(self) != *entity.key() {
            "it is another's turn"
        } else if turn.is_sound() {
            return Ok(turn);
        } else {
            "its numbers are none that a turn has"
        };
        Err(self.damaged(entity.key(), &problem))
    }

    pub(super) fn list(&self, job: u64, blob: &Blob) -> Result<List, StateError> {
        let text = blob.all(self)?;
        let key = self.key(of_job("turn", job));
        let list: List = serde_json::from_slice(&text).map_err(|error| self.damaged(&key, &error))?;
        let kept = list.keeping.iter().flat_map(|keeping| keeping.files.keys());
        match list.files.keys().chain(kept).find(|name| !is_plain(name)) {
            Some(name) => Err(self.damaged(&key, &format!("{name:?} is no file of a spool or a backup"))),
            None if !Blob::are_sound(list.blobs()) => Err(self.damaged(&key, &"files have other parts than their bytes need")),
            None => Ok(List { job: list.job.check(job).map_err(|problem| self.damaged(&key, &problem))?, ..list }),
        }
    }

    pub(super) fn damaged(&self, key: &Key, problem: &dyn std::fmt::Display) -> StateError {
        StateError::Damaged {
            job: job_of(key).unwrap_or_default(),
            store: self.store.place().to_string(),
            kind: self.kind.clone(),
            entity: key.to_string(),
            problem: problem.to_string(),
        }
    }

    /// Deletes entities; there need not be any.
    pub(super) fn delete(&self, keys: &[Key]) -> Result<(), StateError> {
        Ok(self.store.delete(&keys.iter().collect::<Vec<_>>())?)
    }
}

/// A job by its number, or why it can't be read.
type Read = (u64, Result<Job, StateError>);

/// What is done with each entity.
type Each<'a> = dyn FnMut(&Entity) -> Result<(), StateError> + 'a;

/// What all names lie between that begin with a word or some.
fn bounds(prefix: &str) -> (String, String) {
    // A blank comes next, and `!` is next to that.
    (format!("{prefix} "), format!("{prefix}!"))
}

/// Whether a path is one of a file below a spool, and leads nowhere else.
fn is_plain(path: &str) -> bool {
    let plain =
        |part: &str| !["", ".", ".."].contains(&part) && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c));
    path.split('/').all(plain)
}

/// The beginning of the names of a job's turns or parts.
pub(super) fn of_job(what: &str, job: u64) -> String {
    format!("{what} {job:020}")
}

/// The job of a turn or part with such a name.
fn job_of(key: &Key) -> Option<u64> {
    let Id::Name(name) = &key.last().id else { return None };
    name.split(' ').nth(1)?.parse().ok()
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::job::{Stage, Work};
    use super::super::turn::Claim;
    use super::*;

    #[test]
    fn a_job_that_leads_elsewhere_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateStore::new(StoreUrl::Sqlite(folder.path().join("state.db")), None).unwrap();
        for (id, said, backup) in [(7, 7, "../nightly"), (8, 8, "/nightly"), (9, 10, "nightly")] {
            let mut job = Job::new(said, Work::backup("from".to_owned(), backup.to_owned(), false));
            job.stage = Stage::Writing;
            let list = List { job, files: BTreeMap::new(), keeping: None };
            Claim::take(state.open().unwrap(), id, Duration::ZERO).unwrap().end(&list).unwrap();
            assert!(matches!(state.open().unwrap().job(id), Err(StateError::Damaged { .. })), "{backup}");
            assert!(
                matches!(Claim::take(state.open().unwrap(), id, Duration::ZERO), Err(StateError::Damaged { .. })),
                "{backup}"
            );
        }
    }

    #[test]
    fn only_a_kind_of_gaebars_own_holds_its_state() {
        let url = || StoreUrl::Sqlite("state.db".into());
        StateStore::new(url(), Some("_GaebarStaging")).unwrap();
        let error = StateStore::new(url(), Some("State")).unwrap_err().to_string();
        assert!(error.contains("must begin with `_Gaebar`"), "{error}");
    }
}
