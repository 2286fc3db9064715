//! Steps that are lost, and servers that are killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use gaebar_runtime::model::{Entity, Key, Properties};
use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_tests::command::{event, gaebar, run};
use gaebar_tests::http::post;
use gaebar_tests::needs;
use gaebar_tests::program::{Program, id};
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::files;
use serde_json::Value;

use super::{ROWS, STORES, compare, with_store};

#[test]
fn a_job_goes_on_after_the_server_was_killed() {
    let folder = with_store("jobs-killed");
    let start = || Serving::start(&folder, Some(TOKEN), &[]);
    let mut served = start();
    let job = id(&Program(&served).begin("do=backup&store=from&backup=nightly"));
    for round in 0.. {
        let step = Program(&served).step(job, "");
        if step["stage"] == "done" {
            assert!(round > 7, "{round} steps");
            break;
        }
        let rows = step["rows"].clone();
        served.signal("-KILL");
        served = start();
        let again = Program(&served).ok("GET", &format!("/api/jobs/{job}"), "");
        assert_eq!(again["rows"], rows, "the state outlives the process");
    }
    compare(&folder, "backups/nightly", "sqlite:from.db", 0);
    let job = id(&Program(&served).begin("do=restore&backup=nightly&target=to&confirm=yes"));
    loop {
        if Program(&served).step(job, "")["stage"] == "done" {
            break;
        }
        served.signal("-KILL");
        served = start();
    }
    compare(&folder, "backups/nightly", "sqlite:to.db", 0);
}

/// Every third step is lost: it did its work, and then the machine died before that was written down.
fn steps_with_losses(program: &Program, folder: &Path, job: u64) -> usize {
    let file = folder.join(format!("backups/.gaebar/jobs/{job}.json"));
    let own = file.with_extension("");
    for round in 0.. {
        let before = fs::read(&file).unwrap();
        // What a job knows of keys is removed once it is written down that it is over.
        let known = if own.exists() { files(&own) } else { BTreeMap::new() };
        let step = program.step(job, "");
        assert_eq!(step["problem"], Value::Null, "{step}");
        if round % 3 == 1 {
            fs::write(&file, before).unwrap();
            for (name, bytes) in known {
                fs::create_dir_all(own.join(&name).parent().unwrap()).unwrap();
                fs::write(own.join(name), bytes).unwrap();
            }
        } else if step["stage"] == "done" {
            return round;
        }
        assert!(round < 300, "{step}");
    }
    unreachable!()
}

#[test]
fn a_step_that_is_lost_is_taken_again_without_harm() {
    let folder = with_store("jobs-lost");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let job = id(&program.begin("do=backup&store=from&backup=nightly"));
    assert!(steps_with_losses(&program, &folder, job) > 7);
    compare(&folder, "backups/nightly", "sqlite:from.db", 0);
    run(&mut gaebar(&folder, &["verify", "backups/nightly"]), 0);
    // The strictest way: whatever a lost step has written exists already.
    let job = id(&program.begin("do=restore&backup=nightly&target=to&on_conflict=fail&confirm=yes"));
    assert!(steps_with_losses(&program, &folder, job) > 14);
    compare(&folder, "backups/nightly", "sqlite:to.db", 0);
    let to = SqliteStore::open_or_create(&folder.join("to.db")).unwrap();
    let stranger = |id: i64| Entity::new(Key::root("Profile", 2_000_000_000 + id), Properties::new()).unwrap();
    to.upsert(&(1..=100).map(stranger).collect::<Vec<_>>()).unwrap();
    let job = id(&program.begin("do=restore&backup=nightly&target=to&mirror=yes&confirm=yes"));
    assert!(steps_with_losses(&program, &folder, job) > 20);
    compare(&folder, "backups/nightly", "sqlite:to.db", 0);
}

