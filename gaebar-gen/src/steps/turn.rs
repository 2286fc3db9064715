//! Steps in a store, for a host without a disk: what a step leaves is kept there, and brought back where another instance takes the next.
//!
//! A step is a *turn*. Who takes it inserts an entity that says who, and until when, so that a second is told. When the step is over, that
//! entity gets the list of what there is now: the job, and the files of its spool or of the backup that it has finished. Their bytes are in
//! *parts*, entities that were written before. So a job is what its latest turn with a list says, and a turn that was broken off, or a part
//! of one, is never taken for it. Whoever comes too late, because the time of the turn was up and others have gone on, finds the turn gone,
//! and what it did is lost, without harm.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use gaebar_runtime::model::Key;
use gaebar_runtime::store::{StoreError, WriteMode};
use serde::{Deserialize, Serialize};

use super::StateError;
use super::job::{Job, LAST, utc};
use super::parts::{Blob, Parts};
use super::state::{State, now, of_job};

/// How long a turn is somebody's. Hosts end requests after such a time; a longer step still counts if nobody took the next meanwhile.
pub(super) const TURN: Duration = Duration::from_mins(2);

/// How often who waits for another's turn to end looks whether it has.
const LOOK: Duration = Duration::from_millis(100);

/// A turn, as it is in the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Turn {
    pub(super) job: u64,
    number: u64,
    /// Who took it, for people.
    who: String,
    /// Whose it is, for its owner.
    pub(super) token: String,
    /// Until when, in seconds since 1970.
    until: u64,
    /// The list, once it has ended.
    pub(super) list: Option<Blob>,
    /// The list, once the job is being removed.
    #[serde(default)]
    gone: Option<Blob>,
    /// The backup that it has finished, which is kept.
    #[serde(default)]
    pub(super) kept: Option<String>,
}

/// What there is of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct List {
    pub(super) job: Job,
    /// The files of its spool, or of the backup that it has finished, by name.
    pub(super) files: BTreeMap<String, Blob>,
    /// The backup that it has finished, as long as not all of that is here.
    #[serde(default)]
    pub(super) keeping: Option<Keeping>,
}

/// A finished backup on its way from the disk of an instance into the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Keeping {
    /// The hash over the names and hashes of its files, by which a disk knows whether it has that backup.
    pub(super) digest: String,
    /// Those of its files that are here.
    pub(super) files: BTreeMap<String, Blob>,
}

impl List {
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.files.values().chain(self.keeping.iter().flat_map(|keeping| keeping.files.values()))
    }
}

impl Turn {
    pub(super) fn key(&self, state: &State) -> Key {
        state.key(format!("{} {:020}", of_job("turn", self.job), self.number))
    }

    /// Whether there can be such a turn, and another after it.
    pub(super) fn is_sound(&self) -> bool {
        self.job < LAST && self.number < LAST && Blob::are_sound(self.list.iter().chain(&self.gone))
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.list.is_none() && self.until > now() && self.until <= furthest()
    }

    /// The list that it has, or had before its job was being removed.
    pub(super) fn last_list(&self) -> Option<&Blob> {
        self.list.as_ref().or(self.gone.as_ref())
    }

    /// The turn of a job that is removed, and had a list.
    pub(super) fn without_list(&self, gone: Option<Blob>) -> Self {
        Self { until: 0, list: None, gone, kept: None, ..self.clone() }
    }

    fn elsewhere(&self) -> StateError {
        StateError::Elsewhere { who: self.who.clone(), until: utc(UNIX_EPOCH + Duration::from_secs(self.until.min(furthest()))) }
    }
}

/// Until when a turn can be somebody's, whose clock may go before this one: who says more is not believed.
fn furthest() -> u64 {
    now() + 2 * TURN.as_secs()
}

