//! What of a backup has been staged, written down as it happens, so that whoever was interrupted or has taken a bite goes on.
//!
//! It lies beside the runs of a spool, from which all of it can be made again: the files in `staged`, and in `drafts` two for each kind. One
//! says how far it was looked at for its struct, and is replaced. The other is a log of JSON lines. A line counts once its end is written, and
//! the files that it names are safe on disk before it is. What others have staged has lain there, and is held against its hashes before it
//! becomes a backup. A kind that the backup has already has more files, for what is known of that ([`known`]).

mod known;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError, SizeLimit};
use crate::previous::index;
use crate::reader;
use crate::schema::{Inference, Kind};
use crate::shards::Written;
use crate::spool::{Location, Position};
use crate::volume::Weight;
use known::Known;

/// Says what the drafts are of.
const OF: &str = "of";

/// The drafts of a backup.
#[derive(Debug)]
pub struct Drafts {
    folder: PathBuf,
    staged: PathBuf,
    /// Those that were opened, by the kinds' file names.
    kinds: Mutex<BTreeMap<String, SharedDraft>>,
}

/// The draft of a kind, for all who ask for it.
#[derive(Debug, Clone, Default)]
pub struct SharedDraft(Arc<Mutex<KindDraft>>);

impl SharedDraft {
    /// To look at it, or go on with it.
    pub fn lock(&self) -> MutexGuard<'_, KindDraft> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drafts {
    /// Those in a spool. `of` says what decides the bytes of the backup; drafts of anything else are dropped.
    pub fn open(spool: &Path, of: &str) -> Result<Self, FolderError> {
        let drafts = Self { folder: spool.join("drafts"), staged: spool.join("staged"), kinds: Mutex::default() };
        if folder::read_regular(&drafts.folder.join(OF), SizeLimit::PROGRESS)?.as_deref() != Some(of.as_bytes()) {
            folder::remove(&drafts.folder)?;
            folder::remove(&drafts.staged)?;
            folder::write(&drafts.folder, OF, of.as_bytes())?;
        }
        Ok(drafts)
    }

    /// The folder of files that are staged.
    pub fn staged(&self) -> &Path {
        &self.staged
    }

    /// The draft of the kind with a file name. It is read once.
    pub fn kind(&self, file: &str) -> Result<SharedDraft, FolderError> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(draft) = kinds.get(file) {
            return Ok(draft.clone());
        }
        let draft = SharedDraft(Arc::new(Mutex::new(self.open_kind(file)?)));
        kinds.insert(file.to_owned(), draft.clone());
        Ok(draft)
    }

    fn open_kind(&self, file: &str) -> Result<KindDraft, FolderError> {
        let path = self.folder.join(format!("{file}.log"));
        let bytes = folder::read_regular(&path, SizeLimit::PROGRESS)?.unwrap_or_default();
        let (mut draft, mut length) = (KindDraft::default(), 0);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // What was cut off by a kill is done again.
            let Some(said) = serde_json::from_slice(line).ok().filter(|_| line.ends_with(b"\n")) else { break };
            draft.add(said);
            length += line.len();
        }
        let failed = || FolderError::at("write", &path);
        let log = OpenOptions::new().create(true).append(true).open(&path).map_err(failed())?;
        log.set_len(length as u64).map_err(failed())?;
        let looked = path.with_extension("looked");
        // One that is damaged is begun anew.
        draft.looked = folder::read_regular(&looked, SizeLimit::PROGRESS)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(KindDraft { log: Some((path, log)), ..draft })
    }

    /// Whether the files of a kind that others have staged are what they were. Else the kind is begun anew, with the struct that it has.
    pub fn is_sound(&self, file: &str) -> Result<bool, FolderError> {
        let draft = self.kind(file)?;
        let mut draft = draft.lock();
        for (file, fingerprint) in std::mem::take(&mut draft.staged) {
            // Names of files are not synced until the end, so that a file may be gone, too.
            if !folder::read_regular(&self.staged.join(&file), SizeLimit::of_part(&file))?
                .is_some_and(|bytes| fingerprint.matches(&bytes))
            {
                draft.begin_anew()?;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// How far a kind is.
#[derive(Debug, Default)]
pub struct KindDraft {
    /// `None`: nobody will go on.
    log: Option<(PathBuf, File)>,
    looked: Option<(Position, Inference)>,
    model: Option<String>,
    known: Known,
    closed: Option<Closed>,
    done: Option<Done>,
    files: BTreeMap<String, Fingerprint>,
    /// Files that others have staged, and nobody has looked at since.
    staged: BTreeMap<String, Fingerprint>,
    /// Rows that found no room in their shards.
    left: Vec<(u32, Location)>,
    /// What no line has told yet.
    untold: Parts,
}

/// A kind of which some shards are closed, and none is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// What is written.
    pub at: Behind,
    /// What was written of them.
    pub written: Written,
    /// The number that the next new shard gets.
    pub next_shard: u32,
    /// The number that the next new volume gets.
    pub next_volume: u32,
    /// The volume that is open, and what is in it.
    pub open: Option<(String, Weight)>,
}

/// How far a kind is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behind {
    /// One that is new, to there in its entities.
    Entities(Position),
    /// One that the backup has: so many of the shards that it had, and so many of the rows that come after them.
    Shards(usize, usize),
}

/// A kind that is staged to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What was written of it.
    pub written: Written,
    /// Whether it has another struct than before.
    pub is_reshaped: bool,
    /// Files that it had, and has no more.
    pub removed: Vec<String>,
}

