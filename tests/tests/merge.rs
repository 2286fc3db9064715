//! Two people back up on branches of their own, and git merges what they have.

use std::fs;
use std::path::Path;
use std::process::Command;

use gaebar_runtime::model::{Entity, Key, Properties};
use gaebar_runtime::store::{SqliteStore, Store};
use gaebar_tests::command::{folder, gaebar, run};

fn git(folder: &Path, arguments: &[&str], code: i32) -> String {
    run(Command::new("git").current_dir(folder).args(arguments), code).0
}

fn put(folder: &Path, kind: &str, id: i64, text: &str) {
    let properties = Properties::from([("text".to_owned(), text.into())]);
    let entity = Entity::new(Key::root(kind, id), properties).unwrap();
    SqliteStore::open_or_create(&folder.join("store.db")).unwrap().upsert(&[entity]).unwrap();
}

/// A backup of kinds M and N on `main`, in a git repository that does not hold the store.
fn repository(test: &str) -> std::path::PathBuf {
    let folder = folder(test);
    for kind in ["M", "N"] {
        for id in 1..=20 {
            put(&folder, kind, id, "as it was");
        }
    }
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    git(&folder, &["init", "--quiet", "--initial-branch", "main"], 0);
    git(&folder, &["config", "user.name", "Reviewer"], 0);
    git(&folder, &["config", "user.email", "reviewer@example.com"], 0);
    commit(&folder);
    folder
}

fn commit(folder: &Path) {
    git(folder, &["add", "backup"], 0);
    git(folder, &["commit", "--quiet", "--message", "a backup"], 0);
}

/// On a branch that begins at `main`, changes the store and backs up just these kinds.
fn branch(folder: &Path, name: &str, kinds: &str, change: impl Fn()) {
    git(folder, &["switch", "--quiet", "--create", name, "main"], 0);
    change();
    run(&mut gaebar(folder, &["backup", "sqlite:store.db", "backup", "--allow-empty", "--kinds", kinds]), 0);
    commit(folder);
}

#[test]
fn backups_of_different_kinds_merge_without_a_conflict() {
    let folder = repository("merge");
    branch(&folder, "mine", "M,Alpha,Zeta", || {
        put(&folder, "M", 3, "mine");
        put(&folder, "Alpha", 1, "mine");
        put(&folder, "Zeta", 1, "mine");
    });
    branch(&folder, "theirs", "N,Beta", || {
        put(&folder, "N", 3, "theirs");
        put(&folder, "Beta", 1, "theirs");
    });
    git(&folder, &["switch", "--quiet", "mine"], 0);
    git(&folder, &["merge", "--quiet", "--no-edit", "theirs"], 0);
    let (said, _) = run(&mut gaebar(&folder, &["merge", "backup", "--format", "json"]), 0);
    assert!(said.contains("\"event\":\"merged\"") && said.contains("\"event\":\"verified\""), "{said}");
    let (said, _) = run(&mut gaebar(&folder, &["merge", "backup", "--format", "json"]), 0);
    assert!(said.contains("\"changed\":[]"), "the second time there is nothing to do: {said}");
    // What comes out is what one person would have, and it compiles.
    run(&mut gaebar(&folder, &["diff", "backup", "sqlite:store.db"]), 0);
    run(&mut gaebar(&folder, &["restore", "backup", "--to", "sqlite:restored.db"]), 0);
    run(&mut gaebar(&folder, &["diff", "sqlite:restored.db", "sqlite:store.db"]), 0);
}

#[test]
fn backups_of_one_kind_conflict_and_one_side_is_taken() {
    let folder = repository("merge-conflict");
    branch(&folder, "mine", "M", || put(&folder, "M", 3, "mine"));
    branch(&folder, "theirs", "M,Beta", || {
        put(&folder, "M", 3, "theirs");
        put(&folder, "Beta", 1, "theirs");
    });
    git(&folder, &["switch", "--quiet", "mine"], 0);
    git(&folder, &["merge", "--quiet", "--no-edit", "theirs"], 1);
    for command in ["merge", "verify", "list"] {
        let (_, error) = run(&mut gaebar(&folder, &[command, "backup"]), 1);
        assert!(error.contains("kinds/m.json has conflict markers") && error.contains("--take ours"), "{error}");
    }
    run(&mut gaebar(&folder, &["merge", "backup", "--take", "theirs"]), 0);
    run(&mut gaebar(&folder, &["diff", "backup", "sqlite:store.db"]), 0);
}

/// What was covered merges like rows: by kind, or one side's is taken.
#[test]
fn what_is_covered_merges_by_kind_or_is_taken() {
    let folder = repository("merge-covered");
    branch(&folder, "mine", "Alpha", || ());
    branch(&folder, "theirs", "Beta", || put(&folder, "Beta", 1, "theirs"));
    git(&folder, &["switch", "--quiet", "mine"], 0);
    git(&folder, &["merge", "--quiet", "--no-edit", "theirs"], 0);
    run(&mut gaebar(&folder, &["merge", "backup"]), 0);
    let library = fs::read_to_string(folder.join("backup/src/lib.rs")).unwrap();
    for kind in ["Alpha", "Beta", "M", "N"] {
        assert!(library.contains(&format!("        (\"{kind}\", Backup::ALL),\n")), "{library}");
    }

    fs::remove_dir_all(folder.join("backup")).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup", "--kinds", "M,N,Beta"]), 0);
    git(&folder, &["switch", "--quiet", "--create", "part"], 0);
    commit(&folder);
    for (side, log) in [("our-logs", "Log"), ("their-logs", "Trace")] {
        git(&folder, &["switch", "--quiet", "--create", side, "part"], 0);
        run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup", "--exclude-kinds", log]), 0);
        commit(&folder);
    }
    git(&folder, &["switch", "--quiet", "our-logs"], 0);
    git(&folder, &["merge", "--quiet", "--no-edit", "their-logs"], 1);
    let (_, error) = run(&mut gaebar(&folder, &["verify", "backup"]), 1);
    assert!(error.contains("manifest.json has conflict markers") && error.contains("--take ours"), "{error}");
    run(&mut gaebar(&folder, &["merge", "backup", "--take", "theirs"]), 0);
    let (listed, _) = run(&mut gaebar(&folder, &["list", "backup"]), 0);
    assert!(listed.contains("It covers of other kinds: all namespaces, except Trace"), "{listed}");
}

