//! `gaebar pull`: a backup comes whole from another Gaebar, or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use gaebar_runtime::model::Key;
use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::http::{get, post};
use gaebar_tests::proxy::{Proxy, Raw, answer, body};
use gaebar_tests::serve::{Serving, TOKEN, with_backup};
use gaebar_tests::tree::files;
use serde_json::{Value, json};

const SHARD: &str = "volumes/profile_0/src/shard_0.rs";

/// A server with a backup, behind a token.
fn served(test: &str) -> (PathBuf, Serving) {
    let folder = folder(test);
    with_backup(&folder);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    (folder, served)
}

fn pull(folder: &Path, url: &str) -> Command {
    let mut command = gaebar(folder, &["pull", url, "production", "here/production"]);
    command.env("GAEBAR_TOKEN", TOKEN);
    command
}

/// A backup's files, without Gaebar's own.
fn backup(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    files(folder).into_iter().filter(|(file, _)| !file.starts_with(".gaebar/")).collect()
}

#[test]
fn a_backup_comes_byte_for_byte_and_verifies() {
    let (folder, served) = served("pull");
    let pulled = event(&mut pull(&folder, &format!("http://{}/", served.address)));
    assert_eq!((&pulled["event"], &pulled["kept"]), (&json!("pulled"), &json!(0)));
    let (there, here) = (backup(&folder.join("backups/production")), backup(&folder.join("here/production")));
    assert_eq!(there.keys().collect::<Vec<_>>(), here.keys().collect::<Vec<_>>());
    assert!(there == here && pulled["files"] == json!(here.len()));
    run(&mut gaebar(&folder, &["verify", "here/production"]), 0);
    assert!(!folder.join("here/.production.gaebar").exists(), "nothing is left behind");
    // What is there already, and is no backup, is not replaced.
    fs::create_dir_all(folder.join("mine/notes")).unwrap();
    let url = format!("http://{}/", served.address);
    let mut into_mine = gaebar(&folder, &["pull", &url, "production", "mine"]);
    let (_, told) = run(into_mine.env("GAEBAR_TOKEN", TOKEN), 1);
    assert!(told.contains("exists and is not empty"), "{told}");
    // Without a folder it goes to `backups`.
    let elsewhere = folder.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let url = format!("http://{}", served.address);
    run(gaebar(&elsewhere, &["pull", &url, "production"]).env("GAEBAR_TOKEN", TOKEN), 0);
    run(&mut gaebar(&elsewhere, &["verify", "backups/production"]), 0);
}

