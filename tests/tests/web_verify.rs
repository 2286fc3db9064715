//! A backup is verified before it is restored, some shards a step; and nothing that is wrong with it falls between two steps.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gaebar_gen::emit::rows;
use gaebar_gen::fingerprint::{Fingerprint, digest};
use gaebar_gen::manifest::KindManifest;
use gaebar_runtime::model::{Entity, Key, Value as Property};
use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::forge::{MOST, NOTES, forge, rows_of, shards, with_first_row, with_small_shards};
use gaebar_tests::program::{Program, id};
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::files;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const RESTORE: &str = "do=restore&backup=nightly&target=to&confirm=yes";

fn serve(folder: &Path) -> Serving {
    Serving::start(folder, Some(TOKEN), &[])
}

/// Steps to the first problem: what it is, and how many rows were verified by then.
fn problem(program: &Program, job: u64) -> (String, u64) {
    for _ in 0..100 {
        let step = program.step(job, "");
        if let Some(problem) = step["problem"].as_str() {
            assert_eq!(step["stage"], "verifying", "{step}");
            return (problem.to_owned(), step["rows"].as_u64().unwrap());
        }
        assert!(step["stage"] == "verifying", "nothing was found: {step}");
    }
    panic!("it does not end")
}

#[test]
fn a_step_ends_at_a_shard_and_a_killed_server_verifies_none_again() {
    let folder = folder("verify-bites");
    let backup = with_small_shards(&folder);
    let shards = shards(&backup);
    let largest = shards.iter().map(|(_, text)| rows_of(text)).max().unwrap();
    assert!(shards.len() > 12 && largest < MOST, "{} shards of up to {largest} rows", shards.len());
    let mut served = serve(&folder);
    let undisturbed = {
        let program = Program(&served);
        let job = id(&program.begin(RESTORE));
        let steps = program.steps(job, "planning");
        program.ok("DELETE", &format!("/api/jobs/{job}"), "");
        steps
    };
    let rows = |steps: &[Value]| steps.iter().map(|step| step["rows"].as_u64().unwrap()).collect::<Vec<_>>();
    let mut before = 0;
    for rows in &rows(&undisturbed)[..undisturbed.len() - 1] {
        assert!(*rows > before && rows - before < MOST + largest, "{before} rows, and then {rows}");
        before = *rows;
    }
    assert!(undisturbed.len() > 7 && undisturbed[0]["total"] == NOTES + 1, "{undisturbed:?}");

    let job = id(&Program(&served).begin(RESTORE));
    let mut steps = Vec::new();
    // Whoever verifies one of the first shards again has to refuse it.
    let spoilt = &shards[..2];
    while steps.last().is_none_or(|step: &Value| step["stage"] == "verifying") {
        steps.push(Program(&served).step(job, ""));
        assert_eq!(steps.last().unwrap()["problem"], Value::Null, "{steps:?}");
        spoilt.iter().for_each(|(file, _)| fs::write(file, "no shard").unwrap());
        served.signal("-KILL");
        served = serve(&folder);
    }
    assert_eq!(rows(&steps), rows(&undisturbed));
    spoilt.iter().for_each(|(file, text)| fs::write(file, text).unwrap());
    Program(&served).steps(job, "done");
    run(&mut gaebar(&folder, &["diff", "backups/nightly", "sqlite:to.db"]), 0);
    assert!(!folder.join(format!("backups/.gaebar/jobs/{job}")).exists(), "what it knew of keys is removed");
}

#[test]
fn what_two_shards_may_not_share_is_found_though_they_are_verified_in_different_steps() {
    let folder = folder("verify-twice");
    let backup = with_small_shards(&folder);
    let good = files(&backup);
    let shards = shards(&backup);
    let ((_, first), (last, text)) = (&shards[0], shards.last().unwrap());
    let served = serve(&folder);
    let program = Program(&served);
    let number = |shard: &str| shard.split("pub fn row_").nth(1).unwrap().split('(').next().unwrap().to_owned();
    let key = |shard: &str| shard.split("key: Key(\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for (text, hidden, told) in [
        (with_first_row(text, &number(text), &key(first)), 0, format!("{} is there twice", key(first))),
        (with_first_row(text, &number(first), &key(text)), 0, format!("row_{} is there twice in its kind", number(first))),
        (text.clone(), 1, format!("has {} rows, and the manifest knows {} of it", rows_of(text), rows_of(text) - 1)),
    ] {
        forge(&backup, last, &text, hidden);
        let (_, said) = run(&mut gaebar(&folder, &["verify", "backups/nightly"]), 1);
        assert!(said.contains(&told), "{said}");
        for lost in [false, true] {
            let job = id(&program.begin(RESTORE));
            if lost {
                // What is known of the first shards is gone, or damaged: they are verified again.
                program.step(job, "");
                program.step(job, "");
                let known = folder.join(format!("backups/.gaebar/jobs/{job}/verified"));
                fs::remove_file(known.join("0.json")).unwrap();
                fs::write(known.join("1.json"), "{\"rows\":").unwrap();
            }
            let (problem, rows) = problem(&program, job);
            assert!(problem.contains(&told) && rows > 0, "lost: {lost}, after {rows} rows: {problem}");
            program.ok("DELETE", &format!("/api/jobs/{job}"), "");
        }
        good.iter()
            .filter(|(file, _)| !file.starts_with(".gaebar"))
            .for_each(|(file, bytes)| fs::write(backup.join(file), bytes).unwrap());
    }
    assert!(!folder.join("to.db").exists(), "nothing was written");
    program.steps(id(&program.begin(RESTORE)), "done");
}

