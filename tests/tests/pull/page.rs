//! A pull in small steps, as the page and programs take them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gaebar_runtime::model::Key;
use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::http::post;
use gaebar_tests::proxy::{Proxy, answer, body};
use gaebar_tests::serve::{Serving, TOKEN, with_backup};
use gaebar_tests::tree::files;
use serde_json::Value;

use crate::made_there::{jobs, with_store};
use crate::{edit, of_a_later_version};

const HERE: &str = "another-token-for-this-page";

/// A folder whose Gaebar knows another one by the name `far`.
pub(crate) fn knows(test: &str, far: SocketAddr, rows_per_step: usize) -> PathBuf {
    let here = folder(test);
    let remotes = format!("[remotes.far]\nurl = \"http://{far}\"\ntoken-file = \"token\"\n");
    fs::write(here.join("gaebar.toml"), format!("{remotes}[backup]\nrows-per-step = {rows_per_step}\n")).unwrap();
    fs::write(here.join("token"), TOKEN).unwrap();
    here
}

pub(crate) fn start(here: &Path) -> Serving {
    Serving::start(here, Some(HERE), &[])
}

pub(crate) fn send(served: &Serving, method: &'static str, path: &str, form: &str) -> (u16, String) {
    let request = post(served.address, path, form).method(method);
    let answer = request.with("Authorization", &format!("Bearer {HERE}")).send();
    (answer.status, answer.body)
}

/// What a request about a job is answered, which is no problem.
pub(crate) fn told(served: &Serving, method: &'static str, path: &str, form: &str) -> Value {
    let (status, body) = send(served, method, path, form);
    let told: Value = serde_json::from_str(&body).unwrap();
    assert!((200..300).contains(&status) && told["problem"].is_null(), "{body}");
    told
}

/// Begins a pull; returns the path of its job.
pub(crate) fn begin(served: &Serving, form: &str) -> String {
    format!("/api/jobs/{}", told(served, "POST", "/api/jobs", &format!("do=pull&remote=far&{form}"))["id"])
}

#[test]
fn the_page_pulls_in_small_steps_which_outlive_its_server() {
    let there = with_store("pull-page-there");
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let here = knows("pull-page-here", far.address, 40);
    let mut near = start(&here);
    let (_, page) = send(&near, "GET", "/", "");
    assert!(page.contains("Pull from another Gaebar") && page.contains(">far</option>"), "{page}");
    for (form, part) in
        [("remote=near&backup=nightly", "No Gaebar is called"), ("remote=far&backup=..", "can't be a backup's name")]
    {
        let (status, body) = send(&near, "POST", "/api/jobs", &format!("do=pull&{form}"));
        assert!(status == 422 && body.contains(part), "{body}");
    }
    for round in ["anew", "into it"] {
        let (status, body) = send(&near, "POST", "/api/jobs", "do=pull&remote=far&backup=nightly&store=from");
        assert_eq!(status, 201, "{body}");
        let job: Value = serde_json::from_str(&body).unwrap();
        let mut stages = Vec::new();
        loop {
            let (status, body) = send(&near, "POST", &format!("/api/jobs/{}/step", job["id"]), "");
            let step: Value = serde_json::from_str(&body).unwrap();
            assert!(status == 200 && step["problem"].is_null(), "{round}: {body}");
            stages.push(step["stage"].as_str().unwrap().to_owned());
            assert!(stages.len() < 50, "{stages:?}");
            if step["stage"] == "done" {
                break;
            }
            near.signal("-KILL");
            near = start(&here);
        }
        let of = |stage: &str| stages.iter().filter(|found| *found == stage).count();
        assert!(of("reading") > 7 && of("downloading") > 1 && of("verifying") > 4, "{round}: {stages:?}");
        run(&mut gaebar(&here, &["verify", "backups/nightly"]), 0);
        run(gaebar(&there, &["diff", "from"]).arg(here.join("backups/nightly")), 0);
        let store = SqliteStore::open_or_create(&there.join("from.db")).unwrap();
        store.delete(&[&Key::root("Profile", 1)]).unwrap();
    }
    assert_eq!(jobs(&far).as_array().unwrap().len(), 2, "each backup there was begun once");

    // Cancelled, it leaves nothing.
    let (_, body) = send(&near, "POST", "/api/jobs", "do=pull&remote=far&backup=nightly");
    let job: Value = serde_json::from_str(&body).unwrap();
    send(&near, "POST", &format!("/api/jobs/{}/step", job["id"]), "");
    assert!(here.join("backups/nightly/.gaebar/pull").exists());
    let (status, body) = send(&near, "DELETE", &format!("/api/jobs/{}", job["id"]), "");
    assert!(status == 200 && body.contains("Nothing is left of what was downloaded"), "{body}");
    assert!(!here.join("backups/nightly/.gaebar/pull").exists());
}