/// Parts of a kind.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Parts {
    /// All files, by name.
    all: BTreeMap<String, Fingerprint>,
    /// The hashes of those that are new or changed, and of the kind's manifest.
    staged: BTreeMap<String, Fingerprint>,
    /// Rows that found no room in their shards, with their numbers.
    left: Vec<(u32, Location)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The struct is known.
    Shaped(String),
    /// More is known of what the backup has.
    Known(known::Line),
    /// A shard was closed.
    Closed(Parts, Closed),
    /// All is there.
    Done(Parts, Done),
}

impl KindDraft {
    fn add(&mut self, line: Line) {
        let mut tell = |parts: Parts| {
            self.files.extend(parts.all);
            self.staged.extend(parts.staged);
            self.left.extend(parts.left);
        };
        match line {
            Line::Shaped(model) => self.model = Some(model),
            Line::Known(line) => self.known.add(line),
            Line::Closed(parts, closed) => {
                tell(parts);
                self.closed = Some(closed);
            }
            Line::Done(parts, done) => {
                tell(parts);
                let files = std::mem::take(&mut self.files);
                self.done = Some(Done { written: Written { volumes: volumes(&files), files, ..done.written }, ..done });
            }
        }
    }

    /// How far its entities were looked at for the struct, and what was found.
    pub fn looked(&self) -> (Position, Inference) {
        self.looked.clone().unwrap_or_default()
    }

    /// The declaration of its struct, if that is known.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Its struct, if that is known. `file` is the kind's name for files.
    pub fn shaped(&self, file: &str) -> Option<Kind> {
        reader::kind(file, self.model.as_deref()?).ok()
    }

    /// Where it goes on, if it was begun.
    pub fn closed(&self) -> Option<&Closed> {
        self.closed.as_ref()
    }

    /// The files that were written up to there.
    pub fn files(&self) -> &BTreeMap<String, Fingerprint> {
        &self.files
    }

    /// Rows that found no room in their shards, with their numbers.
    pub fn left(&self) -> &[(u32, Location)] {
        &self.left
    }

    /// What came of it, if it is done.
    pub fn done(&self) -> Option<&Done> {
        self.done.as_ref()
    }

