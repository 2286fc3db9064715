//! The main job on Google's own emulators, with the built binary: from one project into another.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use gaebar_gen::interpret::InterpretedRows;
use gaebar_gen::read::Selection;
use gaebar_gen::seed;
use gaebar_gen::verify::{self, JustLooking};
use gaebar_runtime::model::{Data, Database, Embedded, Entity, GeoPoint, Key, Properties, Value};
use gaebar_runtime::restore::{Done, OnConflict, Options, Progress};
use gaebar_runtime::store::{DatastoreStore, MemoryStore, SqliteStore, Store, StoreUrl};
use gaebar_tests::command::{event, folder, gaebar, run, workspace};
use gaebar_tests::compare::assert_equal;
use gaebar_tests::emulator::{Emulator, Flavour};
use gaebar_tests::program::Program;
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::{assert_same_backup, assert_same_rows};
use googleapis_tonic_google_datastore_v1::google::datastore::v1 as pb;
use pb::datastore_client::DatastoreClient;
use serde_json::json;
use tonic::transport::Endpoint;

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
    let assert_same = if flavour == Flavour::Firestore { assert_same_rows } else { assert_same_backup };
    assert_same(&example, &folder.join("one/backup"));

    let restored = event(&mut with(emulator, &folder, &["restore", example.to_str().unwrap(), "--to", "staging"]));
    assert_eq!(restored["rows"], entities.len());
    assert_eq!(restored["complete"], true);
    let target = restored["target"].as_str().unwrap();
    assert!(target.contains("datastore://staging/named") && target.contains(&emulator.host()), "{target}");
    let staging = DatastoreStore::connect_to_emulator(&emulator.host(), "staging", "named").unwrap();
    assert_holds(&entities, &staging, &selection);

    run(&mut with(emulator, &folder, &["backup", "staging", "two/backup"]), 0);
    assert_same(&example, &folder.join("two/backup"));
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

fn entity(key: &str, properties: &[(&str, Value)]) -> Entity {
    let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Entity::new(key.parse().unwrap(), properties).unwrap()
}

/// Backs up a file that holds some entities, as `backup`.
fn backed_up(folder: &Path, entities: &[Entity]) {
    SqliteStore::open_or_create(&folder.join("store.db")).unwrap().upsert(entities).unwrap();
    run(&mut gaebar(folder, &["backup", "sqlite:store.db", "backup"]), 0);
}

/// The plan, how it ended, and what was said, of a restore of `backup` without a compiler.
fn interpreted(
    emulator: &Emulator,
    folder: &Path,
    to: &str,
    more: &[&str],
    code: i32,
) -> (serde_json::Value, serde_json::Value, String) {
    let arguments = [&["restore", "backup", "--interpret", "--to", to, "--format", "json"][..], more].concat();
    let (said, told) = run(&mut with(emulator, folder, &arguments), code);
    let mut events = said.lines().map(|line| serde_json::from_str(line).unwrap());
    (events.next().unwrap_or_default(), events.next_back().unwrap_or_default(), told)
}

