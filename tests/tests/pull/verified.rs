//! What was downloaded is verified in small steps, before it is in its place.

use std::fs;
use std::path::Path;

use gaebar_runtime::model::{Entity, Key};
use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::forge::{MOST, NOTES, forge, rows_of, shards, with_first_row, with_small_shards};
use gaebar_tests::proxy::Proxy;
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::files;
use serde_json::Value;

use crate::backup;
use crate::page::{begin, knows, send, start, told};

const SPOOL: &str = "backups/.nightly.gaebar/spool";

/// Steps of a pull until a stage is over, or to its end.
fn steps(served: &Serving, job: &str, while_in: &[&str]) -> Vec<Value> {
    let mut steps = Vec::new();
    loop {
        steps.push(told(served, "POST", &format!("{job}/step"), ""));
        assert!(steps.len() < 100, "{steps:?}");
        if !while_in.contains(&steps.last().unwrap()["stage"].as_str().unwrap()) {
            return steps;
        }
    }
}

/// How many rows each step of verifying had done by its end.
fn verified(steps: &[Value]) -> Vec<u64> {
    steps.iter().filter(|step| step["stage"] == "verifying").map(|step| step["rows"].as_u64().unwrap()).collect()
}

#[test]
fn a_step_verifies_some_shards_and_a_killed_server_verifies_none_again() {
    let there = folder("pull-verified-there");
    let remote = with_small_shards(&there);
    let largest = shards(&remote).iter().map(|(_, text)| rows_of(text)).max().unwrap();
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let here = knows("pull-verified-here", far.address, usize::try_from(MOST).unwrap());
    let mut near = start(&here);
    let job = begin(&near, "backup=nightly");
    let first = steps(&near, &job, &["downloading"]).pop().unwrap();
    let undisturbed = [vec![first], steps(&near, &job, &["verifying"])].concat();
    let rows = verified(&undisturbed);
    assert!(rows.len() > 7 && rows.last() == Some(&(NOTES + 1)), "{rows:?}");
    let bites = std::iter::once(rows[0]).chain(rows.windows(2).map(|pair| pair[1] - pair[0])).collect::<Vec<_>>();
    assert!(bites.iter().all(|bite| *bite > 0 && *bite < MOST + largest), "{bites:?}");
    assert!(undisturbed[0]["total"] == NOTES + 1 && undisturbed[1]["work"]["files"][0] == undisturbed[1]["work"]["files"][1]);
    assert!(backup(&here.join("backups/nightly")) == backup(&remote));
    assert!(!here.join("backups/.nightly.gaebar").exists(), "nothing is left behind");
    let (_, page) = send(&near, "GET", job.trim_start_matches("/api"), "");
    assert!(page.contains("verifying</li>"), "{page}");

    fs::remove_dir_all(here.join("backups/nightly")).unwrap();
    let job = begin(&near, "backup=nightly");
    let mut disturbed = vec![steps(&near, &job, &["downloading"]).pop().unwrap()];
    let (_, page) = send(&near, "GET", job.trim_start_matches("/api"), "");
    assert!(page.contains("Verifying what came.") && page.contains(&format!(" of {} rows, ", NOTES + 1)), "{page}");
    while disturbed.last().unwrap()["stage"] == "verifying" {
        assert!(!here.join("backups/nightly").exists(), "it is not verified yet");
        near.signal("-KILL");
        near = start(&here);
        disturbed.push(told(&near, "POST", &format!("{job}/step"), ""));
    }
    assert_eq!(verified(&disturbed), rows);
    assert!(backup(&here.join("backups/nightly")) == backup(&remote));
}