/// A turn that is this process's. Dropped before its end, it is as if it had not been.
pub(super) struct Claim {
    pub(super) state: Arc<State>,
    turn: Turn,
    /// The job, as the last one left it; `None` if there was none.
    pub(super) job: Option<Job>,
    /// The spool that the last one left.
    pub(super) spool: BTreeMap<String, Blob>,
    /// The finished backup of which the last one has left not all.
    pub(super) keeping: Option<Keeping>,
    /// All that the last one left.
    before: Vec<Blob>,
    /// Whether the turn before was broken off, and may have done anything that a step does.
    pub(super) is_after_a_broken_one: bool,
    /// What this one has written.
    pub(super) parts: Parts,
    is_open: bool,
}

impl Claim {
    /// Takes the next turn of a job, which may be new, and what the last one left. While another's turn is under way, this one waits for its end
    /// so long at the most; nobody else takes one before it then.
    pub(super) fn take(state: Arc<State>, job: u64, patience: Duration) -> Result<Self, StateError> {
        let give_up = Instant::now() + patience;
        let before = state.turns(job)?;
        if let Some(other) = before.iter().find(|turn| turn.is_under_way()).filter(|_| patience.is_zero()) {
            return Err(other.elsewhere());
        }
        let number = before.last().map_or(1, |last| last.number + 1);
        let until = now() + TURN.as_secs();
        let turn = Turn { job, number, who: who(), token: token(), until, list: None, gone: None, kept: None };
        match state.write(WriteMode::Insert, &turn) {
            // An answer that was lost makes it seem somebody else's.
            Err(StateError::Store(error)) if error.exists_already() => match state.turn(&turn.key(&state))? {
                Some(other) if other.token == turn.token => {}
                Some(other) => return Err(other.elsewhere()),
                None => return Err(error.into()),
            },
            written => written?,
        }
        let (parts, spool) = (Parts::new(job, number), BTreeMap::new());
        let mut claim = Claim {
            parts,
            state,
            turn,
            job: None,
            spool,
            keeping: None,
            before: Vec::new(),
            is_after_a_broken_one: false,
            is_open: true,
        };
        // Of two that looked at the same time, at least one sees the other now.
        let others = loop {
            let mut others = claim.state.turns(job)?;
            others.retain(|other| other.number != number);
            match others.iter().find(|other| other.number > number || other.is_under_way()) {
                None => break others,
                Some(other) if other.number > number || Instant::now() >= give_up => return Err(other.elsewhere()),
                Some(_) => thread::sleep(LOOK),
            }
        };
        claim.is_after_a_broken_one = others.last().is_some_and(|turn| turn.list.is_none());
        if let Some(list) = others.iter().rev().find_map(|turn| turn.list.as_ref()) {
            let list = claim.state.list(job, list)?;
            claim.before = list.blobs().cloned().collect();
            let List { job, files, keeping } = list;
            (claim.job, claim.spool, claim.keeping) = (Some(job), files, keeping);
        }
        Ok(claim)
    }

    /// A word that no other turn has.
    pub(super) fn token(&self) -> &str {
        &self.turn.token
    }

    /// Ends the turn: this is what there is now. Of a job that has ended, nothing stays but a backup that is kept.
    pub(super) fn end(mut self, list: &List) -> Result<(), StateError> {
        let job = self.turn.job;
        let text = serde_json::to_vec(list).map_err(|error| self.state.damaged(&self.turn.key(&self.state), &error))?;
        let blob = self.parts.add(&self.state, &mut text.as_slice(), Path::new("a list"))?;
        self.parts.flush(&self.state)?;
        self.turn.list = Some(blob.clone());
        self.turn.kept = (list.job.kept > 0).then(|| list.job.backup().to_owned());
        match self.state.write(WriteMode::Update, &self.turn) {
            Err(StateError::Store(StoreError::Refused { code, .. })) if code == "NOT_FOUND" => return Err(StateError::Overtaken),
            written => written?,
        }
        self.is_open = false;
        if list.job.stage.has_ended() && self.turn.kept.is_none() {
            return self.state.remove(job);
        }
        let mut turns = self.state.turns(job)?;
        if turns.pop().is_some_and(|last| last.number != self.turn.number) {
            // Somebody goes on from what was before, and needs it. What is left then goes with the job.
            return Ok(());
        }
        let kept: BTreeSet<_> = list.blobs().chain([&blob]).flat_map(Blob::names).collect();
        let lists = turns.iter().filter_map(|turn| turn.list.as_ref());
        let parts = lists.chain(&self.before).filter(|blob| blob.job == job).flat_map(Blob::names);
        let parts = parts.filter(|name| !kept.contains(name)).map(|name| self.state.key(name));
        let gone: Vec<_> = parts.chain(turns.iter().map(|turn| turn.key(&self.state))).collect();
        self.state.delete(&gone)?;
        self.turn.kept.as_ref().map_or(Ok(()), |backup| self.state.replaced(backup, job))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.is_open {
            let parts = self.parts.names().map(|name| self.state.key(name));
            let all: Vec<_> = parts.chain([self.turn.key(&self.state)]).collect();
            // If this fails, the turn ends by itself, and its parts go with the job.
            let _ = self.state.delete(&all);
        }
    }
}