#[test]
fn the_page_pulls_what_the_gate_accepts_and_says_what_is_unknown() {
    let there = with_store("pull-page-gate-there");
    run(&mut gaebar(&there, &["backup", "from", "backups/nightly"]), 0);
    let remote = there.join("backups/nightly");
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let here = knows("pull-page-gate-here", far.address, 500);
    let near = start(&here);
    let last_step = |job: &str| -> Value {
        let mut steps = (0..50).map(|_| serde_json::from_str(&send(&near, "POST", &format!("{job}/step"), "").1).unwrap());
        steps.find(|step: &Value| step["stage"] == "done" || !step["problem"].is_null()).unwrap()
    };
    let source = fs::read(remote.join("gaebar-runtime/src/lib.rs")).unwrap();
    edit(&remote, "gaebar-runtime/src/lib.rs", |text| format!("{text}\n// more\n"));
    let job = begin(&near, "backup=nightly");
    let step = last_step(&job);
    assert!(step["problem"].as_str().unwrap().contains("gaebar-runtime/src/lib.rs: is not as"), "{step}");
    assert!(!here.join("backups/nightly").exists());
    // Mended there, the same job goes on.
    fs::write(remote.join("gaebar-runtime/src/lib.rs"), source).unwrap();
    of_a_later_version(&remote);
    let step = last_step(&job);
    assert_eq!((&step["stage"], &step["work"]["unknown_runtime"]), (&"done".into(), &"99.9.9".into()), "{step}");
    assert!(step["log"].to_string().contains("is of Gaebar 99.9.9"), "{step}");
    let (_, page) = send(&near, "GET", job.trim_start_matches("/api"), "");
    assert!(page.contains("Its runtime is of Gaebar 99.9.9"), "{page}");
    let (_, told) = run(&mut gaebar(&here, &["verify", "backups/nightly"]), 1);
    assert!(told.contains("is of Gaebar 99.9.9"), "{told}");
}

#[test]
fn an_answer_of_the_last_step_there_that_is_lost_has_nothing_made_again() {
    let there = with_store("pull-page-lost-there");
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let is_lost = AtomicBool::new(false);
    let slow = Proxy::before(far.address, move |path, raw| {
        let is_last = path.ends_with("/step") && String::from_utf8_lossy(&raw).contains("\"stage\":\"done\"");
        if is_last && !is_lost.swap(true, Ordering::Relaxed) { answer("504 Gateway Timeout", "", b"slow") } else { raw }
    });
    let here = knows("pull-page-lost-here", slow.address, 500);
    let near = start(&here);
    let job = begin(&near, "backup=nightly&store=from");
    let mut log = String::new();
    for _ in 0..50 {
        let step = told(&near, "POST", &format!("{job}/step"), "");
        log = step["log"].to_string();
        if step["stage"] == "done" {
            break;
        }
    }
    assert!(log.contains("job 1 there has made the backup already"), "{log}");
    assert_eq!(jobs(&far).as_array().unwrap().len(), 1, "{log}");
    run(gaebar(&there, &["diff", "from"]).arg(here.join("backups/nightly")), 0);
}

#[test]
fn cancelling_ends_the_job_there_too_or_says_what_is_left_of_it() {
    let there = with_store("pull-page-cancel-there");
    let mut far = Serving::start(&there, Some(TOKEN), &[]);
    let here = knows("pull-page-cancel-here", far.address, 40);
    let near = start(&here);
    let step = |job: &str| told(&near, "POST", &format!("{job}/step"), "");
    let leaves = |told: &Value| told["leaves"].as_str().unwrap().to_owned();

    let job = begin(&near, "backup=nightly&store=from");
    step(&job);
    let reading = step(&job);
    assert!(reading["rows"].as_u64() > Some(0) && leaves(&reading).contains("Job 1 at \"far\""), "{reading}");
    assert!(leaves(&reading).contains("is cancelled, too"), "{reading}");
    let cancelled = told(&near, "DELETE", &job, "");
    assert!(cancelled["stage"] == "cancelled" && leaves(&cancelled).contains("was cancelled, too"), "{cancelled}");
    assert_eq!(jobs(&far)[0]["stage"], "cancelled");
    assert!(!there.join("backups/.nightly.gaebar").exists() && !here.join("backups/.nightly.gaebar").exists());

    // Without an answer, nobody knows.
    let job = begin(&near, "backup=nightly&store=from");
    step(&job);
    step(&job);
    let address = far.address.to_string();
    far.signal("-KILL");
    let cancelled = told(&near, "DELETE", &job, "");
    assert!(leaves(&cancelled).contains("Whether job 2 at \"far\" still makes the backup there is not known"), "{cancelled}");
    let (_, page) = send(&near, "GET", job.trim_start_matches("/api"), "");
    assert!(page.contains("Cancelled. Nothing is left of what was downloaded") && page.contains("is not known"), "{page}");
    let far = Serving::start_at(&there, &address, Some(TOKEN), &[]);
    assert_eq!(jobs(&far)[0]["stage"], "reading");

    // What is made there stays.
    let job = begin(&near, "backup=nightly&store=from");
    while step(&job)["stage"] != "downloading" {}
    let cancelled = told(&near, "DELETE", &job, "");
    assert!(leaves(&cancelled).contains("The backup that job 2 at \"far\" has made stays there"), "{cancelled}");
    assert!(there.join("backups/nightly/manifest.json").exists());
}

