//! What the original was made for: production's data in staging, again and again. And never the other way round by mistake.

use std::fs;
use std::path::Path;
use std::process::Command;

use gaebar_runtime::model::{Embedded, Entity, Key, Properties, Value};
use gaebar_runtime::store::{DatastoreStore, Store};
use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::emulator::{Emulator, Flavour};

fn with(emulator: &Emulator, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = gaebar(folder, arguments);
    command.env("DATASTORE_EMULATOR_HOST", emulator.host());
    command
}

fn entity(key: &Key, properties: &[(&str, Value)]) -> Entity {
    let properties: Properties = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Entity::new(key.clone(), properties).unwrap()
}

/// People and orders that refer to each other everywhere that a reference can stand.
fn production() -> Vec<Entity> {
    let (ada, bob) = (Key::root("Person", 5_629_499_534_213_120), Key::root("Person", "bob"));
    let order = ada.child("Order", 7).unwrap();
    let inner = Embedded { key: Some(bob.clone()), properties: Properties::from([("by".to_owned(), ada.clone().into())]) };
    vec![
        entity(&ada, &[("name", "Ada".into()), ("friends", Value::from(vec![Value::from(bob.clone())]))]),
        // An Expando: a property that no other entity of the kind has, and that is a reference.
        entity(&bob, &[("name", "Bob".into()), ("nemesis", ada.clone().into())]),
        entity(&order, &[("buyer", ada.into()), ("notes", Value::from(vec![Value::from(inner)]).clone())]),
    ]
}

#[test]
fn production_goes_to_staging_and_again_after_work_there() {
    for flavour in Flavour::ALL {
        let Some(emulator) = Emulator::shared(flavour) else { continue };
        let folder = folder(&format!("staging-{flavour:?}").to_lowercase());
        let (from, to) = (format!("shop-{flavour:?}").to_lowercase(), format!("shop-{flavour:?}-staging").to_lowercase());
        let open = |project: &str| DatastoreStore::connect_to_emulator(&emulator.host(), project, "").unwrap();
        let entities = production();
        open(&from).upsert(&entities).unwrap();
        let settings = format!(
            "[stores]\nproduction = \"datastore://{from}\"\nstaging = \"datastore://{to}\"\n\
             [backup]\nkinds = [\"Person\", \"Order\"]\nnamespaces = [\"\"]\n[restore]\ntargets = [\"staging\"]\n"
        );
        fs::write(folder.join("gaebar.toml"), settings).unwrap();
        let selected = ["--kinds", "Person,Order", "--namespaces", ""];
        let diff = |code: i32| run(with(emulator, &folder, &["diff", "production", "staging"]).args(selected), code).0;
        run(&mut with(emulator, &folder, &["backup", "production", "backups/production"]), 0);

        // Production itself is no target, whatever else is said.
        let back = ["restore", "backups/production", "--to", "production", "--yes"];
        let (_, error) = run(&mut with(emulator, &folder, &back), 2);
        assert!(error.contains("may not be restored to") && error.contains("staging"), "{error}");

        let restore = ["restore", "backups/production", "--to", "staging", "--mirror"];
        let done = event(&mut with(emulator, &folder, &restore));
        assert_eq!((&done["rows"], &done["checked"]), (&3.into(), &3.into()));
        assert_eq!(diff(0), "");
        // Keys are of the project that they are in: nothing points back.
        let there = open(&to).lookup(&entities.iter().map(Entity::key).collect::<Vec<_>>()).unwrap();
        assert_eq!(there.len(), 3);
        for entity in &there {
            assert!(entities.contains(entity), "{entity:?}");
        }

        // Work on staging: one changed, one deleted, one new.
        let staging = open(&to);
        staging
            .upsert(&[entity(&Key::root("Person", "bob"), &[("name", "Rob".into())]), entity(&Key::root("Person", 1), &[])])
            .unwrap();
        staging.delete(&[entities[2].key()]).unwrap();
        let changed: Vec<String> = diff(3).lines().filter(|line| line.starts_with(['+', '-', '~'])).map(str::to_owned).collect();
        assert_eq!(changed, ["- Person/5629499534213120/Order/7", "+ Person/1", "~ Person/'bob'"]);

        let dry = event(with(emulator, &folder, &restore).arg("--dry-run"));
        assert_eq!((&dry["total"]["create"], &dry["total"]["replace"]), (&1.into(), &1.into()));
        assert_eq!((&dry["total"]["equal"], &dry["total"]["delete"]), (&1.into(), &1.into()));
        let done = event(&mut with(emulator, &folder, &restore));
        assert_eq!((&done["rows"], &done["deleted"]), (&2.into(), &1.into()));
        assert_eq!(diff(0), "");
    }
}

