//! How two sets of entities differ, bit for bit: stores, backups, or one of each.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use gaebar_runtime::model::{Entity, Properties, Value};
use gaebar_runtime::proto::Home;
use gaebar_runtime::restore::Coverage;
use gaebar_runtime::store::{Store, View};
use thiserror::Error;

use crate::checkpoint::Checkpoints;
use crate::folder::FolderError;
use crate::progress::Silent;
use crate::read::{ReadError, Selection, read};
use crate::reader::ReadRow;
use crate::spool::{Spool, SpoolError, SpooledKind};
use crate::stop;
use crate::vanished::{check, may_vanish};
use crate::verify::{VerifyError, Visitor, read as read_backup};

/// A way in which an entity differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference<'a> {
    /// Only the first has it.
    Removed(&'a Entity),
    /// Only the second has it.
    Added(&'a Entity),
    /// Both have it, with other properties.
    Changed(&'a Entity, &'a Entity),
    /// One has it, and the other is a backup that does not cover its kind and namespace: they were not compared.
    NotCovered(&'a Entity),
}

/// What is compared.
#[derive(Clone, Copy)]
pub enum Side<'a> {
    /// What a store holds now.
    Store(&'a dyn Store),
    /// What a backup holds.
    Backup(&'a Path),
}

/// Why two sides could not be compared.
#[derive(Debug, Error)]
pub enum CompareError {
    /// A store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// There is no place for the spool.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A backup was refused.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The differences can't be told.
    #[error("could not write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl Side<'_> {
    /// The project and database that its keys are of, if it has them.
    fn home(&self) -> Option<Home> {
        match self {
            Self::Store(store) => Some(store.place().url.home()).filter(|home| !home.project.is_empty()),
            Self::Backup(_) => None,
        }
    }
}

/// What two sides have in common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    /// Entities that are equal.
    pub equal: u64,
    /// References of entities that differ by those at least: on one side they name the other side's project, where they are its own.
    pub own_references: u64,
}

/// Compares what is selected of two sides; calls `tell` for each difference, by kind and key.
///
/// The first is compared as the second would hold it: what names the second's own project is a reference within the project there. Where
/// the second has no project (a backup, a file), it is the other way round.
///
/// Unless kinds or namespaces are selected, those that a backup does not cover are not compared.
pub fn compare(
    first: Side,
    second: Side,
    selection: &Selection,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Difference) -> io::Result<()>,
) -> Result<Compared, CompareError> {
    let holder = match (first.home(), second.home()) {
        (_, Some(home)) => Holder::Second(home),
        (Some(home), None) => Holder::First(home),
        (None, None) => Holder::None,
    };
    let temporary = tempfile::tempdir().map_err(FolderError::at("create a folder in", &std::env::temp_dir()))?;
    let spooled = |side, name: &str| spool(side, &temporary.path().join(name), selection, stop);
    let ((first, first_covers), (second, second_covers)) = (spooled(first, "first")?, spooled(second, "second")?);
    let is_covered = |coverage: &Coverage, entity: &Entity| {
        selection.is_a_part() || coverage.of(entity.kind()).includes(entity.key().namespace()) != Some(false)
    };
    let mut tell = |difference: Difference| match difference {
        Difference::Removed(entity) if !is_covered(&second_covers, entity) => tell(Difference::NotCovered(entity)),
        Difference::Added(entity) if !is_covered(&first_covers, entity) => tell(Difference::NotCovered(entity)),
        difference => tell(difference),
    };
    let (mut compared, none) = (Compared::default(), SpooledKind::default());
    let kinds: BTreeSet<_> = first.keys().chain(second.keys()).collect();
    for kind in kinds {
        let (first, second) = (first.get(kind).unwrap_or(&none), second.get(kind).unwrap_or(&none));
        merge((first, second), &holder, &mut compared, stop, &mut tell)?;
    }
    Ok(compared)
}

/// The side that the other's entities are compared as if they were in it.
enum Holder {
    First(Home),
    Second(Home),
    None,
}

impl Holder {
    /// Changes one of two entities to what the other's side would hold. Returns how many references became that side's own.
    fn adopt(&self, first: &mut Entity, second: &mut Entity) -> u64 {
        match self {
            Self::First(home) => home.adopt(second),
            Self::Second(home) => home.adopt(first),
            Self::None => 0,
        }
    }
}

/// The properties that differ, by name: before, and after.
pub fn changes<'a>(
    before: &'a Properties,
    after: &'a Properties,
) -> impl Iterator<Item = (&'a str, Option<&'a Value>, Option<&'a Value>)> {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names.into_iter().map(|name| (name.as_str(), before.get(name), after.get(name))).filter(|(_, before, after)| before != after)
}

