//! Whether two stores hold the same entities, bit for bit.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use gaebar_runtime::model::{Entity, Key, order_key};
use gaebar_runtime::store::Store;
use thiserror::Error;

use crate::folder::FolderError;
use crate::progress::Silent;
use crate::read::{ReadError, Selection, read};
use crate::spool::{Spool, SpoolError, SpooledKind};

/// Differing keys that are kept for each way to differ.
const NAMED: usize = 20;

/// How two stores differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Entities that are the same in both.
    pub equal: u64,
    /// Entities that only the first has.
    pub only_first: Differing,
    /// Entities that only the second has.
    pub only_second: Differing,
    /// Entities that differ.
    pub changed: Differing,
}

/// Some entities: how many, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differing {
    /// How many.
    pub count: u64,
    /// The first 20.
    pub first: Vec<Key>,
}

/// Why two stores could not be compared.
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
}

impl Comparison {
    /// Whether there is no difference.
    pub fn is_equal(&self) -> bool {
        self.only_first.count + self.only_second.count + self.changed.count == 0
    }
}

impl Differing {
    fn add(&mut self, key: &Key) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(key.clone());
        }
    }
}

/// Compares what is selected of two stores.
pub fn compare(
    first: &dyn Store,
    second: &dyn Store,
    selection: &Selection,
    stop: &AtomicBool,
) -> Result<Comparison, CompareError> {
    let temporary = tempfile::tempdir().map_err(FolderError::at("create a folder in", &std::env::temp_dir()))?;
    let spooled = |store: &dyn Store, name| -> Result<_, CompareError> {
        let folder = temporary.path().join(name);
        std::fs::create_dir(&folder).map_err(FolderError::at("create the folder", &folder))?;
        let spool = Spool::new(folder);
        read(store.snapshot(None).map_err(ReadError::from)?.as_ref(), selection, &spool, &Silent, stop)?;
        Ok(spool.into_kinds())
    };
    let (first, second) = (spooled(first, "first")?, spooled(second, "second")?);
    let mut comparison = Comparison::default();
    let kinds: BTreeSet<_> = first.keys().chain(second.keys()).collect();
    for kind in kinds {
        comparison.merge(entities(first.get(kind)), entities(second.get(kind)))?;
    }
    Ok(comparison)
}

fn entities(kind: Option<&SpooledKind>) -> impl Iterator<Item = Result<Entity, SpoolError>> + '_ {
    kind.into_iter().flat_map(SpooledKind::entities)
}

impl Comparison {
    fn merge(
        &mut self,
        mut first: impl Iterator<Item = Result<Entity, SpoolError>>,
        mut second: impl Iterator<Item = Result<Entity, SpoolError>>,
    ) -> Result<(), SpoolError> {
        let (mut left, mut right) = (first.next().transpose()?, second.next().transpose()?);
        loop {
            let order = match (&left, &right) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => order_key(left.key()).cmp(&order_key(right.key())),
            };
            match (&left, &right) {
                (Some(left), Some(right)) if order == Ordering::Equal => {
                    if left == right {
                        self.equal += 1;
                    } else {
                        self.changed.add(left.key());
                    }
                }
                (Some(left), _) if order == Ordering::Less => self.only_first.add(left.key()),
                (_, Some(right)) => self.only_second.add(right.key()),
                _ => {}
            }
            if order != Ordering::Greater {
                left = first.next().transpose()?;
            }
            if order != Ordering::Less {
                right = second.next().transpose()?;
            }
        }
    }
}
