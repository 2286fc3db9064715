//! What `gaebar restore` does to a target that holds something already: planned first, and then done.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gaebar_runtime::model::{Embedded, Entity, Key, Properties, Value};
use gaebar_runtime::store::{SqliteStore, Store};
use gaebar_tests::command::{folder, gaebar, run};
use serde_json::{Value as Json, json};

fn entity(key: &str, properties: &[(&str, Value)]) -> Entity {
    let properties: Properties = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Entity::new(key.parse().unwrap(), properties).unwrap()
}

fn text(key: &str, value: &str) -> Entity {
    entity(key, &[("text", value.into())])
}

fn key(key: &str) -> Value {
    Value::from(key.parse::<Key>().unwrap())
}

/// Seven entities in two namespaces, backed up; the target has two of them, one in another state, and two others.
fn prepared(test: &str) -> PathBuf {
    let folder = folder(test);
    let inner = Embedded { key: None, properties: Properties::from([("best".to_owned(), key("Friend/2"))]) };
    let source = [
        text("A/1", "one"),
        text("A/2", "two"),
        text("A/2/B/1", "below two"),
        entity("B/7", &[("friend", key("Friend/1")), ("friends", Value::from(vec![Value::from(inner)]))]),
        text("Friend/1", "one"),
        entity("Friend/2", &[("of", key("A/2"))]),
        text("{n}A/1", "one of n"),
    ];
    SqliteStore::open_or_create(&folder.join("source.db")).unwrap().upsert(&source).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:source.db", "backup"]), 0);
    let target = [text("A/1", "one"), text("A/2", "changed"), text("A/9", "other"), text("C/1", "of another kind")];
    SqliteStore::open_or_create(&folder.join("target.db")).unwrap().upsert(&target).unwrap();
    folder
}

/// Restores with some arguments; the plan, and how it ended.
fn restore(folder: &Path, to: &str, arguments: &[&str], code: i32) -> (Json, Json, String) {
    let all = [&["restore", "backup", "--interpret", "--to", to, "--format", "json"][..], arguments].concat();
    let (said, told) = run(&mut gaebar(folder, &all), code);
    let mut events: BTreeMap<String, Json> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .map(|event: Json| (event["event"].as_str().unwrap().to_owned(), event))
        .collect();
    (events.remove("plan").unwrap_or_default(), events.remove("restored").unwrap_or_default(), told)
}

/// Everything in a store: the text of each entity, by key.
fn texts(folder: &Path, store: &str) -> BTreeMap<String, String> {
    let store = rusqlite::Connection::open(folder.join(store)).unwrap();
    let mut statement = store.prepare("SELECT key_text FROM entities").unwrap();
    let keys: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let found = SqliteStore::open(&folder.join(store.path().unwrap())).unwrap();
    let keys: Vec<Key> = keys.iter().map(|key| key.parse().unwrap()).collect();
    let entities = found.lookup(&keys.iter().collect::<Vec<_>>()).unwrap();
    let text = |entity: &Entity| match entity.properties.get("text") {
        Some(value) => format!("{:?}", value.data),
        None => String::new(),
    };
    entities.iter().map(|entity| (entity.key().to_string(), text(entity))).collect()
}

fn keys(folder: &Path, store: &str) -> Vec<String> {
    texts(folder, store).into_keys().collect()
}

