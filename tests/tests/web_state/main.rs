//! Backups and restores on a host without a disk that lasts: what a step leaves is kept in a store.

mod kept;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use gaebar_runtime::model::{Entity, Key, Value as Property};
use gaebar_runtime::store::{DatastoreStore, Scan, SqliteStore, Store, View};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::emulator::{Emulator, Flavour};
use gaebar_tests::program::{Program, id};
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::{files, timeless};
use serde_json::json;

const ROWS: &str = "300";

/// The entities in which Gaebar keeps its state.
fn state(store: &dyn Store) -> Vec<Entity> {
    let scan = Scan { namespace: String::new(), kind: "_GaebarState".to_owned(), from: None, to: None };
    store.snapshot(View::Latest).unwrap().page(&scan, None, 1_000).unwrap().entities
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Writes a turn of one's own.
fn forge(store: &dyn Store, job: u64, number: u64, more: serde_json::Value) {
    let mut turn =
        json!({ "job": job, "number": number, "who": "process 4711 on elsewhere", "token": "t", "until": 0, "list": null });
    turn.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let key = Key::root("_GaebarState", format!("turn {job:020} {number:020}"));
    let properties = [("turn".to_owned(), Property::from(turn.to_string()).unindexed())].into();
    store.upsert(&[Entity::new(key, properties).unwrap()]).unwrap();
}

fn is_gone(folder: &Path) {
    assert_eq!(state(&SqliteStore::open(&folder.join("state.db")).unwrap()), []);
}

/// Removes a job whose backup is kept, with which nothing of Gaebar's own is left in the store.
fn is_removed_with(served: &Serving, job: u64, folder: &Path) {
    assert_eq!(remove(served, job)["kept"], 0);
    is_gone(folder);
}

/// Removes a job whose backup is kept, with its size told before.
fn remove(served: &Serving, job: u64) -> serde_json::Value {
    let kept = Program(served).ok("GET", &format!("/api/jobs/{job}"), "");
    assert!(
        kept["kept"].as_u64().unwrap() > 0 && kept["leaves"].as_str().unwrap().contains("is kept for other instances"),
        "{kept}"
    );
    Program(served).ok("DELETE", &format!("/api/jobs/{job}"), "")
}

/// A folder with a store of some rows, and a backup of it that was made at once.
fn with_store(test: &str) -> PathBuf {
    let folder = folder(test);
    run(&mut gaebar(&folder, &["seed", "headline", "--to", "sqlite:from.db", "--rows", ROWS]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:from.db", "at-once/nightly", "--shard-size", "6000"]), 0);
    folder
}

/// A server in a folder of its own, as of another machine, with the stores of the folder above.
fn instance(folder: &Path, name: &str) -> Serving {
    let own = folder.join(name);
    fs::create_dir_all(&own).unwrap();
    let url = |store: &str| format!("sqlite:{}", folder.join(store).display());
    let (from, to, state) = (url("from.db"), url("to.db"), url("state.db"));
    let stores = format!(
        "[stores]\nfrom = {from:?}\nto = {to:?}\n[backup]\nrows-per-step = 40\nshard-size = 6000\n[state]\nstore = {state:?}\n"
    );
    fs::write(own.join("gaebar.toml"), stores).unwrap();
    Serving::start(&own, Some(TOKEN), &[])
}

/// The code of a backup.
fn code(backup: &Path) -> BTreeMap<String, String> {
    timeless(backup).into_iter().filter(|(file, _)| file.ends_with(".rs")).collect()
}

/// The files of a backup, and not of the folder in it that is Gaebar's own.
fn without_gaebars_own(backup: &Path) -> BTreeMap<String, Vec<u8>> {
    files(backup).into_iter().filter(|(file, _)| !file.starts_with(".gaebar/")).collect()
}

fn is_as_at_once(folder: &Path, backup: &Path) {
    assert!(code(backup) == code(&folder.join("at-once/nightly")), "steps give other code");
}

#[test]
fn a_host_that_loses_its_disk_between_steps_gives_the_same_backup_and_leaves_no_state() {
    let folder = with_store("state-lost");
    let mut served = instance(&folder, "host");
    let job = id(&Program(&served).begin("do=backup&store=from&backup=nightly"));
    for round in 1.. {
        let step = Program(&served).step(job, "");
        assert_eq!(step["problem"], serde_json::Value::Null, "{step}");
        if step["stage"] == "done" {
            assert!(round > 7, "{round} steps");
            break;
        }
        assert!(round < 200 && !state(&SqliteStore::open(&folder.join("state.db")).unwrap()).is_empty(), "{step}");
        // With the process, and under its feet.
        if round % 2 == 0 {
            served.signal("-KILL");
        }
        fs::remove_dir_all(folder.join("host/backups")).unwrap();
        if round % 2 == 0 {
            served = instance(&folder, "host");
        }
        let again = Program(&served).ok("GET", &format!("/api/jobs/{job}"), "");
        assert_eq!((&again["rows"], &again["stage"]), (&step["rows"], &step["stage"]));
        assert_eq!(Program(&served).ok("GET", "/api/jobs", "").as_array().unwrap().len(), 1);
    }
    is_as_at_once(&folder, &folder.join("host/backups/nightly"));
    run(&mut gaebar(&folder, &["verify", "host/backups/nightly"]), 0);

    // An update too, for which the backup itself comes back.
    fs::remove_dir_all(folder.join("host/backups")).unwrap();
    let job = id(&Program(&served).begin("do=backup&store=from&backup=nightly"));
    for round in 1.. {
        let step = Program(&served).step(job, "");
        if step["stage"] == "done" {
            assert!(round > 7, "{round} steps");
            break;
        }
        assert!(round < 200, "{step}");
        fs::remove_dir_all(folder.join("host/backups")).unwrap();
    }
    is_as_at_once(&folder, &folder.join("host/backups/nightly"));
    fs::remove_dir_all(folder.join("host/backups")).unwrap();

    let to = SqliteStore::open_or_create(&folder.join("to.db")).unwrap();
    let stranger = |id: i64| Entity::new(Key::root("Profile", 2_000_000_000 + id), BTreeMap::new()).unwrap();
    to.upsert(&(1..=100).map(stranger).collect::<Vec<_>>()).unwrap();
    let restore = id(&Program(&served).begin("do=restore&backup=nightly&target=to&mirror=yes&confirm=yes"));
    for round in 1.. {
        let step = Program(&served).step(restore, "");
        if step["stage"] == "done" {
            assert!(round > 10, "{round} steps");
            break;
        }
        assert!(round < 200, "{step}");
        fs::remove_dir_all(folder.join("host/backups")).unwrap();
        if round == 3 {
            let needed = Program(&served).send("DELETE", &format!("/api/jobs/{job}"), "");
            assert!(needed.status == 409 && needed.body.contains(&format!("job {restore} is of the same backup")), "{needed:?}");
        }
    }
    run(&mut gaebar(&folder, &["diff", "host/backups/nightly", "sqlite:to.db"]), 0);
    is_removed_with(&served, job, &folder);
}

#[test]
fn instances_that_take_turns_go_on_from_one_another_and_what_one_has_of_before_is_not_taken() {
    let folder = with_store("state-turns");
    let servers = ["one", "other"].map(|name| instance(&folder, name));
    let [one, other] = [0, 1].map(|at| Program(&servers[at]));
    let job = id(&one.begin("do=backup&store=from&backup=nightly"));
    let taken = other.send("POST", "/api/jobs", "do=backup&store=from&backup=nightly");
    assert!(taken.status == 409 && taken.body.contains(&format!("job {job} is of the same backup")), "{taken:?}");
    let mut at = (None, 0);
    for round in 0..200 {
        let (name, program) = if round % 3 == 1 { ("other", &other) } else { ("one", &one) };
        let step = program.step(job, "");
        assert_eq!(step["problem"], serde_json::Value::Null, "{step}");
        if step["stage"] == "done" {
            is_as_at_once(&folder, &folder.join(name).join("backups/nightly"));
            break;
        }
        let now = (step["stage"].as_str().map(str::to_owned), step["rows"].as_u64().unwrap());
        assert!(now != at, "{step}");
        at = now;
    }
    let told = [&one, &other].map(|program| program.ok("GET", &format!("/api/jobs/{job}"), ""));
    assert!(told[0] == told[1] && told[0]["stage"] == "done", "{told:?}");
    is_removed_with(&servers[1], job, &folder);

    // What is cancelled leaves nothing either, and is over for the other, too.
    let job = id(&one.begin("do=backup&store=from&backup=weekly"));
    one.step(job, "");
    other.step(job, "");
    assert_eq!(one.ok("DELETE", &format!("/api/jobs/{job}"), "")["stage"], "cancelled");
    assert_eq!(other.send("POST", &format!("/api/jobs/{job}/step"), "").status, 404);
    is_gone(&folder);
}

#[test]
fn a_second_instance_is_told_who_is_at_it_until_their_time_is_up() {
    let folder = with_store("state-busy");
    let served = instance(&folder, "host");
    let program = Program(&served);
    let job = id(&program.begin("do=backup&store=from&backup=nightly"));
    program.step(job, "");
    let store = SqliteStore::open_or_create(&folder.join("state.db")).unwrap();
    // Another instance has taken the next.
    let take = |until: u64| forge(&store, job, 9, json!({ "until": until }));
    take(now() + 100);
    let busy = program.send("POST", &format!("/api/jobs/{job}/step"), "");
    assert!(busy.status == 409 && busy.body.contains("process 4711 on elsewhere"), "{busy:?}");
    // No turn is somebody's for ever.
    for over in [u64::MAX, 253_402_300_799, 1] {
        take(over);
        assert_eq!(program.step(job, "")["problem"], serde_json::Value::Null);
    }
    program.steps(job, "done");
    is_as_at_once(&folder, &folder.join("host/backups/nightly"));
    is_removed_with(&served, job, &folder);
}

#[test]
fn settings_that_would_let_state_into_backups_are_refused() {
    let folder = folder("state-settings");
    for (settings, part) in [
        ("[state]\nstore = \"sqlite:state.db\"\nkind = \"State\"\n", "must begin with `_Gaebar`"),
        ("[state]\nstore = \"none\"\n", "or a name from [stores]"),
        ("[state]\nkind = \"_GaebarState\"\n", "missing field `store`"),
    ] {
        fs::write(folder.join("gaebar.toml"), settings).unwrap();
        let output = gaebar(&folder, &["serve", "--listen", "127.0.0.1:0"]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(part), "{settings}: {told}");
    }
}

fn the_store_that_is_backed_up_holds_the_state(flavour: Flavour) {
    let Some(emulator) = Emulator::shared(flavour) else { return };
    let project = &format!("state-{flavour:?}").to_lowercase();
    let folder = folder(project);
    let command = |arguments: &[&str]| {
        let mut command = gaebar(&folder, arguments);
        command.env("DATASTORE_EMULATOR_HOST", emulator.host());
        command
    };
    let from = format!("datastore://{project}");
    run(&mut command(&["seed", "headline", "--to", &from, "--rows", ROWS]), 0);
    // The Firestore emulator lists neither.
    let named = match flavour {
        Flavour::Datastore => "",
        Flavour::Firestore => "kinds = [\"Profile\", \"Comment\", \"Post\"]\nnamespaces = [\"\"]\n",
    };
    let settings = format!(
        "[stores]\nfrom = \"{from}\"\n[backup]\nrows-per-step = 40\nshard-size = 6000\n{named}[state]\nstore = \"from\"\n"
    );
    fs::write(folder.join("gaebar.toml"), settings).unwrap();
    run(&mut command(&["backup", "from", "at-once/nightly"]), 0);
    let serve = || Serving::run(command(&["serve", "--listen", "127.0.0.1:0"]), &folder, Some(TOKEN));
    let mut served = serve();
    let job = id(&Program(&served).begin("do=backup&store=from&backup=nightly"));
    let store = DatastoreStore::connect_to_emulator(&emulator.host(), project, "").unwrap();
    for round in 1.. {
        let step = Program(&served).step(job, "");
        if step["stage"] == "done" {
            break;
        }
        assert!(round < 200 && !state(&store).is_empty(), "{step}");
        served.signal("-KILL");
        fs::remove_dir_all(folder.join("backups")).unwrap();
        served = serve();
    }
    // Which was made before there was any state in it.
    is_as_at_once(&folder, &folder.join("backups/nightly"));
    served.signal("-KILL");
    fs::remove_dir_all(folder.join("backups")).unwrap();
    served = serve();
    Program(&served).ok("GET", "/api/backups/nightly/files", "");
    is_as_at_once(&folder, &folder.join("backups/nightly"));
    remove(&served, job);
    assert_eq!(state(&store), []);

    // Two instances that don't wait for each other: whoever comes second is told, and no step counts twice.
    let more = ["--config", "../gaebar.toml"];
    let others = ["one", "other"].map(|name| {
        fs::create_dir_all(folder.join(name)).unwrap();
        let mut command = command(&[&["serve", "--listen", "127.0.0.1:0"], &more[..]].concat());
        command.current_dir(folder.join(name));
        Serving::run(command, &folder.join(name), Some(TOKEN))
    });
    let job = id(&Program(&others[0]).begin("do=backup&store=from&backup=nightly"));
    // Steps until the job is done, by whichever.
    let race = |served| {
        for _ in 0..400 {
            let step = Program(served).send("POST", &format!("/api/jobs/{job}/step"), "");
            match step.status {
                200 if step.body.contains("\"has_ended\":true") => return,
                status => assert!([200, 409].contains(&status), "{step:?}"),
            }
        }
        panic!("no end after 400 steps");
    };
    thread::scope(|scope| others.each_ref().map(|served| scope.spawn(move || race(served))).map(|one| one.join().unwrap()));
    let backups = ["one", "other"].map(|name| folder.join(name).join("backups/nightly"));
    let written: Vec<_> = backups.iter().filter(|backup| backup.exists()).collect();
    assert!(!written.is_empty(), "neither has written it");
    written.iter().for_each(|backup| is_as_at_once(&folder, backup));
    remove(&others[1], job);
    assert_eq!(state(&store), []);
}

#[test]
fn the_datastore_that_is_backed_up_can_hold_the_state() {
    the_store_that_is_backed_up_holds_the_state(Flavour::Datastore);
}

#[test]
fn firestore_that_is_backed_up_can_hold_the_state() {
    the_store_that_is_backed_up_holds_the_state(Flavour::Firestore);
}

#[test]
fn a_state_that_somebody_else_has_written_is_nothing_to_other_jobs() {
    let folder = with_store("state-hostile");
    let served = instance(&folder, "host");
    let program = Program(&served);
    let job = id(&program.begin("do=backup&store=from&backup=nightly"));
    program.step(job, "");
    let store = SqliteStore::open_or_create(&folder.join("state.db")).unwrap();
    let parts =
        |bytes: u64, parts: u32| json!({ "list": { "bytes": bytes, "sha256": "", "turn": 1, "first": 0, "parts": parts } });
    forge(&store, 77, 1, json!({ "job": 78 }));
    forge(&store, 79, 1, json!({ "until": "soon" }));
    forge(&store, 80, 1, parts(1, u32::MAX));
    forge(&store, 81, 1, parts(u64::MAX, u32::MAX));
    forge(&store, 82, u64::MAX, parts(1, 1));
    forge(&store, u64::MAX, 1, parts(1, 1));
    // And whoever begins a job is always at it.
    forge(&store, 0, 1, json!({ "until": u64::MAX }));
    fs::write(folder.join("host/backups/.gaebar/jobs/18446744073709551615.json"), "{}").unwrap();

    let listed = program.ok("GET", "/api/jobs", "");
    let (damaged, readable): (Vec<_>, Vec<_>) = listed.as_array().unwrap().iter().partition(|job| job["stage"].is_null());
    assert!(readable.len() == 1 && damaged.len() == 6 && damaged.iter().all(|job| job["problem"].is_string()), "{listed}");
    let page = program.send("GET", "/jobs", "");
    for damaged in [77, 79, 80, 81, 82, u64::MAX] {
        assert!(
            page.status == 200 && page.body.contains(&format!("the state of job {damaged} is damaged")),
            "{damaged}: {page:?}"
        );
        let told = program.send("GET", &format!("/api/jobs/{damaged}"), "");
        let names = format!("whose names begin with `turn {damaged:020} ` or `part {damaged:020} `");
        assert!(told.status == 500 && told.body.contains(&names), "{told:?}");
    }
    let other = id(&program.begin("do=backup&store=from&backup=weekly"));
    assert!(other < u64::MAX >> 1, "{other}");
    for job in [job, other] {
        program.steps(job, "done");
    }
    is_as_at_once(&folder, &folder.join("host/backups/nightly"));
}

#[test]
fn who_cancels_wins_over_an_instance_that_steps_without_a_pause() {
    let folder = folder("state-cancel");
    run(&mut gaebar(&folder, &["seed", "headline", "--to", "sqlite:from.db", "--rows", "10000"]), 0);
    let servers = ["one", "other"].map(|name| instance(&folder, name));
    let [one, other] = [0, 1].map(|at| Program(&servers[at]));
    let job = id(&one.begin("do=backup&store=from&backup=nightly"));
    let is_over = AtomicBool::new(false);
    let cancelled = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                one.send("POST", &format!("/api/jobs/{job}/step"), "");
            }
        });
        let cancelled = other.send("DELETE", &format!("/api/jobs/{job}"), "");
        is_over.store(true, Ordering::Relaxed);
        cancelled
    });
    assert!(cancelled.status == 200 && cancelled.body.contains("\"stage\":\"cancelled\""), "{cancelled:?}");
    is_gone(&folder);
}

#[test]
fn who_begins_a_job_waits_for_who_is_just_beginning_another() {
    let folder = with_store("state-beginning");
    let served = instance(&folder, "host");
    // Another instance, which is killed in the midst of it.
    let store = SqliteStore::open_or_create(&folder.join("state.db")).unwrap();
    forge(&store, 0, 1, json!({ "until": now() + 3 }));
    let begun = Program(&served).send("POST", "/api/jobs", "do=backup&store=from&backup=nightly");
    assert_eq!(begun.status, 201, "{begun:?}");
    forge(&store, 0, 1, json!({ "until": now() + 100 }));
    let refused = Program(&served).send("POST", "/api/jobs", "do=backup&store=from&backup=weekly");
    assert!(refused.status == 503 && refused.body.contains("other jobs are just being begun"), "{refused:?}");
}

#[test]
fn the_store_of_the_state_stays_open_between_requests() {
    let folder = with_store("state-open");
    let served = instance(&folder, "host");
    let job = id(&Program(&served).begin("do=backup&store=from&backup=nightly"));
    Program(&served).step(job, "");
    let open = served.open_files();
    assert!(open.iter().any(|file| file.ends_with("state.db")), "{open:?}");
}
