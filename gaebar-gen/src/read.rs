//! From a store into the spool: every kind of every namespace, several scans at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use gaebar_runtime::proto;
use gaebar_runtime::store::{Scan, Snapshot, StoreError};
use thiserror::Error;

use crate::progress::Progress;
use crate::spool::{Spool, SpoolError};

/// Bytes of entities a page should come to, which bounds the memory of a scan.
const PAGE_BYTES: usize = 4 << 20;
/// Scans at once. Each holds a page.
const SCANS: usize = 4;

/// What to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these kinds.
    pub kinds: Option<Vec<String>>,
    /// All kinds but these.
    pub exclude_kinds: Vec<String>,
    /// Only these namespaces; the default one is the empty string.
    pub namespaces: Option<Vec<String>>,
    /// The most entities to ask for at a time.
    pub rows_per_step: usize,
}

/// Why a store was not read to its end.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Somebody asked to stop.
    #[error("interrupted: nothing was written")]
    Interrupted,
}

/// Reads what is selected into the spool.
pub fn read(
    snapshot: &dyn Snapshot,
    selection: &Selection,
    spool: &Spool,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<(), ReadError> {
    let reading = Reading {
        snapshot,
        selection,
        spool,
        progress,
        stop,
        scans: Mutex::new(plan(snapshot, selection)?),
        failed: Mutex::new(None),
    };
    std::thread::scope(|scope| {
        for _ in 0..SCANS {
            scope.spawn(|| reading.work());
        }
    });
    match reading.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// The scans that cover the selection: large kinds in several ranges.
fn plan(snapshot: &dyn Snapshot, selection: &Selection) -> Result<VecDeque<Scan>, ReadError> {
    let namespaces = match &selection.namespaces {
        Some(namespaces) => namespaces.clone(),
        None => snapshot.namespaces()?,
    };
    let mut scans = VecDeque::new();
    for namespace in namespaces {
        let kinds = match &selection.kinds {
            Some(kinds) => kinds.clone(),
            None => snapshot.kinds(&namespace)?,
        };
        for kind in kinds.into_iter().filter(|kind| !selection.exclude_kinds.contains(kind)) {
            let mut from = None;
            for key in snapshot.split(&namespace, &kind, SCANS)? {
                scans.push_back(Scan { namespace: namespace.clone(), kind: kind.clone(), from, to: Some(key.clone()) });
                from = Some(key);
            }
            scans.push_back(Scan { namespace: namespace.clone(), kind, from, to: None });
        }
    }
    Ok(scans)
}

struct Reading<'a> {
    snapshot: &'a dyn Snapshot,
    selection: &'a Selection,
    spool: &'a Spool,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    scans: Mutex<VecDeque<Scan>>,
    failed: Mutex<Option<ReadError>>,
}

impl Reading<'_> {
    fn work(&self) {
        while let Some(scan) = self.scans.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            if let Err(error) = self.scan(&scan) {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                // Of several scans that failed, the first to do so says why.
                failed.get_or_insert(error);
            }
            if self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                return;
            }
        }
    }

    fn scan(&self, scan: &Scan) -> Result<(), ReadError> {
        let mut writer = self.spool.writer(&scan.kind);
        let mut cursor = None;
        let most = self.selection.rows_per_step.max(1);
        let mut limit = most;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(ReadError::Interrupted);
            }
            let page = self.snapshot.page(scan, cursor.as_ref(), limit)?;
            writer.write(&page.entities)?;
            self.progress.add(&scan.kind, page.entities.len() as u64);
            if !page.entities.is_empty() {
                let bytes: usize = page.entities.iter().map(proto::encoded_len).sum();
                limit = (PAGE_BYTES / (bytes / page.entities.len()).max(1)).clamp(1, most);
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(writer.finish()?),
            }
        }
    }
}
