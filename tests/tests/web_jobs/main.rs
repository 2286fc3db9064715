//! Backups and restores over HTTP, a request a step: to their ends, and with all that can come between.

mod confirmed;
mod killed;
mod mirror;
mod stages;

use std::fs;
use std::path::Path;

use gaebar_runtime::model::{Entity, Key, Value as Property};
use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::emulator::{Emulator, Flavour};
use gaebar_tests::http::{get, post};
use gaebar_tests::program::{Program, id};
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::{files, timeless};
use serde_json::Value;

const STORES: &str = "[stores]\nfrom = \"sqlite:from.db\"\nto = \"sqlite:to.db\"\nother = \"sqlite:other.db\"\n\
                      real = \"datastore://my-app\"\n[backup]\nrows-per-step = 40\nshard-size = 6000\n[restore]\ntargets = [\"to\", \"real\"]\n";

const ROWS: u64 = 300;

/// A folder with a store of some rows.
fn with_store(test: &str) -> std::path::PathBuf {
    let folder = folder(test);
    run(&mut gaebar(&folder, &["seed", "headline", "--to", "sqlite:from.db", "--rows", &ROWS.to_string()]), 0);
    fs::write(folder.join("gaebar.toml"), STORES).unwrap();
    folder
}

/// What a backup that was not made in steps says.
fn compare(folder: &Path, a: &str, b: &str, code: i32) {
    run(&mut gaebar(folder, &["diff", a, b]), code);
}

fn count(folder: &Path, store: &str) -> u64 {
    let store = SqliteStore::open(&folder.join(store)).unwrap();
    let snapshot = store.snapshot(gaebar_runtime::store::View::Now).unwrap();
    let mut rows = 0;
    for namespace in snapshot.namespaces().unwrap() {
        for kind in snapshot.kinds(&namespace).unwrap() {
            let scan = gaebar_runtime::store::Scan { namespace: namespace.clone(), kind, from: None, to: None };
            rows += snapshot.page(&scan, None, 100_000).unwrap().entities.len() as u64;
        }
    }
    rows
}