    /// Its entities were looked at as far as that.
    pub fn look(&mut self, position: Position, inference: Inference) -> Result<(), FolderError> {
        let Some((log, _)) = &self.log else { return Ok(()) };
        let (place, new) = (log.with_extension("looked"), log.with_extension("new"));
        let looked = (position, inference);
        // Serialising strings and numbers can't fail.
        let text = serde_json::to_vec(&looked).unwrap_or_default();
        fs::write(&new, text).map_err(FolderError::at("write", &new))?;
        fs::rename(&new, &place).map_err(FolderError::at("replace", &place))?;
        self.looked = Some(looked);
        Ok(())
    }

    /// Its struct is known.
    pub fn shape(&mut self, model: String) -> Result<(), FolderError> {
        self.model = Some(model.clone());
        self.say(&Line::Shaped(model))
    }

    /// It has a file.
    pub fn file(&mut self, file: &str, fingerprint: &Fingerprint, is_staged: bool) {
        if self.log.is_some() {
            self.untold.all.insert(file.to_owned(), fingerprint.clone());
            if is_staged {
                self.untold.staged.insert(file.to_owned(), fingerprint.of_the_file());
            }
        }
    }

    /// A row found no room in its shard.
    pub fn leave(&mut self, number: u32, location: Location) {
        self.left.push((number, location));
        self.untold.left.push((number, location));
    }

    /// A shard was closed.
    pub fn close(&mut self, closed: Closed) -> Result<(), FolderError> {
        let parts = std::mem::take(&mut self.untold);
        self.say(&Line::Closed(parts, closed))
    }

    /// All is staged; its manifest is there too, if that is new.
    pub fn finish(&mut self, manifest: Option<(String, Fingerprint)>, done: Done) -> Result<(), FolderError> {
        let mut parts = std::mem::take(&mut self.untold);
        parts.staged.extend(manifest);
        self.done = Some(done.clone());
        self.say(&Line::Done(parts, done))
    }

    /// Nothing of it was written, and of what the backup has nothing is known. A new kind has the struct that was found.
    pub fn begin_anew(&mut self) -> Result<(), FolderError> {
        let KindDraft { log, model, known, .. } = std::mem::take(self);
        if let Some((path, log)) = &log {
            log.set_len(0).map_err(FolderError::at("write", path))?;
            folder::remove_file(&path.with_extension("looked"))?;
        }
        self.log = log;
        model.filter(|_| known.is_nothing()).map_or(Ok(()), |model| self.shape(model))
    }

    fn say(&mut self, line: &Line) -> Result<(), FolderError> {
        let Some((path, log)) = &mut self.log else { return Ok(()) };
        // Serialising strings and numbers can't fail.
        let text = serde_json::to_string(line).unwrap_or_default() + "\n";
        // One call: a kill comes before it or after it.
        log.write_all(text.as_bytes()).map_err(FolderError::at("write", path))
    }
}

/// The volumes that are whole among a kind's files, in order.
pub fn volumes(files: &BTreeMap<String, Fingerprint>) -> Vec<String> {
    let names = files.keys().filter_map(|file| file.strip_prefix("volumes/")?.strip_suffix("/Cargo.toml"));
    let mut volumes: Vec<_> = names.map(str::to_owned).collect();
    volumes.sort_by_key(|volume| index(volume));
    volumes
}

#[cfg(test)]
mod tests {
    use gaebar_runtime::model::{Entity, Key};

    use super::*;

    fn closed(rows: u64) -> Closed {
        let written = Written { rows, ..Written::default() };
        Closed { at: Behind::Entities(Position::default()), written, next_shard: 1, next_volume: 1, open: None }
    }

    /// Two shards of a kind, each with a file.
    fn drafted(spool: &Path) -> Drafts {
        let drafts = Drafts::open(spool, "this").unwrap();
        let draft = drafts.kind("k").unwrap();
        let mut draft = draft.lock();
        draft.shape("a model".to_owned()).unwrap();
        for (rows, file) in [(7, "volumes/k_0/src/shard_0.rs"), (9, "volumes/k_0/src/shard_1.rs")] {
            folder::write_again(drafts.staged(), file, b"rows").unwrap();
            draft.file(file, &Fingerprint::of(b"rows"), true);
            draft.close(closed(rows)).unwrap();
        }
        drop(draft);
        drafts
    }

