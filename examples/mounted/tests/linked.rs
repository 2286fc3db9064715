//! Backups that are compiled into an application give the entities that the reader gives, whatever version wrote them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gaebar_gen::interpret::InterpretedRows;
use gaebar_gen::linked;
use gaebar_gen::linked::Linked;
use gaebar_gen::verify::{JustLooking, read};
use gaebar_runtime::model::Entity;
use gaebar_runtime::restore::{Execution, Options, Pace, Progress, RowRef, RowSource, plan};
use gaebar_runtime::store::MemoryStore;

struct Silent;

impl Progress for Silent {
    fn done(&self, _: &str, _: u64) {}
}

/// Every row, by where it stands.
fn rows(source: &dyn RowSource) -> Result<BTreeMap<String, Entity>, String> {
    let all = (0..source.shards()).flat_map(|shard| (0..source.rows(shard)).map(move |at| RowRef { shard, at }));
    all.map(|row| Ok((source.place(row).to_string(), source.entity(row)?))).collect()
}

fn both() -> [(&'static str, Linked); 2] {
    [("../backup", linked!(backup::BACKUP)), ("../../tests/goldens/releases/0.1.0", linked!(release::BACKUP))]
}

#[test]
fn a_linked_backup_has_the_rows_of_its_folder() {
    for (folder, linked) in both() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let interpreted = InterpretedRows::new(&folder, read(&folder, &JustLooking).unwrap());
        let rows_of_linked = rows(&linked).unwrap();
        assert!(rows_of_linked.len() > 20 && Ok(rows_of_linked) == rows(&interpreted), "{}", folder.display());
        // Of a backup without a record, each kind is as unknown as all others.
        let (linked, interpreted) = (linked.coverage(), interpreted.coverage());
        assert_eq!(
            (&linked.other_kinds, &linked.except),
            (&interpreted.other_kinds, &interpreted.except),
            "{}",
            folder.display()
        );
        let differing = interpreted.kinds.keys().filter(|kind| linked.of(kind) != interpreted.of(kind)).collect::<Vec<_>>();
        assert!(differing.is_empty(), "{}: {differing:?}", folder.display());
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