#[test]
fn what_is_wrong_between_two_shards_is_found_and_nothing_is_published() {
    let there = folder("pull-forged-there");
    let remote = with_small_shards(&there);
    let shards = shards(&remote);
    let ((_, first), (last, text)) = (&shards[0], shards.last().unwrap());
    assert!(first.contains("Key(\"Note/1\")"));
    let number = text.split("pub fn row_").nth(1).unwrap().split('(').next().unwrap();
    let sound = files(&remote);
    forge(&remote, last, &with_first_row(text, number, "Note/1"), 0);
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let here = knows("pull-forged-here", far.address, usize::try_from(MOST).unwrap());
    let near = start(&here);
    let job = begin(&near, "backup=nightly");
    let mut step = steps(&near, &job, &["downloading"]).pop().unwrap();
    while step["problem"].is_null() {
        assert_eq!(step["stage"], "verifying", "{step}");
        step = serde_json::from_str(&send(&near, "POST", &format!("{job}/step"), "").1).unwrap();
    }
    assert!(step["problem"].as_str().unwrap().contains("Note/1 is there twice") && step["rows"].as_u64() > Some(0), "{step}");
    assert!(!here.join("backups/nightly").exists());
    // At once, too.
    let mut at_once = gaebar(&here, &["pull", "far", "nightly", "at-once"]);
    let (_, told) = run(&mut at_once, 1);
    assert!(told.contains("Note/1 is there twice") && !here.join("at-once").exists(), "{told}");
    // Mended there, it is taken.
    for (file, bytes) in sound {
        fs::write(remote.join(file), bytes).unwrap();
    }
    let mended = (0..200).map(|_| told_of(&near, &job)).find(|step| step["stage"] == "done");
    assert!(mended.is_some() && here.join("backups/nightly").exists());
}

/// What the next step tells.
fn told_of(near: &Serving, job: &str) -> Value {
    told(near, "POST", &format!("{job}/step"), "")
}

/// Changes a file below a folder without any change of its size.
fn spoil(file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let spoilt = text.replacen("the text of", "The text of", 1);
    assert_ne!(text, spoilt);
    fs::write(file, spoilt).unwrap();
}

#[test]
fn what_changes_while_it_is_verified_comes_again_here_or_there() {
    let there = folder("pull-changing-there");
    let remote = with_small_shards(&there);
    let files: Vec<_> = shards(&remote).into_iter().map(|(file, _)| file.strip_prefix(&remote).unwrap().to_owned()).collect();
    let mut far = Serving::start(&there, Some(TOKEN), &[]);
    let through = Proxy::before(far.address, |_, raw| raw);
    let here = knows("pull-changing-here", through.address, usize::try_from(MOST).unwrap());
    let near = start(&here);
    let job = begin(&near, "backup=nightly");
    steps(&near, &job, &["downloading"]);
    told(&near, "POST", &format!("{job}/step"), "");
    // A shard that was verified, and one that was not.
    for file in [files.first().unwrap(), files.last().unwrap()] {
        spoil(&here.join(SPOOL).join("pulled/files").join(file));
    }
    let step = told(&near, "POST", &format!("{job}/step"), "");
    assert_eq!(step["stage"], "downloading", "they come again: {step}");
    for file in [files.first().unwrap(), files.last().unwrap()] {
        let name = file.to_str().unwrap();
        assert_eq!(through.asked().iter().filter(|head| head.contains(name)).count(), 2, "{name}");
    }
    let before = told(&near, "POST", &format!("{job}/step"), "");
    assert_eq!(before["stage"], "verifying", "{before}");

    // The remote's is another by now, which what comes again is of.
    let note = Entity::new(Key::root("Note", 1), [("text".to_owned(), "changed".into())].into()).unwrap();
    SqliteStore::open_or_create(&there.join("from.db")).unwrap().upsert(&[note]).unwrap();
    run(&mut gaebar(&there, &["backup", "from", "backups/nightly"]), 0);
    let shard = here.join(SPOOL).join("pulled/files").join(files.last().unwrap());
    spoil(&shard);
    let again = steps(&near, &job, &["downloading"]).pop().unwrap();
    let (before, rows) = (before["rows"].as_u64().unwrap(), again["rows"].as_u64().unwrap());
    assert!(again["stage"] == "verifying" && rows < before, "{before} rows, and it begins anew with {again}");
    assert!(here.join(SPOOL).exists() && !here.join("backups/nightly").exists());

    // Once all of it is here, nobody needs the remote.
    let expected = backup(&remote);
    far.signal("-KILL");
    let rows = verified(&steps(&near, &job, &["verifying"]));
    assert_eq!(rows.last(), Some(&(NOTES + 1)));
    assert!(backup(&here.join("backups/nightly")) == expected);
    run(&mut gaebar(&here, &["verify", "backups/nightly"]), 0);
}