#[test]
fn blobs_are_held_against_their_hashes_whichever_steps_their_shards_are_of() {
    let folder = folder("verify-blobs");
    let backup = with_small_shards(&folder);
    let blob = |id: u8| Property::from(vec![id; 3_000]).unindexed();
    let file = |id: u8| Entity::new(Key::root("File", i64::from(id)), [("blob".to_owned(), blob(id))].into()).unwrap();
    let store = SqliteStore::open_or_create(&folder.join("from.db")).unwrap();
    store.upsert(&(1..=40).map(file).collect::<Vec<_>>()).unwrap();
    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    let first = fs::read_to_string(backup.join("volumes/file_0/src/shard_0.rs")).unwrap();
    assert!(rows_of(&first) < MOST && backup.join("volumes/file_0/src/shard_3.rs").exists());
    let served = serve(&folder);
    let program = Program(&served);
    let job = id(&program.begin(RESTORE));
    program.step(job, "");
    // Its shard is behind.
    let name = first.split("blobs/").nth(1).unwrap().split('"').next().unwrap();
    let path = backup.join("volumes/file_0/src/blobs").join(name);
    let good = fs::read(&path).unwrap();
    fs::write(&path, "another").unwrap();
    let (told, rows) = problem(&program, job);
    assert!(told.contains(name) && told.contains("is not as it was backed up") && rows >= rows_of(&first), "{told}");
    fs::write(&path, good).unwrap();
    program.steps(job, "done");
    run(&mut gaebar(&folder, &["diff", "backups/nightly", "sqlite:to.db"]), 0);
}

#[test]
fn a_kind_in_the_files_of_two_is_refused() {
    let folder = folder("verify-kind-twice");
    let backup = with_small_shards(&folder);
    // Keys are looked at kind by kind: this one would be found in neither.
    let other = KindManifest::read_all(&backup).unwrap().into_iter().find(|kind| kind.kind == "Other").unwrap();
    // The kind's second name is one that Gaebar could give: the first, with a piece of the hash.
    let piece = Sha256::digest("Note")[..4].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let renamed = |text: &str| {
        let text = text.replace("(\"Other\")", "(\"Note\")").replace("Key(\"Other/1\")", "Key(\"Note/1\")");
        text.replace("other", &format!("note_{piece}")).replace("Other", &format!("Note_{piece}"))
    };
    let mut forged_files = BTreeMap::new();
    for file in other.files.keys() {
        let text = renamed(&fs::read_to_string(backup.join(file)).unwrap());
        let digests = rows(&text).into_iter().map(|(_, row)| digest(row)).collect::<Vec<_>>();
        fs::remove_file(backup.join(file)).unwrap();
        let file = renamed(file);
        fs::create_dir_all(backup.join(&file).parent().unwrap()).unwrap();
        fs::write(backup.join(&file), &text).unwrap();
        forged_files.insert(file, Fingerprint::of_shard(text.as_bytes(), digests));
    }
    let library = backup.join("models/src/lib.rs");
    fs::write(&library, renamed(&fs::read_to_string(&library).unwrap())).unwrap();
    let forged = KindManifest::new("Note", &other.origin(), other.rows, other.next_row, forged_files);
    fs::remove_file(backup.join(&other.path)).unwrap();
    fs::write(backup.join(renamed(&other.path)), forged.to_text()).unwrap();
    let served = serve(&folder);
    let program = Program(&served);
    let told = "kind \"Note\" has other files, too";
    let step = program.step(id(&program.begin(RESTORE)), "");
    assert!(step["problem"].as_str().unwrap().contains(told), "{step}");
    let (_, said) = run(&mut gaebar(&folder, &["verify", "backups/nightly"]), 1);
    assert!(said.contains(told) && said.contains("Note/1 is there twice"), "{said}");
}

#[test]
fn a_backup_that_changes_between_two_steps_is_verified_anew_and_an_edit_is_refused() {
    let folder = folder("verify-changed");
    let backup = with_small_shards(&folder);
    let served = serve(&folder);
    let program = Program(&served);
    let job = id(&program.begin(RESTORE));
    program.step(job, "");
    let (last, text) = shards(&backup).pop().unwrap();
    fs::write(&last, text.replacen("the text of", "another text of", 1)).unwrap();
    let (told, rows) = problem(&program, job);
    assert!(told.contains("was edited since it was made") && told.contains("--accept-edits") && rows > 0, "{told}");
    // Once it is said, it is not passed over.
    assert_eq!(problem(&program, job), (told, rows));
    fs::write(&last, &text).unwrap();
    assert_eq!(program.step(job, "")["problem"], Value::Null);

    // Another backup altogether, whose first shards nobody has verified.
    let note = Entity::new(Key::root("Note", 1), [("text".to_owned(), "changed".into())].into()).unwrap();
    SqliteStore::open_or_create(&folder.join("from.db")).unwrap().upsert(&[note]).unwrap();
    let job = id(&program.begin(&RESTORE.replace("target=to", "target=from").replace("&confirm=yes", "")));
    program.step(job, "");
    let step = program.step(job, "");
    assert_eq!(step["stage"], "verifying", "{step}");
    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    let changed = program.step(job, "");
    assert!(changed["problem"].as_str().unwrap().contains("was changed while it was verified"), "{changed}");
    let steps = program.steps(job, "confirming");
    assert!(steps[0]["rows"].as_u64().unwrap() < step["rows"].as_u64().unwrap(), "it begins anew: {}", steps[0]);
    let plan: BTreeMap<String, Value> = serde_json::from_value(steps.last().unwrap()["work"]["plan"].clone()).unwrap();
    assert_eq!(plan["Note"]["equal"], NOTES, "the plan is of what was verified last");
}