#[test]
fn what_production_loses_leaves_staging() {
    for flavour in Flavour::ALL {
        let Some(emulator) = Emulator::shared(flavour) else { continue };
        let folder = folder(&format!("staging-lost-{flavour:?}").to_lowercase());
        let (from, to) = (format!("lost-{flavour:?}").to_lowercase(), format!("lost-{flavour:?}-staging").to_lowercase());
        let open = |project: &str| DatastoreStore::connect_to_emulator(&emulator.host(), project, "").unwrap();
        let key = |text: &str| text.parse::<Key>().unwrap();
        let put = |project: &str, keys: &[&str]| {
            open(project).upsert(&keys.iter().map(|text| entity(&key(text), &[])).collect::<Vec<_>>()).unwrap();
        };
        put(&from, &["Person/1", "Session/1", "{tenant}Person/2"]);
        put(&to, &["Person/1", "Session/1", "Session/2", "{tenant}Person/2", "{tenant}Session/3", "Draft/1"]);
        // The Firestore emulator lists nothing.
        let selected: &[&str] = match flavour {
            Flavour::Datastore => &[],
            Flavour::Firestore => &["--kinds", "Person,Session", "--namespaces", ",tenant"],
        };
        let (source, target) = (format!("datastore://{from}"), format!("datastore://{to}"));
        let backup = [&["backup", &source, "backup"], selected].concat();
        run(&mut with(emulator, &folder, &backup), 0);
        open(&from).delete(&[&key("Session/1"), &key("{tenant}Person/2")]).unwrap();
        run(&mut with(emulator, &folder, &backup), 0);
        let restore = ["restore", "backup", "--to", &target, "--mirror"];
        let (_, told) = run(&mut with(emulator, &folder, &restore), 0);
        let left = |texts: &[&str]| {
            let keys: Vec<_> = texts.iter().map(|text| key(text)).collect();
            let mut found: Vec<_> =
                open(&to).lookup(&keys.iter().collect::<Vec<_>>()).unwrap().iter().map(|there| there.key().to_string()).collect();
            found.sort_unstable();
            found.join(" ")
        };
        let all = ["Person/1", "Session/1", "Session/2", "{tenant}Person/2", "{tenant}Session/3", "Draft/1"];
        assert_eq!(left(&all), "Draft/1 Person/1", "{told}");
        if flavour == Flavour::Datastore {
            assert!(told.contains(r#"left alone unless --kinds names them: "Draft""#), "{told}");
            put(&to, &["Session/1", "{other}Person/3"]);
            run(with(emulator, &folder, &restore).args(["--interpret", "--kinds", "Session,Draft"]), 0);
            assert_eq!(left(&["Draft/1", "Session/1", "{other}Person/3"]), "{other}Person/3");
            run(with(emulator, &folder, &restore).arg("--interpret"), 0);
            assert_eq!(left(&["{other}Person/3", "Person/1"]), "Person/1");
        } else {
            // All namespaces are covered, and nobody says which there are.
            gaebar_runtime::store::SqliteStore::open_or_create(&folder.join("all.db"))
                .unwrap()
                .upsert(&[entity(&key("Person/1"), &[])])
                .unwrap();
            run(&mut gaebar(&folder, &["backup", "sqlite:all.db", "all"]), 0);
            put(&to, &["Person/4", "{tenant}Person/5"]);
            let restore = ["restore", "all", "--to", &target, "--mirror", "--interpret"];
            let (_, told) = run(&mut with(emulator, &folder, &restore), 0);
            assert!(
                told.contains(r#"does not list its namespaces, so only these are mirrored: ""; --namespaces names"#),
                "{told}"
            );
            assert_eq!(left(&["Person/4", "{tenant}Person/5"]), "{tenant}Person/5");
            run(with(emulator, &folder, &restore).args(["--namespaces", ",tenant"]), 0);
            assert_eq!(left(&["Person/1", "{tenant}Person/5"]), "Person/1");
        }
    }
}

#[test]
fn a_real_project_asks_and_an_emulator_that_is_gone_is_no_reason_to_go_there() {
    let folder = folder("wrong-target");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:store.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    for interpret in [&["--interpret"][..], &[]] {
        let arguments = [&["restore", "backup", "--to", "datastore://my-app"][..], interpret].concat();
        // Nobody is there to be asked. Nothing was compiled, and no credentials were looked for.
        let (_, error) = run(gaebar(&folder, &arguments).stdin(std::process::Stdio::null()), 2);
        assert!(error.contains("datastore://my-app is a real project; say --yes"), "{error}");
        for yes in [&[][..], &["--yes"]] {
            let mut command = gaebar(&folder, &arguments);
            command.args(yes).env("DATASTORE_EMULATOR_HOST", "127.0.0.1:1").stdin(std::process::Stdio::null());
            let (_, error) = run(&mut command, 1);
            assert!(error.contains("the emulator at 127.0.0.1:1 does not answer"), "{error}");
        }
    }
}
