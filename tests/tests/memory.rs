//! No crate of a backup may need a gigabyte of rustc, whatever its rows are made of.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use gaebar_runtime::model::{Embedded, Entity, Key, Properties, Value};
use gaebar_runtime::store::{SqliteStore, Store};
use gaebar_tests::command::{folder, gaebar, run};

/// Runs rustc, and writes down what it needed: kilobytes and the crate's name.
const WRAPPER: &str = r#"#!/usr/bin/env python3
import os, resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
name = sys.argv[sys.argv.index("--crate-name") + 1] if "--crate-name" in sys.argv else "?"
with open(os.environ["GAEBAR_TEST_LOG"], "a") as log:
    log.write(f"{kilobytes} {name}\n")
sys.exit(code)
"#;

/// Entities that fill a volume in ways of their own, about as many as one takes. They are others with every run: what an earlier one had
/// compiled would be taken from there.
fn worst(store: &dyn Store) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let number = i64::try_from(now).unwrap();
    let put = |kind: &str, rows: i64, properties: &dyn Fn(i64) -> Properties| {
        for first in (1..=rows).step_by(100) {
            let entities: Vec<_> = (first..(first + 100).min(rows + 1))
                .map(|id| Entity::new(Key::root(kind, id), properties(id)).unwrap())
                .collect();
            store.upsert(&entities).unwrap();
        }
    };
    let one = |value: Value| Properties::from([("p".to_owned(), value)]);
    // Long texts: the bound is on source.
    put("Text", 20, &|id| one(Value::from(format!("{id} {now} {}", "line of text\n".repeat(70_000))).unindexed()));
    // Many small values, each with flags of its own: the bound is on expressions.
    let flagged = |id: i64| -> Properties {
        (0..500).map(|i| (format!("k{i}"), Value::from(number + id + i).unindexed().meaning(1))).collect()
    };
    put("Flagged", 300, &|id| one(Value::from(Embedded { key: None, properties: flagged(id) }).unindexed()));
    // Many numbers: the bound is on source again.
    put("Numbers", 300, &|id| one(Value::from((0..4_000).map(|i| Value::from(number + id * i)).collect::<Vec<_>>())));
    // Blobs in files of their own.
    let blob = |id: i64| [now.to_le_bytes().as_slice(), &vec![u8::try_from(id).unwrap(); 1_000_000]].concat();
    put("Blobs", 140, &|id| one(Value::from(blob(id)).unindexed()));
    // Many rows.
    put("Rows", 1_000, &|id| (0..15).map(|i| (format!("p{i}"), Value::from(format!("value {id} {now}")))).collect());
}

#[cfg(unix)]
#[test]
fn no_crate_needs_a_gigabyte_of_rustc() {
    let folder = folder("memory");
    worst(&SqliteStore::open_or_create(&folder.join("store.db")).unwrap());
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    let (wrapper, log) = (folder.join("rustc"), folder.join("log"));
    fs::write(&wrapper, WRAPPER).unwrap();
    run(std::process::Command::new("chmod").args(["+x"]).arg(&wrapper), 0);
    run(gaebar(&folder, &["build", "backup"]).env("RUSTC_WRAPPER", &wrapper).env("GAEBAR_TEST_LOG", &log), 0);
    let needed = needed(&log);
    let most = needed.iter().max().unwrap();
    eprintln!("rustc needed at most {} MB, for {}", most.0 / 1024, most.1);
    assert!(needed.iter().filter(|(_, name)| name.starts_with("backup_")).count() >= 8, "{needed:?}");
    assert!(most.0 < 1024 * 1024, "{needed:#?}");
}

fn needed(log: &Path) -> Vec<(u64, String)> {
    let text = fs::read_to_string(log).unwrap();
    let line = |line: &str| {
        let (kilobytes, name) = line.split_once(' ').unwrap();
        (kilobytes.parse().unwrap(), name.to_owned())
    };
    text.lines().map(line).collect()
}
