//! Rows of six scalars, and changes to rows.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use anyhow::Context as _;
use gaebar_runtime::model::{Data, Entity, Key, Properties, Timestamp, Value};
use gaebar_runtime::store::{self, Scan, Store, View};

/// Entities written, or read, at a time.
const BATCH: u64 = 500;

/// Writes rows of one kind with one value each of six types.
pub(crate) fn scalars(url: &str, rows: u64) -> anyhow::Result<u64> {
    let store = store::open_or_create(&url.parse()?)?;
    let numbers: Vec<i64> = (1..=rows.cast_signed()).collect();
    for batch in numbers.chunks(usize::try_from(BATCH)?) {
        let entities: Vec<Entity> = batch.iter().map(|number| scalar(*number)).collect::<Result<_, _>>()?;
        store.upsert(&entities)?;
    }
    Ok(rows)
}

fn scalar(number: i64) -> anyhow::Result<Entity> {
    let properties = [
        ("active", Value::from(number % 3 == 0)),
        ("count", Value::from(number * 7)),
        ("joined", Value::from(Timestamp::new(1_229_767_200 + number * 60, 0)?)),
        ("name", Value::from(format!("Somebody of number {number}"))),
        ("owner", Value::from(Key::root("Person", number / 2 + 1))),
        // Exact in binary.
        ("score", Value::from(f64::from(u16::try_from(number % 1000)?) / 8.0)),
    ];
    let properties: Properties = properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(Entity::new(Key::root("Scalars", number), properties)?)
}

/// How many rows change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// The first that has a text.
    One,
    /// About one of a hundred, spread by the hash of their keys.
    Hundredth,
}

/// Changes a text in some rows; returns in how many.
pub(crate) fn change(url: &str, share: Share, round: u64) -> anyhow::Result<u64> {
    let store = store::open_or_create(&url.parse()?)?;
    let mut changed = 0;
    for scan in scans(store.as_ref())? {
        let mut cursor = None;
        loop {
            // A snapshot a page: what was written meanwhile does not change keys.
            let page = store.snapshot(View::Now)?.page(&scan, cursor.as_ref(), usize::try_from(BATCH)?)?;
            let mut entities: Vec<Entity> = page
                .entities
                .into_iter()
                .filter(|entity| chosen(share, entity, round))
                .filter_map(|e| edited(e, round))
                .collect();
            if share == Share::One {
                entities.truncate(1);
            }
            store.upsert(&entities)?;
            changed += entities.len() as u64;
            if share == Share::One && changed > 0 {
                return Ok(changed);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(changed)
}

/// A scan of each kind of each namespace.
pub(crate) fn scans(store: &dyn Store) -> anyhow::Result<Vec<Scan>> {
    let snapshot = store.snapshot(View::Now)?;
    let mut scans = Vec::new();
    for namespace in snapshot.namespaces()? {
        for kind in snapshot.kinds(&namespace).context("list kinds")? {
            scans.push(Scan { namespace: namespace.clone(), kind, from: None, to: None });
        }
    }
    Ok(scans)
}

fn chosen(share: Share, entity: &Entity, round: u64) -> bool {
    // The hash has no secret: the same rows in each run.
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one((entity.key().to_string(), round));
    share == Share::One || hash.is_multiple_of(100)
}

/// The entity with another text, if it has one.
fn edited(mut entity: Entity, round: u64) -> Option<Entity> {
    let text = entity.properties.values_mut().find_map(|value| match &mut value.data {
        Data::String(text) => Some(text),
        _ => None,
    })?;
    *text = format!("changed {round}");
    Some(entity)
}
