//! What is compiled, and by which programs, whatever lies in the cache and in the folders above it; and backups of gigabytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gaebar_gen::fingerprint::Fingerprint;
use gaebar_gen::memo::{Memo, entity_hash};
use gaebar_gen::verify::{JustLooking, verify};
use gaebar_runtime::model::{Entity, Key};
use gaebar_runtime::proto;
use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::forge::forge;

const SHARD: &str = "volumes/note_0/src/shard_0.rs";

fn note(id: i64, text: &str) -> Entity {
    Entity::new(Key::root("Note", id), [("text".to_owned(), text.into())].into()).unwrap()
}

/// `gaebar` with its cache in the folder where it works, as in a checkout.
fn in_checkout(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = gaebar(folder, arguments);
    command.env("GAEBAR_CACHE_DIR", ".cache");
    command
}

/// A backup of two notes, made with the cache in the folder.
fn small_backup(folder: &Path) -> PathBuf {
    let store = SqliteStore::open_or_create(&folder.join("store.db")).unwrap();
    store.upsert(&[note(1, "one"), note(2, "two")]).unwrap();
    run(&mut in_checkout(folder, &["backup", "sqlite:store.db", "backup"]), 0);
    folder.join("backup")
}

fn git(folder: &Path, arguments: &[&str]) {
    run(Command::new("git").current_dir(folder).args(arguments), 0);
}

