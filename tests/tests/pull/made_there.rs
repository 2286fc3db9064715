//! A backup that the other Gaebar makes first, because it is asked to: one job of its own, whatever happens meanwhile.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::http::{get, post};
use gaebar_tests::proxy::{Proxy, answer};
use gaebar_tests::serve::{Serving, TOKEN};
use serde_json::{Value, json};

use crate::backup;

/// A server with a store of 300 rows, and a backup of it to be made in steps of 40.
pub(crate) fn with_store(test: &str) -> PathBuf {
    let folder = folder(test);
    run(&mut gaebar(&folder, &["seed", "headline", "--to", "sqlite:from.db", "--rows", "300"]), 0);
    fs::copy(folder.join("from.db"), folder.join("other.db")).unwrap();
    let stores = "[stores]\nfrom = \"sqlite:from.db\"\nother = \"sqlite:other.db\"\nmissing = \"sqlite:missing.db\"\n";
    fs::write(folder.join("gaebar.toml"), format!("{stores}[backup]\nrows-per-step = 40\n")).unwrap();
    folder
}

pub(crate) fn pull_from(folder: &Path, address: SocketAddr, store: &str) -> Command {
    let url = format!("http://{address}");
    let mut command = gaebar(folder, &["pull", &url, "nightly", "here/nightly", "--from", store]);
    command.env("GAEBAR_TOKEN", TOKEN);
    command
}

/// The jobs of a server.
pub(crate) fn jobs(served: &Serving) -> Value {
    let request = get(served.address, "/api/jobs").with("Authorization", &format!("Bearer {TOKEN}"));
    serde_json::from_str(&request.send().body).unwrap()
}

#[test]
fn a_backup_that_the_remote_makes_goes_on_though_its_server_is_killed_twice() {
    let folder = with_store("pull-from");
    for round in 0..2 {
        let served = Serving::start(&folder, Some(TOKEN), &[]);
        let address = served.address;
        let (steps, served) = (AtomicUsize::new(0), Mutex::new(served));
        // It dies when it has just done a step, and nobody hears of that.
        let dying = Proxy::before(address, move |path, raw| {
            if path.ends_with("/step") && steps.fetch_add(1, Ordering::Relaxed) == 2 {
                served.lock().unwrap().signal("-KILL");
                return raw[..raw.len() / 2].to_vec();
            }
            raw
        });
        let (_, told) = run(&mut pull_from(&folder, dying.address, "from"), 1);
        assert!(told.contains("the same command goes on from there"), "round {round}: {told}");
        assert!(!folder.join("here/nightly").exists() && !folder.join("backups/nightly").exists());
    }
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let begun = jobs(&served);
    assert_eq!((begun[0]["id"].clone(), begun[0]["steps"].as_u64() >= Some(5)), (json!(1), true), "{begun}");
    event(&mut pull_from(&folder, served.address, "from"));
    let ended = jobs(&served);
    assert_eq!((ended.as_array().unwrap().len(), &ended[0]["stage"]), (1, &json!("done")), "one job, begun once: {ended}");
    run(&mut gaebar(&folder, &["verify", "here/nightly"]), 0);
    run(&mut gaebar(&folder, &["diff", "here/nightly", "from"]), 0);
    assert!(backup(&folder.join("here/nightly")) == backup(&folder.join("backups/nightly")));
}

#[test]
fn an_interrupt_leaves_the_job_there_to_go_on_with() {
    let folder = with_store("pull-from-interrupted");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let (say, hear) = channel();
    let (count, say) = (AtomicUsize::new(0), Mutex::new(say));
    let stuck = Proxy::before(served.address, move |path, raw| {
        if path.ends_with("/step") && count.fetch_add(1, Ordering::Relaxed) == 2 {
            let _ = say.lock().unwrap().send(());
            thread::park();
        }
        raw
    });
    let mut interrupted = pull_from(&folder, stuck.address, "from").spawn().unwrap();
    hear.recv().unwrap();
    run(Command::new("kill").args(["-INT", &interrupted.id().to_string()]), 0);
    assert_eq!(interrupted.wait().unwrap().code(), Some(130));
    assert_eq!(jobs(&served)[0]["steps"], 3);
    event(&mut pull_from(&folder, served.address, "from"));
    let ended = jobs(&served);
    assert_eq!((ended.as_array().unwrap().len(), &ended[0]["stage"]), (1, &json!("done")), "{ended}");
    run(&mut gaebar(&folder, &["diff", "here/nightly", "from"]), 0);
}

