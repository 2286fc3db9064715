//! The Datastore store against Google's own emulators, and what they do to entities.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gaebar_runtime::model::{Data, Database, Embedded, Entity, GeoPoint, Id, Key, Properties, Timestamp, Value, order_key};
use gaebar_runtime::store::{DatastoreStore, Realm, Scan, Snapshot, Store, StoreError, View};
use gaebar_tests::command::{folder, gaebar};
use gaebar_tests::emulator::{Emulator, Flavour};

/// An emulator, and a project that no other test uses.
struct Place {
    emulator: &'static Emulator,
    project: String,
}

impl Place {
    fn open(&self, database: &str) -> DatastoreStore {
        DatastoreStore::connect_to_emulator(&self.emulator.host(), &self.project, database).unwrap()
    }
}

/// Runs a test on each emulator that there is.
fn on_both(test: impl Fn(Flavour, &Place)) {
    for flavour in Flavour::ALL {
        on(flavour, |place| test(flavour, place));
    }
}

fn on(flavour: Flavour, test: impl Fn(&Place)) {
    static PROJECTS: AtomicUsize = AtomicUsize::new(0);
    if let Some(emulator) = Emulator::shared(flavour) {
        let project = format!("project-{}", PROJECTS.fetch_add(1, Ordering::Relaxed));
        test(&Place { emulator, project });
    }
}

fn entity(key: Key, value: impl Into<Value>) -> Entity {
    Entity::new(key, [("p".to_owned(), value.into())].into()).unwrap()
}

fn whole(namespace: &str, kind: &str) -> Scan {
    Scan { namespace: namespace.into(), kind: kind.into(), from: None, to: None }
}

/// All entities of a scan, and in how many pages they came.
fn read(snapshot: &dyn Snapshot, scan: &Scan, limit: usize) -> (Vec<Entity>, usize) {
    let (mut entities, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = snapshot.page(scan, cursor.as_ref(), limit).unwrap();
        assert!(page.entities.len() <= limit);
        entities.extend(page.entities);
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            return (entities, pages);
        }
    }
}

fn read_all(store: &DatastoreStore, kind: &str) -> Vec<Entity> {
    read(store.snapshot(View::Now).unwrap().as_ref(), &whole("", kind), 500).0
}

/// What the emulator makes of a value.
fn there_and_back(store: &DatastoreStore, value: impl Into<Value>) -> Result<Value, StoreError> {
    let key = Key::root("ThereAndBack", 1);
    store.upsert(&[entity(key.clone(), value)])?;
    let found = read_all(store, "ThereAndBack").pop().unwrap();
    assert_eq!(*found.key(), key);
    Ok(found.properties["p"].clone())
}

fn assert_same(store: &DatastoreStore, value: impl Into<Value>) {
    let value = value.into();
    assert_eq!(there_and_back(store, value.clone()).unwrap(), value);
}

fn assert_refused(store: &DatastoreStore, value: impl Into<Value>, why: &str) {
    let value = value.into();
    match there_and_back(store, value.clone()) {
        Err(StoreError::Refused { code, message, .. }) => {
            assert_eq!(code, "INVALID_ARGUMENT", "{value:?}");
            assert!(message.contains(why), "{value:?}: {message}");
        }
        other => panic!("{value:?}: {other:?}"),
    }
}

fn embedded(key: Option<Key>, name: &str, value: impl Into<Value>) -> Value {
    Data::Entity(Embedded { key, properties: [(name.to_owned(), value.into())].into() }).into()
}

fn incomplete(kind: &str) -> Key {
    Key::root(kind, Id::Unset)
}

fn time(seconds: i64, nanos: u32) -> Timestamp {
    Timestamp::new(seconds, nanos).unwrap()
}

