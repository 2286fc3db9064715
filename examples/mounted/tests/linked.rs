//! Backups that are compiled into an application give the entities that the reader gives, whatever version wrote them.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use gaebar_gen::interpret::InterpretedRows;
use gaebar_gen::linked;
use gaebar_gen::linked::Linked;
use gaebar_gen::verify::{JustLooking, read};
use gaebar_runtime::restore::{Execution, Options, Pace, Progress, RowRef, RowSource, plan};
use gaebar_runtime::store::MemoryStore;

struct Silent;

impl Progress for Silent {
    fn done(&self, _: &str, _: u64) {}
}

fn rows(source: &dyn RowSource) -> Vec<(String, String)> {
    let all = (0..source.shards()).flat_map(|shard| (0..source.rows(shard)).map(move |at| RowRef { shard, at }));
    let mut rows: Vec<_> = all.map(|row| (source.place(row).to_string(), format!("{:?}", source.entity(row).unwrap()))).collect();
    rows.sort();
    rows
}

fn both() -> [(&'static str, Linked); 2] {
    [("../backup", linked!(backup::BACKUP)), ("../../tests/goldens/releases/0.1.0", linked!(release::BACKUP))]
}

#[test]
fn a_linked_backup_has_the_rows_of_its_folder() {
    for (folder, linked) in both() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let interpreted = InterpretedRows::new(&folder, read(&folder, &JustLooking).unwrap());
        assert!(rows(&linked).len() > 20 && rows(&linked) == rows(&interpreted), "{}", folder.display());
    }
}

#[test]
fn two_linked_backups_are_restored_without_a_compiler() {
    let stop = AtomicBool::new(false);
    for (_, linked) in both() {
        let store = MemoryStore::default();
        let options = Options { jobs: 2, ..Options::default() };
        let plan = plan(&linked, &store, options, None, None, &Silent, &stop).unwrap();
        let pace = Pace::new(false, None);
        let execution =
            Execution { pace: &pace, journal: None, check: true, committing: &Silent, checking: &Silent, stop: &stop };
        let restored = plan.execute(&execution).unwrap();
        let rows: usize = linked.kinds().values().sum();
        assert!(rows > 20);
        assert_eq!((restored.rows(), restored.checked), (rows as u64, Some(rows as u64)));
    }
}
