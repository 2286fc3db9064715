//! From a store into the spool: every kind of every namespace, several scans at once.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gaebar_runtime::model::Key;
use gaebar_runtime::restore::is_own_kind;
use gaebar_runtime::store::{Cursor, Place, Scan, Snapshot, StoreError};
use thiserror::Error;

use crate::checkpoint::{CheckpointError, Checkpoints, Pending, Task};
use crate::folder::FolderError;
use crate::progress::Progress;
use crate::spool::{Spool, SpoolError, Writer};
use crate::stop::{self, Interrupted};

/// Bytes of entities a page should come to, going by those of the page before, which bounds the memory of a scan.
const PAGE_BYTES: usize = 4 << 20;
/// Bytes of entities that the pages of all scans should come to.
const ALL_PAGES_BYTES: usize = 64 << 20;
/// Entities of the first page, before anything is known of their size.
const FIRST_PAGE: usize = 16;
/// Entities to ask for at a time, if nothing else is said.
pub const ROWS_PER_STEP: usize = 500;
/// Scans at once, if nothing else is said: more do not make an emulator faster.
pub const SCANS: usize = 4;
/// The most scans at once: Google's servers take 100 requests at a time over a connection.
pub const MOST_SCANS: usize = 100;
/// How much reading a kill may cost.
const CHECKPOINT: Duration = Duration::from_secs(1);

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Only these kinds.
    pub kinds: Option<Vec<String>>,
    /// All kinds but these.
    pub exclude_kinds: Vec<String>,
    /// Only these namespaces; the default one is the empty string.
    pub namespaces: Option<Vec<String>>,
    /// The most entities to ask for at a time.
    pub rows_per_step: usize,
    /// How many kinds, or ranges of a large one, to read at once: 1 to [`MOST_SCANS`]. What is read is the same for any number.
    pub scans: usize,
}

impl Default for Selection {
    /// Everything.
    fn default() -> Self {
        let (kinds, exclude_kinds, namespaces) = (None, Vec::new(), None);
        Self { kinds, exclude_kinds, namespaces, rows_per_step: ROWS_PER_STEP, scans: SCANS }
    }
}

impl Selection {
    /// How many scans are made at once.
    fn scans(&self) -> usize {
        self.scans.clamp(1, MOST_SCANS)
    }

    /// Whether kinds or namespaces are named, so that others stay out.
    pub fn is_a_part(&self) -> bool {
        self.kinds.is_some() || self.namespaces.is_some()
    }

    /// Whether an entity is selected.
    pub fn includes(&self, key: &Key) -> bool {
        self.includes_kind(key.kind()) && self.includes_namespace(key.namespace())
    }

    /// Whether entities of a kind are selected. Those of Gaebar's own kinds never are.
    pub fn includes_kind(&self, kind: &str) -> bool {
        is_chosen(self.kinds.as_ref(), kind) && self.exclude_kinds.iter().all(|excluded| excluded != kind) && !is_own_kind(kind)
    }

    /// Whether entities of a namespace are selected.
    pub fn includes_namespace(&self, namespace: &str) -> bool {
        is_chosen(self.namespaces.as_ref(), namespace)
    }
}

fn is_chosen(names: Option<&Vec<String>>, name: &str) -> bool {
    names.is_none_or(|names| names.iter().any(|chosen| chosen == name))
}

/// Why a store was not read to its end.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What an interrupted backup read is of a time that the store does not have any more.
    #[error(
        "{0}\nTo read what is left as it is now, say --resume --inconsistent (the backup then says that it is no snapshot); without --resume it begins anew"
    )]
    Expired(#[source] StoreError),
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// What was read could not be written down.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The store came back empty, or lost the last entity of a kind.
    #[error(
        "{what} of {store} existed when reading began, and is gone: the store was restarted, emptied or replaced, or its last entity was deleted. What was read is unusable; start again"
    )]
    Vanished {
        /// The store.
        store: Box<Place>,
        /// The first namespace or kind that is gone.
        what: String,
    },
}