#[test]
fn another_job_there_that_has_the_number_is_left_alone() {
    let there = with_store("pull-page-number-there");
    let mut far = Serving::start(&there, Some(TOKEN), &[]);
    let here = knows("pull-page-number-here", far.address, 40);
    let near = start(&here);
    let job = begin(&near, "backup=nightly&store=from");
    told(&near, "POST", &format!("{job}/step"), "");
    let address = far.address.to_string();
    far.signal("-KILL");
    fs::remove_dir_all(there.join("backups/.gaebar")).unwrap();
    let far = Serving::start_at(&there, &address, Some(TOKEN), &[]);
    let request = post(far.address, "/api/jobs", "do=backup&store=from&backup=other");
    assert_eq!(request.with("Authorization", &format!("Bearer {TOKEN}")).send().status, 201);
    told(&near, "DELETE", &job, "");
    assert_eq!((jobs(&far)[0]["id"].as_u64(), &jobs(&far)[0]["stage"]), (Some(1), &Value::from("reading")));
}

#[test]
fn a_job_there_that_never_ends_is_given_up_over_all_steps() {
    let there = with_store("pull-page-endless-there");
    let settings = fs::read_to_string(there.join("gaebar.toml")).unwrap();
    fs::write(there.join("gaebar.toml"), settings.replace("rows-per-step = 40", "rows-per-step = 1")).unwrap();
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let endless = Proxy::before(far.address, |path, raw| {
        let told = br#"{"id":1,"stage":"reading","rows":7,"problem":null}"#;
        if path.ends_with("/step") { answer("200 OK", "", told) } else { raw }
    });
    let near = start(&knows("pull-page-endless-here", endless.address, 40));
    let job = begin(&near, "backup=nightly&store=from");
    let problem = (0..200).find_map(|_| {
        let (status, body) = send(&near, "POST", &format!("{job}/step"), "");
        assert_eq!(status, 200, "{body}");
        let told: Value = serde_json::from_str(&body).unwrap();
        told["problem"].as_str().map(str::to_owned)
    });
    let problem = problem.expect("it is given up");
    assert!(problem.contains("does not come to an end"), "{problem}");
}

#[test]
fn files_that_come_are_counted_in_bytes_with_the_time_that_is_left() {
    let there = folder("pull-page-rate-there");
    with_backup(&there);
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let here = knows("pull-page-rate-here", far.address, 40);
    let near = start(&here);
    let job = begin(&near, "backup=production");
    let page = || send(&near, "GET", job.trim_start_matches("/api"), "").1;
    let before = told(&near, "GET", &job, "");
    assert!(before["seconds_left"].is_null() && page().contains("Downloading."), "{before}");
    let step = told(&near, "POST", &format!("{job}/step"), "");
    let (bytes, all) = (&step["work"]["bytes"], backup_bytes(&there));
    assert_eq!((bytes["of"].as_u64(), bytes["here"] == bytes["came"]), (Some(all), true), "{step}");
    assert!(step["rate"].as_u64() > Some(0) && step["seconds_left"].as_u64() > Some(0), "{step}");
    assert!(step["log"].to_string().contains("step 1: 40 of "), "{step}");
    let shown = page();
    assert!(shown.contains("<p>40 of ") && shown.contains("/s, about ") && shown.contains(" s left</p>"), "{shown}");
}

/// The bytes of the backup that a Gaebar has.
fn backup_bytes(there: &Path) -> u64 {
    let backup = files(&there.join("backups/production")).into_iter().filter(|(file, _)| !file.starts_with(".gaebar/"));
    backup.map(|(_, bytes)| bytes.len() as u64).sum()
}

#[test]
fn what_came_is_not_read_again_with_every_step() {
    let there = folder("pull-page-sums-there");
    with_backup(&there);
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let here = knows("pull-page-sums-here", far.address, 8);
    let near = start(&here);
    let job = begin(&near, "backup=production");
    let steps = (0..9).map(|_| {
        let before = near.bytes_read();
        let step = told(&near, "POST", &format!("{job}/step"), "");
        assert_eq!(step["stage"], "downloading");
        (near.bytes_read() - before, step["work"]["bytes"]["here"].as_u64().unwrap())
    });
    let steps: Vec<_> = steps.collect();
    // Some files are read with every step. Of the others, the last one reads what came with the step before.
    let (more, had) = (steps[8].0.saturating_sub(steps[0].0), steps[7].1);
    assert!(
        more < had / 2,
        "{more} bytes more are read with the last step than with the first, of {had} that had come: {steps:?}"
    );
}

