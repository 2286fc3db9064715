//! What a kind held, read a shard at a time.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use super::{Gather, PreviousError, PreviousKind, PreviousShard, is_replaced};
use crate::bite::Bite;
use crate::draft::KindDraft;
use crate::manifest::KindManifest;
use crate::memo::{KnownRow, Memo};
use crate::progress::Progress;
use crate::read::Selection;
use crate::schema::Kind;
use crate::shards::ShardError;
use crate::spool::Run;
use crate::stop;
use crate::verify::OneKind;

/// How a backup that is about to be updated is read in bites.
#[derive(Debug, Clone, Copy)]
pub struct InBites<'a> {
    /// Its folder.
    pub backup: &'a Path,
    /// What is updated. Rows in other namespaces stay as they are: they are kept with the draft, as if they had been read.
    pub selection: &'a Selection,
    /// What is remembered of shards, which are then not read.
    pub memo: Option<&'a Memo>,
    /// How much is read now.
    pub bite: &'a Bite,
}

impl InBites<'_> {
    /// Reads what a kind held, on from where its draft is. Where that is more than a bite, it ends with [`ShardError::Paused`].
    pub fn read_on(
        &self,
        (manifest, kind): &(KindManifest, Kind),
        draft: &mut KindDraft,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<PreviousKind, ShardError> {
        let one = OneKind::new(self.backup, manifest, kind).map_err(PreviousError::from)?;
        let mut shards: Vec<_> = one.shards().map(PreviousShard::of).collect();
        shards.sort_by_key(PreviousShard::order);
        let volumes: Vec<_> = shards.iter().map(|shard| shard.volume.clone()).collect();
        for (at, shard) in shards.iter_mut().enumerate() {
            stop::check(stop)?;
            let file = shard.file();
            let known = draft.rows_of(&file)?;
            if known.is_none() && draft.knows_all() {
                draft.begin_anew()?;
                return Err(ShardError::Paused);
            }
            let is_known = known.is_some();
            shard.rows = match known {
                Some(rows) => rows,
                None => self.read(&one, shard, volumes.get(at + 1) != Some(&shard.volume), draft)?,
            };
            progress.add(&kind.name, shard.rows.len() as u64);
            if !is_known {
                self.bite.take(shard.rows.len() as u64);
                if self.bite.is_over() {
                    return Err(ShardError::Paused);
                }
            }
        }
        if !draft.knows_all() {
            let rows = shards.iter().map(|shard| (shard.file(), shard.rows.as_slice()));
            one.check_rows(rows, draft.is_edited("")).map_err(PreviousError::from)?;
            draft.know_all()?;
        }
        Ok(PreviousKind { manifest: manifest.clone(), kind: kind.clone(), shards })
    }

    /// Reads a shard; if it is the last of its volume, the volume's blobs too.
    fn read(
        &self,
        one: &OneKind,
        shard: &PreviousShard,
        is_last: bool,
        draft: &mut KindDraft,
    ) -> Result<Vec<KnownRow>, ShardError> {
        let (file, volume, spool) = (shard.file(), &shard.volume, draft.keep()?);
        let gather = Gather {
            selection: self.selection,
            spool: &spool,
            memo: self.memo,
            rows: Mutex::default(),
            failed: Mutex::default(),
        };
        let edits = one.read(volume, &file, &gather).map_err(PreviousError::from)?;
        let Gather { rows, failed, .. } = gather;
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error.into());
        }
        if let Some(kept) = edits.iter().find(|edit| !is_replaced(edit, self.selection)) {
            return Err(ShardError::Edited(Box::new(kept.clone())));
        }
        let is_edited = !edits.is_empty();
        if is_last {
            one.check_blobs(volume, is_edited || draft.is_edited(&format!("volumes/{volume}/"))).map_err(PreviousError::from)?;
        }
        let rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner).remove(&file).unwrap_or_default();
        let kept: Vec<Run> = spool.into_runs();
        draft.know(&file, &rows, is_edited, kept)?;
        Ok(rows)
    }
}