#[test]
fn values_of_every_type_come_back_bit_for_bit() {
    let other = Database::Other { project: "other".into(), database: "db".into() };
    let values: Vec<Value> = vec![
        Data::Null.into(),
        true.into(),
        false.into(),
        0.into(),
        i64::MIN.into(),
        i64::MAX.into(),
        0.0.into(),
        (-0.0).into(),
        f64::NAN.into(),
        f64::INFINITY.into(),
        f64::MIN_POSITIVE.into(),
        f64::from_bits(1).into(),
        time(0, 0).into(),
        time(-1, 999_999_000).into(),
        time(-62_135_596_800, 0).into(),
        time(253_402_300_799, 999_999_000).into(),
        Key::root("K", 1).into(),
        Key::root("K", -1).child("L", "na/me").unwrap().in_namespace("n").into(),
        Key::root("K", "x").in_database(other.clone()).into(),
        Key::root("K", "x").in_database(Database::Other { project: "other".into(), database: String::new() }).into(),
        "".into(),
        "a\0b\r\n\u{202e}\u{1f600}".into(),
        "a".repeat(1500).into(),
        Vec::<u8>::new().into(),
        vec![0, 1, 255].into(),
        Data::GeoPoint(GeoPoint::new(90.0, -180.0)).into(),
        Data::GeoPoint(GeoPoint::new(-12.345_678_901_234_567, 0.1)).into(),
        Embedded::default().into(),
        embedded(Some(Key::root("K", "x").in_database(other)), "a.b", vec![Value::from(1)]),
        Vec::<Value>::new().into(),
        vec![Value::from(1), Data::Null.into(), "a".into(), 1.into()].into(),
        vec![embedded(None, "x", vec![Value::from(1), Value::from("y").unindexed()])].into(),
    ]
    .into_iter()
    .flat_map(|value: Value| {
        // An array can't be excluded; its items can.
        let excluded = match &value.data {
            Data::Array(items) => Value::new(Data::Array(items.iter().cloned().map(Value::unindexed).collect())),
            _ => value.clone().unindexed(),
        };
        [value, excluded]
    })
    .chain([
        Value::from("long".repeat(10_000)).unindexed(),
        Value::from("long").unindexed().meaning(15),
        Value::from(vec![1_u8; 10_000]).unindexed().meaning(22),
        Value::from(vec![1_u8]).unindexed().meaning(16),
        Value::from("tag").meaning(17),
        Value::from("tag").meaning(1),
    ])
    .collect();

    on_both(|flavour, place| {
        let store = place.open("");
        let entities: Vec<_> = values
            .iter()
            .zip(1..)
            .map(|(value, id)| entity(Key::root("Value", id), value.clone()))
            .chain([Entity::new(Key::root("Value", "none"), Properties::new()).unwrap()])
            .collect();
        store.upsert(&entities).unwrap();
        for (found, written) in read_all(&store, "Value").iter().zip(&entities) {
            assert_eq!(found, written, "{flavour}");
        }
        assert_eq!(read_all(&store, "Value"), entities);
    });
}

#[test]
fn a_geo_point_keeps_the_sign_of_its_zeros() {
    on_both(|flavour, place| {
        let store = place.open("");
        for (latitude, longitude) in [(-0.0, 0.0), (0.0, -0.0), (-0.0, -0.0), (-0.0, 12.5), (0.0, 0.0)] {
            store.delete(&[&Key::root("ThereAndBack", 1)]).unwrap();
            let found = there_and_back(&store, Data::GeoPoint(GeoPoint::new(latitude, longitude))).unwrap().data;
            let Data::GeoPoint(point) = found else { panic!("{flavour}: {found:?}") };
            let bits = [point.latitude(), point.longitude()].map(|degrees| degrees.0.to_bits());
            assert_eq!(bits, [latitude, longitude].map(f64::to_bits), "{flavour}: {latitude:?}, {longitude:?}");
        }
    });
}

#[test]
fn emulators_change_these_values() {
    on_both(|flavour, place| {
        let store = place.open("");
        let changed = |value: Value, to: Value| assert_eq!(there_and_back(&store, value).unwrap(), to, "{flavour}");
        changed(time(5, 123_456_789).into(), time(5, 123_456_000).into());
        changed(time(-5, 123_456_789).into(), time(-5, 123_456_000).into());
        changed(Value::from(vec![1_u8]).meaning(16), Value::from(vec![1_u8]));

        // A write that changes the signs of zeros alone is lost on one of them.
        let point = |latitude| Value::from(Data::GeoPoint(GeoPoint::new(latitude, 1.0)));
        for (before, after) in [(Value::from(0.0), Value::from(-0.0)), (point(-0.0), point(0.0))] {
            changed(before.clone(), before.clone());
            changed(after.clone(), if flavour == Flavour::Datastore { before } else { after });
        }
        let payload = f64::from_bits(0xfff8_0000_0000_0001);
        let mixed = |order: [i64; 3]| {
            let items = order.map(|n| if n < 2 { Value::from(n).unindexed() } else { Value::from(n) });
            Value::from(items.to_vec())
        };
        match flavour {
            Flavour::Datastore => {
                changed(payload.into(), payload.into());
                changed(mixed([0, 2, 1]), mixed([2, 0, 1]));
            }
            Flavour::Firestore => {
                changed(payload.into(), f64::NAN.into());
                changed(mixed([0, 2, 1]), mixed([0, 2, 1]));
            }
        }
    });
}

