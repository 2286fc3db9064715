//! The main job on Google's own emulators, with the built binary: from one project into another.

use std::fs;
use std::path::Path;
use std::process::Command;

use gaebar_gen::read::Selection;
use gaebar_gen::seed;
use gaebar_runtime::model::{Data, Entity, Key, Properties, Value};
use gaebar_runtime::store::{DatastoreStore, MemoryStore, SqliteStore, Store};
use gaebar_tests::command::{event, folder, gaebar, run, workspace};
use gaebar_tests::compare::assert_equal;
use gaebar_tests::emulator::{Emulator, Flavour};
use gaebar_tests::program::Program;
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::assert_same_backup;

/// `gaebar` with an emulator.
fn with(emulator: &Emulator, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = gaebar(folder, arguments);
    command.env("DATASTORE_EMULATOR_HOST", emulator.host());
    command
}

/// The Firestore emulator lists neither namespaces nor kinds, so they are named.
fn selection(flavour: Flavour, entities: &[Entity]) -> Selection {
    let mut selection = Selection { rows_per_step: 500, ..Selection::default() };
    if flavour == Flavour::Firestore {
        let mut kinds: Vec<_> = entities.iter().map(|entity| entity.kind().to_owned()).collect();
        let mut namespaces: Vec<_> = entities.iter().map(|entity| entity.key().namespace().to_owned()).collect();
        for names in [&mut kinds, &mut namespaces] {
            names.sort_unstable();
            names.dedup();
        }
        (selection.kinds, selection.namespaces) = (Some(kinds), Some(namespaces));
    }
    selection
}

/// The selection as settings, which hold names with commas, too.
fn settings(folder: &Path, selection: &Selection) {
    let list = |names: &Option<Vec<String>>| names.as_ref().map(|names| serde_json::to_string(names).unwrap());
    let mut text =
        "[stores]\nproduction = \"datastore://production\"\nstaging = \"datastore://staging/named\"\n[backup]\n".to_owned();
    for (key, names) in [("kinds", &selection.kinds), ("namespaces", &selection.namespaces)] {
        text.extend(list(names).map(|names| format!("{key} = {names}\n")));
    }
    fs::write(folder.join("gaebar.toml"), text).unwrap();
}

fn assert_holds(expected: &[Entity], store: &DatastoreStore, selection: &Selection) {
    let memory = MemoryStore::default();
    memory.upsert(expected).unwrap();
    assert_equal(&memory, store, selection, expected.len());
}

fn suite_goes_from_project_to_project(flavour: Flavour) {
    let Some(emulator) = Emulator::shared(flavour) else { return };
    let folder = folder(&format!("suite-on-{flavour:?}").to_lowercase());
    let entities = seed::suite().unwrap();
    let selection = selection(flavour, &entities);
    settings(&folder, &selection);

    run(&mut with(emulator, &folder, &["seed", "suite", "--to", "production"]), 0);
    let done = event(&mut with(emulator, &folder, &["backup", "production", "one/backup"]));
    assert_eq!(done["rows"], entities.len());
    assert_eq!(done["consistent"], flavour == Flavour::Firestore, "only Firestore's emulator has snapshots");
    // The same code as from the embedded store: each emulator kept every bit, and the code says nothing of where from.
    let example = workspace().join("examples/backup");
    assert_same_backup(&example, &folder.join("one/backup"));

    let restored = event(&mut with(emulator, &folder, &["restore", example.to_str().unwrap(), "--to", "staging"]));
    assert_eq!(restored["rows"], entities.len());
    assert_eq!(restored["complete"], true);
    let target = restored["target"].as_str().unwrap();
    assert!(target.contains("datastore://staging/named") && target.contains(&emulator.host()), "{target}");
    let staging = DatastoreStore::connect_to_emulator(&emulator.host(), "staging", "named").unwrap();
    assert_holds(&entities, &staging, &selection);

    run(&mut with(emulator, &folder, &["backup", "staging", "two/backup"]), 0);
    assert_same_backup(&example, &folder.join("two/backup"));
    // It is told from one of the real project, wherever its source is shown.
    let (listed, _) = run(&mut gaebar(&folder, &["list", "two/backup"]), 0);
    let sources = listed.lines().filter(|line| line.contains("datastore://staging/named (emulator)")).count();
    assert_eq!(sources, listed.matches("datastore://").count(), "{listed}");
    let (_, again) = run(&mut with(emulator, &folder, &["backup", "staging", "two/backup"]), 0);
    assert!(!again.contains("was taken from"), "{again}");
    let (_, plan) =
        run(&mut with(emulator, &folder, &["restore", "two/backup", "--to", "staging", "--interpret", "--dry-run"]), 0);
    assert!(plan.contains("this is the store that the backup was taken from"), "{plan}");
}

