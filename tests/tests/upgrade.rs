//! Backups of other versions: what they hold is read, what released ones are compiled with is known, and all can be upgraded.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gaebar_gen::releases::{Foundation, RELEASES};
use gaebar_runtime::store::SqliteStore;
use gaebar_runtime::store::Store;
use gaebar_tests::command::{event, folder, gaebar, run, workspace};
use gaebar_tests::tree::files;

fn copy(from: &Path, to: &Path) {
    for (file, bytes) in files(from) {
        let path = to.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// The suite's store, and a backup of it by a version that nobody knows.
fn strangers_backup(test: &str) -> (PathBuf, PathBuf) {
    let folder = folder(test);
    let store = SqliteStore::open_or_create(&folder.join("store.db")).unwrap();
    store.upsert(&gaebar_gen::seed::suite().unwrap()).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    let backup = folder.join("backup");
    let append = |file: &str, text: &str| {
        let before = fs::read_to_string(backup.join(file)).unwrap();
        fs::write(backup.join(file), before + text).unwrap();
    };
    append("gaebar-runtime/src/lib.rs", "// Another version.\n");
    append("src/main.rs", "// Another version.\n");
    append("Cargo.lock", "\n");
    fs::write(backup.join("gaebar-runtime/src/gone.rs"), "// Since removed.\n").unwrap();
    (folder, backup)
}

#[test]
fn a_backup_of_an_unknown_version_is_read_but_not_compiled_and_can_be_upgraded() {
    let (folder, backup) = strangers_backup("upgrade");
    fs::write(backup.join("NOTES.md"), "mine").unwrap();
    let (_, error) = run(&mut gaebar(&folder, &["verify", "backup"]), 1);
    assert!(error.contains("gaebar-runtime/src/lib.rs") && error.contains("gaebar upgrade"), "{error}");
    let (_, error) = run(&mut gaebar(&folder, &["restore", "backup", "--to", "sqlite:restored.db"]), 1);
    assert!(error.contains("refused") && !folder.join("restored.db").exists(), "{error}");
    // What only reads has no need of the rest.
    run(&mut gaebar(&folder, &["diff", "backup", "sqlite:store.db"]), 0);
    run(&mut gaebar(&folder, &["show", "backup", "Profile/2"]), 0);
    run(&mut gaebar(&folder, &["restore", "backup", "--to", "sqlite:restored.db", "--interpret"]), 0);
    run(&mut gaebar(&folder, &["diff", "sqlite:restored.db", "sqlite:store.db"]), 0);

    let rows = |backup: &Path| -> BTreeMap<String, Vec<u8>> {
        files(backup).into_iter().filter(|(file, _)| file.starts_with("kinds/") || file.starts_with("volumes/")).collect()
    };
    let before = rows(&backup);
    let done = event(&mut gaebar(&folder, &["upgrade", "backup"]));
    let changed = ["Cargo.lock", "gaebar-runtime/src/gone.rs", "gaebar-runtime/src/lib.rs", "src/main.rs"];
    assert_eq!(done["changed"], serde_json::json!(changed));
    assert!(rows(&backup) == before, "rows and what is said of them stay as they were");
    run(&mut gaebar(&folder, &["verify", "backup"]), 0);
    assert_eq!(event(&mut gaebar(&folder, &["upgrade", "backup"]))["changed"], serde_json::json!([]));
    assert_eq!(fs::read_to_string(backup.join("NOTES.md")).unwrap(), "mine");
}

#[test]
fn the_next_backup_upgrades_too() {
    let (folder, _) = strangers_backup("upgrade-by-backup");
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    run(&mut gaebar(&folder, &["verify", "backup"]), 0);
}

#[test]
fn an_upgrade_hides_no_edit_and_makes_no_backup_of_a_folder() {
    let (folder, backup) = strangers_backup("upgrade-edited");
    let shard = backup.join("volumes/letter_0/src/shard_0.rs");
    let text = fs::read_to_string(&shard).unwrap();
    fs::write(&shard, text.replace("Return to sender", "Edited")).unwrap();
    let (_, error) = run(&mut gaebar(&folder, &["upgrade", "backup"]), 1);
    assert!(error.contains("letter_0/src/shard_0.rs") && error.contains("edited"), "{error}");
    for command in ["upgrade", "merge"] {
        fs::create_dir_all(folder.join("empty")).unwrap();
        let (_, error) = run(&mut gaebar(&folder, &[command, "empty"]), 1);
        assert!(error.contains("is no backup") && fs::read_dir(folder.join("empty")).unwrap().count() == 0, "{error}");
    }
}

/// A backup of each release is kept as it was written.
#[test]
fn backups_of_all_releases_are_verified_compiled_restored_and_upgraded() {
    let goldens = workspace().join("tests/goldens/releases");
    let kept: Vec<_> = fs::read_dir(&goldens).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(kept.len(), RELEASES.len(), "a backup of each release, and no other: {kept:?}");
    let folder = folder("releases");
    let store = SqliteStore::open_or_create(&folder.join("store.db")).unwrap();
    store.upsert(&gaebar_gen::seed::suite().unwrap()).unwrap();
    for release in RELEASES {
        let version = release.version;
        let golden = goldens.join(version);
        let found = files(&golden);
        let runtime =
            found.iter().filter_map(|(file, bytes)| Some((file.strip_prefix("gaebar-runtime/")?.to_owned(), bytes.clone())));
        let foundation = Foundation::found("release", runtime.collect(), &found["Cargo.lock"]).unwrap();
        assert_eq!(foundation.hash(), release.foundation, "Gaebar {version}");
        // The folder is copied: compiling and upgrading are not for the golden itself.
        let backup = folder.join(version);
        copy(&golden, &backup);
        run(&mut gaebar(&folder, &["verify", version]), 0);
        run(&mut gaebar(&folder, &["diff", version, "sqlite:store.db"]), 0);
        let restored = format!("sqlite:{version}.db");
        run(&mut gaebar(&folder, &["restore", version, "--to", &restored]), 0);
        run(&mut gaebar(&folder, &["diff", &restored, "sqlite:store.db"]), 0);
        run(&mut gaebar(&folder, &["upgrade", version]), 0);
        run(&mut gaebar(&folder, &["verify", version]), 0);
        run(&mut gaebar(&folder, &["diff", version, "sqlite:store.db"]), 0);
        assert!(files(&golden) == found, "the golden is as it was");
    }
}
