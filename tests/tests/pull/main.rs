//! `gaebar pull`: a backup comes whole from another Gaebar, or not at all.

mod https;
mod killed;
mod made_there;
mod page;
mod verified;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use gaebar_gen::fingerprint::Fingerprint;
use gaebar_gen::manifest::KindManifest;
use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::http::get;
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
    let kept = folder.join("here/.production.gaebar/spool/pulled/files");
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
            "larger than such a file",
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

/// Changes a text file of a backup.
pub(crate) fn edit(backup: &Path, file: &str, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(backup.join(file)).unwrap();
    let changed = change(&text);
    assert!(text != changed, "{file} is as it was");
    fs::write(backup.join(file), changed).unwrap();
}

/// Has a backup say that a later Gaebar wrote its runtime, which also differs.
pub(crate) fn of_a_later_version(backup: &Path) {
    let version = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
    edit(backup, "gaebar-runtime/Cargo.toml", |text| text.replacen(&version, "version = \"99.9.9\"", 1));
    edit(backup, "gaebar-runtime/src/lib.rs", |text| format!("{text}\nmod later {{}}\n"));
}

#[test]
fn a_backup_that_verify_refuses_is_not_pulled() {
    let (folder, served) = served("pull-gate");
    let (remote, here) = (folder.join("backups/production"), folder.join("here/production"));
    let url = format!("http://{}", served.address);
    let good = files(&remote);
    let more = |text: &str| format!("{text}\n// more\n");
    type Change<'a> = Box<dyn Fn() + 'a>;
    let changes: Vec<(&str, Change)> = vec![
        ("gaebar-runtime/src/", Box::new(|| fs::remove_dir_all(remote.join("gaebar-runtime/src")).unwrap())),
        ("gaebar-runtime/src/lib.rs", Box::new(|| edit(&remote, "gaebar-runtime/src/lib.rs", more))),
        ("gaebar-runtime/src/evil.rs", Box::new(|| fs::write(remote.join("gaebar-runtime/src/evil.rs"), "").unwrap())),
        ("gaebar-runtime/Cargo.toml", Box::new(|| fs::remove_file(remote.join("gaebar-runtime/Cargo.toml")).unwrap())),
        ("Cargo.toml", Box::new(|| edit(&remote, "Cargo.toml", |text| format!("{text}\n[patch.crates-io]\n")))),
        ("Cargo.lock", Box::new(|| fs::remove_file(remote.join("Cargo.lock")).unwrap())),
        ("src/main.rs", Box::new(|| edit(&remote, "src/main.rs", more))),
        (
            "volumes/profile_0/src/lib.rs",
            Box::new(|| {
                edit(&remote, "volumes/profile_0/src/lib.rs", more);
                forge_file(&remote, "volumes/profile_0/src/lib.rs");
            }),
        ),
        // What a later version writes has a runtime, and is else as it is here.
        (
            "gaebar-runtime/",
            Box::new(|| {
                of_a_later_version(&remote);
                fs::remove_file(remote.join("gaebar-runtime/src/lib.rs")).unwrap();
            }),
        ),
        (
            "src/main.rs",
            Box::new(|| {
                of_a_later_version(&remote);
                edit(&remote, "src/main.rs", more);
            }),
        ),
        // It does not become unknown by calling itself like a release.
        (
            "gaebar-runtime/",
            Box::new(|| {
                of_a_later_version(&remote);
                edit(&remote, "gaebar-runtime/Cargo.toml", |text| text.replacen("99.9.9", "0.1.0", 1));
            }),
        ),
    ];
    for (at, (part, change)) in changes.iter().enumerate() {
        change();
        let (_, told) = run(&mut pull(&folder, &url), 1);
        assert!(told.contains("refused") && told.contains(part), "change {at}: {told}");
        assert!(!here.exists(), "change {at}");
        for (file, bytes) in files(&remote) {
            if good.get(&file) != Some(&bytes) {
                fs::remove_file(remote.join(file)).unwrap();
            }
        }
        for (file, bytes) in &good {
            fs::create_dir_all(remote.join(file).parent().unwrap()).unwrap();
            fs::write(remote.join(file), bytes).unwrap();
        }
    }
    run(&mut pull(&folder, &url), 0);
}

/// Has a kind's manifest say that a file is as it should be.
fn forge_file(backup: &Path, file: &str) {
    let old = KindManifest::read_all(backup).unwrap().into_iter().find(|kind| kind.files.contains_key(file)).unwrap();
    let mut all = old.files.clone();
    all.insert(file.to_owned(), Fingerprint::of(&fs::read(backup.join(file)).unwrap()));
    let new = KindManifest::new(&old.kind, &old.origin(), old.rows, old.next_row, all);
    fs::write(backup.join(&old.path), new.to_text()).unwrap();
}