/// Makes a program of a script.
#[cfg(unix)]
fn program(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Settings for cargo with a wrapper of rustc.
#[cfg(unix)]
fn with_wrapper(settings: &str, wrapper: &Path) -> String {
    format!("[build]\nrustc-wrapper = {wrapper:?}\n{settings}")
}

#[cfg(unix)]
#[test]
fn folders_above_the_cache_decide_nothing() {
    let folder = folder("cache-above");
    let backup = small_backup(&folder);
    let evil = folder.join("evil");
    for name in ["bin/cargo", "bin/rustc", "wrapper"] {
        program(&evil.join(name), &format!("echo \"$0 $*\" >> '{}'; exit 1", folder.join("was-run").display()));
    }
    fs::create_dir_all(folder.join(".cargo")).unwrap();
    let linker = format!("[target.'cfg(all())']\nlinker = {:?}\n", evil.join("wrapper"));
    fs::write(folder.join(".cargo/config.toml"), with_wrapper(&linker, &evil.join("wrapper"))).unwrap();
    fs::write(folder.join("rust-toolchain.toml"), format!("[toolchain]\npath = {evil:?}\n")).unwrap();

    // The user's own settings count, wherever the user has them.
    let mine = folder.join("mine/wrapper");
    program(&mine, &format!("echo >> '{}'; exec \"$@\"", folder.join("mine-was-run").display()));
    let home = std::env::var_os("CARGO_HOME").map_or_else(|| std::env::home_dir().unwrap().join(".cargo"), PathBuf::from);
    let up: PathBuf = folder.components().skip(1).map(|_| "..").collect();
    let relative_home = up.join(home.strip_prefix("/").unwrap());

    // Each of another name, so that it is compiled.
    let cargo = std::env::var("CARGO").unwrap();
    for (name, variables) in [
        ("usual", &[][..]),
        ("real-cargo", &[("CARGO", cargo.as_str())]),
        ("home", &[("CARGO_HOME", relative_home.to_str().unwrap())]),
        ("wrapper", &[("RUSTC_WRAPPER", "mine/wrapper")]),
    ] {
        fs::create_dir(folder.join(name)).unwrap();
        run(Command::new("cp").arg("-r").args([&backup, &folder.join(name)]), 0);
        let mut build = in_checkout(&folder, &["build", &format!("{name}/backup")]);
        build.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").envs(variables.iter().copied());
        let dependencies = event(&mut build)["dependencies"].as_u64().unwrap();
        assert!(dependencies == 0 || name == "usual", "{name}: what is compiled anew is the runtime, once");
        assert!(!folder.join("was-run").exists(), "{name}: {}", fs::read_to_string(folder.join("was-run")).unwrap());
        assert_eq!(folder.join("mine-was-run").exists(), name == "wrapper", "{name}");
    }
    fs::create_dir(folder.join("settings")).unwrap();
    program(&mine, "echo this is mine >&2; exit 1");
    fs::write(folder.join("settings/config.toml"), with_wrapper("", &mine)).unwrap();
    let (_, error) = run(in_checkout(&folder, &["build", "backup"]).env("CARGO_HOME", "settings"), 1);
    assert!(error.contains("this is mine"), "{error}");
    run(in_checkout(&folder, &["doctor"]).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN"), 0);
    assert!(!folder.join("was-run").exists());
}

#[test]
fn a_planted_memo_lets_nothing_past_the_gate() {
    let folder = folder("cache-planted");
    let backup = small_backup(&folder);
    let good = fs::read_to_string(backup.join(SHARD)).unwrap();
    let evil = good.replace("\"one\"", "{ let _ = std::fs::write(\"was-run\", \"\"); \"one\" }");
    assert_ne!(good, evil);
    forge(&backup, &backup.join(SHARD), &evil, 0);
    let memo = |shard: &str| folder.join(".cache/rows").join(Fingerprint::of(shard.as_bytes()).sha256());
    fs::rename(memo(&good), memo(&evil)).unwrap();
    for arguments in [&["build", "backup"][..], &["restore", "backup", "--to", "sqlite:restored.db"]] {
        let (_, error) = run(&mut in_checkout(&folder, arguments), 1);
        assert!(error.contains("the backup is refused"), "{error}");
    }
    assert!(!folder.join("was-run").exists() && !folder.join("restored.db").exists());
}

#[test]
fn a_cache_that_git_tracks_is_not_used() {
    let folder = folder("cache-tracked");
    let backup = small_backup(&folder);
    // The memo says of the row that there is that it is of the entity that comes next.
    let changed = note(1, "changed");
    SqliteStore::open_or_create(&folder.join("store.db")).unwrap().upsert(std::slice::from_ref(&changed)).unwrap();
    let verified = verify(&backup, &JustLooking).unwrap();
    let kind = &verified.contents().kinds[0];
    let memo = Memo::new(&folder.join(".cache"));
    let mut rows = memo.recall(&kind.shards[0].accepted, &kind.kind).unwrap();
    rows[0].entity = Some(entity_hash(&proto::encode(&changed)));
    memo.keep(&kind.shards[0].accepted, &kind.kind, rows);
    git(&folder, &["init", "--quiet"]);
    // What git does not track is nobody else's.
    run(&mut in_checkout(&folder, &["doctor"]), 0);
    git(&folder, &["add", "--force", ".cache/rows"]);

    let (_, said) = run(&mut in_checkout(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    assert!(said.contains("note: could not use the folder") && said.contains("updates take longer"), "{said}");
    assert!(fs::read_to_string(backup.join(SHARD)).unwrap().contains("\"changed\""), "the memo was believed");
    // As git sets variables for its hooks.
    for (variable, value) in [("GAEBAR", ""), ("GIT_INDEX_FILE", "none"), ("GIT_DIR", "/nowhere")] {
        let (_, error) = run(in_checkout(&folder, &["build", "backup"]).env(variable, value), 1);
        assert!(error.contains("git tracks \"rows/") && error.contains("set GAEBAR_CACHE_DIR to a folder"), "{error}");
    }
    let (said, _) = run(&mut in_checkout(&folder, &["doctor"]), 1);
    assert!(said.contains("missing  build folder: ") && said.contains("git tracks"), "{said}");

    // Likewise what says that rows were restored already.
    let restore = ["restore", "backup", "--to", "sqlite:restored.db", "--interpret", "--resume"];
    let resume = |code| run(in_checkout(&folder, &restore).env("GAEBAR_STATE_DIR", ".state"), code).1;
    fs::create_dir(folder.join(".state")).unwrap();
    fs::write(folder.join(".state/planted.journal"), "").unwrap();
    assert!(resume(1).contains("there is no interrupted restore"));
    git(&folder, &["add", ".state"]);
    let error = resume(1);
    assert!(error.contains("git tracks \"planted.journal\"") && error.contains("set GAEBAR_STATE_DIR"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_cache_that_others_can_write_is_refused() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    let folder = folder("cache-writable");
    let outer = folder.join("outer");
    let cache = outer.join("cache");
    fs::create_dir_all(cache.join("rows")).unwrap();
    let set = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let doctor = |code: i32| run(gaebar(&folder, &["doctor"]).env("GAEBAR_CACHE_DIR", &cache), code).0;
    for (path, mode, is_refused) in [
        (&cache, 0o777, true),
        (&cache, 0o1777, true),
        (&cache.join("rows"), 0o777, true),
        (&outer, 0o777, true),
        (&outer, 0o1777, false),
        (&outer, 0o755, false),
    ] {
        set(path, mode);
        let said = doctor(i32::from(is_refused));
        let told = format!("others can write to {}", path.display());
        assert_eq!(said.contains(&told) && said.contains("set GAEBAR_CACHE_DIR"), is_refused, "{mode:o}: {said}");
        set(path, 0o755);
    }
    // Whoever it belongs to can write to it.
    if cache.metadata().unwrap().uid() == 0 {
        for (path, owner, group, mode) in
            [(&cache, Some(4711), None, 0o700), (&outer, Some(4711), None, 0o755), (&cache, None, Some(4711), 0o770)]
        {
            chown(path, owner, group).unwrap();
            set(path, mode);
            let said = doctor(1);
            let told = if owner.is_some() { "belongs to user 4711" } else { "others can write to" };
            assert!(said.contains(told), "{said}");
            chown(path, Some(0), Some(0)).unwrap();
            set(path, 0o755);
        }
    }
    doctor(0);
    set(&cache, 0o777);
    small_backup(&folder);
    let (_, error) = run(gaebar(&folder, &["build", "backup"]).env("GAEBAR_CACHE_DIR", &cache), 1);
    assert!(error.contains("others can write to"), "{error}");
}

/// As of a backup of gigabytes, constants stand apart, and dependencies are those that smaller backups have.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn constants_of_a_large_backup_stand_apart() {
    let folder = folder("cache-large");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:store.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    let build = |large_from: &str, output: &str| {
        let mut command = gaebar(&folder, &["build", "backup", "--output", output]);
        program(&folder.join("wrapper"), &format!("echo >> '{}'; exec \"$@\"", folder.join("was-run").display()));
        command.env("GAEBAR_LARGE_FROM", large_from).env("RUSTC_WORKSPACE_WRAPPER", "./wrapper");
        let built = event(&mut command);
        assert!(fs::remove_file(folder.join("was-run")).is_ok(), "the user's own wrapper is left out");
        built
    };
    let is_apart = |binary: &str| fs::read(folder.join(binary)).unwrap().windows(9).any(|bytes| bytes == b".lrodata\0");
    build("1000000000", "usual");
    assert!(!is_apart("usual"));
    assert_eq!(build("0", "large")["dependencies"], 0, "what others have compiled is not compiled again");
    assert!(is_apart("large"));
    let mut restore = Command::new(folder.join("large"));
    run(restore.current_dir(&folder).args(["--to", "sqlite:restored.db", "--journal", "journal"]), 0);
    run(&mut gaebar(&folder, &["diff", "sqlite:store.db", "sqlite:restored.db"]), 0);
}
