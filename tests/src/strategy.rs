//! Entities of every shape, for property tests.

use std::collections::BTreeMap;

use gaebar_runtime::model::{
    Data, Database, Double, Embedded, Entity, GeoPoint, Id, Key, PathElement, Properties, Timestamp, Value,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Names that have been trouble somewhere: keywords, paths, quotes, markup, things that look like code.
const HOSTILE: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "type",
    "self",
    "Self",
    "crate",
    "super",
    "_",
    "fn",
    "r#type",
    "key",
    "other",
    "Key",
    "Value",
    "ROWS",
    "BASE",
    "String",
    "Ok",
    "..",
    "../../etc/passwd",
    "a/b",
    "C:\\x",
    "con",
    "'",
    "''",
    "\"",
    "\\",
    "\";panic!();\"",
    "{x}",
    "{project=p}",
    "*/",
    "//",
    "/*",
    "#![x]",
    "\0",
    "a\nb",
    "a\r\nb",
    "pub fn row_1()",
    "x\npub fn row_2() -> X {",
    "\u{202e}abc",
    "\u{200b}",
    "\u{feff}",
    "🦀",
    "日本語",
    "größe",
    "GRÖSSE",
    "e\u{301}",
    "é",
    "2",
    "007",
    "-1",
    "$crate",
    "$x:expr",
    "r\"",
    "\"#",
    "\"##\n",
    "0x10",
];

/// Any text, the hostile ones often.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(HOSTILE).prop_map(str::to_owned),
        2 => any::<String>(),
        2 => "[a-z]{1,12}",
        1 => "[a-z \"#\\\\\n]{0,60}",
    ]
}

fn id() -> impl Strategy<Value = Id> {
    prop_oneof![any::<i64>().prop_map(Id::Number), (1_i64..100).prop_map(Id::Number), text().prop_map(Id::Name)]
}

fn path() -> impl Strategy<Value = Vec<PathElement>> {
    vec((text(), id()).prop_map(|(kind, id)| PathElement { kind, id }), 1..4)
}

fn database() -> impl Strategy<Value = Database> {
    prop_oneof![
        3 => Just(Database::Own),
        1 => ("[a-z:.-]{1,9}", prop_oneof![Just(String::new()), text()])
            .prop_map(|(project, database)| Database::Other { project, database }),
    ]
}

/// Any key, complete or (as an embedded entity's may be) not.
pub fn key() -> impl Strategy<Value = Key> {
    (database(), prop_oneof![3 => Just(String::new()), 1 => text()], path(), prop::bool::weighted(0.1)).prop_map(
        |(database, namespace, mut path, unset)| {
            if let (true, Some(last)) = (unset, path.last_mut()) {
                last.id = Id::Unset;
            }
            Key::new(database, namespace, path).unwrap_or_else(|_| Key::root("K", 1))
        },
    )
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    let seconds = prop_oneof![Just(-62_135_596_800), Just(253_402_300_799), Just(0), -62_135_596_800_i64..=253_402_300_799];
    let nanos = prop_oneof![Just(0), Just(999_999_999), Just(120_000_000), 0_u32..1_000_000_000];
    (seconds, nanos).prop_filter_map("in range", |(seconds, nanos)| Timestamp::new(seconds, nanos).ok())
}

fn double() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<f64>(),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::NAN,
            -f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE,
            5e-324,
            f64::MAX,
            1e21,
            0.1,
            f64::from_bits(0x7ff0_0000_0000_0001),
        ]),
    ]
}

fn leaf() -> impl Strategy<Value = Data> {
    prop_oneof![
        Just(Data::Null),
        any::<bool>().prop_map(Data::Boolean),
        prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -5_i64..5].prop_map(Data::Integer),
        double().prop_map(|value| Data::Double(Double(value))),
        timestamp().prop_map(Data::Timestamp),
        key().prop_map(Data::Key),
        text().prop_map(Data::String),
        vec(any::<u8>(), 0..40).prop_map(Data::Blob),
        vec(any::<u8>(), 2040..2060).prop_map(Data::Blob),
        (double(), double()).prop_map(|(latitude, longitude)| Data::GeoPoint(GeoPoint::new(latitude, longitude))),
    ]
}

fn flagged(data: impl Strategy<Value = Data>) -> impl Strategy<Value = Value> {
    let meaning = prop_oneof![3 => Just(0), 1 => prop::sample::select(vec![1, 15, 20, 23, -1, i32::MAX])];
    (data, any::<bool>(), meaning).prop_map(|(data, exclude_from_indexes, meaning)| Value { data, exclude_from_indexes, meaning })
}

/// Any value, flags and all, some levels deep.
pub fn value() -> impl Strategy<Value = Value> {
    flagged(leaf()).prop_recursive(4, 24, 4, |inner| {
        let array = vec(inner.clone(), 0..4).prop_map(Data::Array);
        let embedded = (prop::option::of(key()), btree_map(text(), inner, 0..4))
            .prop_map(|(key, properties)| Data::Entity(Embedded { key, properties }));
        flagged(prop_oneof![array, embedded])
    })
}