#[test]
fn the_suite_goes_from_project_to_project_on_the_datastore_emulator() {
    suite_goes_from_project_to_project(Flavour::Datastore);
}

#[test]
fn the_suite_goes_from_project_to_project_on_the_firestore_emulator() {
    suite_goes_from_project_to_project(Flavour::Firestore);
}

#[test]
fn a_backup_from_an_emulator_is_pulled_as_such_and_not_taken_for_the_real_projects() {
    let Some(emulator) = Emulator::shared(Flavour::Datastore) else { return };
    let folder = folder("emulators-source");
    run(&mut with(emulator, &folder, &["seed", "headline", "--rows", "60", "--to", "datastore://emulated"]), 0);
    run(&mut with(emulator, &folder, &["backup", "datastore://emulated", "backups/demo"]), 0);
    fs::write(folder.join("gaebar.toml"), "[stores]\nreal = \"datastore://emulated\"\n").unwrap();
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let url = format!("http://{}", served.address);
    for round in ["anew", "into it"] {
        run(gaebar(&folder, &["pull", &url, "demo", "here/demo"]).env("GAEBAR_TOKEN", TOKEN), 0);
        let (listed, _) = run(&mut gaebar(&folder, &["list", "here/demo"]), 0);
        assert!(listed.contains("datastore://emulated (emulator)"), "{round}: {listed}");
    }
    // For this server, the same URL means the real project.
    let refused = Program(&served).send("POST", "/api/jobs", "do=backup&store=real&backup=demo");
    assert!(refused.status == 422 && refused.body.contains("was taken from datastore://emulated (emulator)"), "{refused:?}");
}

#[test]
fn firestores_emulator_says_that_kinds_must_be_named() {
    let Some(emulator) = Emulator::shared(Flavour::Firestore) else { return };
    let folder = folder("unnamed-kinds");
    let (_, error) = run(&mut with(emulator, &folder, &["backup", "datastore://production", "backup"]), 1);
    assert!(error.contains("--kinds") && error.contains("--namespaces"), "{error}");
}

#[test]
fn a_headline_sample_goes_from_project_to_project() {
    let Some(emulator) = Emulator::shared(Flavour::Datastore) else { return };
    let folder = folder("headline");
    run(&mut with(emulator, &folder, &["seed", "headline", "--rows", "1200", "--to", "datastore://headline-one"]), 0);
    run(&mut with(emulator, &folder, &["backup", "datastore://headline-one", "backup"]), 0);
    run(&mut with(emulator, &folder, &["restore", "backup", "--to", "datastore://headline-two"]), 0);
    // However many scans read at once, and into however many ranges they divide a kind.
    for scans in ["1", "3", "100"] {
        let place = format!("scans/{scans}/backup");
        run(&mut with(emulator, &folder, &["backup", "datastore://headline-one", &place, "--scans", scans]), 0);
        assert_same_backup(&folder.join("backup"), &folder.join(place));
    }
    run(&mut with(emulator, &folder, &["diff", "datastore://headline-one", "datastore://headline-two", "--scans", "16"]), 0);
    for (wrong, place) in [("0", "none"), ("101", "many")] {
        let (_, said) = run(&mut with(emulator, &folder, &["backup", "datastore://headline-one", place, "--scans", wrong]), 2);
        assert!(said.contains("1..=100"), "{said}");
    }
    let expected: Vec<_> = seed::Headline::new(1200).map(Result::unwrap).collect();
    let two = DatastoreStore::connect_to_emulator(&emulator.host(), "headline-two", "").unwrap();
    assert_holds(&expected, &two, &selection(Flavour::Datastore, &expected));
}

