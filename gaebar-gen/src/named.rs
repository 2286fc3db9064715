//! Kinds and namespaces that were named for a backup, and that nobody has: a slip of the pen would else pass for an update.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use gaebar_runtime::restore::is_own_kind;
use gaebar_runtime::store::{Snapshot, Store, StoreError, View};
use gaebar_runtime::visible::visible;

use crate::backup::BackupError;
use crate::folder::FolderError;
use crate::previous::PreviousError;
use crate::read::{ReadError, Selection};
use crate::reader::ReadRow;
use crate::vanished::has_some;
use crate::verify::{Visitor, read};

/// The first namespace that is named and holds nothing: neither in the store, nor in the backup, if there is one.
pub(crate) fn missing_namespace(
    store: &dyn Store,
    selection: &Selection,
    backup: Option<&Path>,
) -> Result<Option<String>, BackupError> {
    let Some(named) = &selection.namespaces else { return Ok(None) };
    let snapshot = store.snapshot(View::Latest).map_err(ReadError::from)?;
    let listed = snapshot.namespaces();
    let mut missing = Vec::new();
    for namespace in named {
        let is_there = match &listed {
            Ok(listed) => listed.contains(namespace),
            // Not every server lists them; then kinds are named, too.
            Err(_) => has_some_selected(snapshot.as_ref(), namespace, selection).map_err(ReadError::from)?,
        };
        if !is_there {
            missing.push(namespace);
        }
    }
    let before = match backup {
        Some(backup) if !missing.is_empty() => namespaces_of_backup(backup)?,
        _ => BTreeSet::new(),
    };
    Ok(missing.into_iter().find(|namespace| !before.contains(*namespace)).cloned())
}

/// Whether a namespace has entities of the kinds that are named.
fn has_some_selected(snapshot: &dyn Snapshot, namespace: &str, selection: &Selection) -> Result<bool, StoreError> {
    for kind in selection.kinds.iter().flatten().filter(|kind| selection.includes_kind(kind)) {
        if has_some(snapshot, namespace, kind)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The namespaces that a backup has rows in. All of it is read for that.
fn namespaces_of_backup(backup: &Path) -> Result<BTreeSet<String>, PreviousError> {
    let seen = Namespaces::default();
    read(backup, &seen)?;
    Ok(seen.0.into_inner().unwrap_or_else(PoisonError::into_inner))
}

#[derive(Default)]
struct Namespaces(Mutex<BTreeSet<String>>);

impl Visitor for Namespaces {
    fn file(&self, _: &str, _: &[u8]) -> Result<(), FolderError> {
        Ok(())
    }

    fn rows(&self, _: &str, rows: &[ReadRow]) {
        let found = rows.iter().map(|row| row.entity.key().namespace().to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    }
}

/// The kinds of a store, as part of an error; nothing where the store can't list them.
pub(crate) fn kinds_of(store: &dyn Store) -> String {
    let listed = store.snapshot(View::Latest).and_then(|snapshot| {
        let namespaces = snapshot.namespaces()?;
        namespaces.iter().map(|namespace| snapshot.kinds(namespace)).collect::<Result<Vec<_>, _>>()
    });
    let kinds = listed.into_iter().flatten().flatten().filter(|kind| !is_own_kind(kind));
    it_has(kinds.map(|kind| visible(&kind)).collect())
}

/// Its namespaces, in the same way.
pub(crate) fn namespaces_of(store: &dyn Store) -> String {
    let listed = store.snapshot(View::Latest).and_then(|snapshot| snapshot.namespaces());
    it_has(listed.into_iter().flatten().map(|namespace| format!("{namespace:?}")).collect())
}

fn it_has(names: BTreeSet<String>) -> String {
    if names.is_empty() { String::new() } else { format!("; it has {}", names.into_iter().collect::<Vec<_>>().join(", ")) }
}