/// What is selected of a side, and what that covers. Of a store it is unknown: what it does not have is not there.
fn spool(
    side: Side,
    folder: &Path,
    selection: &Selection,
    stop: &AtomicBool,
) -> Result<(BTreeMap<String, SpooledKind>, Coverage), CompareError> {
    std::fs::create_dir(folder).map_err(FolderError::at("create the folder", folder))?;
    let spool = Spool::new(folder.to_owned());
    let mut coverage = Coverage::default();
    match side {
        Side::Store(store) => {
            let (snapshot, checkpoints) = (store.snapshot(View::Now).map_err(ReadError::from)?, Checkpoints::none());
            read(snapshot.as_ref(), selection, &spool, (&checkpoints, None), &Silent, stop)?;
            if may_vanish(store.place(), snapshot.read_time()) {
                check(store.place(), snapshot.as_ref(), selection, &checkpoints.so_far(), stop)?;
            }
        }
        Side::Backup(backup) => {
            let visitor = IntoSpool { spool: &spool, selection, failed: Mutex::default() };
            coverage = read_backup(backup, &visitor)?.coverage();
            if let Some(error) = visitor.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
                return Err(error.into());
            }
        }
    }
    Ok((spool.into_kinds(), coverage))
}

/// Puts the rows of a backup into a spool.
struct IntoSpool<'a> {
    spool: &'a Spool,
    selection: &'a Selection,
    failed: Mutex<Option<SpoolError>>,
}

impl Visitor for IntoSpool<'_> {
    fn file(&self, _: &str, _: &[u8]) -> Result<(), FolderError> {
        Ok(())
    }

    fn rows(&self, _: &str, rows: &[ReadRow]) {
        let entities: Vec<_> =
            rows.iter().map(|row| &row.entity).filter(|entity| self.selection.includes(entity.key())).collect();
        if let Err(error) = self.spool.add(&entities) {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

/// Goes through two ascending sets of entities at once. Only those that differ are decoded.
fn merge(
    (one, other): (&SpooledKind, &SpooledKind),
    holder: &Holder,
    compared: &mut Compared,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Difference) -> io::Result<()>,
) -> Result<(), CompareError> {
    let (mut first, mut second) = (one.records(), other.records());
    let (mut left, mut right) = (first.next().transpose()?, second.next().transpose()?);
    loop {
        stop::check(stop).map_err(ReadError::from)?;
        let order = match (&left, &right) {
            (None, None) => return Ok(()),
            (Some(record), None) => {
                tell(Difference::Removed(&one.decode(record)?))?;
                Ordering::Less
            }
            (None, Some(record)) => {
                tell(Difference::Added(&other.decode(record)?))?;
                Ordering::Greater
            }
            (Some(before), Some(after)) => {
                let order = before.key.cmp(&after.key);
                match order {
                    Ordering::Less => tell(Difference::Removed(&one.decode(before)?))?,
                    Ordering::Greater => tell(Difference::Added(&other.decode(after)?))?,
                    Ordering::Equal if before.bytes == after.bytes => compared.equal += 1,
                    // Other bytes may still be the same entity, where a store kept them as somebody else wrote them.
                    Ordering::Equal => {
                        let (mut before, mut after) = (one.decode(before)?, other.decode(after)?);
                        compared.own_references += holder.adopt(&mut before, &mut after);
                        if before == after {
                            compared.equal += 1;
                        } else {
                            tell(Difference::Changed(&before, &after))?;
                        }
                    }
                }
                order
            }
        };
        if order != Ordering::Greater {
            left = first.next().transpose()?;
        }
        if order != Ordering::Less {
            right = second.next().transpose()?;
        }
    }
}
