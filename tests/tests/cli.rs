//! What the command line says.

use std::fs;
use std::path::Path;

use gaebar_gen::fingerprint::Fingerprint;
use gaebar_gen::manifest::{KindManifest, Origin};
use gaebar_runtime::model::{Entity, Key, Properties};
use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_runtime::visible::escape_json;
use gaebar_tests::command::{folder, gaebar, run, workspace};
use gaebar_tests::needs;
use gaebar_tests::terminal::{HOSTILE, in_terminal, said};
use gaebar_tests::tree;

#[test]
fn help_says_what_it_said() {
    let folder = folder("help");
    let mut said = String::new();
    for command in [
        "", "demo", "seed", "backup", "build", "restore", "verify", "diff", "show", "merge", "upgrade", "list", "serve", "pull",
        "doctor",
    ] {
        let arguments: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let (help, _) = run(&mut gaebar(&folder, &arguments), 0);
        said.push_str(&format!("$ gaebar {}\n{help}\n", arguments.join(" ")));
    }
    let golden = workspace().join("tests/goldens/help.txt");
    if std::env::var_os("GAEBAR_UPDATE").is_some() {
        fs::create_dir_all(golden.parent().unwrap()).unwrap();
        fs::write(&golden, &said).unwrap();
    }
    let before = fs::read_to_string(golden).unwrap();
    let differs = said.lines().zip(before.lines()).find(|(now, before)| now != before);
    assert!(said == before, "the help says otherwise: {differs:?}; run with GAEBAR_UPDATE=1 if that is meant");
}

