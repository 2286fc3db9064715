//! Whether a backup would be replaced by that of another store, which somebody has to have said.

use std::collections::BTreeSet;
use std::path::Path;

use gaebar_runtime::cli::plural;

use super::job::Work;
use super::restore::source;
use super::{StepError, Stores};
use crate::manifest::KindManifest;

/// What a backup replaces that is here and was taken from other stores, in words; an error unless that is meant.
pub(super) fn replaced(work: &Work, backups: &Path, stores: &Stores) -> Result<Option<String>, StepError> {
    let Work::Backup { store, backup, another_source, .. } = work else { return Ok(None) };
    let Some(url) = stores.get(store).map(source) else { return Ok(None) };
    // One that can't be read is not updated either, and the step tells why.
    let kinds = KindManifest::read_all(&backups.join(backup)).unwrap_or_default();
    let sources: BTreeSet<_> = kinds.iter().map(|kind| kind.source.as_str()).collect();
    if sources.is_empty() || sources.contains(url.as_str()) {
        return Ok(None);
    }
    let sources = sources.into_iter().collect::<Vec<_>>().join(", ");
    let rows = plural(kinds.iter().map(|kind| kind.rows).sum(), "row");
    if *another_source {
        Ok(Some(format!("the {rows} of {sources} are replaced by what {url} has")))
    } else {
        Err(StepError::Refused(format!(
            "The backup {backup:?} was taken from {sources}, and its {rows} would be replaced by what {store:?} ({url}) has. If that is \
             meant, say so: on its page, with --another-source of `gaebar pull`, or by another_source=yes (programs); else take another name."
        )))
    }
}