#[test]
fn the_api_is_behind_the_token_and_gives_nothing_but_a_backups_files() {
    let (folder, served) = served("pull-api");
    fs::write(folder.join("backups/production/notes.md"), "mine").unwrap();
    fs::create_dir(folder.join("backups/production/.git")).unwrap();
    fs::write(folder.join("backups/production/.git/config"), "mine").unwrap();
    let open =
        |path: &str| get(served.address, path).with("Authorization", &format!("Bearer {TOKEN}")).with("Accept", "*/*").send();
    for path in ["/api/backups", "/api/backups/production/files", "/api/backups/production/files/Cargo.toml"] {
        assert_eq!(get(served.address, path).send().status, 401, "{path}");
        assert_eq!(open(path).status, 200, "{path}");
    }
    let backups: Value = serde_json::from_str(&open("/api/backups").body).unwrap();
    assert_eq!(backups["backups"][0]["name"], "production");
    let listing: Value = serde_json::from_str(&open("/api/backups/production/files").body).unwrap();
    let listed: Vec<_> = listing["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert!(listed.len() > 80 && listed.contains(&SHARD) && !listed.contains(&"notes.md"), "{listed:?}");
    for path in [
        "notes.md",
        ".git/config",
        "..%2F..%2Fgaebar.toml",
        "../../gaebar.toml",
        "kinds%2F..%2F..%2F..%2Fgaebar.toml",
        "%2Fetc%2Fpasswd",
        "volumes",
        "",
    ] {
        let refused = open(&format!("/api/backups/production/files/{path}"));
        assert_eq!(refused.status, 404, "{path}: {refused:?}");
    }
    assert_eq!(open("/api/backups/nothing/files").status, 404);
    assert_eq!(open("/api/backups/..%2Fbackups%2Fproduction/files").status, 404);
    // A link is no file of a backup.
    let shard = folder.join("backups/production").join(SHARD);
    fs::remove_file(&shard).unwrap();
    std::os::unix::fs::symlink(folder.join("gaebar.toml"), &shard).unwrap();
    assert_eq!(open(&format!("/api/backups/production/files/{SHARD}")).status, 404);
}

#[test]
fn an_interrupted_pull_goes_on_from_what_was_checked() {
    let (folder, mut served) = served("pull-resume");
    // The server is killed after some files, twice; what comes then is cut off.
    let count = AtomicUsize::new(0);
    let dying = Proxy::before(served.address, move |path, raw| {
        let is_cut = path.contains("/files/") && count.fetch_add(1, Ordering::Relaxed) >= 30;
        if is_cut { raw[..raw.len() - 1].to_vec() } else { raw }
    });
    let (_, told) = run(&mut pull(&folder, &format!("http://{}", dying.address)), 1);
    assert!(told.contains("the same command goes on from there"), "{told}");
    assert!(!folder.join("here/production").exists());
    let first = dying.asked().iter().filter(|head| head.contains("/files/")).count();

    // A file that a kill left half written, and one that the backup does not have any more, are no hindrance.
    let kept = folder.join("here/.production.gaebar/spool/pulled");
    let had = files(&kept);
    assert!(had.len() >= 30, "{had:?}");
    let half = had.keys().next_back().unwrap();
    fs::write(kept.join(half), &had[half][..had[half].len() / 2]).unwrap();
    fs::create_dir_all(kept.join("volumes/gone_0")).unwrap();
    fs::write(kept.join("volumes/gone_0/Cargo.toml"), "[package]").unwrap();

    served.signal("-KILL");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let honest = Proxy::before(served.address, |_, raw| raw);
    let pulled = event(&mut pull(&folder, &format!("http://{}", honest.address)));
    assert_eq!(pulled["kept"], json!(had.len() - 1));
    let second = honest.asked().iter().filter(|head| head.contains("/files/")).count();
    assert_eq!(Some(second), pulled["files"].as_u64().map(|files| files as usize - (had.len() - 1)), "{first} before");
    assert!(backup(&folder.join("here/production")) == backup(&folder.join("backups/production")));
    run(&mut gaebar(&folder, &["verify", "here/production"]), 0);
}

#[test]
fn a_pull_that_was_killed_goes_on_too() {
    let (folder, served) = served("pull-killed");
    let (say, hear) = channel();
    let (count, say) = (AtomicUsize::new(0), Mutex::new(say));
    // From some file on there is no answer, and the pull is killed while it waits.
    let stuck = Proxy::before(served.address, move |path, raw| {
        if path.contains("/files/") && count.fetch_add(1, Ordering::Relaxed) >= 30 {
            let _ = say.lock().unwrap().send(());
            thread::park();
        }
        raw
    });
    let mut killed = pull(&folder, &format!("http://{}", stuck.address)).spawn().unwrap();
    hear.recv().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(!folder.join("here/production").exists());
    let pulled = event(&mut pull(&folder, &format!("http://{}", served.address)));
    assert!(pulled["kept"].as_u64().unwrap() > 20, "{pulled}");
    assert!(backup(&folder.join("here/production")) == backup(&folder.join("backups/production")));
    run(&mut gaebar(&folder, &["verify", "here/production"]), 0);
}

/// Changes the list of files.
fn listing(path: &str, raw: Raw, change: impl Fn(&mut Vec<Value>)) -> Raw {
    if !path.ends_with("/files") {
        return raw;
    }
    let mut listing: Value = serde_json::from_slice(body(&raw)).unwrap();
    change(listing["files"].as_array_mut().unwrap());
    answer("200 OK", "", listing.to_string().as_bytes())
}

#[test]
fn a_remote_that_lies_is_refused_and_nothing_is_published() {
    let (folder, served) = served("pull-lies");
    let entry = |files: &mut Vec<Value>| files.iter().position(|file| file["path"] == SHARD).unwrap();
    type Lie = Box<dyn Fn(&str, Raw) -> Raw + Send + Sync>;
    let named = |path: &'static str| -> Lie {
        Box::new(move |asked, raw| {
            listing(asked, raw, |files| files.push(json!({ "path": path, "bytes": 1, "sha256": "0".repeat(64) })))
        })
    };
    let of_shard =
        |change: fn(Raw) -> Raw| -> Lie { Box::new(move |asked, raw| if asked.ends_with(SHARD) { change(raw) } else { raw }) };
    let lies: Vec<(&str, Lie)> = vec![
        ("\"../../evil.rs\", which is no file of a backup", named("../../evil.rs")),
        ("\"/etc/evil\", which is no file of a backup", named("/etc/evil")),
        ("\"build.rs\", which is no file of a backup", named("build.rs")),
        ("\".cargo/config.toml\", which is no file of a backup", named(".cargo/config.toml")),
        ("which is listed twice", named(SHARD)),
        (
            "larger than any file",
            Box::new(move |path, raw| {
                listing(path, raw, |files| {
                    let at = entry(files);
                    files[at]["bytes"] = json!(1_u64 << 40)
                })
            }),
        ),
        (
            "the remote listed it with",
            Box::new(move |path, raw| {
                listing(path, raw, |files| {
                    let at = entry(files);
                    files[at]["bytes"] = json!(1_000_000)
                })
            }),
        ),
        (
            "sends more than",
            Box::new(move |path, raw| {
                listing(path, raw, |files| {
                    let at = entry(files);
                    files[at]["bytes"] = json!(10)
                })
            }),
        ),
        (
            "does not have the hash",
            of_shard(|raw| {
                let mut raw = raw;
                let last = raw.len() - 2;
                raw[last] ^= 1;
                raw
            }),
        ),
        ("sends more than", of_shard(|raw| answer("200 OK", "", &[body(&raw), b"// more"].concat()))),
        // Without an end: as much as it likes.
        (
            "sends more than",
            of_shard(|_| [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(), vec![b'x'; 8 << 20]].concat()),
        ),
        (
            "leads elsewhere, to http://evil.example/",
            of_shard(|_| answer("302 Found", "Location: http://evil.example/\r\n", b"")),
        ),
        ("answers 500", of_shard(|_| answer("500 Internal Server Error", "", b"\x1b[31mred"))),
        ("can't be used", Box::new(|path, raw| if path.ends_with("/files") { answer("200 OK", "", b"<html>") } else { raw })),
        // All hashes match, and it is no backup.
        (
            "kinds/profile.json",
            Box::new(move |path, raw| listing(path, raw, |files| files.retain(|file| file["path"] != "kinds/profile.json"))),
        ),
    ];
    for (told_is, lie) in lies {
        let liar = Proxy::before(served.address, lie);
        let (_, told) = run(&mut pull(&folder, &format!("http://{}", liar.address)), 1);
        assert!(told.contains(told_is), "{told_is:?} is not told: {told}");
        assert!(!told.contains('\x1b') && !told.contains(TOKEN), "{told}");
        assert!(!folder.join("here/production").exists() && !folder.join("evil.rs").exists(), "{told_is}");
        assert!(
            liar.asked().iter().all(|head| !head.split("\r\n").next().unwrap().contains(TOKEN)),
            "the token is in an address"
        );
    }
    // Whatever was tried, the honest one is pulled.
    run(&mut pull(&folder, &format!("http://{}", served.address)), 0);
    assert!(backup(&folder.join("here/production")) == backup(&folder.join("backups/production")));
}

