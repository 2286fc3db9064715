//! Every stage of a job is many small steps, wherever they are broken off.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gaebar_runtime::model::{Entity, Key, Properties};
use gaebar_runtime::store::{Scan, SqliteStore, Store as _, View};
use gaebar_tests::command::{gaebar, run};
use gaebar_tests::drafts::tear;
use gaebar_tests::program::{Program, id};
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::{assert_same_backup, files, timeless};
use serde_json::Value;

use super::{ROWS, STORES, compare, with_store};

/// How many more rows each step of a stage had done than the one before.
fn bites<'a>(steps: &'a [Value], stage: &'a str) -> Vec<u64> {
    let rows = steps.iter().filter(|step| step["stage"] == stage).map(|step| step["rows"].as_u64().unwrap());
    rows.scan(0, |before, rows| Some(rows - std::mem::replace(before, rows))).collect()
}

/// Rows of the largest shard, and of the largest kind, of a backup.
fn largest(backup: &Path) -> (u64, u64) {
    let mut kinds = BTreeMap::<String, Vec<u64>>::new();
    for (file, text) in timeless(backup) {
        if let Some((volume, _)) = file.strip_prefix("volumes/").and_then(|file| file.split_once("/src/shard_")) {
            let kind = volume.rsplit_once('_').unwrap().0.to_owned();
            kinds.entry(kind).or_default().push(text.matches("\npub fn row_").count() as u64);
        }
    }
    let shards = kinds.values().flatten().copied().max().unwrap();
    (shards, kinds.values().map(|kind| kind.iter().sum()).max().unwrap())
}

fn every_bite_is_small(bites: &[u64], most: u64) {
    assert!(bites.len() > 3 && bites.iter().all(|rows| *rows <= most), "{bites:?}, of {most} at most");
}

/// Changes some of the store, deletes some, adds some, of a new kind too.
fn change(store: &Path) {
    let store = SqliteStore::open_or_create(store).unwrap();
    let snapshot = store.snapshot(View::Now).unwrap();
    let mut changed = Vec::new();
    for kind in snapshot.kinds("").unwrap() {
        let scan = Scan { namespace: String::new(), kind, from: None, to: None };
        let entities = snapshot.page(&scan, None, 100_000).unwrap().entities;
        changed.extend(entities.iter().step_by(7).cloned().map(|mut entity| {
            entity.properties.insert("changed".to_owned(), true.into());
            entity
        }));
        let gone: Vec<_> = entities.iter().skip(3).step_by(11).map(Entity::key).collect();
        store.delete(&gone).unwrap();
        changed.retain(|entity| !gone.contains(&entity.key()));
    }
    let new = |kind: &str, id| Entity::new(Key::root(kind, id), [("text".to_owned(), "new".into())].into()).unwrap();
    changed.extend((1..=90).flat_map(|id| [new("Newcomer", id), new("Profile", 1_000_000_000 + id)]));
    store.upsert(&changed).unwrap();
}

#[test]
fn every_stage_is_many_steps_and_each_of_them_is_small() {
    let folder = with_store("jobs-bites");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let expected = folder.join("at-once/nightly");
    let nightly = folder.join("backups/nightly");
    for round in 0..2 {
        if round == 1 {
            change(&folder.join("from.db"));
        }
        run(&mut gaebar(&folder, &["backup", "from", "at-once/nightly"]), 0);
        let (shard, _) = largest(&expected);
        let steps = program.steps(id(&program.begin("do=backup&store=from&backup=nightly")), "done");
        every_bite_is_small(&bites(&steps, "reading"), 40);
        // Of what the backup has already, shards are read to their ends.
        let shaping = bites(&steps, "shaping");
        every_bite_is_small(&shaping, if round == 0 { 40 } else { 40 + shard });
        every_bite_is_small(&bites(&steps, "writing"), 40 + shard);
        for files in [&expected, &nightly] {
            let _ = fs::remove_dir_all(files.join(".gaebar"));
        }
        assert_same_backup(&expected, &nightly);
        run(&mut gaebar(&folder, &["verify", "backups/nightly"]), 0);
    }

    let (shard, _) = largest(&nightly);
    let job = id(&program.begin("do=restore&backup=nightly&target=to&mirror=yes"));
    let to = SqliteStore::open_or_create(&folder.join("to.db")).unwrap();
    let stranger = |id: i64| Entity::new(Key::root("Profile", 2_000_000_000 + id), Properties::new()).unwrap();
    to.upsert(&(1..=150).map(stranger).collect::<Vec<_>>()).unwrap();
    let planned = program.steps(job, "confirming");
    every_bite_is_small(&bites(&planned, "verifying"), 40 + shard);
    every_bite_is_small(&bites(&planned, "planning"), 40);
    every_bite_is_small(&bites(&planned, "counting"), 40);
    assert_eq!(planned.last().unwrap()["work"]["plan"]["Profile"]["delete"], 150);
    program.step(job, "confirm=yes");
    let steps = program.steps(job, "done");
    every_bite_is_small(&bites(&steps, "restoring")[1..], 40);
    every_bite_is_small(&bites(&steps, "deleting"), 40);
    assert_eq!(steps.last().unwrap()["work"]["deleted"], 150);
    compare(&folder, "backups/nightly", "sqlite:to.db", 0);
    assert!(!folder.join(format!("backups/.gaebar/jobs/{job}")).exists(), "what it knew of keys is removed");

    // Whatever came since the plan stays, and is told.
    to.upsert(&(1..=3).map(stranger).collect::<Vec<_>>()).unwrap();
    let job = id(&program.begin("do=restore&backup=nightly&target=to&mirror=yes"));
    program.steps(job, "confirming");
    to.upsert(&[stranger(0)]).unwrap();
    let mut step = program.step(job, "confirm=yes");
    while step["problem"].is_null() {
        assert_ne!(step["stage"], "done", "{step}");
        step = program.step(job, "");
    }
    let problem = step["problem"].as_str().unwrap();
    assert!(problem.contains("Profile/2000000000 is in the target and not in the backup"), "{problem}");
    assert!(problem.contains("the plan that was confirmed says 3 of kind \"Profile\""), "{problem}");
    let left = to.lookup(&[&Key::root("Profile", 2_000_000_000)]).unwrap();
    assert_eq!(left.len(), 1);
}