#[test]
fn a_backup_here_of_another_store_is_replaced_only_where_that_is_said() {
    let there = with_store("pull-page-another-there");
    run(&mut gaebar(&there, &["backup", "from", "backups/nightly"]), 0);
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let here = knows("pull-page-another-here", far.address, 40);
    run(&mut gaebar(&here, &["seed", "suite", "--to", "sqlite:mine.db"]), 0);
    run(&mut gaebar(&here, &["backup", "sqlite:mine.db", "backups/nightly"]), 0);
    let near = start(&here);
    assert!(send(&near, "GET", "/", "").1.contains("name=\"another_source\" value=\"yes\""));
    let job = begin(&near, "backup=nightly");
    let (_, first) = send(&near, "POST", &format!("{job}/step"), "");
    let first: Value = serde_json::from_str(&first).unwrap();
    let problem = first["problem"].as_str().unwrap_or_default();
    assert!(problem.contains("was taken from sqlite:mine.db") && problem.contains("another_source=yes"), "{first}");
    run(&mut gaebar(&here, &["diff", "sqlite:mine.db", "backups/nightly"]), 0);
    told(&near, "DELETE", &job, "");
    let job = begin(&near, "backup=nightly&another_source=yes");
    let ended = (0..50).map(|_| told(&near, "POST", &format!("{job}/step"), "")).find(|step| step["stage"] == "done").unwrap();
    assert!(ended["log"].to_string().contains("the backup was taken from sqlite:mine.db before"), "{ended}");
    run(gaebar(&there, &["diff", "from"]).arg(here.join("backups/nightly")), 0);
}

#[test]
fn a_step_that_is_told_to_wait_longer_than_it_may_ends_and_the_next_goes_on() {
    let there = with_store("pull-page-wait-there");
    run(&mut gaebar(&there, &["backup", "from", "backups/nightly"]), 0);
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let is_told = AtomicBool::new(false);
    let busy = Proxy::before(far.address, move |path, raw| {
        let is_first = path.ends_with("/Cargo.lock") && !is_told.swap(true, Ordering::Relaxed);
        if is_first { answer("429 Too Many Requests", "Retry-After: 60\r\n", b"{}") } else { raw }
    });
    let here = knows("pull-page-wait-here", busy.address, 500);
    let near = Serving::start(&here, Some(HERE), &["--step-seconds", "1"]);
    let job = begin(&near, "backup=nightly");
    let asked = || busy.asked().iter().filter(|head| head.contains("/Cargo.lock ")).count();
    let mut steps = 0;
    loop {
        let before = asked();
        let step = told(&near, "POST", &format!("{job}/step"), "");
        assert!(asked() <= before + 1, "a step has waited for what it was told to wait for: {step}");
        steps += 1;
        if step["stage"] == "done" {
            break;
        }
        assert!(steps < 50, "{step}");
    }
    assert!(asked() == 2 && steps > 1, "{steps} steps: {:?}", busy.asked());
    run(&mut gaebar(&here, &["verify", "backups/nightly"]), 0);
}

#[test]
fn a_backup_that_is_another_each_time_is_given_up() {
    let there = with_store("pull-page-changing-there");
    run(&mut gaebar(&there, &["backup", "from", "backups/nightly"]), 0);
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let count = AtomicUsize::new(0);
    // One half of the files and then the other, so that of what has come nothing stays.
    let changing = Proxy::before(far.address, move |path, raw| {
        if !path.ends_with("/files") {
            return raw;
        }
        let mut listing: Value = serde_json::from_slice(body(&raw)).unwrap();
        let files = listing["files"].as_array_mut().unwrap();
        let (from, half) = (count.fetch_add(1, Ordering::Relaxed) % 2, files.len() / 2);
        *files = files.drain(from * half..(from + 1) * half).collect();
        answer("200 OK", "Content-Type: application/json\r\n", listing.to_string().as_bytes())
    });
    let here = knows("pull-page-changing-here", changing.address, 1);
    let near = start(&here);
    let job = begin(&near, "backup=nightly");
    let given_up = (0..200).map(|_| send(&near, "POST", &format!("{job}/step"), "").1).find(|body| body.contains("given up"));
    let told = given_up.expect("it is given up within 200 steps");
    assert!(told.contains("cancel this, and begin anew") && told.contains("[state] in gaebar.toml"), "{told}");
}