    /// What the next step finds.
    fn reopened(spool: &Path) -> SharedDraft {
        Drafts::open(spool, "this").unwrap().kind("k").unwrap()
    }

    fn rows(draft: &SharedDraft) -> Option<u64> {
        draft.lock().closed().map(|closed| closed.written.rows)
    }

    #[test]
    fn a_line_that_was_cut_off_is_done_again_and_what_came_before_is_not() {
        let spool = tempfile::tempdir().unwrap();
        drafted(spool.path());
        assert_eq!(rows(&reopened(spool.path())), Some(9));
        let log = spool.path().join("drafts/k.log");
        let bytes = fs::read(&log).unwrap();
        fs::write(&log, &bytes[..bytes.len() - 1]).unwrap();
        let draft = reopened(spool.path());
        let mut draft = draft.lock();
        assert_eq!((draft.closed(), draft.files().len(), draft.model()), (Some(&closed(7)), 1, Some("a model")));
        draft.close(closed(8)).unwrap();
        assert_eq!(rows(&reopened(spool.path())), Some(8), "a line does not run into what was cut off");
    }

    #[test]
    fn only_how_far_a_kind_was_looked_at_last_is_kept() {
        let spool = tempfile::tempdir().unwrap();
        let entity = Entity::new(Key::root("K", 1), [("a".to_owned(), 1_i64.into())].into()).unwrap();
        let mut inference = Inference::default();
        for rows in 1..=3 {
            inference.add(&entity);
            let draft = reopened(spool.path());
            draft.lock().look(Position::default(), inference.clone()).unwrap();
            assert_eq!(reopened(spool.path()).lock().looked().1.rows(), rows);
        }
        let folder = spool.path().join("drafts");
        assert_eq!(folder::files(&folder).unwrap(), ["k.log", "k.looked", OF]);
        assert_eq!(fs::read(folder.join("k.log")).unwrap(), b"");
        fs::write(folder.join("k.looked"), "[").unwrap();
        assert_eq!(reopened(spool.path()).lock().looked().1.rows(), 0, "one that is damaged is begun anew");
    }

    #[test]
    fn a_kind_of_which_a_file_is_gone_or_another_is_begun_anew() {
        let damages: [fn(&Path); 2] = [|file| fs::remove_file(file).unwrap(), |file| fs::write(file, "row").unwrap()];
        for damage in damages {
            let spool = tempfile::tempdir().unwrap();
            drafted(spool.path());
            let drafts = Drafts::open(spool.path(), "this").unwrap();
            assert!(drafts.is_sound("k").unwrap());
            assert_eq!(rows(&drafts.kind("k").unwrap()), Some(9));
            damage(&drafts.staged().join("volumes/k_0/src/shard_0.rs"));
            assert!(drafts.is_sound("k").unwrap(), "it has been looked at in this step");
            let drafts = Drafts::open(spool.path(), "this").unwrap();
            assert!(!drafts.is_sound("k").unwrap());
            for draft in [drafts.kind("k").unwrap(), reopened(spool.path())] {
                let draft = draft.lock();
                assert!(draft.closed().is_none() && draft.files().is_empty());
                assert_eq!(draft.model(), Some("a model"), "that was not staged");
            }
        }
    }

    #[test]
    fn drafts_of_something_else_are_dropped() {
        let spool = tempfile::tempdir().unwrap();
        drafted(spool.path());
        assert_eq!(rows(&reopened(spool.path())), Some(9));
        let other = Drafts::open(spool.path(), "that").unwrap();
        assert!(rows(&other.kind("k").unwrap()).is_none() && !other.staged().exists());
    }
}