#[test]
fn negative_zeros_of_geo_points_survive_a_restore() {
    let point = |latitude, longitude| Value::from(Data::GeoPoint(GeoPoint::new(latitude, longitude)));
    let entities = [
        entity("Place/1", &[("at", point(-0.0, 1.5)), ("all", vec![point(0.0, -0.0)].into())]),
        entity("Place/2", &[("at", point(2.5, -0.0))]),
        entity("Place/3", &[("at", point(0.0, 0.0))]),
    ];
    for flavour in Flavour::ALL {
        let Some(emulator) = Emulator::shared(flavour) else { continue };
        let folder = folder(&format!("zeros-on-{flavour:?}").to_lowercase());
        let one = DatastoreStore::connect_to_emulator(&emulator.host(), "zeros-one", "").unwrap();
        one.upsert(&entities).unwrap();
        run(
            &mut with(emulator, &folder, &["backup", "datastore://zeros-one", "backup", "--kinds", "Place", "--namespaces", ""]),
            0,
        );
        let shard = fs::read_to_string(folder.join("backup/volumes/place_0/src/shard_0.rs")).unwrap();
        assert!(shard.contains("at: Geo(-0.0, 1.5)") && shard.contains("Geo(0.0, -0.0)"), "{shard}");
        for to in ["datastore://zeros-two", "sqlite:local.db"] {
            let (_, done, _) = interpreted(emulator, &folder, to, &[], 0);
            assert_eq!(done["checked"], 3);
            let diff = ["diff", "datastore://zeros-one", to, "--kinds", "Place", "--namespaces", ""];
            run(&mut with(emulator, &folder, &diff), 0);
        }
        // The sign alone is a difference, which is settled even where the emulator ignores such a write.
        one.delete(&[entities[1].key()]).unwrap();
        one.upsert(&[entity("Place/2", &[("at", point(2.5, 0.0))])]).unwrap();
        let diff = ["diff", "backup", "datastore://zeros-one", "--kinds", "Place", "--namespaces", ""];
        let (told, _) = run(&mut with(emulator, &folder, &diff), 3);
        assert!(told.contains("- at: Geo(2.5, -0.0)") && told.contains("+ at: Geo(2.5, 0.0)"), "{told}");
        let (plan, done, _) = interpreted(emulator, &folder, "datastore://zeros-one", &[], 0);
        assert_eq!((&plan["total"]["replace"], &done["checked"]), (&1.into(), &3.into()));
        run(&mut with(emulator, &folder, &diff), 0);
    }
}

#[test]
fn references_to_the_target_itself_are_restored_as_its_own() {
    let key = |text: &str, project: &str, database: &str| {
        let database = Database::Other { project: project.to_owned(), database: database.to_owned() };
        text.parse::<Key>().unwrap().in_database(database)
    };
    // Of the target, of another database of its project, of another project, and of a project that is left open.
    let [target, named, other, open] =
        [("refs-target", ""), ("refs-target", "named"), ("refs-other", ""), ("", "named")].map(|(p, d)| key("Note/2", p, d));
    let properties = [("of".to_owned(), Value::from(target.clone()))].into();
    let inner = Embedded { key: Some(key("Inner/1", "refs-target", "")), properties };
    let entities = [
        entity("Note/1", &[("target", target.into()), ("named", named.into()), ("other", other.into()), ("open", open.into())]),
        entity("Note/2", &[("all", vec![Value::from(inner)].into())]),
        entity("Note/3", &[("own", "Note/1".parse::<Key>().unwrap().into())]),
    ];
    for flavour in Flavour::ALL {
        let Some(emulator) = Emulator::shared(flavour) else { continue };
        let folder = folder(&format!("references-on-{flavour:?}").to_lowercase());
        backed_up(&folder, &entities);
        let only = ["--kinds", "Note", "--namespaces", ""];
        // The Datastore emulator's queries confuse what databases of one project hold.
        for (to, own) in [("datastore://refs-target", 3), ("datastore://refs-target/named", 2)] {
            let store = DatastoreStore::connect_to_emulator(&emulator.host(), "refs-target", "").unwrap();
            store.delete(&entities.iter().map(Entity::key).collect::<Vec<_>>()).unwrap();
            let (plan, done, told) = interpreted(emulator, &folder, to, &[], 0);
            assert_eq!((&plan["total"]["create"], &done["checked"]), (&3.into(), &3.into()), "{told}");
            assert_eq!((&plan["own_references"], &done["own_references"]), (&own.into(), &own.into()), "{told}");
            assert!(told.contains(&format!("note: {own} references to {to} itself")), "{told}");
            // They are equal from then on, whatever is asked for.
            let again: [&[&str]; 3] = [&[], &["--mirror"], &["--keys", "Note/1", "--with-references"]];
            for more in again {
                let (plan, done, _) = interpreted(emulator, &folder, to, more, 0);
                assert_eq!((&plan["total"]["replace"], &done["rows"]), (&0.into(), &0.into()), "{more:?}");
            }
            // The key of Note/1 leads to Note/2 where that is in the same database.
            let (plan, _, _) = interpreted(emulator, &folder, to, again[2], 0);
            assert_eq!(plan["total"]["equal"], 2);
            for sides in [["backup", to], [to, "backup"], ["sqlite:store.db", to], [to, "sqlite:store.db"]] {
                let (told, note) = run(&mut with(emulator, &folder, &[&["diff"][..], &sides, &only].concat()), 0);
                assert_eq!(told, "");
                assert!(note.contains(&format!("note: {own} references to the other side's project")), "{note}");
            }
            // As a restore that was killed after its commits, before it could write that down, goes on.
            let rows = InterpretedRows::new(&folder.join("backup"), verify::read(&folder.join("backup"), &JustLooking).unwrap());
            let StoreUrl::Datastore { project, database } = to.parse().unwrap() else { panic!("{to} is no file") };
            let store = DatastoreStore::connect_to_emulator(&emulator.host(), &project, &database).unwrap();
            let options = Options { on_conflict: OnConflict::Fail, jobs: 1, ..Options::default() };
            let plan = gaebar_runtime::restore::plan(
                &rows,
                &store,
                options,
                Some(&Done::default()),
                None,
                &Silent,
                &AtomicBool::new(false),
            )
            .unwrap();
            assert_eq!(plan.total().equal, 3);
        }
        let (plan, _, told) = interpreted(emulator, &folder, "datastore://refs-elsewhere", &[], 0);
        assert!(plan["own_references"] == 0 && !told.contains("itself"), "{told}");
    }
}

