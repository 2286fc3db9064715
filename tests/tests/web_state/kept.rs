//! Finished backups that the store keeps, and those that come from another Gaebar.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gaebar_runtime::model::{Entity, Key, Value as Property};
use gaebar_runtime::store::{Scan, SqliteStore, Store as _, View};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::program::{Program, id};
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::files;
use serde_json::json;

use super::{ROWS, code, instance, is_as_at_once, is_gone, is_removed_with, state, with_store, without_gaebars_own};

#[test]
fn a_finished_backup_is_pulled_restored_and_updated_from_an_instance_that_did_not_take_its_last_step() {
    let folder = with_store("state-kept");
    let servers = ["one", "other"].map(|name| instance(&folder, name));
    let [one, other] = [0, 1].map(|at| Program(&servers[at]));
    // Steps that alternate; who took the last, and who did not.
    let alternate = |job: u64| {
        for round in 0..200 {
            let (this, that) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
            let step = Program(&servers[this]).step(job, "");
            assert_eq!(step["problem"], serde_json::Value::Null, "{step}");
            if step["stage"] == "done" {
                return (this, that);
            }
        }
        panic!("no end after 200 steps");
    };
    let backup = |at: usize| folder.join(["one", "other"][at]).join("backups/nightly");
    let same = |one: &Path, other: &Path| {
        assert!(without_gaebars_own(one) == without_gaebars_own(other), "{} and {} differ", one.display(), other.display());
    };
    // A disk that has nothing of it.
    let lose = |at: usize| fs::remove_dir_all(backup(at).parent().unwrap()).unwrap();
    let first = id(&one.begin("do=backup&store=from&backup=nightly"));
    let (last, not) = alternate(first);
    lose(not);
    let pull = |name: &str| {
        let url = format!("http://{}", servers[not].address);
        run(gaebar(&folder, &["pull", &url, "nightly", name]).env("GAEBAR_TOKEN", TOKEN), 0);
    };
    pull("pulled");
    same(&folder.join("pulled"), &backup(last));
    same(&backup(not), &backup(last));
    let listed = [&one, &other].map(|program| program.send("GET", "/api/backups", "").body);
    assert!(listed[0] == listed[1] && listed[0].contains("nightly") && !listed[0].contains("null"), "{listed:?}");

    // Later versions go where older ones are, which neither store nor disk keeps.
    let from = SqliteStore::open_or_create(&folder.join("from.db")).unwrap();
    let profile = Scan { namespace: String::new(), kind: "Profile".to_owned(), from: None, to: None };
    let some = from.snapshot(View::Latest).unwrap().page(&profile, None, 3).unwrap().entities;
    from.delete(&some.iter().map(Entity::key).collect::<Vec<_>>()).unwrap();
    let second = id(&Program(&servers[not]).begin("do=backup&store=from&backup=nightly"));
    let (last, not) = alternate(second);
    lose(not);
    Program(&servers[not]).ok("GET", "/api/backups/nightly/files", "");
    same(&backup(not), &backup(last));
    assert_ne!(code(&backup(not)), code(&folder.join("pulled")));
    run(&mut gaebar(&folder, &["diff", backup(not).to_str().unwrap(), "sqlite:from.db"]), 0);
    let known = Program(&servers[not]).ok("GET", "/api/jobs", "");
    assert_eq!(known.as_array().unwrap().iter().filter(|job| job["kept"] != 0).count(), 1, "{known}");

    // A disk that has nothing takes the steps of a restore.
    lose(not);
    let restore = id(&Program(&servers[not]).begin("do=restore&backup=nightly&target=to&confirm=yes"));
    Program(&servers[not]).steps(restore, "done");
    run(&mut gaebar(&folder, &["diff", "sqlite:from.db", "sqlite:to.db"]), 0);

    // What is kept and damaged is not put anywhere.
    lose(not);
    let store = SqliteStore::open_or_create(&folder.join("state.db")).unwrap();
    let part = state(&store).into_iter().find(|entity| entity.properties.contains_key("bytes")).unwrap();
    let other = [("bytes".to_owned(), Property::from(b"other".to_vec()).unindexed())].into();
    store.upsert(&[Entity::new(part.key().clone(), other).unwrap()]).unwrap();
    let refused = Program(&servers[not]).send("GET", "/api/backups/nightly/files", "");
    assert!(refused.status == 500 && refused.body.contains("do not have their hash"), "{refused:?}");
    assert!(!backup(not).exists());
    store.upsert(&[part]).unwrap();
    Program(&servers[not]).ok("GET", "/api/backups/nightly/files", "");
    same(&backup(not), &backup(last));
    is_removed_with(&servers[not], second, &folder);
}

