//! What is known of a kind that the backup has, while it is updated in bites: the rows that it had, and where they are now.
//!
//! It is a part of the kind's draft. Lines of its log name files beside it, of some tens of bytes a row, with their hashes: one for each shard
//! that the backup has, and one for each bite of the entities that were found.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::KindDraft;
use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError, SizeLimit};
use crate::memo::KnownRow;
use crate::spool::{Position, Run, Spool, SpoolError, SpooledKind};

/// What a draft knows of what the backup has.
#[derive(Debug, Default)]
pub(super) struct Known {
    shards: BTreeMap<String, KnownShard>,
    are_all: bool,
    found: Vec<Fingerprint>,
    found_to: Position,
    is_all_found: bool,
}

/// A shard that the backup has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KnownShard {
    /// The hash of the file that says what is known of its rows.
    rows: Fingerprint,
    is_edited: bool,
    /// Rows that stay, as if they had been read.
    kept: Vec<Run>,
}

/// What there is to know.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// A shard.
    Shard(String, KnownShard),
    /// Those were all shards, and they go together.
    AllShards,
    /// Where some more of the entities stood, and how far that goes.
    Found(Position, Fingerprint),
    /// Those were all entities.
    AllFound,
}

impl Known {
    pub(super) fn is_nothing(&self) -> bool {
        self.shards.is_empty() && !self.are_all
    }

    pub(super) fn add(&mut self, line: Line) {
        match line {
            Line::Shard(file, shard) => drop(self.shards.insert(file, shard)),
            Line::AllShards => self.are_all = true,
            Line::Found(to, found) => {
                self.found_to = to;
                self.found.push(found);
            }
            Line::AllFound => self.is_all_found = true,
        }
    }
}

impl KindDraft {
    /// What is known of the rows of a shard that the backup has. `None`: it is to be read.
    pub fn rows_of(&self, shard: &str) -> Result<Option<Vec<KnownRow>>, FolderError> {
        let Some(known) = self.known.shards.get(shard) else { return Ok(None) };
        Ok(self.note(&note_of(shard), &known.rows)?.map(|bytes| KnownRow::all_from_bytes(&bytes)))
    }

    /// A shard that the backup has was read. `kept` are rows that stay, in [`kept`](Self::kept).
    pub fn know(&mut self, shard: &str, rows: &[KnownRow], is_edited: bool, kept: Vec<Run>) -> Result<(), FolderError> {
        let bytes: Vec<_> = rows.iter().flat_map(|row| row.to_bytes()).collect();
        let rows = self.write_note(&note_of(shard), &bytes)?;
        self.say_known(Line::Shard(shard.to_owned(), KnownShard { rows, is_edited, kept }))
    }

    /// All of its shards are known, and nothing is wrong with the kind.
    pub fn know_all(&mut self) -> Result<(), FolderError> {
        self.say_known(Line::AllShards)
    }

    /// Whether all of its shards are known.
    pub fn knows_all(&self) -> bool {
        self.known.are_all
    }

    /// Whether a shard whose file begins like that was edited.
    pub fn is_edited(&self, begin: &str) -> bool {
        self.known.shards.iter().any(|(file, shard)| shard.is_edited && file.starts_with(begin))
    }

    /// Where rows go that stay, as if they had been read. They are told by [`know`](Self::know).
    pub fn keep(&self) -> Result<Spool, SpoolError> {
        self.spool(Vec::new())
    }

    /// How many rows stay.
    pub fn kept_rows(&self) -> u64 {
        self.known.shards.values().flat_map(|shard| &shard.kept).map(|run| run.rows).sum()
    }

    /// The rows that stay.
    pub fn kept(&self) -> Result<Option<SpooledKind>, SpoolError> {
        let runs: Vec<_> = self.known.shards.values().flat_map(|shard| &shard.kept).cloned().collect();
        if runs.is_empty() {
            return Ok(None);
        }
        Ok(self.spool(runs)?.into_kinds().into_values().next())
    }

    fn spool(&self, runs: Vec<Run>) -> Result<Spool, SpoolError> {
        let folder = self.beside("kept").unwrap_or_default();
        std::fs::create_dir_all(&folder).map_err(|source| SpoolError::Io { path: folder.clone(), source })?;
        Spool::kept(folder, runs, true)
    }

    /// Where the entities stood that were found so far. `None`: that is lost.
    pub fn found(&self) -> Result<Option<Vec<u8>>, FolderError> {
        let mut all = Vec::new();
        for (number, found) in self.known.found.iter().enumerate() {
            let Some(bytes) = self.note(&number.to_string(), found)? else { return Ok(None) };
            all.extend(bytes);
        }
        Ok(Some(all))
    }