struct Silent;

impl Progress for Silent {
    fn done(&self, _: &str, _: u64) {}
}

/// Creates entities of a kind without ids, past Gaebar; the ids that the emulator gives them.
fn create(emulator: &Emulator, project: &str, kind: &str, count: usize) -> Vec<i64> {
    let path = vec![pb::key::PathElement { kind: kind.to_owned(), id_type: None }];
    let entity = pb::Entity { key: Some(pb::Key { path, ..pb::Key::default() }), ..pb::Entity::default() };
    let mutation = pb::Mutation { operation: Some(pb::mutation::Operation::Insert(entity)), ..pb::Mutation::default() };
    let request = pb::CommitRequest {
        project_id: project.to_owned(),
        mode: pb::commit_request::Mode::NonTransactional.into(),
        mutations: vec![mutation; count],
        ..pb::CommitRequest::default()
    };
    let host = format!("http://{}", emulator.host());
    let answer = tokio::runtime::Runtime::new().unwrap().block_on(async {
        DatastoreClient::new(Endpoint::from_shared(host).unwrap().connect().await.unwrap()).commit(request).await.unwrap()
    });
    let id = |key: pb::Key| match key.path.last().unwrap().id_type {
        Some(pb::key::path_element::IdType::Id(id)) => id,
        ref other => panic!("{other:?} is no number"),
    };
    answer.into_inner().mutation_results.into_iter().map(|result| id(result.key.unwrap())).collect()
}

/// An emulator that was started anew gives out its ids from the first one, and looks at nothing that is there.
#[test]
fn new_entities_do_not_replace_restored_ones() {
    for flavour in Flavour::ALL {
        let Some(shared) = Emulator::shared(flavour) else { continue };
        let folder = folder(&format!("ids-on-{flavour:?}").to_lowercase());
        // As two emulators give them out: in order, and scattered; and what no emulator comes to.
        let ids: Vec<i64> = (1..=30).chain([5_629_499_534_213_120, 5_066_549_580_791_808, 6_192_449_487_634_433]).collect();
        let entities: Vec<_> = ids.iter().map(|id| entity(&format!("Auto/{id}"), &[("mine", true.into())])).collect();
        backed_up(&folder, &entities);
        let (fresh, began) = (Emulator::start(flavour).unwrap(), flavour == Flavour::Datastore);
        let (_, done, told) = interpreted(&fresh, &folder, "datastore://ids", &["--kinds", "Auto"], 0);
        assert_eq!(told.contains("note: the Datastore emulator ignores ReserveIds"), began, "{told}");
        assert_eq!(done["note"].is_string(), began, "{done}");
        let created = create(&fresh, "ids", "Auto", 60);
        assert_eq!(created.iter().filter(|id| ids.contains(id)).count(), 0, "{created:?}");
        let store = DatastoreStore::connect_to_emulator(&fresh.host(), "ids", "").unwrap();
        let keys: Vec<_> = entities.iter().map(Entity::key).collect();
        let mut found = store.lookup(&keys).unwrap();
        found.sort_by_cached_key(|entity| ids.iter().position(|id| entity.key().to_string() == format!("Auto/{id}")));
        assert_eq!(found, entities, "{flavour}");
        // Without a numeric id, nothing is said.
        let names = self::folder(&format!("names-on-{flavour:?}").to_lowercase());
        backed_up(&names, &[entity("Named/'n'", &[])]);
        let (_, done, told) = interpreted(shared, &names, "datastore://names", &[], 0);
        assert!(done["note"].is_null() && !told.contains("ReserveIds"), "{told}");
    }
}

