//! What of a kind changed that the backup has: what it held, which of its entities are as they were, and whether it gets a new struct.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use crate::draft::KindDraft;
use crate::locate::{Located, locate};
use crate::manifest::KindManifest;
use crate::previous::PreviousKind;
use crate::progress::Progress;
use crate::schema::Kind;
use crate::shape::reshaped;
use crate::shards::ShardError;
use crate::spool::SpooledKind;
use crate::stage::{Before, Plan};

/// What changed, and all that is needed to write it.
#[derive(Debug)]
pub struct Changes<'a> {
    /// What the kind held.
    pub previous: Cow<'a, PreviousKind>,
    /// What it holds, with rows that stay.
    pub spooled: Cow<'a, SpooledKind>,
    /// Where that stood.
    pub located: Located,
    /// The struct that it gets.
    pub kind: Kind,
}

/// Finds what changed of a kind, on from where its draft is. Where that is more than a bite, it ends with [`ShardError::Paused`].
pub fn changes<'a>(
    plan: &Plan<'a>,
    known: &(KindManifest, Kind),
    spooled: &'a SpooledKind,
    draft: &mut KindDraft,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Changes<'a>, ShardError> {
    let (manifest, kind) = known;
    let previous = match plan.before {
        Before::Known(kinds) => {
            // What others know of it is of the backup as they found it.
            draft.begin_anew()?;
            Cow::Borrowed(kinds.get(&kind.name).ok_or(ShardError::Paused)?)
        }
        Before::InBites(bites) => Cow::Owned(bites.read_on(known, draft, progress, stop)?),
    };
    let spooled = draft.kept()?.map_or(Cow::Borrowed(spooled), |kept| Cow::Owned(spooled.clone().with(kept)));
    let located = locate(&previous, &spooled, draft, plan.bite, progress, stop)?;
    let kind = reshaped(plan, (manifest, kind), &spooled, located.most_exceptions, draft, progress, stop)?;
    Ok(Changes { previous, spooled, located, kind })
}