/// A kind whose name begins another's is left alone, and so is a side that has no rows, or more shards than the other.
#[test]
fn a_side_is_taken_whole_and_nothing_else() {
    for side in ["ours", "theirs"] {
        let folder = repository(&format!("merge-{side}"));
        for id in 1..=20 {
            put(&folder, "M_M", id, "as it was");
        }
        run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
        commit(&folder);
        branch(&folder, "mine", "M", || {
            let store = rusqlite::Connection::open(folder.join("store.db")).unwrap();
            store.execute("DELETE FROM entities WHERE kind = 'M'", []).unwrap();
        });
        git(&folder, &["switch", "--quiet", "--create", "theirs", "main"], 0);
        for id in 1..=60 {
            put(&folder, "M", id, &"theirs ".repeat(20));
        }
        put(&folder, "M_M", 7, "theirs");
        let kinds = ["backup", "sqlite:store.db", "backup", "--kinds", "M,M_M", "--shard-size", "3000"];
        run(&mut gaebar(&folder, &kinds), 0);
        commit(&folder);
        git(&folder, &["switch", "--quiet", "mine"], 0);
        let mut merge = Command::new("git");
        let merged = merge.current_dir(&folder).args(["merge", "--quiet", "-X", "no-renames", "theirs"]).output().unwrap();
        assert!(!merged.status.success(), "both sides changed M");
        run(&mut gaebar(&folder, &["merge", "backup", "--take", side]), 0);
        let (kinds, _) = run(&mut gaebar(&folder, &["list", "backup", "--format", "json"]), 0);
        let rows = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["rows"].as_u64().unwrap();
        assert_eq!(kinds.lines().map(rows).collect::<Vec<_>>(), [if side == "ours" { 0 } else { 60 }, 20, 20]);
        let (row, _) = run(&mut gaebar(&folder, &["show", "backup", "M_M/7"]), 0);
        assert!(row.contains("\"theirs\""), "what they changed of another kind is there: {row}");
    }
}

/// The lists are the version's that wrote the backup.
#[test]
fn the_backup_of_a_release_is_not_made_half_a_backup_of_this_version() {
    let folder = folder("merge-release");
    let golden = gaebar_tests::command::workspace().join("tests/goldens/releases/0.1.0");
    for (file, bytes) in gaebar_tests::tree::files(&golden) {
        let path = folder.join("backup").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let (_, error) = run(&mut gaebar(&folder, &["merge", "backup"]), 1);
    assert!(error.contains("gaebar upgrade backup"), "{error}");
    run(&mut gaebar(&folder, &["verify", "backup"]), 0);
}

#[test]
fn lists_that_are_lost_or_full_of_markers_are_made_anew() {
    let folder = repository("merge-lists");
    let backup = folder.join("backup");
    let lists = ["Cargo.toml", "Cargo.lock", "src/lib.rs", "models/src/lib.rs"];
    let before = lists.map(|file| fs::read(backup.join(file)).unwrap());
    for broken in [None, Some("<<<<<<< HEAD\n=======\n>>>>>>> theirs\n")] {
        for file in lists {
            match broken {
                None => fs::remove_file(backup.join(file)).unwrap(),
                Some(text) => fs::write(backup.join(file), text).unwrap(),
            }
        }
        run(&mut gaebar(&folder, &["verify", "backup"]), 1);
        run(&mut gaebar(&folder, &["merge", "backup"]), 0);
        assert!(lists.map(|file| fs::read(backup.join(file)).unwrap()) == before);
    }
}

/// On each branch the name was free.
#[test]
fn kinds_that_got_the_same_struct_are_told() {
    let folder = repository("merge-struct");
    branch(&folder, "mine", "AB", || put(&folder, "AB", 1, "mine"));
    branch(&folder, "theirs", "a b", || put(&folder, "a b", 1, "theirs"));
    git(&folder, &["switch", "--quiet", "mine"], 0);
    git(&folder, &["merge", "--quiet", "--no-edit", "theirs"], 0);
    let (_, error) = run(&mut gaebar(&folder, &["merge", "backup"]), 1);
    assert!(error.contains("AB is another kind's struct too"), "{error}");
    for file in ["kinds/a_b.json", "models/src/a_b.rs"] {
        fs::remove_file(folder.join("backup").join(file)).unwrap();
    }
    fs::remove_dir_all(folder.join("backup/volumes/a_b_0")).unwrap();
    run(&mut gaebar(&folder, &["merge", "backup"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    run(&mut gaebar(&folder, &["diff", "backup", "sqlite:store.db"]), 0);
}
