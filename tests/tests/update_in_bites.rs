//! A backup that is there is updated in bites: each is small, and all of them give the bytes of one go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use gaebar_gen::backup::{Options, backup, read_ahead, write_ahead};
use gaebar_gen::bite::Bite;
use gaebar_gen::memo::Memo;
use gaebar_gen::progress::Silent;
use gaebar_gen::read::Selection;
use gaebar_gen::reading::Begin;
use gaebar_gen::shape::Reshape;
use gaebar_runtime::model::{Entity, Key, Value as Property};
use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::drafts::tear;
use gaebar_tests::program::{Program, id};
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::{assert_same_backup, files, timeless};
use serde_json::Value;

const BOOKS: i64 = 400;
/// A row has some 2 kB, and a shard ten rows.
const SETTINGS: &str = "[stores]\nfrom = \"sqlite:from.db\"\n[backup]\nrows-per-step = 40\nshard-size = 22000\n";
const SHARD_ROWS: u64 = 15;

fn book(id: i64, text: &str) -> Entity {
    let text = format!("{id} {}", text.repeat(1_000));
    Entity::new(Key::root("Book", id), [("text".to_owned(), Property::from(text.as_str()).unindexed())].into()).unwrap()
}

/// `gaebar`, which remembers shards in a folder of its own.
fn remembering(folder: &Path, cache: &str, arguments: &[&str]) -> Command {
    let mut command = gaebar(folder, arguments);
    command.env("GAEBAR_CACHE_DIR", folder.join(cache));
    command
}

fn serve(folder: &Path, cache: &str) -> Serving {
    Serving::run(remembering(folder, cache, &["serve", "--listen", "127.0.0.1:0"]), folder, Some(TOKEN))
}

/// A store of one kind that was changed since it was backed up: a backup of before in `backups`, and one that was updated in `at-once`.
fn changed(test: &str) -> PathBuf {
    let folder = folder(test);
    let store = SqliteStore::open_or_create(&folder.join("from.db")).unwrap();
    store.upsert(&(1..=BOOKS).map(|id| book(id, "ab")).collect::<Vec<_>>()).unwrap();
    fs::write(folder.join("gaebar.toml"), SETTINGS).unwrap();
    let back_up = |backup| run(&mut remembering(&folder, "remembered", &["backup", "from", backup]), 0);
    back_up("at-once/nightly");
    back_up("backups/nightly");
    let changed = (5..=BOOKS).step_by(50).map(|id| book(id, "cd"));
    store.upsert(&changed.chain((1..=60).map(|id| book(BOOKS + id, "ef"))).collect::<Vec<_>>()).unwrap();
    store.delete(&[&Key::root("Book", 7), &Key::root("Book", 300)]).unwrap();
    back_up("at-once/nightly");
    folder
}

fn shards(backup: &Path) -> BTreeMap<String, String> {
    timeless(backup).into_iter().filter(|(file, _)| file.contains("/src/shard_")).collect()
}

fn assert_same_as_at_once(folder: &Path) {
    for place in ["at-once/nightly/.gaebar", "backups/nightly/.gaebar"] {
        let _ = fs::remove_dir_all(folder.join(place));
    }
    assert_same_backup(&folder.join("at-once/nightly"), &folder.join("backups/nightly"));
    run(&mut gaebar(folder, &["verify", "backups/nightly"]), 0);
}

#[test]
fn no_step_takes_the_whole_of_a_kind_and_a_kill_costs_no_step_that_was_taken() {
    for cache in ["remembered", "forgotten"] {
        let folder = changed(&format!("bites-{cache}"));
        let size: usize = shards(&folder.join("backups/nightly")).values().map(String::len).sum();
        let mut served = serve(&folder, cache);
        let job = id(&Program(&served).begin("do=backup&store=from&backup=nightly"));
        let (mut before, mut stages, mut steps) = ((String::new(), 0), BTreeSet::new(), 0);
        loop {
            let read = served.bytes_read();
            let step = Program(&served).step(job, "");
            assert_eq!(step["problem"], Value::Null, "{step}");
            if step["stage"] == "done" {
                break;
            }
            let read = served.bytes_read() - read;
            let now = (step["stage"].as_str().unwrap().to_owned(), step["rows"].as_u64().unwrap());
            let rows = if now.0 == before.0 { now.1 - before.1 } else { now.1 };
            assert!(rows <= 40 + SHARD_ROWS, "{}: {rows} rows in a step", now.0);
            assert!(read < size as u64 / 2, "{}: {read} bytes in a step, and the kind has {size}", now.0);
            assert!(step["total"].as_u64().is_none_or(|total| now.1 <= total), "{step}");
            stages.insert(now.0.clone());
            before = now;
            steps += 1;
            if steps % 3 == 0 {
                served.signal("-KILL");
                served = serve(&folder, cache);
            }
            assert!(steps < 100, "{step}");
        }
        // What is read of the store, what the backup had, what was found of that, what was written.
        assert!(steps > 30 && stages.len() == 3, "{steps} steps, {stages:?}");
        assert_same_as_at_once(&folder);
    }
}