    /// How far in its entities that goes. `None`: to their end.
    pub fn found_to(&self) -> Option<&Position> {
        (!self.known.is_all_found).then_some(&self.known.found_to)
    }

    /// More of the entities were found.
    pub fn find(&mut self, found: &[u8], to: Position) -> Result<(), FolderError> {
        let found = self.write_note(&self.known.found.len().to_string(), found)?;
        self.say_known(Line::Found(to, found))
    }

    /// All of its entities were found.
    pub fn find_all(&mut self) -> Result<(), FolderError> {
        self.say_known(Line::AllFound)
    }

    fn say_known(&mut self, line: Line) -> Result<(), FolderError> {
        let line = super::Line::Known(line);
        self.say(&line)?;
        self.add(line);
        Ok(())
    }

    fn beside(&self, extension: &str) -> Option<PathBuf> {
        self.log.as_ref().map(|(log, _)| log.with_extension(extension))
    }

    fn note(&self, name: &str, hash: &Fingerprint) -> Result<Option<Vec<u8>>, FolderError> {
        let Some(folder) = self.beside("known") else { return Ok(None) };
        match folder::read_regular(&folder.join(name), SizeLimit::PROGRESS) {
            // It is done again.
            Err(error) if error.is_too_large() => Ok(None),
            bytes => Ok(bytes?.filter(|bytes| hash.matches(bytes))),
        }
    }

    fn write_note(&self, name: &str, bytes: &[u8]) -> Result<Fingerprint, FolderError> {
        if let Some(folder) = self.beside("known") {
            folder::write_again(&folder, name, bytes)?;
        }
        Ok(Fingerprint::of(bytes))
    }
}

/// The name of the file for a shard: `volumes/k_0/src/shard_1.rs` has `k_0.shard_1`.
fn note_of(shard: &str) -> String {
    let mut parts = shard.split('/');
    let (volume, file) = (parts.nth(1).unwrap_or_default(), parts.next_back().unwrap_or_default());
    format!("{volume}.{}", file.trim_end_matches(".rs"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Drafts, SharedDraft};
    use super::*;

    const SHARD: &str = "volumes/k_0/src/shard_1.rs";

    fn rows() -> Vec<KnownRow> {
        [3, 4].map(|number| KnownRow { number, key: [7; 16], entity: None, expressions: 5, has_exceptions: true }).to_vec()
    }

    /// What the next step finds.
    fn reopened(spool: &tempfile::TempDir) -> SharedDraft {
        Drafts::open(spool.path(), "this").unwrap().kind("k").unwrap()
    }

    #[test]
    fn what_is_known_is_found_by_the_next_and_what_is_damaged_is_not_known() {
        let spool = tempfile::tempdir().unwrap();
        let draft = reopened(&spool);
        draft.lock().know(SHARD, &rows(), true, Vec::new()).unwrap();
        draft.lock().know_all().unwrap();
        draft.lock().find(b"some", Position::default()).unwrap();
        let draft = reopened(&spool);
        let mut draft = draft.lock();
        assert!(draft.knows_all() && draft.is_edited("volumes/k_0/") && !draft.is_edited("volumes/k_1/"));
        assert_eq!(draft.rows_of(SHARD).unwrap(), Some(rows()));
        assert_eq!(draft.rows_of("volumes/k_0/src/shard_0.rs").unwrap(), None);
        draft.find(b" more", Position::default()).unwrap();
        assert_eq!((draft.found().unwrap(), draft.found_to().is_some()), (Some(b"some more".to_vec()), true));
        draft.find_all().unwrap();
        assert!(reopened(&spool).lock().found_to().is_none());
        let known = spool.path().join("drafts/k.known");
        fs::write(known.join("1"), " mare").unwrap();
        fs::remove_file(known.join("k_0.shard_1")).unwrap();
        let draft = reopened(&spool);
        let draft = draft.lock();
        assert_eq!((draft.found().unwrap(), draft.rows_of(SHARD).unwrap()), (None, None));
    }

    #[test]
    fn a_kind_that_is_begun_anew_knows_nothing_of_what_the_backup_had() {
        let spool = tempfile::tempdir().unwrap();
        let draft = reopened(&spool);
        draft.lock().know(SHARD, &rows(), false, Vec::new()).unwrap();
        draft.lock().shape("a model".to_owned()).unwrap();
        draft.lock().begin_anew().unwrap();
        for draft in [draft, reopened(&spool)] {
            let draft = draft.lock();
            assert!(draft.rows_of(SHARD).unwrap().is_none() && draft.model().is_none());
        }
    }
}
