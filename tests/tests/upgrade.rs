//! Backups of other versions: what they hold is read, what released ones are compiled with is known, and all can be upgraded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use gaebar_gen::emit::rows;
use gaebar_gen::fingerprint::{Fingerprint, digest};
use gaebar_gen::manifest::{KindManifest, Origin};
use gaebar_gen::releases::{Foundation, RELEASES};
use gaebar_gen::templates::Templates;
use gaebar_runtime::model::{Entity, Key};
use gaebar_runtime::restore::Extent;
use gaebar_runtime::store::{SqliteStore, Store};
use gaebar_tests::command::{event, folder, gaebar, run, workspace};
use gaebar_tests::tree::files;

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

/// A backup of each release is kept as it was written. Its own runtime, compiled, and the reader give the same entities; and they are
/// the same after an upgrade.
#[test]
fn backups_of_all_releases_are_verified_compiled_restored_and_upgraded() {
    let goldens = workspace().join("tests/goldens/releases");
    let kept: BTreeSet<_> =
        fs::read_dir(&goldens).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(
        kept,
        RELEASES.iter().map(|release| release.version.to_owned()).collect(),
        "a backup of each release, and no other"
    );
    let folder = folder("releases");
    for release in RELEASES {
        let version = release.version;
        let golden = files(&goldens.join(version));
        let runtime =
            golden.iter().filter_map(|(file, bytes)| Some((file.strip_prefix("gaebar-runtime/")?.to_owned(), bytes.clone())));
        let foundation = Foundation::found("release", runtime.collect(), &golden["Cargo.lock"]).unwrap();
        assert_eq!(foundation.hash(), release.foundation, "Gaebar {version}");
        for copy in ["as-it-was", "upgraded"] {
            for (file, bytes) in &golden {
                let path = folder.join(version).join(copy).join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
        }
        let place = |name: &str| format!("{version}/{name}");
        let (was, upgraded, restored) = (place("as-it-was"), place("upgraded"), format!("sqlite:{version}/restored.db"));
        let (_, said) = run(&mut gaebar(&folder, &["verify", &was]), 0);
        assert!(said.contains(&format!("written by Gaebar {version}")), "{said}");
        run(&mut gaebar(&folder, &["restore", &was, "--to", &restored]), 0);
        run(&mut gaebar(&folder, &["diff", &was, &restored]), 0);
        run(&mut gaebar(&folder, &["upgrade", &upgraded]), 0);
        let (_, said) = run(&mut gaebar(&folder, &["verify", &upgraded]), 0);
        assert!(!said.contains("written by"), "{said}");
        run(&mut gaebar(&folder, &["diff", &was, &upgraded]), 0);
    }
}

/// A backup as 0.2.0 wrote it of kind `Gen` with property `gen` into a folder called `gen`: it took them for no keywords.
fn with_a_new_keyword(test: &str) -> PathBuf {
    let folder = folder(test);
    let store = SqliteStore::open_or_create(&folder.join("store.db")).unwrap();
    store.upsert(&[Entity::new(Key::root("Gen", 1), [("gen".to_owned(), 1.into())].into()).unwrap()]).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "new/gen"]), 0);
    let (new, backup) = (folder.join("new/gen"), folder.join("gen"));
    let as_it_was = |text: &str| {
        ["backup-", "backup_", "kind-", "kind_", "r#"].iter().fold(text.to_owned(), |text, part| text.replace(part, ""))
    };
    let write = |file: &str, bytes: &[u8]| {
        fs::create_dir_all(backup.join(file).parent().unwrap()).unwrap();
        fs::write(backup.join(file), bytes).unwrap();
    };
    for (file, bytes) in files(&new).into_iter().filter(|(file, _)| !file.starts_with("gaebar-runtime/")) {
        write(&as_it_was(&file), as_it_was(std::str::from_utf8(&bytes).unwrap()).as_bytes());
    }
    let golden = workspace().join("tests/goldens/releases/0.2.0");
    let lock = fs::read(golden.join("Cargo.lock")).unwrap();
    let foundation = Foundation::found("release", files(&golden.join("gaebar-runtime")), &lock).unwrap();
    let volumes = ["gen_0".to_owned()].into();
    for (file, bytes) in (Templates { name: "gen", volumes: &volumes, coverage: None, foundation: &foundation }).files() {
        let is_main = file == "src/main.rs";
        write(&file, if is_main { as_it_was(std::str::from_utf8(&bytes).unwrap()).into_bytes() } else { bytes }.as_slice());
    }
    let manifest = KindManifest::read_all(&new).unwrap().remove(0);
    let fingerprint = |file: &String| {
        let file = as_it_was(file);
        let text = fs::read_to_string(backup.join(&file)).unwrap();
        let rows: Vec<_> = if file.contains("shard_") { rows(&text) } else { Vec::new() };
        let fingerprint = if rows.is_empty() {
            Fingerprint::of(text.as_bytes())
        } else {
            Fingerprint::of_shard(text.as_bytes(), rows.into_iter().map(|(_, row)| digest(row)))
        };
        (file, fingerprint)
    };
    let fingerprints = manifest.files.keys().map(fingerprint).collect();
    let origin = Origin { namespaces: Extent::Unknown, ..manifest.origin() };
    let manifest = KindManifest::new("Gen", &origin, manifest.rows, manifest.next_row, fingerprints);
    write("kinds/gen.json", manifest.to_text().as_bytes());
    write("manifest.json", b"{\n  \"format\": 1,\n  \"name\": \"gen\"\n}\n");
    folder
}

/// Names that never compiled are written so that they do, whether the backup is upgraded or backed up into.
#[test]
fn names_that_never_compiled_are_mended() {
    for (test, mend) in
        [("upgrade-keyword", &["upgrade", "gen"][..]), ("upgrade-keyword-by-backup", &["backup", "sqlite:store.db", "gen"])]
    {
        let folder = with_a_new_keyword(test);
        let (_, said) = run(&mut gaebar(&folder, &["verify", "gen"]), 0);
        assert!(said.contains("written by Gaebar 0.2.0"), "{said}");
        run(&mut gaebar(&folder, &["restore", "gen", "--to", "sqlite:interpreted.db", "--interpret"]), 0);
        run(&mut gaebar(&folder, mend), 0);
        run(&mut gaebar(&folder, &["verify", "gen"]), 0);
        let row = fs::read_to_string(folder.join("gen/volumes/gen_0/src/shard_0.rs")).unwrap();
        assert!(row.contains("pub fn row_1() -> Gen {") && row.contains("r#gen: 1,"), "{row}");
        run(&mut gaebar(&folder, &["restore", "gen", "--to", "sqlite:restored.db"]), 0);
        run(&mut gaebar(&folder, &["diff", "sqlite:store.db", "sqlite:restored.db"]), 0);
    }
}