#[test]
fn a_shard_is_read_in_its_turn_and_once_and_written_again_if_it_changes_later() {
    let folder = changed("bites-turns");
    let served = serve(&folder, "forgotten");
    let program = Program(&served);
    let job = id(&program.begin("do=backup&store=from&backup=nightly"));
    let nightly = folder.join("backups/nightly");
    let write = |(file, text): (&String, &str)| fs::write(nightly.join(file), text).unwrap();
    let shards = shards(&nightly);
    let file = |number| shards.iter().find(|(file, _)| file.ends_with(&format!("shard_{number}.rs"))).unwrap();
    let last = file(shards.len() - 1);
    program.steps(job, "shaping");
    // Whoever reads it now has to refuse it.
    write((last.0, "no shard"));
    for rows in [40, 80] {
        let step = program.step(job, "");
        assert_eq!((&step["problem"], step["rows"].as_u64().unwrap() >= rows), (&Value::Null, true), "{step}");
    }
    write((file(0).0, "no shard"));
    let problem = loop {
        let step = program.step(job, "");
        assert_eq!(step["stage"], "shaping", "{step}");
        if let Some(problem) = step["problem"].as_str() {
            break problem.to_owned();
        }
    };
    assert!(problem.contains(last.0) && !problem.contains(file(0).0), "{problem}");
    write((last.0, last.1));
    program.steps(job, "done");
    assert_same_as_at_once(&folder);
}

/// What comes between two bites.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    Nothing,
    /// A kill has cut off what was written last.
    Torn,
    /// What is known of the backup, and of what was found, is damaged: a few times.
    Damaged,
}

/// Backs a store up into a backup, in bites of so many rows.
fn in_bites(store: &SqliteStore, folder: &Path, options: &Options, rows: usize, meanwhile: Meanwhile) {
    let stop = AtomicBool::new(false);
    read_ahead(store, folder, options, &Silent, &stop).unwrap();
    let options = Options { begin: Begin::ResumeInconsistent, ..options.clone() };
    let drafts = folder.join(".gaebar/spool/drafts");
    for bites in 1.. {
        let bite = Bite::new(rows, Duration::from_secs(600));
        if write_ahead(store, folder, &options, &bite, &Silent, &stop).unwrap().is_some() {
            assert!(bites > 100 / rows, "{bites} bites");
            return;
        }
        match meanwhile {
            Meanwhile::Torn if bites % 3 == 1 => tear(&drafts),
            Meanwhile::Damaged if [5, 15, 25].contains(&bites) => {
                let known = files(&drafts).into_keys().filter(|file| file.contains(".known/")).nth(bites / 5);
                fs::write(drafts.join(known.expect("so much is known")), "damaged").unwrap();
            }
            _ => {}
        }
        assert!(bites < 3_000);
    }
}

/// Shards that grow out of their bounds, and some that are nearly empty; rows of two namespaces; a blob; another struct.
#[test]
fn bites_of_any_size_give_the_bytes_of_one_go_whatever_is_asked_for() {
    let folder = folder("bites-options");
    let store = SqliteStore::open_or_create(&folder.join("from.db")).unwrap();
    let entity = |id: i64, words: usize, more: bool| {
        let key = Key::root("Page", id).in_namespace(if id % 4 == 0 { "tenant" } else { "" });
        let mut properties = vec![("text".to_owned(), "words ".repeat(words).as_str().into())];
        if more {
            properties.push(("more".to_owned(), true.into()));
        }
        if id % 50 == 0 {
            properties.push(("blob".to_owned(), Property::from(vec![id as u8; 5_000]).unindexed()));
        }
        Entity::new(key, properties.into_iter().collect()).unwrap()
    };
    store.upsert(&(1..=150).map(|id| entity(id, 20, false)).collect::<Vec<_>>()).unwrap();
    let (usual, stop) = (Options { shard_bytes: 3_000, ..Options::new(Selection::default()) }, AtomicBool::new(false));
    let memo = Memo::new(&folder.join("remembered"));
    let remembering = Options { memo: Some(memo), ..usual.clone() };
    let before = folder.join("before/nightly");
    backup(&store, &before, &remembering, &Silent, &stop).unwrap();
    let gone: Vec<_> = (30..70).filter(|id| id % 9 > 0).map(|id| entity(id, 0, false)).collect();
    store.delete(&gone.iter().map(Entity::key).collect::<Vec<_>>()).unwrap();
    let changed = (1..30).map(|id| entity(id, 40, true)).chain((80..100).map(|id| entity(id, 20, true)));
    store.upsert(&changed.chain((151..190).map(|id| entity(id, 20, true))).collect::<Vec<_>>()).unwrap();

    let of_a_namespace = Selection { namespaces: Some(vec![String::new()]), ..Selection::default() };
    let variants = [
        ("usual", usual.clone()),
        ("remembering", remembering),
        ("compact", Options { compact: true, ..usual.clone() }),
        ("reshaped", Options { reshape: Reshape::Always, ..usual.clone() }),
        ("namespace", Options { selection: of_a_namespace, ..usual }),
    ];
    for (name, options) in variants {
        let copy = |name: &str| {
            let place = folder.join(name).join("nightly");
            for (file, bytes) in files(&before) {
                fs::create_dir_all(place.join(&file).parent().unwrap()).unwrap();
                fs::write(place.join(file), bytes).unwrap();
            }
            place
        };
        let expected = copy(name);
        backup(&store, &expected, &options, &Silent, &stop).unwrap();
        use Meanwhile::{Damaged, Nothing, Torn};
        for (rows, meanwhile) in [(3, Nothing), (7, Torn), (7, Damaged), (30, Nothing), (30, Torn)] {
            let bitten = copy(&format!("{name}-{rows}-{meanwhile:?}"));
            in_bites(&store, &bitten, &options, rows, meanwhile);
            for place in [&expected, &bitten] {
                let _ = fs::remove_dir_all(place.join(".gaebar"));
            }
            assert_same_backup(&expected, &bitten);
        }
    }
}
