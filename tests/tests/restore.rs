//! The restore engine against stores that fail in their own ways.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gaebar_runtime::model::{Entity, Key, Properties};
use gaebar_runtime::restore::{
    Execution, Incomplete, Options, Pace, PlanError, Progress, Restored, RowPlace, RowRef, RowSource, plan,
};
use gaebar_runtime::store::{MemoryStore, Place, Scan, Snapshot, Store, StoreError, View, WriteMode};

/// Rows `N/1` to `N/count` in shards of seven.
struct Numbers {
    count: usize,
    unreadable: Option<usize>,
}

impl RowSource for Numbers {
    fn digest(&self) -> String {
        self.count.to_string()
    }

    fn shards(&self) -> usize {
        self.count.div_ceil(7)
    }

    fn rows(&self, shard: usize) -> usize {
        (self.count - shard * 7).min(7)
    }

    fn place(&self, row: RowRef) -> RowPlace {
        let number = u32::try_from(row.shard * 7 + row.at + 1).unwrap();
        RowPlace { file: format!("shard_{}.rs", row.shard), number, line: None }
    }

    fn entity(&self, row: RowRef) -> Result<Entity, String> {
        let number = row.shard * 7 + row.at + 1;
        if self.unreadable == Some(number) {
            return Err("unreadable".to_owned());
        }
        Ok(Entity::new(Key::root("N", i64::try_from(number).unwrap()), Properties::new()).unwrap())
    }
}

/// A store that minds some entities, or everything, and writes down what it is asked.
#[derive(Default)]
struct Picky {
    inner: MemoryStore,
    minds: HashSet<Key>,
    refuses_all: Option<&'static str>,
    /// Somebody asks to stop while the first entities are deleted.
    stops: Arc<AtomicBool>,
    calls: AtomicU64,
    reserved: Mutex<BTreeSet<String>>,
    unreserved: Mutex<Vec<String>>,
}

impl Store for Picky {
    fn place(&self) -> &Place {
        self.inner.place()
    }

    fn snapshot(&self, view: View) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        self.inner.snapshot(view)
    }

    fn write(&self, mode: WriteMode, entities: &[Entity]) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let reserved = self.reserved.lock().unwrap();
        let keys = entities.iter().map(|entity| entity.key().to_string());
        self.unreserved.lock().unwrap().extend(keys.filter(|key| !reserved.contains(key)));
        let minded = entities.iter().find(|entity| self.minds.contains(entity.key())).map(|_| "INVALID_ARGUMENT");
        match self.refuses_all.or(minded) {
            Some(code) => Err(StoreError::Refused {
                store: "picky".to_owned(),
                action: "write".to_owned(),
                code: code.to_owned(),
                message: "no".to_owned(),
            }),
            None => self.inner.write(mode, entities),
        }
    }

    fn delete(&self, keys: &[&Key]) -> Result<(), StoreError> {
        self.stops.store(true, Ordering::Relaxed);
        self.inner.delete(keys)
    }

    fn lookup(&self, keys: &[&Key]) -> Result<Vec<Entity>, StoreError> {
        self.inner.lookup(keys)
    }

    fn reserve_ids(&self, keys: &[&Key]) -> Result<(), StoreError> {
        self.reserved.lock().unwrap().extend(keys.iter().map(ToString::to_string));
        Ok(())
    }
}

#[derive(Default)]
struct Counted(Mutex<BTreeMap<String, u64>>);

impl Progress for Counted {
    fn done(&self, kind: &str, rows: u64) {
        *self.0.lock().unwrap().entry(kind.to_owned()).or_default() += rows;
    }
}

fn stored(store: &Picky) -> usize {
    let scan = Scan { namespace: String::new(), kind: "N".to_owned(), from: None, to: None };
    store.snapshot(View::Now).unwrap().page(&scan, None, usize::MAX).unwrap().entities.len()
}

/// Why a restore did not end well.
#[derive(Debug)]
enum Failed {
    Plan(PlanError),
    Execution(Incomplete),
}

fn restore(source: &Numbers, store: &Picky, options: Options, progress: &Counted) -> Result<Restored, Failed> {
    let stop = AtomicBool::new(false);
    let plan = plan(source, store, options, None, None, &Counted::default(), &stop).map_err(Failed::Plan)?;
    let (pace, checking) = (Pace::new(false, None), Counted::default());
    let execution = Execution { pace: &pace, journal: None, check: true, committing: progress, checking: &checking, stop: &stop };
    plan.execute(&execution).map_err(Failed::Execution)
}

fn jobs(jobs: usize) -> Options {
    Options { jobs, ..Options::default() }
}

#[test]
fn every_row_is_committed_once_and_its_id_reserved_before() {
    for (count, workers) in [(0, 1), (1, 8), (7, 1), (1234, 1), (5000, 8)] {
        let (store, progress) = (Picky::default(), Counted::default());
        let source = Numbers { count, unreadable: None };
        let restored = restore(&source, &store, jobs(workers), &progress).unwrap();
        assert_eq!((restored.rows(), stored(&store), restored.checked), (count as u64, count, Some(count as u64)));
        assert_eq!(progress.0.lock().unwrap().get("N").copied().unwrap_or_default(), count as u64);
        // The second time there is nothing to do.
        assert_eq!(restore(&source, &store, jobs(workers), &progress).unwrap().rows(), 0);
        assert_eq!(store.unreserved.into_inner().unwrap(), Vec::<String>::new());
    }
}