#[test]
fn wrong_usage_ends_with_2_and_other_errors_with_1() {
    let folder = folder("usage");
    for arguments in [&["backup"][..], &["restore", "x"], &["fly"], &["backup", "sqlite:x", "--rows-per-step", "0"]] {
        run(&mut gaebar(&folder, arguments), 2);
    }
    for (arguments, part) in [
        (&["backup", "nonsense"][..], "`nonsense` is no store"),
        (&["backup", "memory:"], "`memory:` is no store"),
        (&["backup", "sqlite:none.db", "x", "--read-time", "yesterday"], "--read-time"),
        (&["seed", "suite", "--to", "sqlite:x.db", "--rows", "3"], "--rows is for the headline set"),
        (&["restore", "--to", "sqlite:x.db", "--keys", "Profile/2", "backup"], "put it before --keys"),
        (&["serve", "--listen", "localhost:9000"], "such as 127.0.0.1:9000"),
        (&["serve", "--listen", "0.0.0.0:0", "--host", "https://example.com"], "expected a name alone"),
        (&["serve", "--listen", "0.0.0.0:0", "--host", "example.com:443"], "expected a name alone"),
    ] {
        let (_, error) = run(&mut gaebar(&folder, arguments), 2);
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
    for (arguments, part) in [
        (&["backup", "sqlite:none.db"][..], "there is no such file"),
        (&["restore", "nowhere", "--to", "sqlite:x.db"], "nowhere"),
        (&["build", "."], "is no backup"),
        (&["list", "nodir"], "there is no folder nodir"),
        (&["restore", "nowhere", "--to", "sqlite:none/x.db"], "there is no folder none"),
        (&["build", "nowhere", "--output", "none/x"], "there is no folder none"),
        (&["--config", "none.toml", "list", "."], "none.toml"),
    ] {
        let (_, error) = run(&mut gaebar(&folder, arguments), 1);
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
    fs::write(folder.join("gaebar.toml"), "[backup]\nshards = 3\n").unwrap();
    let (_, error) = run(&mut gaebar(&folder, &["list", "."]), 1);
    assert!(error.contains("gaebar.toml") && error.contains("unknown field `shards`"), "{error}");
    assert_eq!(error.matches("unknown field").count(), 1, "a cause is told once: {error}");
    for (settings, arguments, code, part) in [
        (
            "[stores]\nprod = \"datastor://x\"",
            &["backup", "prod"][..],
            2,
            "[stores] prod in gaebar.toml: `datastor://x` is no store",
        ),
        (
            "[restore]\ntargets = [\"stagin\"]",
            &["seed", "suite", "--to", "sqlite:x"],
            2,
            "[restore] targets in gaebar.toml: `stagin`",
        ),
        ("[state]\nstore = \"stat\"", &["serve", "--listen", "127.0.0.1:0"], 2, "[state] store in gaebar.toml: `stat`"),
        ("[remotes]\noffice = \"http://x\"", &["serve"], 1, "expected `[remotes.NAME]` with `url`"),
        ("[remotes.office]\nurl = \"http://x\"\ntoken-file = \"nofile\"", &["serve"], 1, "there is no token in "),
    ] {
        fs::write(folder.join("gaebar.toml"), settings).unwrap();
        let (_, error) = run(&mut gaebar(&folder, arguments), code);
        assert!(error.contains(part), "{settings}: {error}");
    }
}

#[test]
fn paths_in_the_settings_are_from_their_own_folder() {
    let folder = folder("settings-elsewhere");
    let below = folder.join("below");
    fs::create_dir(&below).unwrap();
    let settings = "[stores]\nstaging = \"sqlite:staging.db\"\n[restore]\ntargets = [\"staging\", \"sqlite:./local.db\"]\n\
                    [remotes.office]\nurl = \"https://localhost:9/\"\ntoken-file = \"token\"\n";
    fs::write(folder.join("gaebar.toml"), settings).unwrap();
    for (to, made) in [("staging", "staging.db"), ("sqlite:../local.db", "local.db"), ("sqlite:.././staging.db", "staging.db")] {
        run(&mut gaebar(&below, &["--config", "../gaebar.toml", "seed", "suite", "--to", to]), 0);
        assert!(folder.join(made).exists() && fs::read_dir(&below).unwrap().next().is_none(), "{to}");
    }
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:below/../local.db"]), 0);
    // The same name in another folder is another store.
    let (_, error) = run(&mut gaebar(&below, &["--config", "../gaebar.toml", "seed", "suite", "--to", "sqlite:local.db"]), 2);
    assert!(error.contains("may not be restored to"), "{error}");
    let (_, error) = run(&mut gaebar(&below, &["--config", "../gaebar.toml", "pull", "office", "nightly"]), 1);
    assert!(error.contains("../token"), "{error}");
}

#[test]
fn a_sample_is_written_only_where_a_restore_may_go() {
    let folder = folder("seed-guard");
    let seed = |to: &str| {
        let mut command = gaebar(&folder, &["seed", "suite", "--to", to]);
        run(command.stdin(std::process::Stdio::null()), 2).1
    };
    let error = seed("datastore://my-app");
    assert!(error.contains("datastore://my-app is a real project") && error.contains("--yes"), "{error}");
    fs::write(folder.join("gaebar.toml"), "[restore]\ntargets = [\"sqlite:local.db\"]\n").unwrap();
    let error = seed("sqlite:production.db");
    assert!(error.contains("may not be restored to") && !folder.join("production.db").exists(), "{error}");
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let folder = folder("no-store");
    fs::write(folder.join("notes.txt"), "These are notes, and no database at all. ".repeat(20)).unwrap();
    let (_, error) = run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:notes.txt"]), 1);
    assert!(error.contains("not a database"), "{error}");
    assert!(fs::read_to_string(folder.join("notes.txt")).unwrap().starts_with("These are notes"));
}

#[test]
fn doctor_names_what_is_there_and_what_is_missing() {
    let folder = folder("doctor");
    let (text, _) = run(&mut gaebar(&folder, &["doctor"]), 0);
    for part in ["Rust: cargo 1.", "C compiler: ", "build folder: ", "DATASTORE_EMULATOR_HOST is not set", "credentials: "] {
        assert!(text.contains(part), "{part:?} is missing:\n{text}");
    }
    let (text, _) = run(gaebar(&folder, &["doctor"]).env("CARGO", "/nonexistent/cargo"), 1);
    assert!(text.contains("missing  Rust: could not run cargo"), "{text}");
}

#[test]
fn the_demo_shows_a_row_and_where_to_look() {
    let folder = folder("demo");
    let (_, said) = run(&mut gaebar(&folder, &["demo", "here"]), 0);
    for part in [
        "500 entities, all equal bit for bit",
        "pub fn row_1() -> Order {",
        "here/backups/production/volumes/order_0/src/shard_0.rs",
        "Try next:",
    ] {
        assert!(said.contains(part), "{part:?} is missing:\n{said}");
    }
    let (_, error) = run(&mut gaebar(&folder, &["demo", "here"]), 1);
    assert!(error.contains("name a folder that does not exist"), "{error}");
}

/// A pipe that is closed early ends nothing; a disk that is full does.
#[cfg(unix)]
#[test]
fn closed_pipes_are_no_error_and_full_disks_are() {
    let folder = folder("pipes");
    let sh = |script: &str, code: i32| {
        let mut shell = std::process::Command::new("sh");
        gaebar_tests::command::clean(&mut shell)
            .args(["-c", script])
            .current_dir(&folder)
            .env("GAEBAR", gaebar_tests::command::binary());
        run(&mut shell, code)
    };
    sh("$GAEBAR seed suite --to sqlite:store.db 2>&1 | true; $GAEBAR backup sqlite:store.db backup 2>&1 | true", 0);
    sh("$GAEBAR list backup | head -1", 0);
    if std::path::Path::new("/dev/full").exists() {
        let (_, error) = sh("$GAEBAR list backup > /dev/full", 1);
        assert!(error.contains("No space left"), "{error}");
        sh("$GAEBAR list backup --format json > /dev/full", 1);
    }
}

#[test]
fn a_database_of_somebody_elses_is_left_as_it_is() {
    let folder = folder("foreign");
    let path = folder.join("theirs.db");
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign.execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1);").unwrap();
    drop(foreign);
    let before = fs::read(&path).unwrap();
    for arguments in [&["seed", "suite", "--to", "sqlite:theirs.db"][..], &["backup", "sqlite:theirs.db", "backup"]] {
        let (_, error) = run(&mut gaebar(&folder, arguments), 1);
        assert!(error.contains("none that this version of Gaebar wrote"), "{error}");
    }
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn a_store_that_something_else_changed_is_not_backed_up() {
    let folder = folder("changed");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:sound.db"]), 0);
    let another = "entity = (SELECT entity FROM entities WHERE rowid = 8)";
    for (change, told) in [
        ("entity = x'ff'", "damaged"),
        (another, "stands in the place of another entity"),
        ("key = x'00'", "holds another entity"),
        ("kind = 'Another'", "holds another entity"),
    ] {
        fs::copy(folder.join("sound.db"), folder.join("store.db")).unwrap();
        let store = rusqlite::Connection::open(folder.join("store.db")).unwrap();
        store.execute(&format!("UPDATE entities SET {change} WHERE rowid = 7"), []).unwrap();
        drop(store);
        let (_, error) = run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 1);
        assert!(error.contains(told), "{change}: {error}");
        assert!(!folder.join("backup").exists(), "{change}");
    }
}

/// A store with entities of which everything is hostile.
fn hostile_store(path: &Path, rows: i64) {
    let of = |id: i64| {
        let key = Key::root(HOSTILE, format!("{HOSTILE}{id}")).in_namespace(HOSTILE);
        Entity::new(key, Properties::from([(HOSTILE.to_owned(), HOSTILE.into())])).unwrap()
    };
    SqliteStore::open_or_create(path).unwrap().upsert(&(0..rows).map(of).collect::<Vec<_>>()).unwrap();
}

/// A manifest of a kind as a forger would write it, with the hash that belongs to it.
fn forge(backup: &Path, change: impl FnOnce(&mut KindManifest)) {
    let mut kind = KindManifest::read_all(backup).unwrap().remove(0);
    change(&mut kind);
    let origin = Origin {
        source: kind.source.clone(),
        read_time: kind.read_time.clone(),
        consistent: kind.consistent,
        namespaces: kind.namespaces.clone(),
    };
    let text = KindManifest::new(&kind.kind, &origin, kind.rows, kind.next_row, kind.files.clone()).to_text();
    fs::write(backup.join(&kind.path), text).unwrap();
}

/// JSON with the hostile name where `@` stands, all of it ASCII as in manifests.
fn json(text: &str) -> String {
    let name = escape_json(&serde_json::to_string(HOSTILE).unwrap(), |c| !c.is_ascii());
    text.replace('@', name.trim_matches('"'))
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The record of an update that would replace a file with the hostile name.
fn record() -> String {
    let record = |sha256: &str| serde_json::json!({ "moves": [HOSTILE], "removes": [], "sha256": sha256 }).to_string();
    record(Fingerprint::of(record("").as_bytes()).sha256())
}

#[cfg(unix)]
#[test]
fn nothing_in_a_backup_writes_to_the_terminal_what_it_likes() {
    use std::os::unix::fs::symlink;
    type Change = fn(&Path);
    let folder = folder("hostile-backup");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:store.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "sound", "--kinds", "Profile"]), 0);
    let sound = tree::files(&folder.join("sound"));
    let places: [(&str, Change); 19] = [
        ("an unknown field", |b| write(&b.join("manifest.json"), &json("{\"format\":1,\"name\":\"b\",\"@\":1}"))),
        ("a backup's name", |b| write(&b.join("manifest.json"), &json("{\n  \"format\": 1,\n  \"name\": \"@\"\n}\n"))),
        ("a value of another type", |b| write(&b.join("manifest.json"), &json("{\"format\":\"@\",\"name\":\"b\"}"))),
        ("a kind's unknown field", |b| write(&b.join("kinds/profile.json"), &json("{\"kind\":\"Profile\",\"@\":1}"))),
        ("a source", |b| forge(b, |kind| HOSTILE.clone_into(&mut kind.source))),
        ("a source's file", |b| forge(b, |kind| kind.source = format!("sqlite:{HOSTILE}"))),
        ("a read time", |b| forge(b, |kind| HOSTILE.clone_into(&mut kind.read_time))),
        ("a kind", |b| forge(b, |kind| HOSTILE.clone_into(&mut kind.kind))),
        ("a kind's file", |b| forge(b, |kind| drop(kind.files.insert(HOSTILE.to_owned(), Fingerprint::of(b""))))),
        ("a kind's manifest's name", |b| {
            fs::copy(b.join("kinds/profile.json"), b.join(format!("kinds/{HOSTILE}.json"))).map(drop).unwrap()
        }),
        ("an update's unknown field", |b| write(&b.join(".gaebar/update/commit.json"), &json("{\"@\":1}"))),
        ("an update's file", |b| write(&b.join(".gaebar/update/commit.json"), &record())),
        ("a file", |b| write(&b.join(HOSTILE), "")),
        ("a folder", |b| write(&b.join("src").join(HOSTILE).join(HOSTILE), "")),
        ("a link", |b| symlink(HOSTILE, b.join(HOSTILE)).unwrap()),
        ("a link in a file's place", |b| {
            fs::remove_file(b.join("models/src/profile.rs")).unwrap();
            symlink(HOSTILE, b.join("models/src/profile.rs")).unwrap();
        }),
        ("a shard", |b| {
            let shard = b.join("volumes/profile_0/src/shard_0.rs");
            fs::write(&shard, fs::read_to_string(&shard).unwrap().replace("Narcissus", HOSTILE)).unwrap();
        }),
        ("a model", |b| fs::write(b.join("models/src/profile.rs"), format!("// {HOSTILE}\n{HOSTILE}")).unwrap()),
        ("a manifest for cargo", |b| fs::write(b.join("Cargo.toml"), format!("# {HOSTILE}\n[{HOSTILE}]")).unwrap()),
    ];
    let commands: [&[&str]; 9] = [
        &["verify", "b"],
        &["list", "b"],
        &["show", "b", "Profile/2"],
        &["diff", "b", "sqlite:store.db"],
        &["restore", "b", "--to", "sqlite:to.db", "--interpret", "--dry-run"],
        &["build", "b"],
        &["merge", "b"],
        &["upgrade", "b"],
        &["backup", "sqlite:store.db", "b", "--kinds", "Profile"],
    ];
    let mut told = 0;
    for (at, (place, change)) in places.into_iter().enumerate() {
        let backup = folder.join("b");
        let _ = fs::remove_dir_all(&backup);
        for (file, bytes) in &sound {
            fs::create_dir_all(backup.join(file).parent().unwrap()).unwrap();
            fs::write(backup.join(file), bytes).unwrap();
        }
        change(&backup);
        let mut all = String::new();
        for (of, arguments) in commands.into_iter().enumerate() {
            let format = ["text", "json"][(at + of) % 2];
            // Without a compiler: how a build begins is enough.
            all += &said(gaebar(&folder, arguments).args(["--format", format, "--verbose"]).env("CARGO", "/nonexistent"));
        }
        told += u32::from(all.contains("FORGED"));
        println!("{place}: {}", all.lines().find(|line| line.contains("FORGED")).unwrap_or_default());
    }
    // Else the table would try nothing.
    assert!(told > 12, "{told} places were told of");
    fs::rename(folder.join("sound"), folder.join(HOSTILE)).unwrap();
    for arguments in commands {
        let arguments = arguments.iter().map(|argument| if *argument == "b" { HOSTILE } else { argument });
        said(gaebar(&folder, &arguments.collect::<Vec<_>>()).env("CARGO", "/nonexistent"));
    }
}