/// This process, for people.
fn who() -> String {
    let host = std::env::var("HOSTNAME").map(|host| format!(" on {host}")).unwrap_or_default();
    format!("process {}{host}", std::process::id())
}

/// A word that nobody else has.
fn token() -> String {
    let hash = || RandomState::new().hash_one(now());
    format!("{:016x}{:016x}", hash(), hash())
}

#[cfg(test)]
mod tests {
    use gaebar_runtime::store::{Scan, StoreUrl, View};

    use super::super::state::KIND;
    use super::*;
    use crate::steps::{Stage, StateStore, Work};

    fn list(steps: u64, stage: Stage) -> List {
        let mut job = Job::new(7, Work::backup("from".to_owned(), "nightly".to_owned(), false));
        (job.steps, job.stage) = (steps, stage);
        List { job, files: BTreeMap::new(), keeping: None }
    }

    fn entities(state: &State) -> usize {
        let scan = Scan { namespace: String::new(), kind: KIND.to_owned(), from: None, to: None };
        state.store.snapshot(View::Latest).unwrap().page(&scan, None, 1_000).unwrap().entities.len()
    }

    #[test]
    fn a_turn_is_taken_once_until_its_time_is_up_and_who_comes_too_late_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateStore::new(StoreUrl::Sqlite(folder.path().join("state.db")), None).unwrap();
        let open = || state.open().unwrap();
        assert!(open().job(7).unwrap().is_none());
        Claim::take(open(), 7, Duration::ZERO).unwrap().end(&list(1, Stage::Reading)).unwrap();
        let mut slow = Claim::take(open(), 7, Duration::ZERO).unwrap();
        assert!(matches!(Claim::take(open(), 7, Duration::ZERO), Err(StateError::Elsewhere { who, .. }) if who == slow.turn.who));
        slow.parts.add(&slow.state, &mut [1_u8; 10].as_slice(), Path::new("")).unwrap();
        slow.parts.flush(&slow.state).unwrap();
        slow.turn.until = 0;
        slow.state.write(WriteMode::Update, &slow.turn).unwrap();

        let next = Claim::take(open(), 7, Duration::ZERO).unwrap();
        assert_eq!(next.job.as_ref().map(|job| job.steps), Some(1));
        next.end(&list(3, Stage::Reading)).unwrap();
        assert!(matches!(slow.end(&list(2, Stage::Reading)), Err(StateError::Overtaken)));
        assert_eq!(open().job(7).unwrap().map(|job| job.steps), Some(3));
        assert_eq!(entities(&open()), 2, "a turn and its list");