/// Properties: some with names that many entities share, so that they become fields.
fn properties() -> impl Strategy<Value = Properties> {
    let common = prop_oneof![Just("a"), Just("b"), Just("type"), Just("größe"), Just("x\ny")].prop_map(str::to_owned);
    btree_map(prop_oneof![2 => common, 1 => text()], value(), 0..8)
}

/// Any entity of a store.
pub fn entity() -> impl Strategy<Value = Entity> {
    let kinds =
        prop_oneof![Just("Thing"), Just("thing"), Just("type"), Just("Key"), Just("../up"), Just("🦀")].prop_map(str::to_owned);
    let kind = prop_oneof![9 => kinds, 1 => text()];
    let namespace = prop_oneof![3 => Just(String::new()), 1 => text()];
    (namespace, path(), kind, properties()).prop_filter_map("an entity's key", |(namespace, mut path, kind, properties)| {
        path.last_mut()?.kind = kind;
        Entity::new(Key::new(Database::Own, namespace, path).ok()?, properties).ok()
    })
}

/// So many entities, the same in each run, by key.
pub fn entities(count: usize) -> Vec<Entity> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = entity();
    let mut found = BTreeMap::new();
    while found.len() < count {
        if let Ok(tree) = strategy.new_tree(&mut runner) {
            let entity = tree.current();
            found.insert(gaebar_runtime::model::order_key(entity.key()), entity);
        }
    }
    found.into_values().collect()
}

/// What a server takes of an entity: the same shape, without what is refused or changed on the way (see
/// `tests/tests/datastore.rs`, which pins that). `number` keeps keys apart that become the same.
pub fn storable(entity: &Entity, number: i64) -> Entity {
    let path = entity.key().path().iter().map(storable_element).collect::<Vec<_>>();
    let mut path: Vec<_> = path.into_iter().take(3).collect();
    path.push(PathElement { kind: "Storable".to_owned(), id: Id::Number(number) });
    let namespace = if entity.key().namespace().is_empty() { "" } else { "tenant-a" };
    let key = Key::new(Database::Own, namespace.to_owned(), path).expect("the path is not empty");
    Entity::new(key, storable_properties(&entity.properties, false)).expect("the key is complete")
}

fn storable_name(name: &str) -> String {
    let name: String = name.chars().take(100).collect();
    if name.is_empty() || name.starts_with("__") { format!("x{name}") } else { name }
}

fn storable_element(element: &PathElement) -> PathElement {
    let id = match &element.id {
        Id::Number(0) | Id::Unset => Id::Number(1),
        Id::Number(number) => Id::Number(*number),
        Id::Name(name) => Id::Name(storable_name(name)),
    };
    PathElement { kind: storable_name(&element.kind), id }
}

fn storable_key(key: &Key) -> Key {
    let path = key.path().iter().map(storable_element).collect();
    let namespace = if key.namespace().is_empty() { "" } else { "tenant-a" };
    Key::new(Database::Own, namespace.to_owned(), path).expect("the path is not empty")
}

fn storable_properties(properties: &Properties, unindexed: bool) -> Properties {
    properties.iter().map(|(name, value)| (storable_name(name), storable_value(value, unindexed, true))).collect()
}

fn storable_value(value: &Value, unindexed: bool, array_allowed: bool) -> Value {
    let exclude_from_indexes = unindexed || value.exclude_from_indexes;
    let data = match &value.data {
        Data::Double(Double(double)) if double.is_nan() => Data::from(f64::NAN),
        Data::Timestamp(time) => Data::Timestamp(time.to_micros()),
        Data::Key(key) => Data::Key(storable_key(key)),
        Data::Blob(bytes) if !exclude_from_indexes => Data::Blob(bytes.iter().copied().take(1500).collect()),
        Data::String(text) if !exclude_from_indexes => Data::String(text.chars().take(300).collect()),
        Data::GeoPoint(point) => {
            let within = |degrees: f64, most: f64| if degrees.abs() <= most { degrees } else { most / 2.0 };
            Data::GeoPoint(GeoPoint::new(within(point.latitude().0, 90.0), within(point.longitude().0, 180.0)))
        }
        Data::Entity(Embedded { key, properties }) => {
            let properties = storable_properties(properties, exclude_from_indexes);
            Data::Entity(Embedded { key: key.as_ref().map(storable_key), properties })
        }
        Data::Array(items) if array_allowed => {
            // All alike in this: an emulator puts indexed items first.
            let alike = |item: &Value| Value { exclude_from_indexes, ..item.clone() };
            let items = items.iter().map(|item| storable_value(&alike(item), exclude_from_indexes, false));
            return Value::new(Data::Array(items.collect()));
        }
        Data::Array(_) => Data::Null,
        data => data.clone(),
    };
    // Others are tried one by one elsewhere: servers check each against the value's type.
    Value { data, exclude_from_indexes, meaning: 0 }
}
