//! How two sets of entities differ, bit for bit: stores, backups, or one of each.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use gaebar_runtime::model::{Entity, Properties, Value, order_key};
use gaebar_runtime::store::Store;
use thiserror::Error;

use crate::folder::FolderError;
use crate::progress::Silent;
use crate::read::{ReadError, Selection, read};
use crate::reader::ReadRow;
use crate::spool::{Spool, SpoolError, SpooledKind};
use crate::stop;
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
    let mut equal = 0;
    let kinds: BTreeSet<_> = first.keys().chain(second.keys()).collect();
    for kind in kinds {
        equal += merge(entities(first.get(kind)), entities(second.get(kind)), stop, tell)?;
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
        Side::Store(store) => read(store.snapshot(None).map_err(ReadError::from)?.as_ref(), selection, &spool, &Silent, stop)?,
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

fn entities(kind: Option<&SpooledKind>) -> impl Iterator<Item = Result<Entity, SpoolError>> + '_ {
    kind.into_iter().flat_map(SpooledKind::entities)
}

/// Goes through two ascending sets of entities at once.
fn merge(
    mut first: impl Iterator<Item = Result<Entity, SpoolError>>,
    mut second: impl Iterator<Item = Result<Entity, SpoolError>>,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(Difference) -> io::Result<()>,
) -> Result<u64, CompareError> {
    let mut equal = 0;
    let (mut left, mut right) = (first.next().transpose()?, second.next().transpose()?);
    loop {
        stop::check(stop).map_err(ReadError::from)?;
        let order = match (&left, &right) {
            (None, None) => return Ok(equal),
            (Some(entity), None) => {
                tell(Difference::Removed(entity))?;
                Ordering::Less
            }
            (None, Some(entity)) => {
                tell(Difference::Added(entity))?;
                Ordering::Greater
            }
            (Some(one), Some(other)) => {
                let order = order_key(one.key()).cmp(&order_key(other.key()));
                match order {
                    Ordering::Less => tell(Difference::Removed(one))?,
                    Ordering::Greater => tell(Difference::Added(other))?,
                    Ordering::Equal if one == other => equal += 1,
                    Ordering::Equal => tell(Difference::Changed(one, other))?,
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