/// Backs a store up in steps, first anew, then again after it has changed; each is what it is at once. `meanwhile` is called with
/// the spool after each step but the last.
fn back_up_twice(test: &str, mut meanwhile: impl FnMut(&Path, &Value)) {
    let folder = with_store(test);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let (expected, nightly) = (folder.join("at-once/nightly"), folder.join("backups/nightly"));
    for (spool, change_first) in [("backups/.nightly.gaebar/spool", false), ("backups/nightly/.gaebar/spool", true)] {
        if change_first {
            change(&folder.join("from.db"));
        }
        run(&mut gaebar(&folder, &["backup", "from", "at-once/nightly"]), 0);
        let job = id(&program.begin("do=backup&store=from&backup=nightly"));
        for steps in 0.. {
            let step = program.step(job, "");
            assert_eq!(step["problem"], Value::Null, "{step}");
            if step["stage"] == "done" {
                break;
            }
            meanwhile(&folder.join(spool), &step);
            assert!(steps < 300, "{step}");
        }
        for files in [&expected, &nightly] {
            let _ = fs::remove_dir_all(files.join(".gaebar"));
        }
        assert_same_backup(&expected, &nightly);
        run(&mut gaebar(&folder, &["verify", "backups/nightly"]), 0);
    }
}

#[test]
fn writing_that_was_broken_off_anywhere_gives_the_same_bytes() {
    let (mut steps, mut torn) = (0, BTreeMap::<_, u32>::new());
    back_up_twice("jobs-torn", |spool, step| {
        steps += 1;
        if steps % 3 == 1 && step["stage"] != "reading" {
            tear(&spool.join("drafts"));
            *torn.entry(spool.to_owned()).or_default() += 1;
        }
    });
    assert!(torn.len() == 2 && torn.values().all(|torn| *torn > 2), "{torn:?}");
}

#[test]
fn an_update_of_some_namespaces_reads_rows_that_stay_once_and_counts_all_rows() {
    let folder = with_store("jobs-namespaces");
    let store = SqliteStore::open_or_create(&folder.join("from.db")).unwrap();
    let row = |kind: &str, id| {
        let namespace = if id % 3 == 0 { "tenant" } else { "" };
        Entity::new(Key::root(kind, id).in_namespace(namespace), [("text".to_owned(), "new".into())].into()).unwrap()
    };
    store.upsert(&["Left", "Right"].iter().flat_map(|kind| (1..=90).map(|id| row(kind, id))).collect::<Vec<_>>()).unwrap();
    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    let mut changed = row("Left", 1);
    changed.properties.insert("changed".to_owned(), true.into());
    store.upsert(&[changed]).unwrap();
    fs::write(folder.join("gaebar.toml"), STORES.replace("[backup]\n", "[backup]\nnamespaces = [\"\"]\n")).unwrap();
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let job = id(&program.begin("do=backup&store=from&backup=nightly"));
    let nightly = folder.join("backups/nightly");
    let (mut runs, mut stages) = (BTreeMap::new(), BTreeMap::<String, u32>::new());
    loop {
        let step = program.step(job, "");
        assert_eq!(step["problem"], Value::Null, "{step}");
        let stage = step["stage"].as_str().unwrap();
        if stage == "done" {
            break;
        }
        *stages.entry(stage.to_owned()).or_default() += 1;
        if stage != "reading" && stages.get(stage) > Some(&1) {
            let all = ROWS + 180;
            assert_eq!(step["total"], if stage == "shaping" { 2 * all } else { all }, "{step}");
            let mut now = files(&nightly.join(".gaebar"));
            now.retain(|file, _| file.ends_with(".run"));
            assert!(runs.iter().all(|run| now.get(run.0) == Some(run.1)), "rows that stay are read once");
            runs = now;
        }
    }
    assert!(runs.len() > 3 && stages["shaping"] > 3 && stages["writing"] > 3, "{runs:?}, {stages:?}");
    assert!(!nightly.join(".gaebar/spool").exists());
    compare(&folder, "backups/nightly", "from", 0);
}

#[test]
fn what_is_damaged_while_it_is_staged_is_written_again() {
    // Within the grammar, a shard would pass for one that was edited by hand.
    let all = [("kinds/", "{}"), ("/src/shard_", ""), ("/src/shard_", "within")];
    let mut damages = BTreeMap::new();
    back_up_twice("jobs-damaged", |spool, _| {
        let staged = spool.join("staged");
        let damages = damages.entry(spool.to_owned()).or_insert_with(|| all.to_vec());
        if let Some((part, damage)) = damages.last().copied().filter(|_| staged.is_dir())
            && let Some((file, text)) = timeless(&staged).into_iter().find(|(file, _)| file.contains(part))
        {
            let damaged = if damage == "within" { text.replacen("key: Key(\"", "key: Key(\"{n}", 1) } else { damage.to_owned() };
            assert_ne!(damaged, text);
            fs::write(staged.join(file), damaged).unwrap();
            damages.pop();
        }
    });
    assert!(damages.len() == 2 && damages.values().all(Vec::is_empty), "{damages:?}");
}