#[test]
fn the_rows_that_a_store_minds_are_named_and_the_others_of_their_batch_pass() {
    let store = Picky { minds: [Key::root("N", 8), Key::root("N", 300)].into(), ..Picky::default() };
    let source = Numbers { count: 500, unreadable: None };
    let Err(Failed::Execution(incomplete)) = restore(&source, &store, jobs(1), &Counted::default()) else { panic!() };
    let named: Vec<_> = incomplete.failures.named.iter().map(|failure| failure.place.to_string()).collect();
    assert_eq!(named, ["row_8 in shard_1.rs", "row_300 in shard_42.rs"]);
    assert_eq!((incomplete.done.rows(), stored(&store)), (498, 498));
    assert!(store.calls.into_inner() < 60, "finding two rows of 500 takes halving, not 500 calls");
}

#[test]
fn a_store_that_refuses_everything_is_not_asked_for_each_row() {
    let store = Picky { refuses_all: Some("PERMISSION_DENIED"), ..Picky::default() };
    let source = Numbers { count: 5000, unreadable: None };
    let Err(Failed::Execution(incomplete)) = restore(&source, &store, jobs(4), &Counted::default()) else { panic!() };
    assert_eq!((incomplete.done.rows(), incomplete.failures.named.len()), (0, 20));
    assert!(store.calls.into_inner() <= 4);
    let told = incomplete.to_string();
    assert!(told.contains("not tried after that"), "{told}");
    assert_eq!(told.matches("PERMISSION_DENIED").count(), 1, "the reason is told once: {told}");
}

/// Asked to stop, a mirror deletes no more, and does not end well.
#[test]
fn a_mirror_that_is_interrupted_deletes_no_more() {
    let store = Picky::default();
    let source = Numbers { count: 1, unreadable: None };
    let extra = |id: i64| Entity::new(Key::root("N", id), Properties::new()).unwrap();
    store.inner.upsert(&(1..=5).map(extra).collect::<Vec<_>>()).unwrap();
    let options = Options { mirror: true, ..jobs(1) };
    let plan = plan(&source, &store, options, None, None, &Counted::default(), &store.stops).unwrap();
    assert_eq!(plan.total().delete, 4);
    // One at a time.
    let (pace, hears) = (Pace::new(false, Some(1)), Counted::default());
    let execution =
        Execution { pace: &pace, journal: None, check: true, committing: &hears, checking: &hears, stop: &store.stops };
    let incomplete = plan.execute(&execution).unwrap_err();
    assert!(incomplete.interrupted && incomplete.to_string().contains("1 of 4 were deleted"), "{incomplete}");
    assert_eq!(stored(&store), 4);
}

#[test]
fn a_row_that_is_unreadable_stops_everything_before_it_begins() {
    let store = Picky::default();
    let source = Numbers { count: 9, unreadable: Some(9) };
    let Err(Failed::Plan(PlanError::Rows { failures })) = restore(&source, &store, jobs(2), &Counted::default()) else {
        panic!()
    };
    assert_eq!((failures.count(), failures.named[0].problem.as_str(), stored(&store)), (1, "unreadable", 0));
}

/// Rows of a kind of Gaebar's own, as a backup by an earlier version may have them.
struct Own;

impl RowSource for Own {
    fn digest(&self) -> String {
        "own".to_owned()
    }

    fn shards(&self) -> usize {
        1
    }

    fn rows(&self, _: usize) -> usize {
        1
    }

    fn place(&self, _: RowRef) -> RowPlace {
        RowPlace { file: "shard_0.rs".to_owned(), number: 1, line: None }
    }

    fn entity(&self, _: RowRef) -> Result<Entity, String> {
        Ok(Entity::new(Key::root("_GaebarState", "of before"), Properties::new()).unwrap())
    }
}

#[test]
fn rows_of_gaebars_own_kinds_are_not_written_and_a_mirror_of_them_deletes_nothing() {
    let store = MemoryStore::default();
    let present = Entity::new(Key::root("_GaebarState", "of now"), Properties::new()).unwrap();
    store.upsert(std::slice::from_ref(&present)).unwrap();
    let options = Options { mirror: true, ..jobs(1) };
    let stop = AtomicBool::new(false);
    let plan = plan(&Own, &store, options, None, None, &Counted::default(), &stop).unwrap();
    let (pace, hears) = (Pace::new(false, None), Counted::default());
    let execution = Execution { pace: &pace, journal: None, check: true, committing: &hears, checking: &hears, stop: &stop };
    assert_eq!(plan.execute(&execution).unwrap().rows(), 0);
    let scan = Scan { namespace: String::new(), kind: "_GaebarState".to_owned(), from: None, to: None };
    assert_eq!(store.snapshot(View::Now).unwrap().page(&scan, None, 9).unwrap().entities, [present]);
}
