//! Nothing of the model is lost on the way: through a store, through code, and back.

use gaebar_runtime::model::{Embedded, Entity, Key, Properties, Value, order_key};
use gaebar_runtime::store::{MemoryStore, Scan, SqliteStore, Store, View};
use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::compare::{assert_equal, everything};
use gaebar_tests::strategy;
use gaebar_tests::tree::assert_same_backup;
use proptest::prelude::*;
use ra_ap_parser::{Edition, SyntaxKind};

/// Everything in a store, by way of its namespaces, kinds and pages.
fn read_all(store: &dyn Store, limit: usize) -> Vec<Entity> {
    let snapshot = store.snapshot(View::Now).unwrap();
    let mut found = Vec::new();
    for namespace in snapshot.namespaces().unwrap() {
        for kind in snapshot.kinds(&namespace).unwrap() {
            let scan = Scan { namespace: namespace.clone(), kind, from: None, to: None };
            let mut cursor = None;
            loop {
                let page = snapshot.page(&scan, cursor.as_ref(), limit).unwrap();
                found.extend(page.entities);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
    }
    found
}

fn by_key(mut entities: Vec<Entity>) -> Vec<Entity> {
    entities.sort_by_cached_key(|entity| order_key(entity.key()));
    entities
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn entities_survive_their_encoding(entity in strategy::entity()) {
        prop_assert_eq!(gaebar_runtime::proto::decode(&gaebar_runtime::proto::encode(&entity)).unwrap(), entity);
    }

    #[test]
    fn keys_survive_their_text(key in strategy::key()) {
        prop_assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn entities_survive_a_store(entities in prop::collection::vec(strategy::entity(), 0..12), limit in 1_usize..5) {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = SqliteStore::open_or_create(&folder.path().join("store.db")).unwrap();
        let memory = MemoryStore::default();
        let mut expected = std::collections::BTreeMap::new();
        for entity in &entities {
            expected.insert(order_key(entity.key()), entity.clone());
        }
        let expected: Vec<_> = expected.into_values().collect();
        for store in [&sqlite as &dyn Store, &memory] {
            store.upsert(&entities).unwrap();
            prop_assert_eq!(&by_key(read_all(store, limit)), &expected);
        }
    }
}

/// The compiler itself is the judge: hostile kinds, properties, keys and values become code that compiles, and the
/// code gives back every bit.
#[test]
fn any_entities_survive_being_code() {
    let folder = folder("model");
    let entities = strategy::entities(300);
    let source = SqliteStore::open_or_create(&folder.join("source.db")).unwrap();
    source.upsert(&entities).unwrap();

    let backed_up = event(&mut gaebar(&folder, &["backup", "sqlite:source.db", "backup", "--shard-size", "20000"]));
    assert_eq!(backed_up["rows"], entities.len());
    run(&mut gaebar(&folder, &["restore", "backup", "--to", "sqlite:restored.db"]), 0);

    let restored = SqliteStore::open(&folder.join("restored.db")).unwrap();
    assert_equal(&source, &restored, &everything(), entities.len());

    run(&mut gaebar(&folder, &["backup", "sqlite:restored.db", "again/backup", "--shard-size", "20000"]), 0);
    assert_same_backup(&folder.join("backup"), &folder.join("again/backup"));
}

/// Every keyword of every edition, strict, reserved or weak.
fn keywords() -> Vec<String> {
    let kinds = (0..SyntaxKind::__LAST as u16).map(SyntaxKind::from);
    let is_keyword =
        |kind: &SyntaxKind| Edition::iter().any(|edition| kind.is_keyword(edition) || kind.is_contextual_keyword(edition));
    kinds.filter(is_keyword).map(|kind| kind.text().to_owned()).collect()
}

/// Names that mean something to the compiler, to cargo, or to generated code, beside keywords.
const MEANINGFUL: &[&str] = &[
    // Of the language.
    "'static",
    "_",
    "__",
    "r#gen",
    "raw",
    "safe",
    "union",
    "auto",
    "default",
    "macro_rules",
    "Self",
    "gen!",
    "Gen",
    // Types, traits and variants of the prelude, and primitive types.
    "Box",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Drop",
    "Eq",
    "Err",
    "Fn",
    "From",
    "Into",
    "Iterator",
    "None",
    "Ok",
    "Option",
    "Result",
    "Send",
    "Sized",
    "Some",
    "String",
    "Sync",
    "ToString",
    "Vec",
    "bool",
    "char",
    "f64",
    "i64",
    "str",
    "u8",
    "usize",
    // Macros, derives and attributes.
    "allow",
    "assert",
    "cfg",
    "concat",
    "derive",
    "doc",
    "kind",
    "panic",
    "shard",
    "stringify",
    // Crates and modules.
    "alloc",
    "core",
    "gaebar_runtime",
    "models",
    "proc_macro",
    "rows",
    "runtime",
    "std",
    "test",
    // Constants, functions and fields of rows.
    "BASE",
    "KIND",
    "entity",
    "encode",
    "fields",
    "key",
    "other",
    "row_1",
    "shard_0",
    "value",
];

/// Each keyword, and each name that generated code uses, as a kind, as a property, and as a backup.
#[test]
fn keywords_and_names_in_use_compile() {
    let folder = folder("keywords");
    let mut words = keywords();
    assert!(words.len() > 60 && words.iter().any(|word| word == "gen"), "{words:?}");
    words.extend(MEANINGFUL.iter().chain(gaebar_runtime::rows::RESERVED).map(|word| (*word).to_owned()));
    words.sort_unstable();
    words.dedup();
    // As many properties as a kind has fields, so that each word is a field somewhere.
    let groups: Vec<_> = words.chunks(gaebar_gen::schema::MOST_FIELDS).collect();
    let entity = |(number, kind): (usize, &String)| {
        let own = groups[number % groups.len()].iter().map(|word| (word.clone(), Value::from(word.as_str())));
        Entity::new(Key::root(kind.as_str(), 1), own.collect::<Properties>()).unwrap()
    };
    let entities: Vec<_> = words.iter().enumerate().map(entity).collect();
    let source = SqliteStore::open_or_create(&folder.join("source.db")).unwrap();
    source.upsert(&entities).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:source.db", "gen"]), 0);
    let declared = std::fs::read_to_string(folder.join("gen/models/src/kind_gen.rs")).unwrap();
    assert!(declared.contains("pub struct Gen(\"Gen\")") || declared.contains("(\"gen\")"), "{declared}");
    run(&mut gaebar(&folder, &["verify", "gen"]), 0);
    run(&mut gaebar(&folder, &["restore", "gen", "--to", "sqlite:restored.db"]), 0);
    assert_equal(&source, &SqliteStore::open(&folder.join("restored.db")).unwrap(), &everything(), entities.len());
}

/// The reader gives what the compiled rows give.
#[test]
fn entities_survive_being_read_instead_of_compiled() {
    let folder = folder("interpreted");
    let entities = strategy::entities(500);
    let source = SqliteStore::open_or_create(&folder.join("source.db")).unwrap();
    source.upsert(&entities).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:source.db", "backup", "--shard-size", "20000"]), 0);
    let no_cargo = |command: &mut std::process::Command| run(command.env("CARGO", "/nonexistent"), 0);
    no_cargo(&mut gaebar(&folder, &["restore", "backup", "--to", "sqlite:restored.db", "--interpret"]));
    let restored = SqliteStore::open(&folder.join("restored.db")).unwrap();
    assert_equal(&source, &restored, &everything(), 500);
}

/// Whatever a store takes it gives back; what it could not give back it refuses.
#[test]
fn depth_is_refused_where_it_could_not_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open_or_create(&folder.path().join("deep.db")).unwrap();
    let embedded = |inner: Value| Value::from(Embedded { key: None, properties: Properties::from([("p".to_owned(), inner)]) });
    let in_array = |inner: Value| Value::from(vec![embedded(inner)]);
    let mut refused = 0;
    for leaf in
        [Value::from(1), Value::from(Key::root("K", 1)), Value::from(gaebar_runtime::model::Timestamp::new(0, 0).unwrap())]
    {
        for levels in 0..60 {
            for arrays in [false, true] {
                let nest = |value, _| if arrays { in_array(value) } else { embedded(value) };
                let value = (0..levels).fold(leaf.clone(), nest);
                let entity = Entity::new(Key::root("Deep", levels + 1), Properties::from([("p".to_owned(), value)])).unwrap();
                match store.upsert(std::slice::from_ref(&entity)) {
                    Ok(()) => assert_eq!(gaebar_runtime::proto::decode(&gaebar_runtime::proto::encode(&entity)).unwrap(), entity),
                    Err(error) => {
                        assert!(levels > 19 && error.to_string().contains("nested deeper"), "{levels}: {error}");
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(refused > 0);
    read_all(&store, 3);
}
