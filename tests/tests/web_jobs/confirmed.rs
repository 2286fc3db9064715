//! A restore does what somebody has confirmed, and nothing else.

use std::fs;

use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_tests::command::{gaebar, run};
use gaebar_tests::http::post;
use gaebar_tests::program::{Program, id};
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::{files, timeless};
use serde_json::Value;

use super::{ROWS, STORES, compare, count, with_store};

#[test]
fn a_shard_that_changes_after_it_was_verified_is_refused() {
    let folder = with_store("jobs-tampered");
    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let shards: Vec<_> =
        timeless(&folder.join("backups/nightly")).into_iter().filter(|(file, _)| file.contains("/shard_")).collect();
    let (file, text) = shards.last().unwrap();
    let path = folder.join("backups/nightly").join(file);
    // Within the grammar.
    let tampered = text.replace("pub fn row_1()", "pub fn row_4000000()").replacen("key: Key(\"", "key: Key(\"{elsewhere}", 1);
    assert_ne!(*text, tampered);

    // Before its turn to be verified, it is an edit.
    let job = id(&program.begin("do=restore&backup=nightly&target=to&confirm=yes"));
    assert_eq!(program.step(job, "")["stage"], "verifying");
    fs::write(&path, &tampered).unwrap();
    let until_problem = || loop {
        let step = program.step(job, "");
        assert_ne!(step["stage"], "done", "{step}");
        if let Some(problem) = step["problem"].as_str() {
            break problem.to_owned();
        }
    };
    let problem = until_problem();
    assert!(problem.contains("was edited since it was made") || problem.contains("the backup is refused"), "{problem}");
    fs::write(&path, text).unwrap();

    // Before its turn to be planned, and to be written.
    for stage in ["planning", "restoring"] {
        program.steps(job, stage);
        fs::write(&path, &tampered).unwrap();
        let problem = until_problem();
        assert!(problem.contains(file.as_str()) && problem.contains("was changed since it was verified"), "{problem}");
        fs::write(&path, text).unwrap();
    }
    program.steps(job, "done");
    compare(&folder, "backups/nightly", "sqlite:to.db", 0);
}

#[test]
fn a_real_project_is_written_to_only_once_its_name_is_typed() {
    let folder = with_store("jobs-real");
    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let real = program.begin("do=restore&backup=nightly&target=real&confirm=yes");
    assert_eq!(real["work"]["project"], "my-app");
    program.ok("DELETE", &format!("/api/jobs/{}", id(&real)), "");
    let job = id(&program.begin("do=restore&backup=nightly&target=to"));
    program.steps(job, "confirming");
    // As if it had been planned for that project: here is no real one. What its file says of a name to type counts for nothing.
    let file = folder.join(format!("backups/.gaebar/jobs/{job}.json"));
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("\"to\"", "\"real\"").replace("\"sqlite:to.db\"", "\"datastore://my-app\"");
    fs::write(&file, &text).unwrap();
    for typed in ["yes", "my-app-staging", "MY-APP", "datastore:%2F%2Fmy-app"] {
        let answer = program.send("POST", &format!("/api/jobs/{job}/step"), &format!("confirm={typed}"));
        assert!(answer.status == 422 && answer.body.contains("Type my-app to go on"), "{answer:?}");
    }
    assert_eq!(program.step(job, "")["stage"], "confirming");
    // Nor does a stage that comes after it, nor a word that is said to have been typed.
    for said in ["", "yes", "my-app"] {
        for stage in ["restoring", "deleting"] {
            let text = text.replace("\"confirm\": \"\"", &format!("\"confirm\": {said:?}"));
            fs::write(&file, text.replace("\"confirming\"", &format!("{stage:?}"))).unwrap();
            let step = program.step(job, "");
            assert!(step["stage"] == "confirming" && step["log"].to_string().contains("waits for the word again"), "{step}");
            assert!(step["work"]["written"] == 0 && step["waiting_for"]["confirm"] == "my-app", "{step}");
            fs::write(&file, text.replace("\"confirming\"", &format!("{stage:?}"))).unwrap();
            assert_eq!(program.send("POST", &format!("/api/jobs/{job}/step"), "confirm=yes").status, 422);
        }
    }
    // It goes on once the name is typed, and ends where nobody is let in.
    fs::write(&file, &text).unwrap();
    assert_eq!(program.step(job, "confirm=my-app")["stage"], "restoring");
    assert!(!folder.join("to.db").exists());
}