/// Reads what is selected into the spool, from the beginning, or what is pending.
pub fn read(
    snapshot: &dyn Snapshot,
    selection: &Selection,
    spool: &Spool,
    (checkpoints, pending): (&Checkpoints, Option<Vec<Pending>>),
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<(), ReadError> {
    let tasks = if let Some(pending) = pending {
        pending.into()
    } else {
        let namespaces = match &selection.namespaces {
            Some(namespaces) => namespaces.clone(),
            None => snapshot.namespaces()?,
        };
        let namespaces: BTreeSet<_> = namespaces.into_iter().collect();
        checkpoints.found(None, namespaces.into_iter().map(Task::Namespace).collect())?.into()
    };
    let queue = Mutex::new(Queue { tasks, working: 0, failed: None });
    let reading = Reading { snapshot, selection, spool, checkpoints, progress, stop, queue, changed: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 0..selection.scans() {
            scope.spawn(|| reading.work());
        }
    });
    match reading.queue.into_inner().unwrap_or_else(PoisonError::into_inner).failed {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

struct Reading<'a> {
    snapshot: &'a dyn Snapshot,
    selection: &'a Selection,
    spool: &'a Spool,
    checkpoints: &'a Checkpoints,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    tasks: VecDeque<Pending>,
    /// Tasks that are being done, and may still add others.
    working: usize,
    /// Of several scans that fail, the first to do so says why.
    failed: Option<ReadError>,
}

impl Reading<'_> {
    fn work(&self) {
        while let Some(task) = self.next() {
            let found = stop::check(self.stop).map_err(ReadError::from).and_then(|()| self.perform(task));
            let mut queue = self.queue();
            queue.working -= 1;
            match found {
                Ok(tasks) => queue.tasks.extend(tasks),
                Err(error) => {
                    queue.tasks.clear();
                    queue.failed.get_or_insert(error);
                }
            }
            self.changed.notify_all();
        }
    }

    /// The next task; waits while others may still find some. `None` when all is done, or something failed.
    fn next(&self) -> Option<Pending> {
        let mut queue = self.queue();
        loop {
            if queue.failed.is_some() {
                return None;
            }
            if let Some(task) = queue.tasks.pop_front() {
                queue.working += 1;
                return Some(task);
            }
            if queue.working == 0 {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn perform(&self, Pending { number, task, mut cursor }: Pending) -> Result<Vec<Pending>, ReadError> {
        let (scan, may_split) = match task {
            Task::Namespace(namespace) => {
                let found = self.checkpoints.found(Some(number), self.kinds(&namespace)?)?;
                self.progress.look();
                return Ok(found);
            }
            Task::Kind(scan) => (scan, true),
            Task::Range(scan) => (scan, false),
        };
        let mut writer = self.spool.writer(&scan.kind);
        let read = self.scan(number, &scan, may_split, &mut writer, &mut cursor);
        // Whoever goes on need not read once more what came before the failure. After one of the spool, nobody knows what is in it.
        if let (Err(ReadError::Store(_) | ReadError::Interrupted(_)), Some(cursor)) = (&read, &cursor) {
            // Why it ended matters more than that this much is read once more.
            let _ = writer.finish().map(|runs| self.checkpoints.read(number, &scan, runs, Some(cursor)));
        }
        read
    }

    fn kinds(&self, namespace: &str) -> Result<Vec<Task>, ReadError> {
        let kinds = match &self.selection.kinds {
            Some(kinds) => kinds.clone(),
            None => self.snapshot.kinds(namespace)?,
        };
        let kinds: BTreeSet<_> = kinds.into_iter().filter(|kind| self.selection.includes_kind(kind)).collect();
        let scan = |kind| Scan { namespace: namespace.to_owned(), kind, from: None, to: None };
        Ok(kinds.into_iter().map(|kind| Task::Kind(scan(kind))).collect())
    }

    /// Reads a scan from a cursor to its end, or, if it turns out to be large and may be split, finds its ranges. The cursor goes along.
    fn scan(
        &self,
        number: usize,
        scan: &Scan,
        may_split: bool,
        writer: &mut Writer,
        cursor: &mut Option<Cursor>,
    ) -> Result<Vec<Pending>, ReadError> {
        let mut checkpoint = Instant::now();
        let most = self.selection.rows_per_step.max(1);
        let page_bytes = PAGE_BYTES.min(ALL_PAGES_BYTES / self.selection.scans());
        let mut limit = FIRST_PAGE.min(most);
        loop {
            stop::check(self.stop)?;
            let page = self.snapshot.encoded_page(scan, cursor.as_ref(), limit)?;
            if may_split && cursor.is_none() && page.next.is_some() {
                let ranges = self.ranges(scan)?;
                if !ranges.is_empty() {
                    // The first page comes again with its range.
                    return Ok(self.checkpoints.found(Some(number), ranges)?);
                }
            }
            let rows = page.entities.len();
            let bytes = writer.write(page.entities)?;
            self.progress.add(&scan.kind, rows as u64);
            if let Some(average) = bytes.checked_div(rows) {
                limit = (page_bytes / average.max(1)).clamp(1, most);
            }
            *cursor = page.next;
            if cursor.is_none() {
                self.checkpoints.read(number, scan, writer.finish()?, None)?;
                return Ok(Vec::new());
            }
            if checkpoint.elapsed() >= CHECKPOINT {
                self.checkpoints.read(number, scan, writer.checkpoint()?, cursor.as_ref())?;
                checkpoint = Instant::now();
            }
        }
    }

    fn ranges(&self, scan: &Scan) -> Result<Vec<Task>, ReadError> {
        let bounds = self.snapshot.split(&scan.namespace, &scan.kind, self.selection.scans())?;
        let starts = std::iter::once(None).chain(bounds.iter().cloned().map(Some));
        let ends = bounds.iter().cloned().map(Some).chain(std::iter::once(None));
        let range = |(from, to)| Task::Range(Scan { from, to, ..scan.clone() });
        Ok(if bounds.is_empty() { Vec::new() } else { starts.zip(ends).map(range).collect() })
    }
}