/// A backup of a local store may hold what no server takes. The row is named, and success is never claimed.
#[test]
fn a_row_that_the_server_refuses_is_named_with_its_line() {
    let Some(emulator) = Emulator::shared(Flavour::Datastore) else { return };
    let folder = folder("refused");
    let note = |id: i64, text: Value| Entity::new(Key::root("Note", id), Properties::from([("text".to_owned(), text)])).unwrap();
    let entities = [note(1, "fine".into()), note(2, "long".repeat(500).into()), note(3, Data::Null.into())];
    let store = SqliteStore::open_or_create(&folder.join("store.db")).unwrap();
    store.upsert(&entities).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);

    let (stdout, error) =
        run(&mut with(emulator, &folder, &["restore", "backup", "--to", "datastore://refused", "--format", "json"]), 1);
    let shard = folder.join("backup/volumes/note_0/src/shard_0.rs");
    let text = fs::read_to_string(shard).unwrap();
    let line = text.lines().position(|line| line.starts_with("pub fn row_2()")).unwrap() + 1;
    for part in [
        "2 of 3 rows were committed",
        &format!("row_2 in volumes/note_0/src/shard_0.rs:{line} (Note/2)"),
        "INVALID_ARGUMENT",
        "1500 bytes",
        "datastore://refused",
    ] {
        assert!(error.contains(part), "{part:?} is missing: {error}");
    }
    assert!(!error.contains("Restored 3"), "{error}");
    let event: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(event["complete"], false);
    assert_eq!(event["committed"]["Note"], 2);
}

#[test]
fn the_environment_names_the_project_where_the_url_does_not() {
    let folder = folder("default-project");
    let place = |variables: &[(&str, &str)]| {
        let mut command = gaebar(&folder, &["backup", "datastore://", "backup"]);
        let code = if variables.is_empty() { 2 } else { 1 };
        let (_, error) = run(command.env("DATASTORE_EMULATOR_HOST", "127.0.0.1:9").envs(variables.iter().copied()), code);
        error
    };
    assert!(place(&[]).contains("neither DATASTORE_PROJECT_ID nor GOOGLE_CLOUD_PROJECT is set"));
    assert!(place(&[("GOOGLE_CLOUD_PROJECT", "cloud")]).contains("datastore://cloud "));
    assert!(place(&[("GOOGLE_CLOUD_PROJECT", "cloud"), ("DATASTORE_PROJECT_ID", "ds")]).contains("datastore://ds "));
}

#[test]
fn an_emulator_that_is_not_there_fails_the_restore_and_never_means_production() {
    let folder = folder("nobody-there");
    let store = SqliteStore::open_or_create(&folder.join("store.db")).unwrap();
    store.upsert(&[Entity::new(Key::root("Note", 1), Properties::default()).unwrap()]).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "local"]), 0);
    for arguments in [
        &["seed", "suite", "--to", "datastore://my-app"][..],
        &["backup", "datastore://my-app", "backup"],
        &["restore", "local", "--to", "datastore://my-app"],
    ] {
        let (_, error) = run(gaebar(&folder, arguments).env("DATASTORE_EMULATOR_HOST", "127.0.0.1:9"), 1);
        assert!(error.contains("127.0.0.1:9") && error.contains("DATASTORE_EMULATOR_HOST"), "{error}");
    }
}

/// The property test of the Datastore store: entities of every shape that a server takes.
#[test]
fn any_storable_entities_survive_both_emulators() {
    let entities: Vec<_> = (1..)
        .zip(gaebar_tests::strategy::entities(250))
        .map(|(number, entity)| gaebar_tests::strategy::storable(&entity, number))
        .collect();
    for flavour in Flavour::ALL {
        let Some(emulator) = Emulator::shared(flavour) else { continue };
        let store = DatastoreStore::connect_to_emulator(&emulator.host(), "any-entities", "").unwrap();
        for entities in entities.chunks(25) {
            if let Err(error) = store.upsert(entities) {
                let refused =
                    entities.iter().find_map(|entity| Some((entity, store.upsert(std::slice::from_ref(entity)).err()?)));
                panic!("{flavour}: {error}\n{refused:#?}");
            }
        }
        assert_holds(&entities, &store, &selection(flavour, &entities));
    }
}