fn nonzero(counts: &Json) -> Json {
    counts.as_object().unwrap().iter().filter(|(_, count)| **count != json!(0)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[test]
fn a_dry_run_tells_everything_and_writes_nothing() {
    let folder = prepared("plan-dry");
    let before = texts(&folder, "target.db");
    let (plan, _, told) = restore(&folder, "sqlite:target.db", &["--dry-run"], 0);
    assert_eq!(nonzero(&plan["total"]), json!({"create": 5, "replace": 1, "equal": 1, "others": 1}));
    assert_eq!(nonzero(&plan["kinds"]["A"]), json!({"create": 1, "replace": 1, "equal": 1, "others": 1}));
    assert!(told.contains("Plan for sqlite:target.db") && told.contains("Nothing was written"), "{told}");
    assert_eq!(texts(&folder, "target.db"), before);
    // A target that does not exist is not made to look at it.
    let (plan, _, _) = restore(&folder, "sqlite:new.db", &["--dry-run"], 0);
    assert_eq!(nonzero(&plan["total"]), json!({"create": 7}));
    assert!(!folder.join("new.db").exists());
    let (_, _, told) = restore(&folder, "sqlite:source.db", &["--dry-run"], 0);
    assert!(told.contains("this is the store that the backup was taken from"), "{told}");
}

#[test]
fn what_the_target_has_is_overwritten_skipped_or_a_reason_to_fail() {
    let folder = prepared("plan-overwrite");
    let (_, done, _) = restore(&folder, "sqlite:target.db", &[], 0);
    assert_eq!((&done["rows"], &done["equal"], &done["checked"]), (&json!(6), &json!(1), &json!(7)));
    assert_eq!(texts(&folder, "target.db")["A/2"], "String(\"two\")");
    assert!(keys(&folder, "target.db").contains(&"A/9".to_owned()), "others are left alone");
    let (_, done, _) = restore(&folder, "sqlite:target.db", &[], 0);
    assert_eq!((&done["rows"], &done["equal"]), (&json!(0), &json!(7)), "what is equal is not written again");
    let (_, done, _) = restore(&folder, "sqlite:target.db", &["--write-all"], 0);
    assert_eq!((&done["rows"], &done["equal"]), (&json!(7), &json!(0)));

    let folder = prepared("plan-skip");
    let (plan, _, _) = restore(&folder, "sqlite:target.db", &["--on-conflict", "skip"], 0);
    assert_eq!(nonzero(&plan["total"]), json!({"create": 5, "leave": 2}));
    assert_eq!(texts(&folder, "target.db")["A/2"], "String(\"changed\")");

    let folder = prepared("plan-fail");
    let before = texts(&folder, "target.db");
    let (_, _, told) = restore(&folder, "sqlite:target.db", &["--on-conflict", "fail"], 1);
    assert!(told.contains("2 of the entities exist in sqlite:target.db, so nothing was restored: A/1, A/2"), "{told}");
    assert_eq!(texts(&folder, "target.db"), before, "it is looked for before the first write");
    restore(&folder, "sqlite:empty.db", &["--on-conflict", "fail"], 0);

    let folder = prepared("plan-update");
    let (plan, _, _) = restore(&folder, "sqlite:target.db", &["--on-conflict", "update-only"], 0);
    assert_eq!(nonzero(&plan["total"]), json!({"replace": 1, "equal": 1, "miss": 5}));
    assert_eq!(keys(&folder, "target.db"), ["A/1", "A/2", "A/9", "C/1"]);
}

#[test]
fn a_mirror_deletes_what_the_backup_does_not_have_of_its_kinds_and_says_so_first() {
    let folder = prepared("plan-mirror");
    let (plan, _, _) = restore(&folder, "sqlite:target.db", &["--mirror", "--dry-run"], 0);
    assert_eq!(nonzero(&plan["total"]), json!({"create": 5, "replace": 1, "equal": 1, "delete": 1}));
    assert!(keys(&folder, "target.db").contains(&"A/9".to_owned()));
    let (_, done, _) = restore(&folder, "sqlite:target.db", &["--mirror"], 0);
    assert_eq!(done["deleted"], 1);
    let mut expected = keys(&folder, "source.db");
    expected.push("C/1".to_owned());
    expected.sort_unstable();
    assert_eq!(keys(&folder, "target.db"), expected, "a kind that the backup does not cover is left alone");
    let all = ["restore", "backup", "--interpret", "--to", "sqlite:target.db", "--mirror", "--keys", "A/1"];
    run(&mut gaebar(&folder, &all), 2);
}

/// Puts keys into a store, and takes others out.
fn change(folder: &Path, store: &str, put: &[&str], delete: &[&str]) {
    let store = SqliteStore::open_or_create(&folder.join(store)).unwrap();
    store.upsert(&put.iter().map(|key| text(key, "text")).collect::<Vec<_>>()).unwrap();
    let delete: Vec<Key> = delete.iter().map(|key| key.parse().unwrap()).collect();
    store.delete(&delete.iter().collect::<Vec<_>>()).unwrap();
}

/// Production, backed up without its logs, which then loses its sessions and a tenant; staging has these still, and more of its own.
fn production_has_lost_some(test: &str) -> PathBuf {
    let folder = folder(test);
    let (stays, goes) = (["User/1", "{a}User/2", "Log/1"], ["Session/1", "{a}Session/2", "{b}User/3"]);
    let backup = ["backup", "sqlite:source.db", "backup", "--exclude-kinds", "Log"];
    change(&folder, "source.db", &[stays, goes].concat(), &[]);
    run(&mut gaebar(&folder, &backup), 0);
    change(&folder, "source.db", &[], &goes);
    run(&mut gaebar(&folder, &backup), 0);
    let own = ["User/9", "{c}User/4", "{c}Session/5", "Draft/1", "Log/2", "_GaebarState/1"];
    change(&folder, "target.db", &[&goes[..], &own].concat(), &[]);
    folder
}

#[test]
fn a_mirror_deletes_what_production_has_lost() {
    for interpret in [&["--interpret"][..], &[]] {
        let folder = production_has_lost_some("plan-lost");
        let restore = |arguments: &[&str], code: i32| {
            let all = ["restore", "backup", "--to", "sqlite:target.db", "--mirror", "--format", "json"];
            let (said, told) = run(&mut gaebar(&folder, &[&all[..], interpret, arguments].concat()), code);
            (said.lines().next().map(|line| serde_json::from_str::<Json>(line).unwrap()).unwrap_or_default(), told)
        };
        let before = keys(&folder, "target.db");
        let (plan, told) = restore(&["--dry-run"], 0);
        assert_eq!(nonzero(&plan["kinds"]["Session"]), json!({"delete": 3}));
        assert_eq!(nonzero(&plan["kinds"]["User"]), json!({"create": 2, "delete": 3}));
        assert_eq!((&plan["only_in_target"], &plan["not_covered"]), (&json!(["Draft", "Log"]), &json!(["Log"])));
        assert_eq!(plan["unrecorded"], json!([]));
        assert!(told.contains(r#"left alone unless --kinds names them: "Draft""#), "{told}");
        assert!(told.contains(r#"does not cover; they are left alone: "Log""#), "{told}");
        assert_eq!(keys(&folder, "target.db"), before);

        restore(&[], 0);
        assert_eq!(keys(&folder, "target.db"), ["Draft/1", "Log/2", "User/1", "_GaebarState/1", "{a}User/2"]);
        restore(&["--kinds", "Session"], 0);
        let (_, told) = restore(&["--kinds", "Log"], 1);
        assert!(told.contains(r#"no row of kind "Log", and does not cover it"#), "{told}");
        let (_, told) = restore(&["--kinds", "Drafft"], 1);
        assert!(told.contains(r#"no row of kind "Drafft", and neither has the target"#), "{told}");
        restore(&["--kinds", "Draft"], 0);
        assert_eq!(keys(&folder, "target.db"), ["Log/2", "User/1", "_GaebarState/1", "{a}User/2"]);
        change(&folder, "target.db", &["{b}User/1", "{c}User/1"], &[]);
        restore(&["--namespaces", "b"], 0);
        assert_eq!(keys(&folder, "target.db"), ["Log/2", "User/1", "_GaebarState/1", "{a}User/2", "{c}User/1"]);
    }
}

#[test]
fn a_mirror_keeps_to_what_a_partial_backup_covers() {
    let folder = folder("plan-covers");
    change(&folder, "source.db", &["User/1", "{a}User/2", "Other/1"], &[]);
    let backup =
        |arguments: &[&str]| run(&mut gaebar(&folder, &[&["backup", "sqlite:source.db", "backup"], arguments].concat()), 0);
    let target = ["User/7", "{a}User/8", "{b}User/9", "Other/2", "Session/1", "{a}Session/2"];
    let mirror = |arguments: &[&str]| {
        change(&folder, "target.db", &target, &["User/1", "{a}User/2", "Other/1"]);
        restore(&folder, "sqlite:target.db", &[&["--mirror"], arguments].concat(), 0);
        keys(&folder, "target.db").join(" ")
    };
    backup(&["--kinds", "User", "--namespaces", "a"]);
    assert_eq!(mirror(&[]), "Other/2 Session/1 User/7 {a}Session/2 {a}User/2 {b}User/9");
    // A kind that holds nothing is covered once it was asked for.
    backup(&["--kinds", "Session", "--allow-empty"]);
    assert_eq!(mirror(&["--kinds", "Session"]), "Other/2 User/7 {a}User/8 {b}User/9");
    assert_eq!(mirror(&[]), "Other/2 User/7 {a}User/2 {b}User/9");
    let (listed, _) = run(&mut gaebar(&folder, &["list", "backup"]), 0);
    assert!(listed.contains("It covers of User: only \"a\"\nIt covers of other kinds: no namespaces"), "{listed}");
    // A smaller backup takes nothing away from what was covered.
    backup(&[]);
    backup(&["--kinds", "User", "--namespaces", "a"]);
    assert_eq!(mirror(&[]), "Other/1 User/1 {a}User/2");
    run(&mut gaebar(&folder, &["verify", "backup"]), 0);
}

#[test]
fn a_kind_that_was_named_before_it_came_gets_a_fitting_struct() {
    let folder = folder("plan-comes");
    let backup =
        |arguments: &[&str]| run(&mut gaebar(&folder, &[&["backup", "sqlite:source.db", "backup"], arguments].concat()), 0);
    change(&folder, "source.db", &["User/1"], &[]);
    backup(&["--kinds", "Session", "--allow-empty"]);
    backup(&[]);
    assert!(!folder.join("backup/volumes/session_0").exists());
    let session = entity("Session/3", &[("at", 7.into())]);
    SqliteStore::open_or_create(&folder.join("source.db")).unwrap().upsert(&[session]).unwrap();
    backup(&[]);
    let shard = fs::read_to_string(folder.join("backup/volumes/session_0/src/shard_0.rs")).unwrap();
    assert!(shard.contains("pub fn row_1()") && shard.contains("        at: 7,"), "{shard}");
    run(&mut gaebar(&folder, &["verify", "backup"]), 0);
}

/// A backup by an earlier release is mirrored as that release did, and the output says so.
#[test]
fn an_old_backup_is_mirrored_where_it_has_rows() {
    let folder = folder("plan-old");
    let golden = gaebar_tests::command::workspace().join("tests/goldens/releases/0.2.0");
    for (file, bytes) in gaebar_tests::tree::files(&golden) {
        let path = folder.join("backup").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let mut ways = vec![vec!["--interpret"], vec![]];
    for round in 0..3 {
        for way in &ways {
            change(&folder, "target.db", &["Letter/'own'", "{elsewhere}Letter/1", "Draft/1"], &[]);
            let all = [&["restore", "backup", "--to", "sqlite:target.db", "--mirror"], way.as_slice()].concat();
            let (_, told) = run(&mut gaebar(&folder, &all), 0);
            assert!(told.contains("note: the backup has no record of what it covers"), "{told}");
            let kept = keys(&folder, "target.db");
            let is_kept = |key: &str| kept.iter().any(|kept| kept == key);
            assert!(is_kept("{elsewhere}Letter/1") && is_kept("Draft/1") && !is_kept("Letter/'own'"), "{round} {way:?} {kept:?}");
        }
        let manifest = fs::read_to_string(folder.join("backup/manifest.json")).unwrap();
        assert_eq!(manifest.contains("\"format\": 1"), round == 0, "{manifest}");
        assert!(!manifest.contains("other_kinds"), "an upgrade invents nothing: {manifest}");
        if round == 0 {
            run(&mut gaebar(&folder, &["upgrade", "backup"]), 0);
            run(&mut gaebar(&folder, &["verify", "backup"]), 0);
            ways.truncate(1);
        }
        run(&mut gaebar(&folder, &["backup", "sqlite:target.db", "backup", "--kinds", "Letter", "--namespaces", ""]), 0);
    }
    run(&mut gaebar(&folder, &["backup", "sqlite:target.db", "backup"]), 0);
    change(&folder, "target.db", &["{far}Letter/1"], &[]);
    let all = ["restore", "backup", "--to", "sqlite:target.db", "--mirror", "--interpret"];
    let (_, told) = run(&mut gaebar(&folder, &all), 0);
    assert!(!told.contains("has no record") && !keys(&folder, "target.db").contains(&"{far}Letter/1".to_owned()), "{told}");
}

#[test]
fn a_part_of_a_backup_is_restored() {
    let folder = prepared("plan-part");
    let mut number = 0;
    let mut part = |arguments: &[&str]| {
        number += 1;
        let store = format!("part-{number}.db");
        restore(&folder, &format!("sqlite:{store}"), arguments, 0);
        keys(&folder, &store).join(" ")
    };
    assert_eq!(part(&["--kinds", "A,Friend", "--exclude-kinds", "Friend"]), "A/1 A/2 {n}A/1");
    assert_eq!(part(&["--namespaces", "n"]), "{n}A/1");
    assert_eq!(part(&["--keys", "A/1", "A/2"]), "A/1 A/2");
    assert_eq!(part(&["--under", "A/2"]), "A/2 A/2/B/1");
    assert_eq!(part(&["--under", "A/2", "--keys", "Friend/1"]), "A/2 A/2/B/1 Friend/1");
    assert_eq!(part(&["--keys", "B/7"]), "B/7");
    // Friend/2 is referred to by an entity embedded in an array, and refers to A/2 itself.
    assert_eq!(part(&["--keys", "B/7", "--with-references"]), "A/2 B/7 Friend/1 Friend/2");
}

#[test]
fn what_is_named_and_not_in_the_backup_is_told_and_nothing_is_restored() {
    let folder = prepared("plan-named");
    for (arguments, expected) in [
        (&["--kinds", "A,Frend"][..], r#"no row of kind "Frend"; its kinds are "A", "B", "Friend"."#),
        (&["--kinds", "Frend", "--mirror"], r#"no row of kind "Frend""#),
        (&["--namespaces", "m"], r#"no row in the namespace "m"; its namespaces are "", "n"."#),
        (&["--map-namespace", "m=x", "--map-namespace", "n=y"], r#"no row in the namespace "m""#),
        (&["--keys", "A/1", "A/77"], "no row with the key A/77."),
        (&["--keys", "B/7", "B/8", "--with-references"], "no row with the key B/8."),
        (&["--under", "A/2", "--under", "A/77"], "no row with the key A/77, and none below it."),
        (&["--keys", "A/1", "--kinds", "B"], "no row of the backup meets all of these conditions."),
    ] {
        let (plan, _, told) = restore(&folder, "sqlite:target.db", arguments, 1);
        assert!(told.contains(expected) && told.contains("Nothing was restored"), "{arguments:?}: {told}");
        assert_eq!(plan, Json::default(), "{arguments:?}");
    }
    assert_eq!(keys(&folder, "target.db"), ["A/1", "A/2", "A/9", "C/1"]);
}

#[test]
fn namespaces_are_mapped_and_references_follow() {
    let folder = prepared("plan-namespaces");
    restore(&folder, "sqlite:mapped.db", &["--map-namespace", "=test", "--map-namespace", "n=m"], 0);
    let mapped = ["{m}A/1", "{test}A/1", "{test}A/2", "{test}A/2/B/1", "{test}B/7", "{test}Friend/1", "{test}Friend/2"];
    assert_eq!(keys(&folder, "mapped.db"), mapped);
    let store = SqliteStore::open(&folder.join("mapped.db")).unwrap();
    let found = store.lookup(&[&"{test}B/7".parse().unwrap()]).unwrap();
    assert_eq!(found[0].properties["friend"], key("{test}Friend/1"));
    // Two entities that would become one are told before anything is written.
    let (_, _, told) = restore(&folder, "sqlite:into.db", &["--into-namespace", "x"], 1);
    assert!(told.contains("another row goes to {x}A/1 too"), "{told}");
    assert_eq!(keys(&folder, "into.db"), [""; 0]);
    restore(&folder, "sqlite:into.db", &["--into-namespace", "x", "--namespaces", ""], 0);
    assert_eq!(keys(&folder, "into.db").len(), 6);
}

#[test]
fn gaebars_own_kinds_are_neither_backed_up_nor_compared_and_a_mirror_leaves_them_alone() {
    let folder = prepared("plan-own");
    let open = |store: &str| SqliteStore::open_or_create(&folder.join(store)).unwrap();
    open("source.db").upsert(&[text("_GaebarState/'turn 1'", "of the source"), text("_GaebarOther/1", "the same")]).unwrap();
    open("target.db").upsert(&[text("_GaebarState/'turn 2'", "of the target")]).unwrap();
    let before = fs::read_to_string(folder.join("backup/manifest.json")).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:source.db", "backup"]), 0);
    assert_eq!(fs::read_to_string(folder.join("backup/manifest.json")).unwrap(), before);
    let (_, told) = run(&mut gaebar(&folder, &["backup", "sqlite:source.db", "other", "--kinds", "_GaebarState"]), 1);
    assert!(told.contains("no entities of the kinds"), "{told}");
    let (plan, _, _) = restore(&folder, "sqlite:target.db", &["--mirror", "--yes"], 0);
    assert!(!plan.to_string().contains("_Gaebar"), "{plan}");
    let kept: Vec<_> = keys(&folder, "target.db").into_iter().filter(|key| key.starts_with("_Gaebar")).collect();
    assert_eq!(kept, ["_GaebarState/'turn 2'"]);
    let mut differ = gaebar(&folder, &["diff", "sqlite:source.db", "sqlite:target.db", "--exclude-kinds", "C"]);
    run(&mut differ, 0);
}
