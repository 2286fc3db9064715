//! Reading a store for a backup: into a spool that outlives a kill, from the beginning or from where an earlier backup was
//! interrupted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gaebar_runtime::model::Timestamp;
use gaebar_runtime::store::{Place, ReadTime, Snapshot, Store, StoreError, View};

use crate::checkpoint::{Checkpoints, Lasts, Pending, SoFar};
use crate::folder::{self, FolderError};
use crate::progress::Progress;
use crate::read::{ReadError, Selection, read};
use crate::spool::{Spool, SpooledKind};
use crate::vanished::{check, may_vanish};

/// As of when to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Begin {
    /// From the beginning, as of now.
    #[default]
    Now,
    /// From the beginning, as of a time.
    Then(Timestamp),
    /// From the beginning, without one time for all.
    Inconsistent,
    /// From where a backup was interrupted, as of the same time.
    Resume,
    /// From where a backup was interrupted, what is left without one time for all.
    ResumeInconsistent,
}

impl Begin {
    /// Whether an interrupted backup is gone on with.
    pub fn resumes(self) -> bool {
        matches!(self, Self::Resume | Self::ResumeInconsistent)
    }

    /// Whether somebody asked to do without one time for all.
    pub fn is_inconsistent(self) -> bool {
        matches!(self, Self::Inconsistent | Self::ResumeInconsistent)
    }
}

/// A store that is about to be read.
pub struct Reading<'a> {
    spool: Spool,
    checkpoints: Checkpoints,
    /// What is left; `None`: everything.
    pending: Option<Vec<Pending>>,
    /// Not needed where everything was read.
    snapshot: Option<Box<dyn Snapshot + 'a>>,
    read_time: ReadTime,
    /// What an interrupted backup read, by kind. `None`: nothing of that is used.
    resumed: Option<BTreeMap<String, u64>>,
    /// The store.
    place: &'a Place,
}

impl<'a> Reading<'a> {
    /// Prepares to read a store into a folder, which may hold what an interrupted backup read.
    pub fn new(
        store: &'a dyn Store,
        selection: &Selection,
        begin: Begin,
        folder: &Path,
        lasts: Lasts,
    ) -> Result<Self, ReadError> {
        if !begin.resumes() {
            let view = match begin {
                Begin::Then(time) => View::Then(time),
                Begin::Inconsistent => View::Latest,
                _ => View::Now,
            };
            return Self::anew(store, selection, view, folder, lasts);
        }
        let Some((checkpoints, so_far)) = Checkpoints::resume(folder, store.place(), selection)? else {
            return Self::anew(store, selection, View::Now, folder, lasts);
        };
        let SoFar { mut read_time, runs, pending, lasts, is_checked } = so_far;
        let is_checked = is_checked || !may_vanish(store.place(), read_time);
        let has_all = pending.as_ref().is_some_and(Vec::is_empty) && is_checked;
        let snapshot = if has_all {
            None
        } else if begin == Begin::Resume && read_time.consistent {
            match store.snapshot(View::Then(read_time.time)) {
                // The time that was read is gone for good, and with it what was read.
                Err(StoreError::NoPast { .. }) => return Self::anew(store, selection, View::Now, folder, lasts),
                Err(source @ StoreError::ReadTime { .. }) => return Err(ReadError::Expired(source)),
                snapshot => Some(snapshot?),
            }
        } else {
            checkpoints.latest()?;
            read_time.consistent = false;
            Some(store.snapshot(View::Latest)?)
        };
        let mut resumed: BTreeMap<_, u64> = BTreeMap::new();
        for run in &runs {
            *resumed.entry(run.kind.clone()).or_default() += run.rows;
        }
        let spool = Spool::kept(folder.to_owned(), runs, lasts == Lasts::Always)?;
        Ok(Self { spool, checkpoints, pending, snapshot, read_time, resumed: Some(resumed), place: store.place() })
    }

    fn anew(store: &'a dyn Store, selection: &Selection, view: View, folder: &Path, lasts: Lasts) -> Result<Self, ReadError> {
        folder::remove(folder)?;
        fs::create_dir(folder).map_err(FolderError::at("create the folder", folder))?;
        let snapshot = store.snapshot(view)?;
        let read_time = snapshot.read_time();
        let (checkpoints, lasts) = Checkpoints::begin(folder, store.place(), selection, read_time, lasts)?;
        let spool = Spool::kept(folder.to_owned(), Vec::new(), lasts == Lasts::Always)?;
        let place = store.place();
        Ok(Self { spool, checkpoints, pending: None, snapshot: Some(snapshot), read_time, resumed: None, place })
    }

    /// As of when the store is read.
    pub fn read_time(&self) -> ReadTime {
        self.read_time
    }

    /// How many entities an interrupted backup had read, that are not read again; `None` if nothing of it is used.
    pub fn resumed(&self) -> Option<u64> {
        self.resumed.as_ref().map(|resumed| resumed.values().sum())
    }

    /// Reads what is left, and gives all that was read, by kind.
    pub fn finish(
        self,
        selection: &Selection,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<BTreeMap<String, SpooledKind>, ReadError> {
        let Self { spool, checkpoints, pending, snapshot, read_time, resumed, place } = self;
        if let Some(snapshot) = snapshot {
            for (kind, rows) in resumed.iter().flatten() {
                progress.add(kind, *rows);
            }
            read(snapshot.as_ref(), selection, &spool, (&checkpoints, pending), progress, stop)?;
            if may_vanish(place, read_time) {
                check(place, snapshot.as_ref(), selection, &checkpoints.so_far(), stop)?;
                checkpoints.checked()?;
            }
        }
        Ok(spool.into_kinds())
    }
}
