//! The functional suite, end to end: seed, back up, build, restore, compare.

use std::fs;
use std::path::Path;

use gaebar_gen::seed;
use gaebar_runtime::store::{MemoryStore, SqliteStore, Store};
use gaebar_tests::command::{event, folder, gaebar, run, workspace};
use gaebar_tests::compare::{assert_equal, everything};
use gaebar_tests::terminal::{HOSTILE, said};
use gaebar_tests::tree::assert_same_backup;

/// What the suite holds, straight from its definition.
fn expected() -> (MemoryStore, usize) {
    let entities = seed::suite().unwrap();
    let store = MemoryStore::default();
    store.upsert(&entities).unwrap();
    (store, entities.len())
}

#[test]
fn the_suite_survives_seed_backup_build_restore_and_the_example_is_its_backup() {
    let folder = folder("suite");
    let (expected, count) = expected();
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:production.db"]), 0);
    let backed_up = event(&mut gaebar(&folder, &["backup", "sqlite:production.db", "backup"]));
    assert_eq!(backed_up["rows"], count);
    assert_eq!(backed_up["consistent"], true);

    let example = workspace().join("examples/backup");
    if std::env::var_os("GAEBAR_UPDATE").is_some() {
        let _ = fs::remove_dir_all(&example);
        copy(&folder.join("backup"), &example);
    }
    assert_same_backup(&folder.join("backup"), &example);

    let built = event(&mut gaebar(&folder, &["build", "backup", "--output", "restore-alone"]));
    let again = "a dependency of this workspace was compiled again: its features or profile differ";
    assert!(built["dependencies"].as_u64() <= Some(1), "{again}: only the runtime is not there yet: {built}");
    // Another backup, with another name, finds the runtime that was compiled for the first.
    run(&mut gaebar(&folder, &["backup", "sqlite:production.db", "profiles", "--kinds", "Profile"]), 0);
    assert_eq!(event(&mut gaebar(&folder, &["build", "profiles"]))["dependencies"], 0, "{again}");

    // The binary stands alone: another folder, an empty environment.
    fs::remove_dir_all(folder.join("backup")).unwrap();
    let mut alone = std::process::Command::new(folder.join("restore-alone"));
    run(alone.current_dir(&folder).env_clear().args(["--to", "sqlite:staging.db"]), 0);
    let staging = SqliteStore::open_or_create(&folder.join("staging.db")).unwrap();
    assert_equal(&expected, &staging, &everything(), count);

    run(&mut gaebar(&folder, &["backup", "sqlite:staging.db", "again/backup"]), 0);
    assert_same_backup(&example, &folder.join("again/backup"));

    // Nothing that it is given can write to a terminal what it likes.
    for arguments in [
        &["--to", HOSTILE][..],
        &["--to", "sqlite:x.db", HOSTILE],
        &["--to", "sqlite:x.db", "--kinds", HOSTILE, "--dry-run"],
        &["--to", "sqlite:x.db", "--keys", HOSTILE],
        &["--to", "sqlite:x.db", "--under", &format!("'{HOSTILE}'/1")],
        &["--to", &format!("sqlite:{HOSTILE}/x.db")],
        &["--to", &format!("sqlite:{HOSTILE}.db"), "--kinds", "Profile"],
        &["--to", &format!("sqlite:{HOSTILE}.db"), "--dry-run", "--verbose", "--format", "json"],
        &["--to", "sqlite:x.db", "--journal", &format!("{HOSTILE}/x")],
    ] {
        let mut alone = std::process::Command::new(folder.join("restore-alone"));
        said(alone.current_dir(&folder).env_clear().args(arguments));
    }

    // Restoring over what is there replaces it.
    staging
        .upsert(&[gaebar_runtime::model::Entity::new(
            gaebar_runtime::model::Key::root("Profile", 2),
            gaebar_runtime::model::Properties::default(),
        )
        .unwrap()])
        .unwrap();
    let (_, summary) = run(alone.args(["--jobs", "3"]), 0);
    assert!(summary.contains("sqlite:staging.db"), "the target is not named: {summary}");
    assert_equal(&expected, &staging, &everything(), count);
}

fn copy(from: &Path, to: &Path) {
    for (file, bytes) in gaebar_tests::tree::files(from) {
        let path = to.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