#[test]
fn a_backup_and_a_restore_in_small_steps_are_what_they_are_in_one() {
    let folder = with_store("jobs-whole");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let begun = program.begin("do=backup&store=from&backup=nightly");
    assert_eq!((&begun["stage"], &begun["rows"]), (&"reading".into(), &0.into()));
    let steps = program.steps(id(&begun), "done");
    let mut before = 0;
    for step in steps.iter().filter(|step| step["stage"] == "reading") {
        let rows = step["rows"].as_u64().unwrap();
        assert!(rows > before && rows - before <= 40, "a step of {} rows", rows - before);
        before = rows;
    }
    assert!(steps.len() > 7, "{} steps", steps.len());
    assert_eq!(steps.last().unwrap()["rows"], ROWS);
    compare(&folder, "backups/nightly", "sqlite:from.db", 0);
    run(&mut gaebar(&folder, &["verify", "backups/nightly"]), 0);
    event(&mut gaebar(&folder, &["backup", "from", "at-once/nightly"]));
    let shards = |place: &str| timeless(&folder.join(place));
    let (stepped, at_once) = (shards("backups/nightly"), shards("at-once/nightly"));
    let only_code = |files: &std::collections::BTreeMap<String, String>| {
        files
            .iter()
            .filter(|(file, _)| file.ends_with(".rs"))
            .map(|(file, bytes)| (file.clone(), bytes.clone()))
            .collect::<Vec<_>>()
    };
    assert!(only_code(&stepped) == only_code(&at_once), "steps give other code");
    assert!(!folder.join("backups/.nightly.gaebar").exists(), "what was read is removed");
    // A step whose answer was lost is repeated.
    let done = program.step(id(&begun), "");
    assert_eq!((&done["stage"], &done["leaves"]), (&"done".into(), &"The backup \"nightly\" is made, and stays.".into()));

    let begun = program.begin("do=restore&backup=nightly&target=to");
    let planned = program.steps(id(&begun), "confirming").pop().unwrap();
    let create =
        |job: &Value| job["work"]["plan"].as_object().unwrap().values().map(|kind| kind["create"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(create(&planned), ROWS);
    assert!(!folder.join("to.db").exists(), "a plan creates no store");
    let waiting = program.step(id(&begun), "");
    assert_eq!(waiting["stage"], "confirming", "nobody has said that it is meant");
    assert_eq!(waiting["waiting_for"], serde_json::json!({ "confirm": "yes" }));
    assert!(waiting["log"].as_array().unwrap().last().unwrap().as_str().unwrap().ends_with("before confirm=yes"), "{waiting}");
    let no = program.send("POST", &format!("/api/jobs/{}/step", id(&begun)), "confirm=no");
    assert!(no.status == 422 && no.body.contains("Type yes to go on"), "{no:?}");
    let listed = program.ok("GET", "/api/jobs", "");
    let ended = |at: usize| (listed[at]["id"].as_u64(), listed[at]["has_ended"].as_bool());
    assert_eq!([ended(0), ended(1)], [(Some(2), Some(false)), (Some(1), Some(true))], "{listed}");
    assert_eq!(program.step(id(&begun), "confirm=yes")["stage"], "restoring");
    let steps = program.steps(id(&begun), "done");
    assert!(steps.len() > 5, "{} steps", steps.len());
    let done = steps.last().unwrap();
    assert_eq!(done["work"]["written"], ROWS);
    assert_eq!(done["leaves"], format!("{ROWS} entities were written to \"to\", and stay so."));
    assert_eq!(done["waiting_for"], Value::Null);
    compare(&folder, "backups/nightly", "sqlite:to.db", 0);

    // Once more, over what differs: replaced, left alone, deleted.
    let to = SqliteStore::open_or_create(&folder.join("to.db")).unwrap();
    let visitor = gaebar_runtime::model::Key::root("Profile", 999_999_999);
    to.upsert(&[gaebar_runtime::model::Entity::new(visitor, gaebar_runtime::model::Properties::new()).unwrap()]).unwrap();
    drop(to);
    let begun = program.begin("do=restore&backup=nightly&target=to&mirror=yes&confirm=yes");
    let done = program.steps(id(&begun), "done").pop().unwrap();
    assert_eq!((&done["work"]["written"], &done["work"]["deleted"]), (&0.into(), &1.into()));
    compare(&folder, "backups/nightly", "sqlite:to.db", 0);
}

#[test]
fn a_backup_that_is_restored_is_not_written_meanwhile_and_the_other_way_round() {
    let folder = with_store("jobs-meet");
    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let (backup, restore) = ("do=backup&store=from&backup=nightly", "do=restore&backup=nightly&target=to");
    for (first, second) in [(backup, restore), (restore, backup)] {
        let job = id(&program.begin(first));
        let told = program.send("POST", "/api/jobs", second);
        assert!(told.status == 409 && told.body.contains(&format!("job {job} is of the same backup")), "{told:?}");
        program.ok("DELETE", &format!("/api/jobs/{job}"), "");
    }
    program.begin(backup);
}

#[test]
fn jobs_that_are_over_leave_nothing_and_one_that_is_damaged_hides_no_other() {
    let folder = with_store("jobs-over");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    for job in 1..=22 {
        assert_eq!(id(&program.begin("do=backup&store=from&backup=nightly")), job);
        program.step(job, "");
        program.ok("DELETE", &format!("/api/jobs/{job}"), "");
    }
    let jobs = folder.join("backups/.gaebar/jobs");
    let left: Vec<_> = files(&jobs).into_keys().filter(|file| file.starts_with("1.") || file.starts_with("2.")).collect();
    assert!(left.is_empty(), "{left:?}");

    fs::write(jobs.join("40.json"), "{\"id\": 40,").unwrap();
    let listed = program.ok("GET", "/api/jobs", "");
    let damaged = &listed[0];
    assert_eq!((listed.as_array().unwrap().len(), &damaged["id"]), (21, &40.into()), "{listed}");
    assert!(damaged["problem"].as_str().unwrap().contains("the file of job 40 can't be read"), "{damaged}");
    // Who pulls looks at that list for a job that backs the store up.
    let url = format!("http://{}", served.address);
    let mut pull = gaebar(&folder, &["pull", &url, "nightly", "pulled", "--from", "from"]);
    run(pull.env("GAEBAR_TOKEN", TOKEN), 0);
    let told = program.send("GET", "/api/jobs/40", "");
    assert!(told.body.contains("the file of job 40 can't be read"), "{told:?}");
    let page = get(served.address, "/jobs").with("Authorization", &format!("Bearer {TOKEN}")).send();
    assert!(
        page.body.contains("the file of job 40 can&#39;t be read") || page.body.contains("the file of job 40 can't be read"),
        "{page:?}"
    );
    assert_eq!(id(&program.begin("do=backup&store=from&backup=nightly")), 42);
}

#[test]
fn cancelling_says_truly_what_is_left() {
    let folder = with_store("jobs-cancelled");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let job = id(&program.begin("do=backup&store=from&backup=nightly"));
    program.step(job, "");
    assert!(folder.join("backups/.nightly.gaebar/spool/read.log").exists());
    let cancelled = program.ok("DELETE", &format!("/api/jobs/{job}"), "");
    assert_eq!(cancelled["stage"], "cancelled");
    assert!(cancelled["leaves"].as_str().unwrap().contains("Nothing is left of what was read"), "{cancelled}");
    assert!(!folder.join("backups/.nightly.gaebar").exists() && !folder.join("backups/nightly").exists());
    assert_eq!(program.step(job, "")["stage"], "cancelled", "it does not begin again");

    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    let job = id(&program.begin("do=restore&backup=nightly&target=to"));
    program.steps(job, "confirming");
    let cancelled = program.ok("DELETE", &format!("/api/jobs/{job}"), "");
    assert_eq!(cancelled["leaves"], "Nothing was written to \"to\".", "{cancelled}");
    let job = id(&program.begin("do=restore&backup=nightly&target=to&confirm=yes"));
    program.steps(job, "restoring");
    let written = program.step(job, "")["work"]["written"].as_u64().unwrap();
    let cancelled = program.ok("DELETE", &format!("/api/jobs/{job}"), "");
    let leaves = cancelled["leaves"].as_str().unwrap();
    assert!(written > 0 && leaves.starts_with(&format!("{written} entities")), "{leaves}");
    assert_eq!(count(&folder, "to.db"), written);
}

#[test]
fn requests_that_make_no_sense_are_refused_and_write_nothing() {
    let folder = with_store("jobs-bad");
    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    for (form, status, part) in [
        ("", 400, "is nothing that can be done"),
        ("do=drop", 400, "is nothing that can be done"),
        ("do=backup&backup=x", 422, "No store is called"),
        ("do=backup&store=sqlite:from.db&backup=x", 422, "No store is called"),
        ("do=backup&store=from&backup=", 422, "can't be a backup's name"),
        ("do=backup&store=from&backup=..", 422, "can't be a backup's name"),
        ("do=backup&store=from&backup=.hidden", 422, "can't be a backup's name"),
        ("do=backup&store=from&backup=a%2Fb", 422, "can't be a backup's name"),
        ("do=backup&store=from&backup=a%5Cb", 422, "can't be a backup's name"),
        ("do=backup&store=from&backup=a%00", 422, "can't be a backup's name"),
        ("do=restore&backup=none&target=to", 422, "There is no backup"),
        ("do=restore&backup=..%2Fnightly&target=to", 422, "can't be a backup's name"),
        ("do=restore&backup=nightly&target=other", 422, "may not be restored to"),
        ("do=restore&backup=nightly&target=to&on_conflict=maybe", 422, "say overwrite, skip, fail or update-only"),
        ("do=restore&backup=nightly&target=to&on_conflict=skip&mirror=yes", 422, "say overwrite with it"),
        ("do=restore&backup=nightly&target=to&on_conflict=skip&mirror=true", 422, "say overwrite with it"),
        ("do=restore&backup=nightly&target=to&mirror=maybe", 422, "mirror can't be \"maybe\""),
        ("do=restore&backup=nightly&target=to&on-conflict=skip", 422, "\"on-conflict\" is no field"),
        ("do=restore&backup=nightly&target=to&kinds=Profile", 422, "\"kinds\" is no field"),
        ("do=backup&store=other&backup=nightly", 422, "was taken from sqlite:from.db, and its 300 rows would be replaced"),
        ("do=backup&store=from&backup=x&mirror=yes", 422, "\"mirror\" is no field"),
    ] {
        let answer = program.send("POST", "/api/jobs", form);
        assert_eq!(answer.status, status, "{form}: {answer:?}");
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(problem["what"].as_str().unwrap().contains(part), "{form}: {problem}");
        assert!(problem["status"] == status && !problem["next"].as_str().unwrap().is_empty());
    }
    for (method, path, status) in [
        ("GET", "/api/jobs/7", 404),
        ("GET", "/api/jobs/x", 404),
        ("GET", "/api/jobs/..%2F..%2Fsecret", 404),
        ("POST", "/api/jobs/7/step", 404),
        ("DELETE", "/api/jobs/7", 404),
        ("DELETE", "/api/jobs", 405),
        ("GET", "/api/nothing", 404),
    ] {
        let answer = program.send(method, path, "");
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        serde_json::from_str::<Value>(&answer.body).unwrap_or_else(|_| panic!("{path}: {answer:?}"));
    }
    let json = post(served.address, "/api/jobs", "{\"do\": 1}").with("Authorization", &format!("Bearer {TOKEN}"));
    assert_eq!(json.with("Content-Type", "application/json").send().status, 400);
    let json = post(served.address, "/api/jobs", "{\"do\": \"drop\"}").with("Authorization", &format!("Bearer {TOKEN}"));
    let answer = json.with("Content-Type", "application/json").send();
    assert!(answer.status == 400 && answer.body.contains("is nothing that can be done"), "the fields are read: {answer:?}");
    let json = post(served.address, "/api/jobs", "{\"do\": \"backup\", \"kinds\": true}");
    let json = json.with("Authorization", &format!("Bearer {TOKEN}")).with("Content-Type", "application/json").send();
    assert!(json.status == 422 && json.body.contains("is no field"), "true is read: {json:?}");
    assert_eq!(program.ok("GET", "/api/jobs", ""), serde_json::json!([]), "none of these is a job");

    // Without the token, or a form of Gaebar's own, nothing begins.
    let good = "do=backup&store=from&backup=x";
    let told = post(served.address, "/api/jobs", good).send();
    assert!(told.status == 401 && told.body.contains("Send it as a bearer token"), "{told:?}");
    for wrong in [post(served.address, "/api/jobs", good), post(served.address, "/jobs", good), get(served.address, "/api/jobs")]
    {
        let answer = wrong.send();
        assert!([401, 403].contains(&answer.status), "{answer:?}");
    }
    let wrong = post(served.address, "/api/jobs", good).with("Authorization", "Bearer wrong").send();
    assert!([401, 403].contains(&wrong.status), "{wrong:?}");
    assert_eq!(program.ok("GET", "/api/jobs", ""), serde_json::json!([]));
}

#[test]
fn two_at_once_are_told_who_is_running() {
    let folder = with_store("jobs-two");
    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let job = id(&program.begin("do=backup&store=from&backup=nightly"));
    let second = program.send("POST", "/api/jobs", "do=backup&store=other&backup=nightly");
    assert!(second.status == 409 && second.body.contains(&format!("job {job} is of the same backup")), "{second:?}");
    // Another process holds the job, and says who it is.
    let lock = fs::File::create(folder.join(format!("backups/.gaebar/jobs/{job}.lock"))).unwrap();
    lock.lock().unwrap();
    std::io::Write::write_all(&mut &lock, b"4711\n").unwrap();
    for (method, path) in [("POST", format!("/api/jobs/{job}/step")), ("DELETE", format!("/api/jobs/{job}"))] {
        let busy = program.send(method, &path, "");
        assert!(busy.status == 409 && busy.body.contains("process 4711 since 20"), "{busy:?}");
    }
    drop(lock);
    // And somebody on the command line holds the backup.
    fs::create_dir_all(folder.join("backups/nightly/.gaebar")).unwrap();
    let lock = fs::File::create(folder.join("backups/nightly/.gaebar/lock")).unwrap();
    lock.lock().unwrap();
    std::io::Write::write_all(&mut &lock, b"4712\n").unwrap();
    let busy = program.send("POST", &format!("/api/jobs/{job}/step"), "");
    assert!(busy.status == 409 && busy.body.contains("process 4712 since 20"), "{busy:?}");
    drop(lock);
    program.steps(job, "done");
}

#[test]
fn a_backup_is_replaced_by_another_stores_only_where_that_is_said() {
    let folder = with_store("jobs-another-source");
    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    run(&mut gaebar(&folder, &["--config", "/dev/null", "seed", "headline", "--to", "sqlite:other.db", "--rows", "20"]), 0);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let page = get(served.address, "/backups/nightly").with("Authorization", &format!("Bearer {TOKEN}")).send().body;
    let buttons: Vec<_> = page.split("aria-label=\"Back up again, from ").skip(1).map(|rest| rest.split('"').next()).collect();
    assert_eq!(buttons, [Some("from")], "one click is for the store that it was taken from");
    assert!(page.contains("name=\"another_source\" value=\"yes\" required") && page.contains("value=\"other\""), "{page}");

    let done =
        program.steps(id(&program.begin("do=backup&store=other&backup=nightly&another_source=yes")), "done").pop().unwrap();
    let log = done["log"].to_string();
    assert!(log.contains("the 300 rows of sqlite:from.db are replaced by what sqlite:other.db has"), "{log}");
    assert!(log.contains("20 rows of sqlite:other.db; the backup was taken from sqlite:from.db before"), "{log}");
    compare(&folder, "backups/nightly", "sqlite:other.db", 0);
}

#[test]
fn what_fails_is_said_and_tried_again() {
    let folder = with_store("jobs-problem");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let job = id(&program.begin("do=backup&store=other&backup=later"));
    let failed = program.step(job, "");
    assert!(failed["problem"].as_str().unwrap().contains("there is no such file"), "{failed}");
    assert_eq!(failed["stage"], "reading");
    fs::copy(folder.join("from.db"), folder.join("other.db")).unwrap();
    program.steps(job, "done");

    run(&mut gaebar(&folder, &["restore", "backups/later", "--to", "sqlite:to.db", "--interpret"]), 0);
    let job = id(&program.begin("do=restore&backup=later&target=to&on_conflict=fail&confirm=yes"));
    program.steps(job, "planning");
    let failed = program.step(job, "");
    assert!(failed["problem"].as_str().unwrap().contains("nothing was restored"), "{failed}");
    program.ok("DELETE", &format!("/api/jobs/{job}"), "");

    // Somebody edits the backup between the plan and its execution.
    let job = id(&program.begin("do=restore&backup=later&target=to"));
    program.steps(job, "confirming");
    drop(served);
    run(&mut gaebar(&folder, &["--config", "/dev/null", "seed", "suite", "--to", "sqlite:other.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "other", "backups/later"]), 0);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let failed = Program(&served).step(job, "confirm=yes");
    assert!(failed["problem"].as_str().unwrap().contains("is not what it was when the plan was made"), "{failed}");
}

#[test]
fn an_emulator_is_backed_up_and_restored_in_steps() {
    for flavour in [Flavour::Datastore, Flavour::Firestore] {
        let Some(emulator) = Emulator::shared(flavour) else { continue };
        let folder = folder(&format!("jobs-{flavour:?}"));
        let command = |arguments: &[&str]| {
            let mut command = gaebar(&folder, arguments);
            command.env("DATASTORE_EMULATOR_HOST", emulator.host());
            command
        };
        let name = |what: &str| format!("jobs-{what}-{flavour:?}").to_ascii_lowercase();
        let (from, to) = (format!("datastore://{}", name("from")), format!("datastore://{}", name("to")));
        run(&mut command(&["seed", "headline", "--to", &from, "--rows", "300"]), 0);
        // The Firestore emulator lists neither.
        let named = match flavour {
            Flavour::Datastore => "",
            Flavour::Firestore => "kinds = [\"Profile\", \"Comment\", \"Post\"]\nnamespaces = [\"\"]\n",
        };
        let settings = format!("[stores]\nfrom = \"{from}\"\nto = \"{to}\"\n[backup]\nrows-per-step = 40\n{named}");
        fs::write(folder.join("gaebar.toml"), settings).unwrap();
        let serve = || Serving::run(command(&["serve", "--listen", "127.0.0.1:0"]), &folder, Some(TOKEN));
        let mut served = serve();
        let job = id(&Program(&served).begin("do=backup&store=from&backup=nightly"));
        assert_eq!(Program(&served).step(job, "")["stage"], "reading");
        served.signal("-KILL");
        served = serve();
        Program(&served).steps(job, "done");
        let listed = event(&mut command(&["list", "backups/nightly"]));
        assert_eq!(listed["consistent"], flavour == Flavour::Firestore, "as of one time where the store keeps that: {listed}");
        let job = id(&Program(&served).begin("do=restore&backup=nightly&target=to"));
        let planned = Program(&served).steps(job, "confirming").pop().unwrap();
        assert_eq!(planned["work"]["project"], Value::Null, "an emulator's project is not typed");
        Program(&served).step(job, "confirm=yes");
        Program(&served).steps(job, "done");
        let kinds: &[&str] = match flavour {
            Flavour::Datastore => &[],
            Flavour::Firestore => &["--kinds", "Profile,Comment,Post", "--namespaces", ""],
        };
        run(&mut command(&[&["diff", "backups/nightly", &to], kinds].concat()), 0);
        run(&mut command(&[&["diff", "backups/nightly", &from], kinds].concat()), 0);
    }
}

#[test]
fn a_step_is_as_small_as_options_or_settings_say() {
    let folder = folder("jobs-budget");
    run(&mut gaebar(&folder, &["seed", "headline", "--to", "sqlite:from.db", "--rows", "1000"]), 0);
    let stores = "[stores]\nfrom = \"sqlite:from.db\"\n[backup]\nrows-per-step = 800\n";
    let with_serve = format!("{stores}[serve]\nrows-per-step = 160\n");
    for (settings, options, most) in
        [(stores, &[][..], 800), (&with_serve, &[], 160), (&with_serve, &["--rows-per-step", "32"], 32)]
    {
        fs::write(folder.join("gaebar.toml"), settings).unwrap();
        let served = Serving::start(&folder, Some(TOKEN), options);
        let program = Program(&served);
        let job = id(&program.begin("do=backup&store=from&backup=nightly"));
        let rows = program.step(job, "")["rows"].as_u64().unwrap();
        assert!((most / 4..=most).contains(&rows), "{rows} rows in a step of {most}");
        program.ok("DELETE", &format!("/api/jobs/{job}"), "");
    }
    for wrong in ["[serve]\nstep-seconds = 0\n", "[serve]\nrows-per-step = 0\n", "[serve]\nseconds = 1\n"] {
        fs::write(folder.join("gaebar.toml"), wrong).unwrap();
        let (_, told) = run(&mut gaebar(&folder, &["serve", "--listen", "127.0.0.1:0"]), 1);
        assert!(told.contains("gaebar.toml"), "{told}");
    }
    fs::write(folder.join("gaebar.toml"), "").unwrap();
    for wrong in ["--step-seconds", "--rows-per-step"] {
        run(&mut gaebar(&folder, &["serve", "--listen", "127.0.0.1:0", wrong, "0"]), 2);
    }
}

/// What the page of a job says of how far it is.
fn state(served: &Serving, job: u64) -> String {
    let page = get(served.address, &format!("/jobs/{job}")).with("Authorization", &format!("Bearer {TOKEN}")).send();
    page.body.split("<div class=\"so-far\"><p>").nth(1).and_then(|rest| rest.split('<').next()).expect("a line").to_owned()
}

#[test]
fn the_time_left_of_reading_is_told_once_something_is_known_of_the_store() {
    let folder = with_store("jobs-left");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let begin = |backup: &str| {
        let job = id(&program.begin(&format!("do=backup&store=from&backup={backup}")));
        (job, program.step(job, ""))
    };
    // Of the first backup, nothing.
    let (job, step) = begin("first");
    assert!(step["seconds_left"].is_null() && step["about"].is_null(), "{step}");
    let said = state(&served, job);
    assert!(said.contains(" rows, ") && said.ends_with(" rows/s"), "{said}");
    program.steps(job, "done");

    // Of the next, as much as the last one of the same store had.
    run(&mut gaebar(&folder, &["--config", "/dev/null", "seed", "suite", "--to", "sqlite:other.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:other.db", "backups/other"]), 0);
    let (job, step) = begin("second");
    assert!(step["seconds_left"].is_u64() && step["about"] == ROWS, "{step}");
    let said = state(&served, job);
    assert!(said.contains(&format!(" of about {ROWS} rows, ")) && said.contains(", about ") && said.ends_with(" left"), "{said}");
    program.ok("DELETE", &format!("/api/jobs/{job}"), "");

    // Datastore counts its entities itself, now and then.
    let statistic = |kind: &str, count: i64| {
        let properties = [("kind_name".to_owned(), Property::from(kind)), ("count".to_owned(), Property::from(count))].into();
        Entity::new(Key::root("__Stat_Kind__", kind), properties).unwrap()
    };
    let store = SqliteStore::open_or_create(&folder.join("from.db")).unwrap();
    store.upsert(&[statistic("Post", 10_000), statistic("Message", 2_345), statistic("_GaebarState", 7)]).unwrap();
    let (job, step) = begin("third");
    assert_eq!(step["about"], 12_345);
    assert!(state(&served, job).contains(" of about 12,345 rows, "), "{}", state(&served, job));
    program.ok("DELETE", &format!("/api/jobs/{job}"), "");

    // What is more than was thought is no estimate any more.
    store.upsert(&[statistic("Post", 1), statistic("Message", 1)]).unwrap();
    let (job, step) = begin("fourth");
    assert!(step["about"] == 2 && step["seconds_left"].is_null(), "{step}");
    assert!(!state(&served, job).contains("about"), "{}", state(&served, job));
}

#[test]
fn a_store_is_the_same_however_its_path_is_written() {
    let folder = with_store("jobs-spelling");
    let stores = "[stores]\nfrom = \"sqlite:from.db\"\nto = \"sqlite:to.db\"\nsame = \"sqlite:backups/../to.db\"\n";
    fs::write(folder.join("gaebar.toml"), format!("{stores}[restore]\ntargets = [\"to\"]\n")).unwrap();
    event(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]));
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let first = id(&Program(&served).begin("do=restore&backup=nightly&target=same"));
    let second = Program(&served).send("POST", "/api/jobs", "do=restore&backup=nightly&target=to");
    assert!(second.status == 409 && second.body.contains(&format!("job {first} is of the same target")), "{second:?}");
}