#[test]
fn a_remote_that_asks_to_wait_is_asked_again() {
    let (folder, served) = served("pull-wait");
    let asked = AtomicBool::new(false);
    let busy = Proxy::before(served.address, move |path, raw| {
        let is_busy = path.ends_with(SHARD) && !asked.swap(true, Ordering::Relaxed);
        if is_busy { answer("429 Too Many Requests", "Retry-After: 0\r\n", b"") } else { raw }
    });
    run(&mut pull(&folder, &format!("http://{}", busy.address)), 0);
    assert_eq!(busy.asked().iter().filter(|head| head.contains(SHARD)).count(), 2);
}

#[test]
fn a_backup_that_is_there_takes_the_entities_and_its_rows_keep_their_numbers() {
    let (folder, mut served) = served("pull-into");
    event(&mut pull(&folder, &format!("http://{}", served.address)));
    // The remote's is made anew, of a store that differs, so that its numbers are others.
    served.signal("-KILL");
    fs::remove_dir_all(folder.join("backups/production")).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:other.db", "backups/production"]), 0);
    run(Command::new("cp").current_dir(&folder).args(["-r", "here", "twin"]), 0);
    fs::write(folder.join("here/production/notes.md"), "mine").unwrap();
    let served = Serving::start(&folder, Some(TOKEN), &[]);

    // One that lies changes nothing.
    let before = backup(&folder.join("here/production"));
    let liar = Proxy::before(served.address, |path, mut raw| {
        let at = raw.len() - 2;
        raw[at] ^= u8::from(path.ends_with(SHARD));
        raw
    });
    let (_, told) = run(&mut pull(&folder, &format!("http://{}", liar.address)), 1);
    assert!(told.contains("does not have the hash"), "{told}");
    assert!(backup(&folder.join("here/production")) == before);

    let pulled = event(&mut pull(&folder, &format!("http://{}", served.address)));
    assert!(pulled["updated"] == true && pulled["kept"].as_u64() > Some(0), "{pulled}");
    run(&mut gaebar(&folder, &["diff", "here/production", "backups/production"]), 0);
    run(&mut gaebar(&folder, &["verify", "here/production"]), 0);
    assert_eq!(fs::read(folder.join("here/production/notes.md")).unwrap(), b"mine");
    assert!(!folder.join("here/production/.gaebar/pull").exists(), "nothing is left behind");
    // Just what a backup of that store makes of it.
    run(&mut gaebar(&folder, &["backup", "sqlite:other.db", "twin/production"]), 0);
    let code = |place: &str| {
        let files = backup(&folder.join(place)).into_iter();
        files.filter(|(file, _)| file.ends_with(".rs")).collect::<BTreeMap<_, _>>()
    };
    assert!(code("here/production") == code("twin/production"), "rows are others than those of an update from the store");
    assert!(code("here/production") != code("backups/production"), "the numbers there are others");
    // Once more, there is nothing to change.
    let before = backup(&folder.join("here/production"));
    event(&mut pull(&folder, &format!("http://{}", served.address)));
    assert!(backup(&folder.join("here/production")) == before);
    // Nobody's link leads what is downloaded elsewhere.
    fs::create_dir(folder.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(folder.join("elsewhere"), folder.join("here/production/.gaebar/pull")).unwrap();
    let (_, told) = run(&mut pull(&folder, &format!("http://{}", served.address)), 1);
    assert!(told.contains("is in the way") && files(&folder.join("elsewhere")).is_empty(), "{told}");
}

/// A server with a store of 300 rows, and a backup of it to be made in steps of 40.
fn with_store(test: &str) -> PathBuf {
    let folder = folder(test);
    run(&mut gaebar(&folder, &["seed", "headline", "--to", "sqlite:from.db", "--rows", "300"]), 0);
    fs::copy(folder.join("from.db"), folder.join("other.db")).unwrap();
    let stores = "[stores]\nfrom = \"sqlite:from.db\"\nother = \"sqlite:other.db\"\nmissing = \"sqlite:missing.db\"\n";
    fs::write(folder.join("gaebar.toml"), format!("{stores}[backup]\nrows-per-step = 40\n")).unwrap();
    folder
}

fn pull_from(folder: &Path, address: SocketAddr, store: &str) -> Command {
    let url = format!("http://{address}");
    let mut command = gaebar(folder, &["pull", &url, "nightly", "here/nightly", "--from", store]);
    command.env("GAEBAR_TOKEN", TOKEN);
    command
}

/// The jobs of a server.
fn jobs(served: &Serving) -> Value {
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
fn the_page_pulls_in_small_steps_which_outlive_its_server() {
    let there = with_store("pull-page-there");
    let far = Serving::start(&there, Some(TOKEN), &[]);
    let here = folder("pull-page-here");
    let settings = "token-file = \"token\"\n[backup]\nrows-per-step = 40\n";
    fs::write(here.join("gaebar.toml"), format!("[remotes.far]\nurl = \"http://{}\"\n{settings}", far.address)).unwrap();
    fs::write(here.join("token"), TOKEN).unwrap();
    let start = || Serving::start(&here, Some("another-token-for-this-page"), &[]);
    let send = |served: &Serving, method: &'static str, path: &str, form: &str| {
        let request = post(served.address, path, form).method(method);
        let answer = request.with("Authorization", "Bearer another-token-for-this-page").send();
        (answer.status, answer.body)
    };
    let mut near = start();
    let (_, page) = send(&near, "GET", "/", "");
    assert!(page.contains("Pull from another Gaebar") && page.contains("<option>far</option>"), "{page}");
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
            near = start();
        }
        let of = |stage: &str| stages.iter().filter(|found| *found == stage).count();
        assert!(of("reading") > 7 && of("downloading") > 1, "{round}: {stages:?}");
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
        if path.ends_with("/api/jobs") {
            answer("307 Temporary Redirect", "Location: http://evil.example/\r\n", b"")
        } else {
            raw
        }
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

#[test]
fn tokens_and_addresses_that_make_no_sense_are_told() {
    let (folder, served) = served("pull-tokens");
    let url = format!("http://{}", served.address);
    let mut without = pull(&folder, &url);
    let (_, told) = run(without.env_remove("GAEBAR_TOKEN"), 1);
    assert!(told.contains("asks for another token") && told.contains("--token-file"), "{told}");
    let (_, told) = run(pull(&folder, &url).env("GAEBAR_TOKEN", "another-token-altogether"), 1);
    assert!(told.contains("asks for another token") && !told.contains("another-token-altogether"), "{told}");
    let (_, told) = run(&mut pull(&folder, "http://backups.example.com"), 1);
    assert!(told.contains("in the clear") && told.contains("--plain-http"), "{told}");
    fs::write(folder.join("token"), format!("{TOKEN}\n")).unwrap();
    let mut missing = gaebar(&folder, &["pull", &url, "nothing", "--token-file", "token"]);
    let (_, told) = run(missing.env_remove("GAEBAR_TOKEN"), 1);
    assert!(told.contains("answers 404") && told.contains("no backup"), "{told}");
    // A name has an address and a token.
    fs::write(folder.join("gaebar.toml"), format!("[remotes.office]\nurl = \"{url}\"\ntoken-file = \"token\"\n")).unwrap();
    run(gaebar(&folder, &["pull", "office", "production", "here/office"]).env_remove("GAEBAR_TOKEN"), 0);
    run(&mut gaebar(&folder, &["verify", "here/office"]), 0);
    let (_, told) = run(&mut gaebar(&folder, &["pull", "elsewhere", "production"]), 1);
    assert!(told.contains("is no address of a Gaebar") && told.contains("[remotes] in gaebar.toml"), "{told}");
    run(gaebar(&folder, &["pull", &url, "../x", "--token-file", "token"]).env_remove("GAEBAR_TOKEN"), 2);
}
