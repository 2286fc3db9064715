//! Datastores and machines at their limits.

use std::fs;
use std::process::Stdio;

use gaebar_gen::seed;
use gaebar_runtime::model::{Embedded, Entity, Key, Properties, Value};
use gaebar_runtime::store::{SqliteStore, Store};
use gaebar_tests::command::{folder, gaebar, run};

#[test]
fn a_million_property_names_a_mebibyte_and_twenty_levels_round_trip() {
    let folder = folder("extremes");
    let store = SqliteStore::open_or_create(&folder.join("source.db")).unwrap();
    // Each name is used once.
    for row in 0..1_000_i64 {
        let properties: Properties =
            (0..1_000).map(|number| (format!("name_{row}_{number}"), Value::from(row ^ number))).collect();
        store.upsert(&[Entity::new(Key::root("Names", row + 1), properties).unwrap()]).unwrap();
    }
    let nested = (0..20).fold(Value::from("innermost"), |inside, level| {
        Value::from(Embedded { key: None, properties: Properties::from([(format!("level {level}"), inside)]) })
    });
    let blob: Vec<u8> = (0..1_048_400_u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let text: String = "A line with\ttabs, \u{1F980} and a bell \u{7}.\n".repeat(24_000);
    for (kind, value) in [("Deep", nested), ("Blob", Value::from(blob).unindexed()), ("Text", Value::from(text).unindexed())] {
        store.upsert(&[Entity::new(Key::root(kind, 1), Properties::from([("p".to_owned(), value)])).unwrap()]).unwrap();
    }
    run(&mut gaebar(&folder, &["backup", "sqlite:source.db", "backup"]), 0);
    run(&mut gaebar(&folder, &["verify", "backup"]), 0);
    run(&mut gaebar(&folder, &["restore", "backup", "--interpret", "--to", "sqlite:target.db", "--no-check"]), 0);
    run(&mut gaebar(&folder, &["diff", "sqlite:source.db", "sqlite:target.db"]), 0);
}

#[test]
fn a_store_that_is_locked_and_a_folder_that_is_taken_are_told() {
    let folder = folder("locked");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:store.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    SqliteStore::open_or_create(&folder.join("target.db")).unwrap();
    let holder = rusqlite::Connection::open(folder.join("target.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (_, error) = run(&mut gaebar(&folder, &["restore", "backup", "--interpret", "--to", "sqlite:target.db"]), 1);
    assert!(error.contains("another process keeps the file locked; try again when that is done"), "{error}");
    drop(holder);
    run(&mut gaebar(&folder, &["restore", "backup", "--interpret", "--to", "sqlite:target.db"]), 0);

    // Two restores into one target at once: the second is told.
    let slow = ["restore", "backup", "--interpret", "--to", "sqlite:slow.db", "--max-rate", "2"];
    let mut first = gaebar(&folder, &slow).stderr(Stdio::null()).spawn().unwrap();
    while !folder.join("slow.db").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    let (_, error) = run(&mut gaebar(&folder, &slow), 1);
    assert!(error.contains("another restore writes to the journal"), "{error}");
    first.kill().unwrap();
    first.wait().unwrap();
}

/// Whoever is second is told, or starts after the first; there is one backup in the end, and it is whole.
#[test]
fn two_backups_into_one_folder_at_once_leave_one_that_is_whole() {
    let folder = folder("at-once");
    let store = SqliteStore::open_or_create(&folder.join("store.db")).unwrap();
    let entities: Vec<_> = seed::Headline::new(600).map(Result::unwrap).collect();
    store.upsert(&entities).unwrap();
    for updates in [false, true] {
        let both = [0, 1].map(|_| {
            let mut command = gaebar(&folder, &["backup", "sqlite:store.db", "backup"]);
            command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
        });
        let ended = both.map(|child| child.wait_with_output().unwrap());
        let failed: Vec<_> = ended.iter().filter(|output| !output.status.success()).collect();
        assert!(failed.len() < 2, "{ended:?}");
        for output in failed {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("another gaebar (process") || !updates && said.contains("exists and is not empty"), "{said}");
        }
        run(&mut gaebar(&folder, &["verify", "backup"]), 0);
        run(&mut gaebar(&folder, &["diff", "backup", "sqlite:store.db"]), 0);
        let beside = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(beside.into_iter().all(|name| !name.ends_with(".gaebar")), "staging was left");
    }
}
