//! What the command line says.

use std::fs;

use gaebar_tests::command::{folder, gaebar, run, workspace};

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
    assert!(text.contains("missing  Rust: no cargo"), "{text}");
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