/// Begins a job, and takes steps until its server is killed.
fn step_until_killed(served: &Serving, form: &str) {
    let job = id(&Program(served).begin(form));
    for _ in 0..200 {
        let request =
            post(served.address, &format!("/api/jobs/{job}/step"), "").with("Authorization", &format!("Bearer {TOKEN}"));
        let Some(answer) = request.try_send() else { return };
        assert!(!answer.body.contains("\"has_ended\":true"), "{form}: it was not killed: {answer:?}");
    }
    panic!("no end after 200 steps");
}

#[cfg(target_os = "linux")]
#[test]
fn a_backup_whose_last_step_is_killed_when_it_was_in_its_place_is_done_whether_one_goes_on_or_cancels() {
    let Some(strace) = needs::strace() else { return };
    let there = with_store("jobs-published-there");
    event(&mut gaebar(&there, &["backup", "from", "backups/nightly"]));
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let fresh = |is_there: bool| {
        let folder = with_store("jobs-published");
        let remote = format!("[remotes.far]\nurl = \"http://{}\"\ntoken-file = \"token\"\n", far.address);
        fs::write(folder.join("gaebar.toml"), format!("{STORES}{remote}")).unwrap();
        fs::write(folder.join("token"), TOKEN).unwrap();
        if is_there {
            // It differs from the store, and from the one that is pulled.
            let store = SqliteStore::open_or_create(&folder.join("from.db")).unwrap();
            store.delete(&[&Key::root("Profile", 1)]).unwrap();
            event(&mut gaebar(&folder, &["backup", "from", "backups/nightly"]));
            store.delete(&[&Key::root("Profile", 2)]).unwrap();
        }
        folder
    };
    for (form, is_there) in [
        ("do=backup&store=from&backup=nightly", false),
        ("do=backup&store=from&backup=nightly", true),
        ("do=pull&remote=far&backup=nightly", false),
        ("do=pull&remote=far&backup=nightly", true),
    ] {
        for how in ["go on", "cancel"] {
            let folder = fresh(is_there);
            let shards = || if is_there { files(&folder.join("backups/nightly/volumes")) } else { BTreeMap::new() };
            let before = shards();
            // The spool goes when the backup is in its place, and the job's file is not replaced yet.
            let spool = folder.join(if is_there { "backups/nightly/.gaebar/spool" } else { "backups/.nightly.gaebar/spool" });
            let serve = gaebar(&folder, &["serve", "--listen", "127.0.0.1:0"]);
            let mut traced = Command::new(strace);
            traced.current_dir(&folder).args([
                "-f",
                "-o",
                "/dev/null",
                "-e",
                "trace=rmdir,unlinkat",
                "-P",
                spool.to_str().unwrap(),
            ]);
            traced.args(["-e", "inject=rmdir,unlinkat:signal=SIGKILL"]);
            traced.arg(serve.get_program()).args(serve.get_args());
            step_until_killed(&Serving::run(traced, &folder, Some(TOKEN)), form);
            assert!(
                folder.join("backups/nightly/manifest.json").exists() && (!is_there || shards() != before),
                "it was too early"
            );
            let saved = fs::read_to_string(folder.join("backups/.gaebar/jobs/1.json")).unwrap();
            assert!(!saved.contains("\"done\""), "it was too late");

            let served = Serving::start(&folder, Some(TOKEN), &[]);
            let program = Program(&served);
            let told = if how == "cancel" { program.ok("DELETE", "/api/jobs/1", "") } else { program.step(1, "") };
            assert!(told["stage"] == "done" && told["leaves"].as_str().unwrap().contains("and stays."), "{form}, {how}: {told}");
            assert!(
                told["log"].to_string().contains("was in its place already") && told["rows"].as_u64() >= Some(ROWS - 2),
                "{told}"
            );
            run(&mut gaebar(&folder, &["verify", "backups/nightly"]), 0);
            let left: Vec<_> = files(&folder.join("backups"))
                .into_keys()
                .filter(|file| file.contains("spool") || file.contains("pulled"))
                .collect();
            assert!(left.is_empty(), "{form}, {how}: {left:?}");
            assert_eq!(Program(&served).ok("GET", "/api/jobs/1", "")["stage"], "done");
        }
    }
}