#[test]
fn emulators_refuse_these_values() {
    on_both(|_, place| {
        let store = place.open("");
        assert_refused(&store, "a".repeat(1501), "longer than 1500 bytes");
        assert_refused(&store, Value::from(vec![0_u8; 1_048_488]).unindexed(), "longer than 1048487 bytes");
        assert_refused(&store, vec![Value::from(vec![Value::from(1)])], "cannot contain a Value containing another");
        assert_refused(&store, Value::from(vec![Value::from(1)]).unindexed(), "Exclude from indexes cannot be set");
        assert_refused(&store, Value::from(vec![Value::from(1)]).meaning(15), "cannot specify a meaning");
        assert_refused(&store, Value::from("text").meaning(15), "Indexed value has meaning 15");
        assert_refused(&store, Value::from(1).meaning(18), "Projection property");
        for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.1), (f64::INFINITY, 0.0)] {
            assert_refused(&store, Data::GeoPoint(GeoPoint::new(latitude, longitude)), "outside permitted range");
        }
        assert_refused(&store, Data::GeoPoint(GeoPoint::new(0.0, f64::NAN)), "is not a number");
        assert_refused(&store, incomplete("K"), "must not be incomplete");
        assert_refused(&store, Key::root("K", 0), "Must not be zero");
        assert_refused(&store, Key::root("K", ""), "name is the empty string");
        assert_refused(&store, Key::root("", 1), "kind is the empty string");
        assert_refused(&store, embedded(Some(Key::root("K", 0)), "x", 1), "Must not be zero");
        assert_refused(&store, embedded(None, "", 1), "property.name is the empty string");
    });
}

#[test]
fn an_embedded_entitys_key_may_be_incomplete() {
    on_both(|_, place| {
        let store = place.open("");
        assert_same(&store, embedded(Some(incomplete("K")), "x", 1));
        assert_same(&store, embedded(Some(Key::root("P", 1).child("K", Id::Unset).unwrap()), "x", 1).unindexed());
    });
}

#[test]
fn keys_without_a_project_come_back_as_the_stores_own() {
    on_both(|_, place| {
        let store = place.open("");
        let bare = Database::Other { project: String::new(), database: String::new() };
        let key = Key::root("K", 1).in_namespace("n");
        let found = there_and_back(&store, key.clone().in_database(bare)).unwrap();
        assert_eq!(found, key.into());

        // The project alone is filled in where a database is named.
        let elsewhere = |project: &str| Database::Other { project: project.into(), database: "dd".into() };
        let found = there_and_back(&store, Key::root("K", 1).in_database(elsewhere(""))).unwrap();
        assert_eq!(found, Key::root("K", 1).in_database(elsewhere(&place.project)).into());
    });
}

#[test]
fn entities_nest_twenty_deep_and_less_deep_in_arrays() {
    let nested = |depth: usize| (0..depth).fold(Value::from(7), |value, _| embedded(None, "x", value));
    let in_arrays = |depth| (0..depth).fold(Value::from(7), |value, _| vec![embedded(None, "x", value)].into());
    on_both(|flavour, place| {
        let store = place.open("");
        assert_same(&store, nested(20));
        assert_same(&store, nested(20).unindexed());
        assert_refused(&store, nested(21), "At most 20 nested entity values");
        match flavour {
            Flavour::Datastore => {
                assert_same(&store, in_arrays(19));
                // Deeper than Java's protobuf reads; the emulator does not say more.
                let Err(StoreError::Refused { code, message, .. }) = there_and_back(&store, in_arrays(20)) else {
                    panic!("20 levels in arrays were taken");
                };
                assert_eq!((code.as_str(), message.as_str()), ("UNKNOWN", ""));
            }
            Flavour::Firestore => {
                assert_same(&store, in_arrays(10));
                assert_refused(&store, in_arrays(11), "At most 20 nested array/entity values");
            }
        }
    });
}