#[test]
fn what_was_confirmed_goes_on_only_as_it_was_and_where_that_is_known() {
    let folder = with_store("jobs-sealed");
    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    let mut served = Serving::start(&folder, Some(TOKEN), &[]);
    let job = id(&Program(&served).begin("do=restore&backup=nightly&target=to&confirm=yes"));
    Program(&served).steps(job, "restoring");
    served.signal("-KILL");
    let file = folder.join(format!("backups/.gaebar/jobs/{job}.json"));
    let text = fs::read_to_string(&file).unwrap();
    let before: Value = serde_json::from_str(&text).unwrap();
    let edits = [
        ("\"target\": \"to\"", "\"target\": \"real\"", "sqlite:to.db", "datastore://my-app"),
        ("\"mirror\": false", "\"mirror\": true", "", ""),
        ("\"on_conflict\": \"overwrite\"", "\"on_conflict\": \"skip\"", "", ""),
        ("\"id\": 1", "\"id\": 2", "", ""),
    ];
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    for (what, other, place, another_place) in edits {
        assert!(text.contains(what) && text.contains(place), "{text}");
        let id = if other.contains("\"id\"") { 2 } else { job };
        // The seal is that of what was confirmed.
        let edited = text.replace(what, other).replace(place, another_place);
        fs::write(folder.join(format!("backups/.gaebar/jobs/{id}.json")), edited).unwrap();
        let step = Program(&served).step(id, "");
        assert_eq!(step["stage"], "confirming", "{other}: {step}");
        assert_eq!(step["work"]["written"], before["work"]["written"], "{other}: {step}");
    }
    drop(served);
    // Whoever has another token does not know who said it.
    fs::write(&file, &text).unwrap();
    let served = Serving::start(&folder, Some("another-token-altogether"), &[]);
    let step = post(served.address, &format!("/api/jobs/{job}/step"), "");
    let step = step.with("Authorization", "Bearer another-token-altogether").send();
    assert!(step.body.contains("\"stage\":\"confirming\""), "{step:?}");
    drop(served);
    fs::write(&file, &text).unwrap();
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    assert_eq!(Program(&served).steps(job, "done").pop().unwrap()["work"]["written"], ROWS);
}

#[test]
fn a_job_whose_file_leads_elsewhere_is_refused() {
    let folder = with_store("jobs-escape");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let job = id(&program.begin("do=backup&store=from&backup=nightly"));
    let file = folder.join(format!("backups/.gaebar/jobs/{job}.json"));
    let text = fs::read_to_string(&file).unwrap();
    let absolute = folder.join("escape").display().to_string();
    let escapes = ["../escape", "../escape/x", "..", "", ".hidden", &absolute].map(|name| ("\"nightly\"", format!("{name:?}")));
    for (what, other) in escapes.into_iter().chain([("\"id\": 1", "\"id\": 2".to_owned())]) {
        assert!(text.contains(what));
        fs::write(&file, text.replace(what, &other)).unwrap();
        for (method, path) in [("GET", ""), ("POST", "/step"), ("DELETE", "")] {
            let told = program.send(method, &format!("/api/jobs/{job}{path}"), "");
            assert!(told.body.contains("the file of job 1 can't be read"), "{other}: {told:?}");
        }
        assert!(!folder.join("escape").exists() && !folder.join(".escape.gaebar").exists());
    }
    fs::write(&file, text).unwrap();
    program.steps(job, "done");
}

#[test]
fn what_was_confirmed_is_what_is_done_and_nothing_more() {
    let folder = with_store("jobs-confirmed");
    run(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]), 0);
    let start = || Serving::start(&folder, Some(TOKEN), &[]);
    let served = start();
    let plan = |program: &Program, more: &str| {
        let job = id(&program.begin(&format!("do=restore&backup=nightly&target=to{more}")));
        program.steps(job, "confirming");
        job
    };
    let job = plan(&Program(&served), "");
    // The target's name means another store by now.
    drop(served);
    fs::write(folder.join("gaebar.toml"), STORES.replace("to = \"sqlite:to.db\"", "to = \"sqlite:another.db\"")).unwrap();
    let served = start();
    let step = Program(&served).step(job, "confirm=yes");
    assert!(step["problem"].as_str().unwrap().contains("is sqlite:another.db now, and was sqlite:to.db"), "{step}");
    assert!(!folder.join("another.db").exists() && !folder.join("to.db").exists());
    drop(served);
    fs::write(folder.join("gaebar.toml"), STORES).unwrap();
    let served = start();
    let program = Program(&served);
    assert_eq!(program.step(job, "confirm=yes")["stage"], "restoring", "it is the same again");
    program.steps(job, "done");

    // What comes to the target after a mirror's plan was shown is not deleted.
    let job = plan(&program, "&mirror=yes");
    let to = SqliteStore::open_or_create(&folder.join("to.db")).unwrap();
    let visitor = gaebar_runtime::model::Key::root("Profile", 999_999_999);
    to.upsert(&[gaebar_runtime::model::Entity::new(visitor, gaebar_runtime::model::Properties::new()).unwrap()]).unwrap();
    drop(to);
    let mut step = program.step(job, "confirm=yes");
    while step["problem"].is_null() {
        assert_ne!(step["stage"], "done", "{step}");
        step = program.step(job, "");
    }
    assert!(step["problem"].as_str().unwrap().contains("the plan that was confirmed says 0"), "{step}");
    assert_eq!(count(&folder, "to.db"), ROWS + 1);
}

#[test]
fn jobs_go_nowhere_by_a_link() {
    let folder = with_store("jobs-link");
    fs::create_dir_all(folder.join("backups")).unwrap();
    fs::create_dir_all(folder.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(folder.join("elsewhere"), folder.join("backups/.gaebar")).unwrap();
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let refused = Program(&served).send("POST", "/api/jobs", "do=backup&store=from&backup=nightly");
    assert!(refused.status == 500 && refused.body.contains(".gaebar is in the way"), "{refused:?}");
    assert!(files(&folder.join("elsewhere")).is_empty());
}
