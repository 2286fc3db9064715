//! How two sets of entities differ, bit for bit: stores, backups, or one of each.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use gaebar_runtime::model::{Entity, Properties, Value};
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

/// Compares what is selected of two sides; calls `tell` for each difference, by kind and key. Returns how many entities are
/// equal.
pub fn compare(
    first: Side,
    second: Side,
    selection: &Selection,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Difference) -> io::Result<()>,
) -> Result<u64, CompareError> {
    let temporary = tempfile::tempdir().map_err(FolderError::at("create a folder in", &std::env::temp_dir()))?;
    let spooled = |side, name: &str| spool(side, &temporary.path().join(name), selection, stop);
    let (first, second) = (spooled(first, "first")?, spooled(second, "second")?);
    let (mut equal, none) = (0, SpooledKind::default());
    let kinds: BTreeSet<_> = first.keys().chain(second.keys()).collect();
    for kind in kinds {
        equal += merge(first.get(kind).unwrap_or(&none), second.get(kind).unwrap_or(&none), stop, tell)?;
    }
    Ok(equal)
}

/// The properties that differ, by name: before, and after.
pub fn changes<'a>(
    before: &'a Properties,
    after: &'a Properties,
) -> impl Iterator<Item = (&'a str, Option<&'a Value>, Option<&'a Value>)> {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names.into_iter().map(|name| (name.as_str(), before.get(name), after.get(name))).filter(|(_, before, after)| before != after)
}

fn spool(
    side: Side,
    folder: &Path,
    selection: &Selection,
    stop: &AtomicBool,
) -> Result<BTreeMap<String, SpooledKind>, CompareError> {
    std::fs::create_dir(folder).map_err(FolderError::at("create the folder", folder))?;
    let spool = Spool::new(folder.to_owned());
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
            read_backup(backup, &visitor)?;
            if let Some(error) = visitor.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
                return Err(error.into());
            }
        }
    }
    Ok(spool.into_kinds())
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
    one: &SpooledKind,
    other: &SpooledKind,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Difference) -> io::Result<()>,
) -> Result<u64, CompareError> {
    let (mut first, mut second) = (one.records(), other.records());
    let mut equal = 0;
    let (mut left, mut right) = (first.next().transpose()?, second.next().transpose()?);
    loop {
        stop::check(stop).map_err(ReadError::from)?;
        let order = match (&left, &right) {
            (None, None) => return Ok(equal),
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
                    Ordering::Equal if before.bytes == after.bytes => equal += 1,
                    // Other bytes may still be the same entity, where a store kept them as somebody else wrote them.
                    Ordering::Equal => match (one.decode(before)?, other.decode(after)?) {
                        (before, after) if before == after => equal += 1,
                        (before, after) => tell(Difference::Changed(&before, &after))?,
                    },
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