#[test]
fn keys_of_every_form_are_kept_in_order() {
    let parents = [None, Some(Key::root("Ord", -1)), Some(Key::root("Ord", 1)), Some(Key::root("Par", "x"))];
    let ids = [i64::MIN, -1, 1, 2, 256, i64::MAX].map(Id::from);
    let names = ["\0", "1", "a", "a\0", "ab", "\u{e9}", "\u{1f600}", "\u{ffee}"].map(Id::from);
    let ids: Vec<Id> = ids.into_iter().chain(names).collect();
    let mut keys: Vec<Key> = parents
        .iter()
        .flat_map(|parent| {
            ids.iter().map(move |id| match parent {
                Some(parent) => parent.child("Ord", id.clone()).unwrap(),
                None => Key::root("Ord", id.clone()),
            })
        })
        .collect();
    keys.sort_by_key(order_key);

    on_both(|flavour, place| {
        let store = place.open("");
        store.upsert(&keys.iter().map(|key| entity(key.clone(), 1)).collect::<Vec<_>>()).unwrap();
        let mut found: Vec<_> = read_all(&store, "Ord").iter().map(|entity| entity.key().clone()).collect();
        match flavour {
            Flavour::Firestore => {}
            // It sorts texts by their UTF-16 units.
            Flavour::Datastore => {
                assert_ne!(found, keys);
                found.sort_by_key(order_key);
            }
        }
        assert_eq!(found, keys);

        for (key, why) in [
            (Key::root("Ord", 0), "Must not be zero"),
            (Key::root("Ord", ""), "name is the empty string"),
            (Key::root("", 1), "kind is the empty string"),
            (Key::root("__x__", 1), "is reserved"),
            (Key::root("Ord", "__x__"), "is reserved"),
            (Key::root("Ord", "a".repeat(1501)), "longer than 1500 bytes"),
        ] {
            let error = store.upsert(&[entity(key.clone(), 1)]).unwrap_err();
            assert!(error.is_about_an_entity() && error.to_string().contains(why), "{key}: {error}");
        }
    });
}

#[test]
fn databases_and_namespaces_are_apart() {
    on_both(|flavour, place| {
        let (store, named) = (place.open(""), place.open("named-db"));
        let reference = || Value::from(Key::root("K", 1).in_namespace("n"));
        let in_namespace = |namespace: &str| entity(Key::root("K", 1).in_namespace(namespace), reference());
        store.upsert(&[in_namespace(""), in_namespace("n"), in_namespace("n-2")]).unwrap();
        named.upsert(&[entity(Key::root("K", 2), reference()), entity(Key::root("Own", 1), 1)]).unwrap();

        let snapshot = store.snapshot(View::Now).unwrap();
        for namespace in ["", "n", "n-2"] {
            assert_eq!(read(snapshot.as_ref(), &whole(namespace, "K"), 10).0, [in_namespace(namespace)]);
        }
        assert_eq!(read(snapshot.as_ref(), &whole("none", "K"), 10).0, []);
        // A key of the named database is its own there, and another's elsewhere.
        assert_eq!(read_all(&named, "K"), [entity(Key::root("K", 2), reference())]);
        assert_eq!(read_all(&store, "Own"), []);

        let lists = named.snapshot(View::Now).unwrap();
        match flavour {
            Flavour::Datastore => {
                assert_eq!(snapshot.namespaces().unwrap(), ["", "n", "n-2"]);
                assert_eq!(snapshot.kinds("n").unwrap(), ["K"]);
                assert_eq!(snapshot.kinds("none").unwrap(), [""; 0]);
                // It lists those of all databases of the project.
                assert_eq!(lists.namespaces().unwrap(), ["", "n", "n-2"]);
                assert_eq!(snapshot.kinds("").unwrap(), ["K", "Own"]);
            }
            Flavour::Firestore => {
                for error in [snapshot.namespaces().unwrap_err(), lists.kinds("").unwrap_err()] {
                    let text = error.to_string();
                    assert!(text.contains("not supported in the Datastore Mode emulator. Name kinds with --kinds"), "{text}");
                }
            }
        }
    });
}

