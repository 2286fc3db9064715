//! A step of a restore before its plan: some more shards of the backup are verified. What they are is told by the backup's digest, which the
//! job keeps: the rows of another backup are never taken for it, and each shard is held against its hash whenever it is read.

use std::path::Path;

use super::Budget;
use super::job::{Job, Stage, Work};
use crate::folder;
use crate::interpret::InterpretedRows;
use crate::verify::{Bites, Claimed, VerifyError};

/// What is known of shards that were verified, in the job's own folder.
const VERIFIED: &str = "verified";

/// Verifies as many shards as a step has room for, and one at least.
pub(super) fn step(job: &mut Job, folder: &Path, own: &Path, budget: Budget) -> Result<(), String> {
    let Work::Restore { digest, mirror, .. } = &mut job.work else { return Ok(()) };
    let claimed = Claimed::of(folder).map_err(|error| error.to_string())?;
    let now = claimed.digest();
    if *digest.get_or_insert_with(|| now.clone()) != now {
        // Nothing has come of it yet.
        *digest = None;
        job.enter(Stage::Verifying, None);
        return Err("The backup was changed while it was verified. The next step begins anew.".to_owned());
    }
    let all = claimed.rows();
    if all == 0 && !*mirror {
        return Err("The backup has no rows; there is nothing to restore.".to_owned());
    }
    let verified = own.join(VERIFIED);
    let bites = Bites::open(&verified, &now).map_err(|error| error.to_string())?;
    let far = bites.take(folder, &claimed, &budget.bite()).map_err(|error| match error {
        VerifyError::Edited(edit) => {
            format!("The backup was edited since it was made ({edit}); nothing was written. `gaebar restore --accept-edits` restores it.")
        }
        error => error.to_string(),
    })?;
    if let Some(far) = far.filter(|far| !far.is_all) {
        (job.kinds, job.total) = (far.kinds, Some(far.total));
    } else {
        folder::remove(&verified).map_err(|error| error.to_string())?;
        job.enter(Stage::Planning, Some(all));
    }
    Ok(())
}

/// The rows of a backup of which all was verified when it had this digest.
pub(super) fn rows(folder: &Path, digest: Option<&str>) -> Result<InterpretedRows, String> {
    let claimed = Claimed::of(folder).map_err(|error| error.to_string())?;
    if digest != Some(claimed.digest().as_str()) {
        return Err(super::restore::OTHER.to_owned());
    }
    Ok(InterpretedRows::new(folder, claimed.accepted()))
}
