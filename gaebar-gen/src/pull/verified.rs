//! What was downloaded is verified, some shards at a time: who is interrupted goes on from there, as long as the same files were listed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Paused, Pull, PullError, Reach};
use crate::bite::Bite;
use crate::verify::{Bites, Claimed, Contents, Writer};

/// What is known of shards that were verified, beside what was downloaded.
const VERIFIED: &str = "verified";
/// How much a kill costs at the most where all is done in one go.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A backup of which the gate has accepted every row, and all else but a runtime that this version does not know.
pub(super) struct Accepted {
    /// What it holds.
    pub(super) contents: Contents,
    /// The namespaces that each of its shards has rows of.
    pub(super) namespaces: Vec<BTreeSet<String>>,
    /// Which Gaebar wrote its runtime.
    pub(super) writer: Writer,
}

/// Verifies what was downloaded, and was listed with this hash.
pub(super) fn verify(pull: &Pull, pulled: &Path, listed: &str) -> Result<Accepted, PullError> {
    let claimed = Claimed::of(pulled)?;
    let bites = Bites::open(&pulled.with_file_name(VERIFIED), listed)?;
    let progress = pull.stages.verifying(claimed.rows());
    let mut told = BTreeMap::new();
    loop {
        let bite = match pull.reach {
            Reach::End => Bite::new(usize::MAX, AT_ONCE),
            Reach::Step { budget, .. } => budget.bite(),
        };
        let Some(far) = bites.take(pulled, &claimed, &bite)? else { break };
        if let Reach::Step { .. } = pull.reach {
            return Err(PullError::Paused(Paused::Verifying(far)));
        }
        for (kind, rows) in far.kinds {
            progress.add(&kind, rows.saturating_sub(told.insert(kind.clone(), rows).unwrap_or_default()));
        }
        if pull.stop.load(Ordering::Relaxed) {
            return Err(PullError::Stopped);
        }
    }
    let writer = claimed.frame(pulled)?;
    Ok(Accepted { namespaces: bites.namespaces(&claimed)?, contents: claimed.accepted(), writer })
}