#[test]
fn kinds_are_listed_beyond_one_batch() {
    on(Flavour::Datastore, |place| {
        let store = place.open("");
        let mut kinds: Vec<_> = (0..1_100).map(|n| format!("Kind{n}")).collect();
        store.upsert(&kinds.iter().map(|kind| entity(Key::root(kind, 1), 1)).collect::<Vec<_>>()).unwrap();
        kinds.sort_unstable();
        assert_eq!(store.snapshot(View::Now).unwrap().kinds("").unwrap(), kinds);
    });
}

#[test]
fn pages_of_any_size_give_every_entity_once() {
    let entities: Vec<_> = (1..=1_200).map(|id| entity(Key::root("Page", id), id)).collect();
    on_both(|flavour, place| {
        let store = place.open("");
        // More than a commit takes.
        store.upsert(&entities).unwrap();
        let snapshot = store.snapshot(View::Now).unwrap();
        // The last page is the one that finds nothing.
        for (limit, pages) in [(100, 13), (299, 6), (300, 5), (301, 5), (600, 3), (1_200, 2), (5_000, 2)] {
            let (found, count) = read(snapshot.as_ref(), &whole("", "Page"), limit);
            assert!(found == entities, "{} with pages of {limit}", found.len());
            if flavour == Flavour::Firestore {
                assert_eq!(count, pages, "pages of {limit}");
            } else {
                // It gives 300 at a time, whatever the limit.
                assert_eq!(count, if limit <= 300 { pages } else { 5 }, "pages of {limit}");
            }
        }
        let range = Scan { from: Some(Key::root("Page", 101)), to: Some(Key::root("Page", 901)), ..whole("", "Page") };
        assert_eq!(read(snapshot.as_ref(), &range, 250).0, entities[100..900]);
        assert_eq!(read(snapshot.as_ref(), &Scan { from: None, ..range.clone() }, 250).0, entities[..900]);
        assert_eq!(read(snapshot.as_ref(), &Scan { to: None, ..range }, 250).0, entities[100..]);
        assert_eq!(read(snapshot.as_ref(), &whole("", "None"), 10), (vec![], 1));
    });
}