#[test]
fn a_runtime_that_is_unknown_is_pulled_and_told() {
    let (folder, served) = served("pull-unknown");
    of_a_later_version(&folder.join("backups/production"));
    let url = format!("http://{}", served.address);
    let (said, told) = run(pull(&folder, &url).args(["--format", "json"]), 3);
    let pulled: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&pulled["event"], &pulled["unknown_runtime"]), (&json!("pulled"), &json!("99.9.9")));
    assert!(told.contains("its runtime is of Gaebar 99.9.9"), "{told}");
    // It is known of the backup from then on, whoever asks.
    for command in [&["verify", "here/production"][..], &["build", "here/production"]] {
        let (_, told) = run(&mut gaebar(&folder, command), 1);
        assert!(told.contains("gaebar-runtime: is of Gaebar 99.9.9") && told.contains("gaebar upgrade"), "{told}");
    }
    run(&mut gaebar(&folder, &["diff", "here/production", "backups/production"]), 0);
    run(&mut gaebar(&folder, &["upgrade", "here/production"]), 0);
    run(&mut gaebar(&folder, &["verify", "here/production"]), 0);
    // A backup that is here gets the entities, and has a runtime already.
    let (said, _) = run(pull(&folder, &url).args(["--format", "json"]), 0);
    let pulled: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&pulled["updated"], &pulled["unknown_runtime"]), (&json!(true), &Value::Null));
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

    // It is of another store, which has to be said before all of it comes.
    let before = backup(&folder.join("here/production"));
    let honest = Proxy::before(served.address, |_, raw| raw);
    let (_, told) = run(&mut pull(&folder, &format!("http://{}", honest.address)), 1);
    let part = "the backup here was taken from sqlite:same.db, and its ";
    assert!(told.contains(part) && told.contains("those of sqlite:other.db") && told.contains("--another-source"), "{told}");
    assert!(backup(&folder.join("here/production")) == before);
    let asked = honest.asked();
    assert!(asked.iter().any(|head| head.contains("/kinds/")) && !asked.iter().any(|head| head.contains(SHARD)), "{asked:?}");

    // One that lies changes nothing.
    let liar = Proxy::before(served.address, |path, mut raw| {
        let at = raw.len() - 2;
        raw[at] ^= u8::from(path.ends_with(SHARD));
        raw
    });
    let (_, told) = run(pull(&folder, &format!("http://{}", liar.address)).arg("--another-source"), 1);
    assert!(told.contains("does not have the hash"), "{told}");
    assert!(backup(&folder.join("here/production")) == before);

    let pulled = event(pull(&folder, &format!("http://{}", served.address)).arg("--another-source"));
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

#[test]
fn tokens_and_addresses_that_make_no_sense_are_told() {
    let (folder, served) = served("pull-tokens");
    let url = format!("http://{}", served.address);
    let mut without = pull(&folder, &url);
    let (_, told) = run(without.env_remove("GAEBAR_TOKEN"), 1);
    assert!(told.contains("asks for a token: ") && told.contains("--token-file"), "{told}");
    let (_, told) = run(pull(&folder, &url).env("GAEBAR_TOKEN", "another-token-altogether"), 1);
    assert!(told.contains("asks for another token than the one in GAEBAR_TOKEN"), "{told}");
    assert!(!told.contains("another-token-altogether"), "{told}");
    let (_, told) = run(&mut pull(&folder, "http://backups.example.com"), 1);
    assert!(told.contains("in the clear") && told.contains("--plain-http"), "{told}");
    fs::write(folder.join("token"), format!("{TOKEN}\n")).unwrap();
    let mut missing = gaebar(&folder, &["pull", &url, "nothing", "--token-file", "token"]);
    let (_, told) = run(missing.env_remove("GAEBAR_TOKEN"), 1);
    assert!(told.contains("answers 404: There is no backup") && !told.contains('{'), "{told}");
    // A name has an address and a token.
    fs::write(folder.join("gaebar.toml"), format!("[remotes.office]\nurl = \"{url}\"\ntoken-file = \"token\"\n")).unwrap();
    run(gaebar(&folder, &["pull", "office", "production", "here/office"]).env_remove("GAEBAR_TOKEN"), 0);
    // A name without one is sent none: what this machine's own page asks for is not for others.
    let asked = Proxy::before(served.address, |_, raw| raw);
    let remotes = format!(
        "[remotes.office]\nurl = \"{url}\"\ntoken-file = \"token\"\n[remotes.open]\nurl = \"http://{}\"\n",
        asked.address
    );
    fs::write(folder.join("gaebar.toml"), remotes).unwrap();
    let (_, told) = run(&mut pull(&folder, "open"), 1);
    assert!(told.contains("asks for a token: ") && told.contains("token-file in [remotes]"), "{told}");
    let is_sent = |head: &String| head.to_ascii_lowercase().contains("authorization");
    assert!(!asked.asked().is_empty() && !asked.asked().iter().any(is_sent), "{:?}", asked.asked());
    run(gaebar(&folder, &["pull", "open", "production", "here/open", "--token-file", "token"]).env_remove("GAEBAR_TOKEN"), 0);
    run(&mut gaebar(&folder, &["verify", "here/office"]), 0);
    // What is wrong with it is told of where it stands.
    fs::write(folder.join("token"), "another-token-altogether").unwrap();
    let place = "token, the token-file of [remotes.office] in gaebar.toml";
    let (_, told) = run(&mut pull(&folder, "office"), 1);
    assert!(told.contains(&format!("asks for another token than the one in {place}")), "{told}");
    fs::remove_file(folder.join("token")).unwrap();
    for command in [&["pull", "office", "production"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let (_, told) = run(&mut gaebar(&folder, command), 1);
        assert!(told.contains(&format!("there is no token in {place}: ")), "{told}");
    }
    fs::write(folder.join("token"), TOKEN).unwrap();
    let (_, told) = run(&mut pull(&folder, "http://127.0.0.1:1"), 1);
    assert!(told.contains("could not connect to http://127.0.0.1:1/") && !told.contains("downloaded"), "{told}");
    let (_, told) = run(&mut gaebar(&folder, &["pull", "elsewhere", "production"]), 1);
    assert!(told.contains("is no address of a Gaebar") && told.contains("[remotes] in gaebar.toml"), "{told}");
    run(gaebar(&folder, &["pull", &url, "../x", "--token-file", "token"]).env_remove("GAEBAR_TOKEN"), 2);
}
