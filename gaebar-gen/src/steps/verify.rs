//! A step of a restore before its plan: some more kinds of the backup are verified. What they are is told by the backup's digest, which the
//! job keeps: the rows of another backup are never taken for it, and each shard is held against its hash whenever it is read.

use std::collections::BTreeMap;
use std::path::Path;

use super::Budget;
use super::job::{Job, Stage, Work};
use crate::interpret::InterpretedRows;
use crate::verify::{Claimed, JustLooking, read_kinds};

/// Verifies as many kinds as a step has room for, and one at least.
pub(super) fn step(job: &mut Job, folder: &Path, budget: Budget) -> Result<(), String> {
    let Work::Restore { digest, .. } = &mut job.work else { return Ok(()) };
    let claimed = Claimed::of(folder).map_err(|error| error.to_string())?;
    if *digest.get_or_insert_with(|| claimed.digest()) != claimed.digest() {
        // Nothing has come of it yet.
        *digest = None;
        job.enter(Stage::Verifying, None);
        return Err("The backup was changed while it was verified. The next step begins anew.".to_owned());
    }
    let all: u64 = claimed.kinds().map(|(_, rows)| rows).sum();
    if all == 0 {
        return Err("The backup has no rows; there is nothing to restore.".to_owned());
    }
    job.total = Some(all);
    let (mut next, mut rows) = (BTreeMap::new(), 0);
    for (kind, more) in claimed.kinds().filter(|(kind, _)| !job.kinds.contains_key(*kind)) {
        rows += more;
        if rows > budget.rows as u64 && !next.is_empty() {
            break;
        }
        next.insert(kind.to_owned(), more);
    }
    let contents = read_kinds(folder, &JustLooking, &|kind| next.contains_key(kind)).map_err(|error| error.to_string())?;
    if let Some(edit) = contents.edits.first() {
        return Err(format!(
            "The backup was edited since it was made ({edit}); nothing was written. `gaebar restore --accept-edits` restores it."
        ));
    }
    if contents.kinds.len() != next.len() || !claimed.includes(&contents) {
        return Err("The backup was changed while it was verified. The next step verifies this again.".to_owned());
    }
    job.kinds.extend(next);
    if claimed.kinds().all(|(kind, _)| job.kinds.contains_key(kind)) {
        job.enter(Stage::Planning, Some(all));
    }
    Ok(())
}

/// The rows of a backup whose kinds were all verified when it had this digest.
pub(super) fn rows(folder: &Path, digest: Option<&str>) -> Result<InterpretedRows, String> {
    let claimed = Claimed::of(folder).map_err(|error| error.to_string())?;
    let contents = digest.and_then(|digest| claimed.accepted(digest)).ok_or(super::restore::OTHER)?;
    Ok(InterpretedRows::new(folder, contents))
}