#[test]
fn a_split_scan_read_by_many_threads_gives_every_entity_once() {
    let parent = Key::root("Parent", 1);
    let entities: Vec<_> = (1..=500)
        .map(|id| Key::root("Split", id))
        .chain((0..500).map(|n| Key::root("Split", format!("name {n:03}"))))
        .chain(
            (0..500)
                .map(|n| Key::root("Split", if n % 2 == 0 { "\u{1f600}" } else { "\u{ffee}" }).child("Split", n + 1).unwrap()),
        )
        .chain((1..=500).map(|id| parent.child("Split", id).unwrap()))
        .map(|key| entity(key, 1))
        .collect();
    on_both(|flavour, place| {
        let store = place.open("");
        store.upsert(&entities).unwrap();
        let snapshot = store.snapshot(View::Now).unwrap();
        assert_eq!(snapshot.split("", "Split", 1).unwrap(), []);
        assert_eq!(snapshot.split("", "None", 8).unwrap(), []);
        let bounds = snapshot.split("", "Split", 8).unwrap();
        match flavour {
            Flavour::Datastore => assert_eq!(bounds.len(), 7),
            // It keeps no `__scatter__`.
            Flavour::Firestore => assert_eq!(bounds, []),
        }
        let ends = || [None].into_iter().chain(bounds.iter().cloned().map(Some)).chain([None]);
        let scans: Vec<_> = ends().zip(ends().skip(1)).map(|(from, to)| Scan { from, to, ..whole("", "Split") }).collect();
        let snapshot = snapshot.as_ref();
        let mut found = thread::scope(|scope| {
            let threads: Vec<_> = scans.iter().map(|scan| scope.spawn(|| read(snapshot, scan, 100).0)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(found.len(), entities.len());
        found.sort_by_key(|entity| order_key(entity.key()));
        let mut entities = entities.clone();
        entities.sort_by_key(|entity| order_key(entity.key()));
        assert!(found == entities);
    });
}

#[test]
fn commits_stay_below_what_emulators_take() {
    let entities: Vec<_> =
        (1..=12).map(|id| entity(Key::root("Large", id), Value::from(vec![7_u8; 1_000_000]).unindexed())).collect();
    on_both(|_, place| {
        let store = place.open("");
        store.upsert(&entities).unwrap();
        assert!(read_all(&store, "Large") == entities);
    });
}

#[test]
fn an_entity_written_twice_at_once_is_the_latter() {
    on_both(|_, place| {
        let store = place.open("");
        store.upsert(&[entity(Key::root("A", 1), 1), entity(Key::root("A", 2), 2), entity(Key::root("A", 1), 3)]).unwrap();
        assert_eq!(read_all(&store, "A"), [entity(Key::root("A", 1), 3), entity(Key::root("A", 2), 2)]);
        store.upsert(&[]).unwrap();
    });
}

#[test]
fn what_is_refused_says_so_at_once() {
    on_both(|_, place| {
        let store = place.open("");
        let begun = Instant::now();
        let bad = entity(Key::root("Bad", 2), "a".repeat(1501));
        let error = store.upsert(&[entity(Key::root("Bad", 1), 1), bad]).unwrap_err();
        assert!(error.is_about_an_entity());
        let text = error.to_string();
        assert!(text.contains("could not write 2 entities, Bad/1 to Bad/2: INVALID_ARGUMENT: "), "{text}");
        assert!(text.contains(&format!("emulator at {}", place.emulator.host())), "{text}");

        // Never sent.
        let huge = entity(Key::root("Bad", 3), Value::from(vec![0_u8; 5 << 20]).unindexed());
        let error = store.upsert(&[huge]).unwrap_err();
        assert!(error.is_about_an_entity());
        assert!(error.to_string().contains("could not write Bad/3: INVALID_ARGUMENT: it takes 52429"), "{error}");

        let wrong = DatastoreStore::connect_to_emulator(&place.emulator.host(), &place.project, "Not a database").unwrap();
        let error = wrong.snapshot(View::Now).err().unwrap();
        assert!(error.to_string().contains("is an invalid database id"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn ids_of_any_size_are_reserved() {
    let keys: Vec<Key> = (1..=1_200)
        .chain([-1, i64::MIN, (1 << 52) + (1 << 51) - 1, (1 << 52) + (1 << 51), i64::MAX])
        .map(|id| Key::root("Reserved", id).in_namespace("n"))
        .chain([Key::root("Reserved", "name"), incomplete("Reserved")])
        .collect();
    on_both(|_, place| {
        for database in ["", "named-db"] {
            let store = place.open(database);
            store.reserve_ids(&keys.iter().collect::<Vec<_>>()).unwrap();
            store.reserve_ids(&[]).unwrap();
            store.reserve_ids(&[&Key::root("Reserved", "name")]).unwrap();
        }
    });
}

#[test]
fn a_snapshot_is_of_one_time_where_the_emulator_keeps_history() {
    on_both(|flavour, place| {
        let store = place.open("");
        assert_eq!(store.place().realm, Realm::Emulator(place.emulator.host()));
        let (old, new) = (entity(Key::root("Time", 1), "old"), entity(Key::root("Time", 1), "new"));
        store.upsert(std::slice::from_ref(&old)).unwrap();
        let snapshot = store.snapshot(View::Now).unwrap();
        // The emulator's clock and its commits go by the millisecond.
        thread::sleep(Duration::from_millis(20));
        store.upsert(std::slice::from_ref(&new)).unwrap();

        let time = snapshot.read_time();
        assert_eq!(time.time, time.time.to_micros());
        let found = read(snapshot.as_ref(), &whole("", "Time"), 10).0;
        match flavour {
            Flavour::Firestore => {
                assert!(time.consistent);
                assert_eq!(found, std::slice::from_ref(&old));
                let again = store.snapshot(View::Then(time.time)).unwrap();
                assert_eq!(again.read_time(), time);
                assert_eq!(read(again.as_ref(), &whole("", "Time"), 10).0, [old]);

                for (wrong, why) in [(Timestamp::new(1_000_000_000, 0), "too old"), (Timestamp::new(9_000_000_000, 0), "future")]
                {
                    let error = store.snapshot(View::Then(wrong.unwrap())).err().unwrap();
                    assert!(matches!(error, StoreError::ReadTime { .. }), "{error:?}");
                    let text = error.to_string();
                    assert!(text.contains(why) && text.contains("within the last hour"), "{text}");
                }
            }
            Flavour::Datastore => {
                assert!(!time.consistent);
                assert_eq!(found, std::slice::from_ref(&new));
                let error = store.snapshot(View::Then(time.time)).err().unwrap();
                assert!(error.to_string().contains("keeps no earlier versions"), "{error}");
            }
        }
        assert_eq!(read_all(&store, "Time"), [new]);
    });
}

#[test]
fn an_emulator_that_is_not_there_is_an_error_soon_and_never_production() {
    // Bound and let go: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let begun = Instant::now();
    let error = DatastoreStore::connect_to_emulator(&format!("http://127.0.0.1:{port}/"), "p", "").unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let text = error.to_string();
    assert!(text.contains(&format!("the emulator at 127.0.0.1:{port} does not answer")), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
    assert!(text.contains("start the emulator there, or unset DATASTORE_EMULATOR_HOST"), "{text}");
}

#[test]
fn what_speaks_otherwise_is_no_emulator() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    let error = DatastoreStore::connect_to_emulator(&host, "p", "").unwrap_err();
    server.join().unwrap();
    assert!(error.to_string().contains(&format!("what listens at {host} is no Datastore emulator")), "{error}");
}

#[test]
fn an_emulator_that_dies_is_given_up_on_soon() {
    if Emulator::shared(Flavour::Datastore).is_none() {
        return;
    }
    let emulator = Emulator::start(Flavour::Datastore).unwrap();
    let host = emulator.host();
    let store = DatastoreStore::connect_to_emulator(&host, "p", "").unwrap();
    store.upsert(&[entity(Key::root("A", 1), 1)]).unwrap();
    emulator.reset();
    assert_eq!(read_all(&store, "A"), []);

    drop(emulator);
    let begun = Instant::now();
    let error = store.upsert(&[entity(Key::root("A", 1), 1)]).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("is the emulator at {host} still running?")), "{error}");
}

/// What the built binary says when it should read a project.
fn connect_with(variables: &[(&str, &str)]) -> String {
    let folder = folder("environment");
    let mut command = gaebar(&folder, &["backup", "datastore://some-project", "backup", "--kinds", "Nobody", "--namespaces", ""]);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_environment_chooses_between_an_emulator_and_production() {
    for (host, said) in [
        ("127.0.0.1:1", "error: datastore://some-project (emulator at 127.0.0.1:1): the emulator at 127.0.0.1:1 does not answer"),
        ("", "error: datastore://some-project (emulator at ): `` is no HOST:PORT of an emulator"),
    ] {
        let text = connect_with(&[("DATASTORE_EMULATOR_HOST", host)]);
        assert!(text.contains(said), "{text}");
    }
    if let Some(emulator) = Emulator::shared(Flavour::Datastore) {
        let host = emulator.host();
        let text = connect_with(&[("DATASTORE_EMULATOR_HOST", &format!("http://{host}"))]);
        assert!(text.contains(&format!("Backing up datastore://some-project (emulator at {host})")), "{text}");
    }
    let text = connect_with(&[("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")]);
    let said = "error: datastore://some-project (a real project): the credentials can't be used: failed to open application \
                credentials file: No such file or directory";
    assert!(text.contains(said) && text.contains("gcloud auth application-default login"), "{text}");
}

#[test]
fn without_credentials_one_error_is_told_with_what_to_do() {
    // Neither a login of the user's nor `gcloud` is found.
    let nowhere = folder("no-credentials").display().to_string();
    // A cache inside a checkout is used only where git can be asked.
    let cache = tempfile::tempdir().unwrap();
    let cache = cache.path().display().to_string();
    let text = connect_with(&[("HOME", &nowhere), ("PATH", &nowhere), ("GAEBAR_CACHE_DIR", &cache)]);
    assert!(
        text.starts_with("error: datastore://some-project (a real project): no credentials were found; run `gcloud"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}
