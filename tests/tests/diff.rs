//! `gaebar diff` and `gaebar show`.

use std::path::Path;

use gaebar_runtime::model::{Data, Entity, Key, Properties, Value};
use gaebar_runtime::store::{SqliteStore, Store};
use gaebar_tests::command::{folder, gaebar, run, workspace};

fn store(path: &Path, entities: &[(i64, &[(&str, Value)])]) {
    let entities: Vec<_> = entities
        .iter()
        .map(|(id, properties)| {
            let properties: Properties = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            Entity::new(Key::root("Note", *id), properties).unwrap()
        })
        .collect();
    SqliteStore::open_or_create(path).unwrap().upsert(&entities).unwrap();
}

/// Two stores that differ in every way.
fn two_stores(folder: &Path) {
    let long = Value::from("x".repeat(400)).unindexed();
    store(
        &folder.join("a.db"),
        &[
            (1, &[("text", "same".into())]),
            (2, &[("text", "old".into()), ("gone", 1.into()), ("kept", 2.into())]),
            (3, &[]),
            (5, &[("flag", true.into())]),
        ],
    );
    store(
        &folder.join("b.db"),
        &[
            (1, &[("text", "same".into())]),
            (2, &[("text", "new".into()), ("kept", 2.into()), ("came", Data::Null.into())]),
            (4, &[("long", long)]),
            (5, &[("flag", Value::from(true).unindexed())]),
        ],
    );
}

const EXPECTED: &str = "~ Note/2
    + came: Null
    - gone: 1
    - text: \"old\"
    + text: \"new\"
- Note/3
+ Note/4
";

#[test]
fn differences_are_told_by_entity_and_property_between_stores_and_backups_alike() {
    let folder = folder("diff");
    two_stores(&folder);
    for side in ["a", "b"] {
        run(&mut gaebar(&folder, &["backup", &format!("sqlite:{side}.db"), side]), 0);
    }
    for first in ["sqlite:a.db", "a"] {
        for second in ["sqlite:b.db", "b"] {
            let (text, summary) = run(&mut gaebar(&folder, &["diff", first, second]), 3);
            assert!(text.starts_with(EXPECTED), "{text}");
            assert!(
                text.ends_with("~ Note/5\n    - flag: Value::Bool(true)\n    + flag: Value::Unindexed(&Value::Bool(true))\n"),
                "{text}"
            );
            assert!(text.lines().all(|line| line.chars().count() <= 120) && text.contains('…'), "{text}");
            assert!(summary.contains("1 added, 1 removed, 2 changed; 1 row equal"), "{summary}");
        }
    }
    let (text, _) = run(&mut gaebar(&folder, &["diff", "a", "b", "--full"]), 3);
    assert!(text.contains(&"x".repeat(400)));
    let (text, _) = run(&mut gaebar(&folder, &["diff", "a", "b", "--stat"]), 3);
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["Note", "1", "added", "1", "removed", "2", "changed"]);
    let (json, _) = run(&mut gaebar(&folder, &["diff", "a", "b", "--format", "json"]), 3);
    let events: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((events.len(), &events[0]["properties"]["text"]["after"]), (5, &"Value::Str(\"new\")".into()));

    for (first, second) in [("a", "sqlite:a.db"), ("sqlite:a.db", "a"), ("a", "a")] {
        let (text, _) = run(&mut gaebar(&folder, &["diff", first, second]), 0);
        assert_eq!(text, "");
    }
    run(&mut gaebar(&folder, &["diff", "a", "b", "--kinds", "Other"]), 0);
    run(&mut gaebar(&folder, &["diff", "a", "b", "--exclude-kinds", "Note"]), 0);
    let (_, error) = run(&mut gaebar(&folder, &["diff", "a", "nonsense"]), 2);
    assert!(error.contains("there is no folder `nonsense` either"), "{error}");
}

#[test]
fn what_a_backup_does_not_cover_is_not_compared() {
    let folder = folder("diff-covers");
    let keys = ["A/1", "{n}A/2", "B/1"].map(|key| Entity::new(key.parse::<Key>().unwrap(), Properties::new()).unwrap());
    SqliteStore::open_or_create(&folder.join("store.db")).unwrap().upsert(&keys).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "part", "--kinds", "A", "--namespaces", ""]), 0);
    for sides in [["part", "sqlite:store.db"], ["sqlite:store.db", "part"]] {
        let (text, told) = run(&mut gaebar(&folder, &[&["diff"], &sides[..]].concat()), 0);
        assert!(text.is_empty() && told.contains("note: 2 more were not compared") && told.contains(r#"("A", "B")"#), "{told}");
        run(&mut gaebar(&folder, &[&["diff", "--kinds", "B"], &sides[..]].concat()), 3);
    }
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "whole", "--kinds", "A"]), 0);
    let (text, _) = run(&mut gaebar(&folder, &["diff", "whole", "part"]), 0);
    assert_eq!(text, "");
    let more = Entity::new("{m}A/1".parse::<Key>().unwrap(), Properties::new()).unwrap();
    SqliteStore::open_or_create(&folder.join("store.db")).unwrap().upsert(&[more]).unwrap();
    let (text, _) = run(&mut gaebar(&folder, &["diff", "whole", "sqlite:store.db"]), 3);
    assert_eq!(text, "+ {m}A/1\n", "all namespaces are covered of A");
}

#[test]
fn an_entity_is_shown_with_its_place_and_its_referrers() {
    let folder = folder("show");
    let example = workspace().join("examples/backup");
    let show = |key: &str, code| run(&mut gaebar(&folder, &["show", example.to_str().unwrap(), key]), code);
    let (text, _) = show("Profile/2", 0);
    assert!(text.starts_with("volumes/profile_0/src/shard_0.rs:"), "{text}");
    assert!(text.contains("pub fn row_2() -> Profile {") && text.contains("full_name: \"Aral Balkan\""), "{text}");
    let referrers = text.lines().last().unwrap();
    for key in ["AllOtherTypes/1", "GoogleAccount/2", "PlasticMan/1", "Profile/'stephalicious'"] {
        assert!(referrers.contains(key), "{key}: {referrers}");
    }
    assert!(show("Profile/999", 1).1.contains("has no entity Profile/999"));
    assert!(show("Profile", 2).1.contains("is no key"));
}