#[test]
fn fields_of_manifests_that_gaebar_would_not_write_are_refused() {
    let folder = folder("hostile-fields");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:store.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "b", "--kinds", "Profile"]), 0);
    let backup = folder.join("b");
    let kind = KindManifest::read_all(&backup).unwrap().remove(0);
    let forged = |origin: Origin| {
        let text = KindManifest::new(&kind.kind, &origin, kind.rows, kind.next_row, kind.files.clone()).to_text();
        fs::write(backup.join(&kind.path), text).unwrap();
    };
    for time in ["", "yesterday", "2026-11-24", "2026-11-24T15:37:41+00:00", "2026-11-24T15:37:41Z\n"] {
        forged(Origin { read_time: time.to_owned(), ..kind.origin() });
        let (_, error) = run(&mut gaebar(&folder, &["verify", "b"]), 1);
        assert!(error.contains("kinds/profile.json") && error.contains("is no time as Gaebar writes it"), "{time:?}: {error}");
    }
    for source in
        ["", "production", "sqlite:", "sqlite:\u{1b}[2K", "datastore://", "datastore://a b", "datastore://a (a real project)"]
    {
        forged(Origin { source: source.to_owned(), ..kind.origin() });
        let (_, error) = run(&mut gaebar(&folder, &["list", "b"]), 1);
        assert!(error.contains("kinds/profile.json") && error.contains("is no store as Gaebar writes it"), "{source:?}: {error}");
    }
    for source in ["sqlite:a b.db", "datastore://my-app", "datastore://my-app/named (emulator)"] {
        forged(Origin { source: source.to_owned(), ..kind.origin() });
        run(&mut gaebar(&folder, &["verify", "b"]), 0);
    }
    // What this Gaebar itself writes it reads, whatever a file is called.
    #[cfg(unix)]
    {
        fs::rename(folder.join("store.db"), folder.join(HOSTILE)).unwrap();
        said(&mut gaebar(&folder, &["backup", &format!("sqlite:{HOSTILE}"), "c", "--kinds", "Profile"]));
        run(&mut gaebar(&folder, &["verify", "c"]), 0);
    }
}