        // One that is given up leaves nothing, and the next begins from the same.
        drop(Claim::take(open(), 7, Duration::ZERO).unwrap());
        assert_eq!(entities(&open()), 2);
        let last = Claim::take(open(), 7, Duration::ZERO).unwrap();
        assert_eq!(last.job.as_ref().map(|job| job.steps), Some(3));
        last.end(&list(4, Stage::Done)).unwrap();
        assert_eq!(entities(&open()), 0);
        assert!(open().jobs().unwrap().is_empty());
    }

    #[test]
    fn what_is_torn_is_not_taken_and_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateStore::new(StoreUrl::Sqlite(folder.path().join("state.db")), None).unwrap();
        let open = || state.open().unwrap();
        Claim::take(open(), 7, Duration::ZERO).unwrap().end(&list(1, Stage::Reading)).unwrap();
        // Killed when its parts were written, and nothing said where they are.
        let mut killed = Claim::take(open(), 7, Duration::ZERO).unwrap();
        killed.parts.add(&killed.state, &mut [1_u8; 10].as_slice(), Path::new("")).unwrap();
        killed.parts.flush(&killed.state).unwrap();
        killed.turn.until = 0;
        killed.state.write(WriteMode::Update, &killed.turn).unwrap();
        killed.is_open = false;
        drop(killed);
        assert_eq!(open().job(7).unwrap().map(|job| job.steps), Some(1));
        open().sweep().unwrap();
        assert_eq!(open().job(7).unwrap().map(|job| job.steps), Some(1), "it goes on");
        Claim::take(open(), 7, Duration::ZERO).unwrap().end(&list(2, Stage::Cancelled)).unwrap();
        assert_eq!(entities(&open()), 0);

        // Killed while what was kept was being removed.
        let mut kept = list(3, Stage::Done);
        kept.job.kept = 10;
        Claim::take(open(), 7, Duration::ZERO).unwrap().end(&kept).unwrap();
        open().sweep().unwrap();
        assert_eq!(open().kept().unwrap().keys().collect::<Vec<_>>(), ["nightly"]);
        let removing = open().turns(7).unwrap()[0].without_list(None);
        open().write(WriteMode::Update, &removing).unwrap();
        assert!(open().kept().unwrap().is_empty() && open().job(7).unwrap().is_none());
        open().sweep().unwrap();
        assert_eq!(entities(&open()), 0);

        // Killed while a version was being removed, of which the later one has a part.
        let blob = |claim: &mut Claim, byte: u8| claim.parts.add(&claim.state, &mut [byte].as_slice(), Path::new("")).unwrap();
        let kept = |id: u64, files: &[(&str, &Blob)]| {
            let mut job = Job::new(id, Work::backup("from".to_owned(), "nightly".to_owned(), false));
            (job.stage, job.kept) = (Stage::Done, 1);
            let files = files.iter().map(|(name, blob)| ((*name).to_owned(), (*blob).clone())).collect();
            List { job, files, keeping: None }
        };
        let mut first = Claim::take(open(), 7, Duration::ZERO).unwrap();
        let (stays, goes) = (blob(&mut first, 1), blob(&mut first, 2));
        first.end(&kept(7, &[("a", &stays), ("b", &goes)])).unwrap();
        let mut second = Claim::take(open(), 8, Duration::ZERO).unwrap();
        let new = blob(&mut second, 3);
        second.end(&kept(8, &[("a", &stays), ("b", &new)])).unwrap();
        assert_eq!(entities(&open()), 4, "a turn, its list, what is new, and what stayed");
        assert_eq!(stays.all(&open()).unwrap(), [1]);
        let last = &open().turns(8).unwrap()[0];
        open().write(WriteMode::Update, &last.without_list(last.list.clone())).unwrap();
        open().sweep().unwrap();
        assert_eq!(entities(&open()), 0, "what stayed of the version before goes, too");

        // Killed at the very beginning.
        let mut killed = Claim::take(open(), 8, Duration::ZERO).unwrap();
        killed.turn.until = 0;
        killed.state.write(WriteMode::Update, &killed.turn).unwrap();
        killed.is_open = false;
        drop(killed);
        assert!(Claim::take(open(), 8, Duration::ZERO).unwrap().is_after_a_broken_one);
        assert!(!Claim::take(open(), 9, Duration::ZERO).unwrap().is_after_a_broken_one);
        open().sweep().unwrap();
        assert_eq!(entities(&open()), 0);
    }
}