/// A Gaebar with a backup of some rows, in a folder `far` of that which is returned.
fn with_far(test: &str) -> (PathBuf, Serving) {
    let folder = folder(test);
    run(&mut gaebar(&folder, &["seed", "headline", "--to", "sqlite:from.db", "--rows", ROWS]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:from.db", "far/backups/nightly"]), 0);
    let far = Serving::start(&folder.join("far"), Some(TOKEN), &[]);
    (folder, far)
}

/// One in a folder of its own that pulls from it.
fn knows(folder: &Path, name: &str, far: &Serving) -> Serving {
    let own = folder.join(name);
    fs::create_dir_all(&own).unwrap();
    let state = format!("sqlite:{}", folder.join("state.db").display());
    let remote = format!("[remotes.far]\nurl = \"http://{}\"\ntoken-file = \"token\"\n", far.address);
    fs::write(own.join("gaebar.toml"), format!("{remote}[serve]\nrows-per-step = 20\n[state]\nstore = {state:?}\n")).unwrap();
    fs::write(own.join("token"), TOKEN).unwrap();
    Serving::start(&own, Some(TOKEN), &[])
}

#[test]
fn a_host_that_loses_its_disk_between_steps_pulls_a_backup_to_its_end() {
    let (folder, far) = with_far("state-pull-lost");
    let served = knows(&folder, "host", &far);
    for round in ["anew", "into it"] {
        let job = id(&Program(&served).begin("do=pull&remote=far&backup=nightly"));
        let mut steps = 0;
        loop {
            let step = Program(&served).step(job, "");
            assert_eq!(step["problem"], serde_json::Value::Null, "{step}");
            steps += 1;
            if step["stage"] == "done" {
                break;
            }
            assert!(steps < 50, "{round}: {step}");
            fs::remove_dir_all(folder.join("host/backups")).unwrap();
        }
        assert!(steps > 3, "{round}: {steps} steps");
        assert!(code(&folder.join("host/backups/nightly")) == code(&folder.join("far/backups/nightly")), "{round}");
        run(&mut gaebar(&folder, &["verify", "host/backups/nightly"]), 0);
        fs::remove_dir_all(folder.join("host/backups")).unwrap();
        if round == "into it" {
            is_removed_with(&served, job, &folder);
        }
    }
}

#[test]
fn a_backup_that_was_pulled_is_there_for_an_instance_that_did_not_take_its_last_step() {
    let (folder, far) = with_far("state-pulled");
    let servers = ["one", "other"].map(|name| knows(&folder, name, &far));
    let job = id(&Program(&servers[0]).begin("do=pull&remote=far&backup=nightly"));
    Program(&servers[0]).steps(job, "done");
    Program(&servers[1]).ok("GET", "/api/backups/nightly/files", "");
    let [here, there] = ["other", "far"].map(|name| without_gaebars_own(&folder.join(name).join("backups/nightly")));
    assert!(here == there && here.len() > 80, "{} and {} files", here.len(), there.len());
    is_removed_with(&servers[1], job, &folder);
}

/// The names of the parts in which Gaebar keeps bytes.
fn parts(folder: &Path) -> BTreeSet<String> {
    let state = state(&SqliteStore::open(&folder.join("state.db")).unwrap());
    state.iter().filter(|entity| entity.properties.contains_key("bytes")).map(|entity| entity.key().to_string()).collect()
}

#[test]
fn a_finished_backup_is_copied_some_files_a_step_and_goes_on_after_a_kill_and_elsewhere() {
    let folder = with_store("state-copied");
    // Both disks have a backup that the store has never heard of.
    for name in ["one", "other"] {
        fs::create_dir_all(folder.join(name).join("backups")).unwrap();
        run(Command::new("cp").current_dir(&folder).args(["-r", "at-once/nightly", &format!("{name}/backups")]), 0);
    }
    let (mut one, other) = (instance(&folder, "one"), instance(&folder, "other"));
    let from = SqliteStore::open_or_create(&folder.join("from.db")).unwrap();
    let change = |id: i64| {
        let key = Key::root("Profile", id);
        from.upsert(&[Entity::new(key, [("changed".to_owned(), Property::from(id))].into()).unwrap()]).unwrap();
    };
    let begin = |served: &Serving| id(&Program(served).begin("do=backup&store=from&backup=nightly&another_source=yes"));
    change(1);
    let first = begin(&one);
    let mut step = Program(&one).steps(first, "keeping").pop().unwrap();
    let all = step["total"].as_u64().unwrap();
    let (mut steps, mut copied) = (0, step["rows"].as_u64().unwrap());
    let mut before = parts(&folder);
    while step["stage"] != "done" {
        if steps == 0 {
            one.signal("-KILL");
            one = instance(&folder, "one");
        }
        step = Program(if steps == 1 { &other } else { &one }).step(first, "");
        assert_eq!(step["problem"], serde_json::Value::Null, "{step}");
        let now = parts(&folder);
        let new = now.difference(&before).count();
        assert!(new <= 40 + 1, "a step has written {new} parts: {step}");
        if step["stage"] == "keeping" {
            assert!(step["rows"].as_u64() > Some(copied) && step["total"] == all, "{copied} before: {step}");
            copied = step["rows"].as_u64().unwrap();
        }
        (before, steps) = (now, steps + 1);
        assert!(steps < 50, "{step}");
    }
    assert!(steps > 2 && step["kinds"].as_object().unwrap().len() > 5, "{steps} steps: {step}");
    let told = step["log"].to_string();
    assert_eq!(told.matches("it is finished here, too").count(), 1, "by the other instance alone: {told}");
    let backups = ["one", "other"].map(|name| folder.join(name).join("backups/nightly"));
    let same = || assert!(without_gaebars_own(&backups[0]) == without_gaebars_own(&backups[1]));
    same();

    // What stays as it was is not copied again, and goes with the version that has it last.
    change(2);
    let second = begin(&one);
    let stages: Vec<_> = Program(&one).steps(second, "done").iter().map(|step| step["stage"].to_string()).collect();
    let now = parts(&folder);
    assert!(now.intersection(&before).count() * 4 > now.len() * 3 && now.len() < before.len() + 10, "{now:?}");
    assert!(!stages.contains(&"\"keeping\"".to_owned()), "{stages:?}");
    fs::remove_dir_all(backups[1].parent().unwrap()).unwrap();
    Program(&other).ok("GET", "/api/backups/nightly/files", "");
    same();
    run(&mut gaebar(&folder, &["diff", "other/backups/nightly", "sqlite:from.db"]), 0);
    is_removed_with(&other, second, &folder);

    // Cancelled, it stays on the one disk.
    let had = without_gaebars_own(&backups[1]);
    change(3);
    let cancelled = begin(&one);
    Program(&one).steps(cancelled, "keeping");
    let told = Program(&one).ok("DELETE", &format!("/api/jobs/{cancelled}"), "");
    assert!(told["stage"] == "done" && told["kept"] == 0 && told["log"].to_string().contains("others do not get it"), "{told}");
    is_gone(&folder);
    for served in [&one, &other] {
        Program(served).ok("GET", "/api/backups", "");
    }
    assert!(without_gaebars_own(&backups[1]) == had && without_gaebars_own(&backups[0]) != had);
    run(&mut gaebar(&folder, &["diff", "one/backups/nightly", "sqlite:from.db"]), 0);
}

#[test]
fn a_backup_that_is_finished_on_a_disk_and_that_the_store_never_heard_of_is_finished_again() {
    let folder = with_store("state-cut-off");
    let served = instance(&folder, "host");
    let program = Program(&served);
    let store = SqliteStore::open_or_create(&folder.join("state.db")).unwrap();
    // A new backup, and then an update.
    for _ in 0..2 {
        let job = id(&program.begin("do=backup&store=from&backup=nightly"));
        let mut before = state(&store);
        while program.step(job, "")["stage"] != "done" {
            before = state(&store);
        }
        store.delete(&state(&store).iter().map(Entity::key).collect::<Vec<_>>()).unwrap();
        store.upsert(&before).unwrap();
        assert_ne!(program.ok("GET", &format!("/api/jobs/{job}"), "")["stage"], "done");
        program.steps(job, "done");
        is_as_at_once(&folder, &folder.join("host/backups/nightly"));
        run(&mut gaebar(&folder, &["verify", "host/backups/nightly"]), 0);
    }
}

#[test]
fn a_list_brings_no_backup_and_one_that_is_damaged_is_nothing_to_the_others() {
    let folder = with_store("state-listed");
    let served = instance(&folder, "host");
    let program = Program(&served);
    for backup in ["nightly", "weekly"] {
        let job = id(&program.begin(&format!("do=backup&store=from&backup={backup}")));
        program.steps(job, "done");
    }
    fs::remove_dir_all(folder.join("host/backups")).unwrap();
    let store = SqliteStore::open_or_create(&folder.join("state.db")).unwrap();
    let part = state(&store).into_iter().find(|entity| entity.properties.contains_key("bytes")).unwrap();
    store.delete(&[part.key()]).unwrap();

    let listed = program.ok("GET", "/api/backups", "");
    let names: Vec<_> = listed["backups"].as_array().unwrap().iter().map(|backup| (&backup["name"], &backup["rows"])).collect();
    assert_eq!(names, [(&json!("nightly"), &json!(null)), (&json!("weekly"), &json!(null))]);
    let page = program.send("GET", "/", "");
    assert!(page.status == 200 && page.body.contains("Kept for other instances") && page.body.contains("weekly"), "{page:?}");
    assert!(!folder.join("host/backups/nightly").exists() && !folder.join("host/backups/weekly").exists());

    // The first part is of the job that was begun first.
    let damaged = program.send("GET", "/api/backups/nightly/files", "");
    assert!(damaged.status == 500 && damaged.body.contains("it is missing"), "{damaged:?}");
    program.ok("GET", "/api/backups/weekly/files", "");
    run(&mut gaebar(&folder, &["diff", "host/backups/weekly", "sqlite:from.db"]), 0);
    let listed = program.ok("GET", "/api/backups", "");
    let rows: Vec<_> = listed["backups"].as_array().unwrap().iter().map(|backup| &backup["rows"]).collect();
    assert_eq!(rows, [&json!(null), &json!(300)]);
}

#[test]
fn a_backup_that_somebody_has_made_or_changed_on_a_disk_is_not_replaced() {
    let folder = with_store("state-local");
    let servers = ["one", "other"].map(|name| instance(&folder, name));
    let [one, other] = [0, 1].map(|at| Program(&servers[at]));
    let nightly = folder.join("other/backups/nightly");
    let make = || {
        let job = id(&one.begin("do=backup&store=from&backup=nightly"));
        one.steps(job, "done");
        job
    };
    let is_refused = |job: u64| {
        let before = files(&nightly);
        let refused = other.send("GET", "/api/backups/nightly/files", "");
        assert!(
            refused.status == 409 && refused.body.contains(&format!("remove job {job} (DELETE /api/jobs/{job})")),
            "{refused:?}"
        );
        assert!(files(&nightly) == before);
        other.ok("GET", "/api/backups", "");
    };
    let comes = || {
        other.ok("GET", "/api/backups/nightly/files", "");
        assert!(code(&nightly) == code(&folder.join("one/backups/nightly")));
    };
    // One that was made here before.
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:suite.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:suite.db", "other/backups/nightly"]), 0);
    let job = make();
    is_refused(job);
    fs::remove_dir_all(&nightly).unwrap();
    comes();

    // One that came, and was edited; one that came, and was backed up into.
    let from = SqliteStore::open_or_create(&folder.join("from.db")).unwrap();
    let changes: [&dyn Fn(); 2] = [
        &|| {
            let (shard, bytes) = files(&nightly).into_iter().find(|(file, _)| file.ends_with("shard_0.rs")).unwrap();
            fs::write(nightly.join(shard), [&bytes[..], b"// mine\n"].concat()).unwrap();
        },
        &|| drop(run(&mut gaebar(&folder, &["backup", "sqlite:from.db", "other/backups/nightly"]), 0)),
    ];
    for (profile, change) in [1, 2].into_iter().zip(changes) {
        from.delete(&[&Key::root("Profile", profile)]).unwrap();
        change();
        let job = make();
        is_refused(job);
        fs::remove_dir_all(&nightly).unwrap();
        comes();
    }
    // What nobody has changed is replaced; also where whoever brought it was killed before that was noted.
    from.delete(&[&Key::root("Profile", 3)]).unwrap();
    make();
    comes();
    fs::remove_file(folder.join("other/backups/.gaebar/jobs/nightly.kept")).unwrap();
    comes();
}