#[test]
fn a_step_that_somebody_else_takes_is_waited_for_and_what_fails_is_told() {
    let folder = with_store("pull-from-busy");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let (_, told) = run(&mut pull_from(&folder, served.address, "nothing"), 1);
    assert!(told.contains("answers 422") && told.contains("No store is called"), "{told}");
    let (_, told) = run(&mut pull_from(&folder, served.address, "missing"), 1);
    assert!(told.contains("job 1") && told.contains("there is no such file"), "{told}");
    // The job is still there, and is of another store.
    let (_, told) = run(&mut pull_from(&folder, served.address, "other"), 1);
    assert!(told.contains("job 1 there is backing missing up into nightly"), "{told}");
    let cancel = post(served.address, "/api/jobs/1", "").method("DELETE");
    assert_eq!(cancel.with("Authorization", &format!("Bearer {TOKEN}")).send().status, 200);

    // While another process holds the job, there is nothing but to wait.
    let lock = fs::File::create(folder.join("backups/.gaebar/jobs/2.lock")).unwrap();
    lock.lock().unwrap();
    let (count, lock) = (AtomicUsize::new(0), Mutex::new(Some(lock)));
    let patient = Proxy::before(served.address, move |path, raw| {
        if path.ends_with("/step") && count.fetch_add(1, Ordering::Relaxed) == 0 {
            assert!(raw.starts_with(b"HTTP/1.1 409"), "{}", String::from_utf8_lossy(&raw));
            lock.lock().unwrap().take();
        }
        raw
    });
    event(&mut pull_from(&folder, patient.address, "other"));
    run(&mut gaebar(&folder, &["diff", "here/nightly", "other"]), 0);
}

#[test]
fn a_remote_that_makes_steps_without_end_or_lies_about_them_is_given_up() {
    let folder = with_store("pull-from-lies");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let job = |stage: &str, rows: u64| json!({ "id": 1, "stage": stage, "rows": rows, "problem": null }).to_string();
    let lies = [
        ("does not come to an end", job("reading", 7)),
        ("does not come to an end", job("confirming", 7)),
        ("was cancelled", job("cancelled", 0)),
        ("answers what makes no sense", job("reading", u64::MAX)),
        ("answers what makes no sense", job("\u{1b}[31mred", 1)),
        ("answers what makes no sense", "<html>".to_owned()),
        ("answers what makes no sense", String::new()),
        ("sends more than", format!("\"{}\"", "x".repeat(8 << 20))),
    ];
    for (told_is, lie) in lies {
        let liar =
            Proxy::before(
                served.address,
                move |path, raw| {
                    if path.ends_with("/step") { answer("200 OK", "", lie.as_bytes()) } else { raw }
                },
            );
        let (_, told) = run(&mut pull_from(&folder, liar.address, "from"), 1);
        assert!(told.contains(told_is), "{told_is:?} is not told: {told}");
        assert!(!told.contains('\x1b') && !told.contains(TOKEN), "{told}");
        assert!(!folder.join("here/nightly").exists());
    }
    let elsewhere = Proxy::before(served.address, |path, raw| {
        if path.contains("/api/jobs") { answer("307 Temporary Redirect", "Location: http://evil.example/\r\n", b"") } else { raw }
    });
    let (_, told) = run(&mut pull_from(&folder, elsewhere.address, "from"), 1);
    assert!(told.contains("leads elsewhere"), "{told}");
    // One that says that it is done, and has no backup.
    let done = job("done", 300);
    fs::remove_dir_all(folder.join("backups/nightly")).unwrap();
    let boaster =
        Proxy::before(
            served.address,
            move |path, raw| {
                if path.ends_with("/step") { answer("200 OK", "", done.as_bytes()) } else { raw }
            },
        );
    let (_, told) = run(&mut pull_from(&folder, boaster.address, "from"), 1);
    assert!(told.contains("answers 404"), "{told}");
    assert!(!folder.join("here/nightly").exists());
}

/// Pulls through a proxy that leaves one request without an answer; returns when the pull waits there.
fn stuck(folder: &Path, served: &Serving, is_counted: fn(&str) -> bool, most: usize) -> (Proxy, Child) {
    let (say, hear) = channel();
    let (count, say) = (AtomicUsize::new(0), Mutex::new(say));
    let proxy = Proxy::before(served.address, move |path, raw| {
        if is_counted(path) && count.fetch_add(1, Ordering::Relaxed) == most {
            let _ = say.lock().unwrap().send(());
            thread::park();
        }
        raw
    });
    let child = pull_from(folder, proxy.address, "from").spawn().unwrap();
    hear.recv().unwrap();
    (proxy, child)
}

