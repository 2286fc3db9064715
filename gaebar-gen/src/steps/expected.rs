//! About how many rows a backup will read, before it has read them.

use std::fs;
use std::path::Path;

use gaebar_runtime::model::Data;
use gaebar_runtime::store::{Scan, Store, View};

use crate::manifest::KindManifest;
use crate::read::Selection;

/// Kinds that are asked for at once.
const PAGE: usize = 500;

/// What the store's own statistics say, or else the last backup of it among these. Neither need be of this hour, and what can't be read is
/// passed over: it is only for people who wait.
pub(super) fn expected(store: &dyn Store, backups: &Path, selection: &Selection) -> Option<u64> {
    statistics(store, selection).or_else(|| last(&store.place().source(), backups, selection))
}

/// The sum of Datastore's `__Stat_Kind__`, an entity a kind, of all namespaces together. The server makes them anew every day or two; no
/// emulator has them.
fn statistics(store: &dyn Store, selection: &Selection) -> Option<u64> {
    if selection.namespaces.is_some() {
        return None;
    }
    let scan = Scan { namespace: String::new(), kind: "__Stat_Kind__".to_owned(), from: None, to: None };
    let snapshot = store.snapshot(View::Latest).ok()?;
    let (mut sum, mut cursor) = (None, None);
    loop {
        let page = snapshot.page(&scan, cursor.as_ref(), PAGE).ok()?;
        for entity in page.entities {
            let data = |name: &str| entity.properties.get(name).map(|value| &value.data);
            if let (Some(Data::String(kind)), Some(Data::Integer(rows))) = (data("kind_name"), data("count"))
                && selection.includes_kind(kind)
            {
                sum = Some(sum.unwrap_or(0_u64).saturating_add(rows.unsigned_abs()));
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return sum;
        }
    }
}

/// The rows of the backup that was read last from a source.
fn last(source: &str, backups: &Path, selection: &Selection) -> Option<u64> {
    let folders = fs::read_dir(backups).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let of_source = folders.filter_map(|folder| {
        let mut kinds = KindManifest::read_all(&folder).ok()?;
        kinds.retain(|kind| kind.source == source && selection.includes_kind(&kind.kind));
        let read_time = kinds.iter().map(|kind| kind.read_time.clone()).max()?;
        Some((read_time, kinds.iter().map(|kind| kind.rows).fold(0, u64::saturating_add)))
    });
    of_source.max().map(|(_, rows)| rows)
}