#[test]
fn app_engine_keys_that_name_another_project_are_counted() {
    let Some(emulator) = Emulator::shared(Flavour::Datastore) else { return };
    let folder = folder("hidden-keys");
    // `ndb.Key('Account', 7, 'Order', 'x')` of the application `s~prod`: as text, and as bytes.
    let urlsafe = "agZzfnByb2RyGQsSB0FjY291bnQYBwwLEgVPcmRlciIBeAw";
    let serialized = b"j\x06s~prodr\x19\x0b\x12\x07Account\x18\x07\x0c\x0b\x12\x05Order\"\x01x\x0c".to_vec();
    // A `LocalStructuredProperty(compressed=True)` with a reference to `Account/7` of `s~other`.
    let compressed =
        b"x\x9c+R\x92b.\xcf\xc8W`\xd0\x92L\xceb/\xae\xcb/\xc9H-*\xaebwLN\xce/\xcd+i`d/I\x01\x00\xc4\xb9\x0bk".to_vec();
    let json = Value::from(format!("{{\"order\": \"{urlsafe}\", \"next\": \"{urlsafe}\"}}")).unindexed();
    let entities = [
        entity("Note/1", &[("text", "Again and again: ahead_of_time-agenda".into()), ("bytes", vec![0x6a, 6].into())]),
        entity("Note/2", &[("json", json)]),
        entity("Note/3", &[("list", vec![Value::from("none"), Value::from(serialized)].into())]),
        entity("Note/4", &[("other", Value::from(compressed).unindexed().meaning(22))]),
        entity(&format!("Index/'{urlsafe}'"), &[]),
    ];
    backed_up(&folder, &entities);
    let (plan, done, told) = interpreted(emulator, &folder, "datastore://hidden-staging", &[], 0);
    let first = [
        ("index_0", "row_1", format!("Index/'{urlsafe}'"), "its key"),
        ("note_0", "row_2", "Note/2".to_owned(), "property \"json\""),
        ("note_0", "row_3", "Note/3".to_owned(), "property \"list\""),
        ("note_0", "row_4", "Note/4".to_owned(), "property \"other\""),
    ];
    assert_eq!(plan["hidden_keys"]["keys"], 5, "{plan}");
    assert_eq!((&plan["hidden_keys"]["rows"], &plan["hidden_keys"]["projects"]), (&4.into(), &json!({"other": 1, "prod": 4})));
    for ((volume, row, key, place), said) in first.iter().zip(plan["hidden_keys"]["first"].as_array().unwrap()) {
        let said = said.as_str().unwrap();
        assert!(said.starts_with(&format!("{row} in volumes/{volume}/src/shard_0.rs:")), "{said}");
        assert!(said.ends_with(&format!("({key}): {place}")) && told.contains(said), "{said}: {told}");
    }
    assert_eq!(done["hidden_keys"], plan["hidden_keys"]);
    assert!(
        told.contains(
            "5 App Engine keys inside texts and bytes of 4 rows name other (1), prod (4) and not datastore://hidden-staging"
        ),
        "{told}"
    );
    // The compiled rows say the same, and where they are at home nothing has to be said.
    let compiled = ["restore", "backup", "--to", "datastore://hidden-staging", "--dry-run", "--format", "json"];
    let (said, _) = run(&mut with(emulator, &folder, &compiled), 0);
    let again: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(again["hidden_keys"], plan["hidden_keys"]);
    let (plan, _, _) = interpreted(emulator, &folder, "datastore://prod", &["--dry-run"], 0);
    assert_eq!((&plan["hidden_keys"]["keys"], &plan["hidden_keys"]["projects"]), (&1.into(), &json!({"other": 1})));
    let (plan, _, told) = interpreted(emulator, &folder, "sqlite:local.db", &[], 0);
    assert!(plan["hidden_keys"]["keys"] == 0 && !told.contains("App Engine"), "{told}");
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