#[test]
fn no_argument_or_setting_or_entity_writes_to_the_terminal() {
    let folder = folder("hostile-arguments");
    hostile_store(&folder.join("store.db"), 3);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "b"]), 0);
    SqliteStore::open_or_create(&folder.join("empty.db")).unwrap();
    let (key, store) = (format!("'{HOSTILE}'/1"), format!("sqlite:{HOSTILE}/x.db"));
    let commands: [&[&str]; 22] = [
        &[HOSTILE],
        &["list", "b", HOSTILE],
        &["list", "b", &format!("--{HOSTILE}")],
        &["list", HOSTILE],
        &["backup", HOSTILE],
        &["backup", "sqlite:store.db", "x", "--rows-per-step", HOSTILE],
        &["backup", "sqlite:store.db", "x", "--read-time", HOSTILE],
        &["backup", "sqlite:store.db", "x", "--kinds", HOSTILE],
        &["backup", "sqlite:store.db", "y", "--verbose"],
        &["backup", "datastore://my-app", "z"],
        &["restore", "b", "--interpret", "--dry-run", "--to", "sqlite:to.db"],
        &["restore", "b", "--interpret", "--to", "sqlite:to.db"],
        &["restore", "b", "--interpret", "--to", &store],
        &["restore", "b", "--interpret", "--to", "sqlite:to.db", "--under", &key],
        &["show", "b", &key],
        &["show", "b", HOSTILE],
        &["diff", "b", "sqlite:empty.db"],
        &["diff", "b", "sqlite:empty.db", "--stat"],
        &["verify", "b"],
        &["pull", HOSTILE, "b"],
        &["pull", "http://127.0.0.1:9", HOSTILE, "w"],
        &["serve", "--listen", "0.0.0.0:0", "--host", HOSTILE],
    ];
    for arguments in commands {
        for format in ["text", "json"] {
            said(gaebar(&folder, arguments).args(["--format", format]).env("DATASTORE_EMULATOR_HOST", HOSTILE));
        }
    }
    let json = serde_json::to_string(HOSTILE).unwrap();
    for settings in [
        format!("[stores]\n{json} = \"sqlite:x\""),
        format!("[stores]\nx = {json}"),
        format!("[backup]\n{json} = 1"),
        format!("[remotes]\n{json} = {{ url = \"http://x\" }}"),
        "# \u{1b}[2K\u{202e}\n[[x".to_owned(),
        HOSTILE.to_owned(),
    ] {
        fs::write(folder.join("gaebar.toml"), settings).unwrap();
        for arguments in [&["list", "b"][..], &["backup", "x", "v"]] {
            said(&mut gaebar(&folder, arguments));
        }
    }
    fs::remove_file(folder.join("gaebar.toml")).unwrap();
    // Nothing is lost for programs.
    let kinds = said(gaebar(&folder, &["list", "b"]).args(["--format", "json"]));
    let kind: serde_json::Value = serde_json::from_str(kinds.lines().next().unwrap()).unwrap();
    assert_eq!(kind["kind"], HOSTILE);
}

#[test]
fn a_terminal_gets_gaebars_own_styles_and_no_others() {
    if !needs::programs(&["script"]) {
        return;
    }
    let folder = folder("hostile-bars");
    hostile_store(&folder.join("store.db"), 3_000);
    let foreign = ["\u{1b}]", "\u{7}", "\u{9b}", "\u{85}", "\u{202e}", "\u{2028}", "\nFORGED"];
    let tell = |arguments: &[&str]| {
        let told = in_terminal(&gaebar(&folder, arguments));
        assert!(!foreign.iter().any(|text| told.contains(text)), "{arguments:?} wrote {told:?}");
        told
    };
    let bars = tell(&["backup", "sqlite:store.db", "b"]);
    assert!(bars.contains("rows/s  \\u{1b}[2K") || bars.contains("left  \\u{1b}[2K"), "no bar names the kind: {bars:?}");
    tell(&["restore", "b", "--interpret", "--to", "sqlite:to.db"]);
    tell(&["list", "b"]);
    tell(&[HOSTILE]);
    tell(&["list", HOSTILE]);
    assert!(tell(&["fly"]).contains("\u{1b}[1m"), "clap's own colours are lost");
}