/// Pulls again; returns what was said.
fn again(folder: &Path, proxy: &Proxy) -> String {
    let (_, told) = run(&mut pull_from(folder, proxy.address, "from"), 0);
    run(&mut gaebar(folder, &["verify", "here/nightly"]), 0);
    run(&mut gaebar(folder, &["diff", "here/nightly", "from"]), 0);
    assert!(!folder.join("here/.nightly.gaebar").exists(), "nothing is left behind");
    told
}

#[test]
fn a_backup_that_was_made_is_not_made_again_for_a_pull_that_was_killed_while_files_came() {
    let folder = with_store("pull-from-made");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let (proxy, mut killed) = stuck(&folder, &served, |path| path.contains("/files/"), 30);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(jobs(&served)[0]["stage"], "done");
    let told = again(&folder, &proxy);
    assert!(told.contains("job 1 there has made the backup already") && told.contains("had been downloaded before"), "{told}");
    assert_eq!(jobs(&served).as_array().unwrap().len(), 1, "{told}");
    // The next is one of its own.
    run(&mut pull_from(&folder, proxy.address, "from"), 0);
    assert_eq!(jobs(&served).as_array().unwrap().len(), 2);
}

#[test]
fn a_job_that_is_cancelled_there_or_whose_backup_is_removed_is_begun_anew() {
    let folder = with_store("pull-from-gone");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let (proxy, mut interrupted) = stuck(&folder, &served, |path| path.ends_with("/step"), 2);
    run(Command::new("kill").args(["-INT", &interrupted.id().to_string()]), 0);
    assert_eq!(interrupted.wait().unwrap().code(), Some(130));
    let cancel = post(served.address, "/api/jobs/1", "").method("DELETE");
    assert_eq!(cancel.with("Authorization", &format!("Bearer {TOKEN}")).send().status, 200);
    let told = again(&folder, &proxy);
    assert!(told.contains("job 1 there was cancelled") && told.contains("begun anew"), "{told}");

    fs::remove_dir_all(folder.join("here")).unwrap();
    let (proxy, mut killed) = stuck(&folder, &served, |path| path.contains("/files/"), 30);
    killed.kill().unwrap();
    killed.wait().unwrap();
    fs::remove_dir_all(folder.join("backups/nightly")).unwrap();
    let told = again(&folder, &proxy);
    assert!(told.contains("what it made is gone") && told.contains("begun anew"), "{told}");
    assert_eq!(jobs(&served).as_array().unwrap().len(), 4);
}

#[test]
fn a_backup_of_another_store_there_and_here_is_replaced_only_where_that_is_said() {
    let folder = with_store("pull-from-another");
    fs::remove_file(folder.join("other.db")).unwrap();
    run(&mut gaebar(&folder, &["--config", "/dev/null", "seed", "suite", "--to", "sqlite:other.db"]), 0);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    run(&mut pull_from(&folder, served.address, "from"), 0);
    let (_, told) = run(&mut pull_from(&folder, served.address, "other"), 1);
    assert!(told.contains("answers 422") && told.contains("with --another-source of `gaebar pull`"), "{told}");
    let (_, told) = run(pull_from(&folder, served.address, "other").arg("--another-source"), 0);
    assert!(told.contains("the backup was taken from sqlite:from.db before"), "{told}");
    for backup in ["here/nightly", "backups/nightly"] {
        let (listed, _) = run(&mut gaebar(&folder, &["list", backup]), 0);
        assert!(listed.contains("sqlite:other.db") && !listed.contains("sqlite:from.db"), "{listed}");
    }
}

#[test]
fn a_job_is_begun_though_others_are_just_being_begun_there() {
    let folder = with_store("pull-from-beginning");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let count = AtomicUsize::new(0);
    let busy = Proxy::before(served.address, move |path, raw| {
        // The first time it is begun, and nobody hears of that.
        let is_begun = path == "/api/jobs" && String::from_utf8_lossy(&raw).starts_with("HTTP/1.1 201");
        if is_begun && count.fetch_add(1, Ordering::Relaxed) == 0 { answer("503 Service Unavailable", "", b"") } else { raw }
    });
    event(&mut pull_from(&folder, busy.address, "from"));
    assert_eq!(jobs(&served).as_array().unwrap().len(), 1, "it is begun once");
    run(&mut gaebar(&folder, &["diff", "here/nightly", "from"]), 0);
}
