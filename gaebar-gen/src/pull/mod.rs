//! Downloads a backup from a Gaebar elsewhere, whole or not at all.
//!
//! If it is to, the remote makes the backup first, a step a request ([`drive`]), and which job of its own does that is written down
//! ([`begun`]).
//!
//! The [`Remote`] is not trusted: what it lists is checked before anything is asked for ([`check`]), each file is checked as it comes
//! ([`download`]), and the whole passes the gate before it is put in its place ([`verified`]). Files that were checked stay in
//! Gaebar's own folder in or beside the backup, so that the next pull goes on from there.
//!
//! Where a backup stands already, what was downloaded is a store like any other ([`rows`]), from which that backup is updated: its rows
//! keep their numbers.

mod begun;
mod certificate;
mod download;
mod drive;
mod error;
mod remote;
mod rows;
mod verified;

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

pub use drive::{Ended, Watch, cancel};
pub use error::{Paused, PullError};
pub use remote::{Plain, Remote};

use crate::backup::{BackedUp, BackupError, Options, at_work, backup, forget, spool_of};
use crate::folder::{self, FolderError, SizeLimit};
use crate::listing::{ListedFile, Listing, is_backup_file};
use crate::manifest::{KindManifest, MANIFEST, seal_of};
use crate::private::{Private, PrivateError, no_links_in};
use crate::publish::Staging;
use crate::stage::Stages;
use crate::steps::{Budget, Sums};
use crate::update::{PRIVATE, PULL};
use crate::verify::{VerifyError, Writer, changed_tool_files};
use begun::Begun;
use rows::Rows;
use verified::Accepted;

/// The folder in which a backup waits.
const PULLED: &str = "pulled";
/// Below it, the files themselves; beside them is what is known of them.
const FILES: &str = "files";
/// Beside them, what the remote has listed, once all of it is here.
const LISTING: &str = "listing.json";
/// Files of a backup: more than a thousand kinds and ten million rows come to.
const MOST_FILES: usize = 200_000;

/// A pull: what is wanted of a remote, and where it goes.
pub struct Pull<'a> {
    /// The Gaebar that has it.
    pub remote: &'a Remote,
    /// The backup's name there.
    pub backup: &'a str,
    /// The name that a store has there which is backed up into it first; the backup is pulled as it is without one.
    pub store: Option<&'a str>,
    /// How far it goes.
    pub reach: Reach,
    /// A folder which has no files yet, or a backup, which is updated.
    pub place: &'a Path,
    /// Whether a backup that is there, here or at the remote, may be replaced by that of another store.
    pub another_source: bool,
    /// How a backup that is there is updated.
    pub options: &'a Options,
    /// The hashes of files that were downloaded before.
    pub sums: &'a Sums,
    /// Hear of rows that are read there, of files that come, and of rows that are verified and read here.
    pub stages: &'a dyn Stages,
    /// Hears what became of the remote's job that an earlier pull had begun.
    pub hear: &'a dyn Fn(Earlier),
    /// Whether somebody asks to stop.
    pub stop: &'a AtomicBool,
}

/// How far a pull goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To the end. Which job of the remote's makes the backup is written down beside what is downloaded.
    End,
    /// A step, and then it is [`PullError::Paused`]: a step there, or so many files, or shards of so many rows that are verified.
    Step {
        /// What is done at the most.
        budget: Budget,
        /// What is known of the remote's job that makes the backup, as the step before has told: [`Paused::Reading`].
        watch: Option<Watch>,
    },
}

/// What became of a job of the remote's that an earlier pull had begun, and that is not under way any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// It has made the backup, which is not made again.
    Made(u64),
    /// It was cancelled, or what it made is gone: the backup is begun anew.
    Gone(u64),
}

impl Display for Earlier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made(job) => write!(f, "job {job} there has made the backup already; it is not made again"),
            Self::Gone(job) => write!(f, "job {job} there was cancelled, or what it made is gone; the backup is begun anew"),
        }
    }
}

/// What was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Where the backup is.
    pub folder: PathBuf,
    /// How many files it has.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them had been downloaded before.
    pub kept: usize,
    /// What became of the backup that was there, if one was.
    pub updated: Option<BackedUp>,
    /// The version of a new backup's runtime, if this Gaebar does not know it. Nothing but `gaebar upgrade` makes such a backup one that is
    /// verified or compiled here.
    pub unknown_runtime: Option<String>,
    /// Files for git and rustfmt that are not as Gaebar writes them, of a new backup.
    pub changed_tool_files: Vec<&'static str>,
}

impl Pull<'_> {
    /// Downloads the backup, and puts it in its place or updates the one that is there.
    pub fn run(&self) -> Result<Pulled, PullError> {
        if self.place.join(MANIFEST).exists() {
            return self.update_backup();
        }
        let staging = Staging::new(self.place)?;
        let pulled = staging.private().spool().join(PULLED).join(FILES);
        let (pulling, listed) = self.download(&pulled)?;
        // Where it is downloaded to, it outlives a kill.
        let Accepted { writer, .. } = self.verify(&pulled, &listed)?;
        let (seal, _) = seal_of(&pulled).map_err(VerifyError::from)?;
        self.stages.publishing(&seal)?;
        self.sums.forget(&pulled);
        folder::remove(&staging.folder())?;
        std::fs::rename(&pulled, staging.folder()).map_err(FolderError::at("move", &pulled))?;
        let folder = staging.publish()?;
        staging.private().clear_spool()?;
        let unknown_runtime = if let Writer::Unknown { version } = writer { Some(version) } else { None };
        let changed_tool_files = changed_tool_files(&folder)?;
        Ok(Pulled { folder, unknown_runtime, changed_tool_files, ..pulling })
    }

    /// Updates a backup from the rows of the remote's.
    fn update_backup(&self) -> Result<Pulled, PullError> {
        let folder = self.place.canonicalize().map_err(FolderError::at("find", self.place))?;
        let private = own(&folder)?;
        let pulled = private.folder().join(PULLED).join(FILES);
        let (pulling, listed) = self.download(&pulled)?;
        let rows = Rows::new(&pulled, self.verify(&pulled, &listed)?)?;
        let options = Options { source_covers: Some(rows.coverage()), ..self.options.clone() };
        let updated = backup(&rows, &folder, &options, self.stages, self.stop).map_err(|error| match error {
            // Reading it again is less than going on would be.
            BackupError::Unfinished { source, .. } => {
                let _ = forget(&folder);
                *source
            }
            error => error,
        })?;
        folder::remove(private.folder())?;
        self.sums.forget(private.folder());
        Ok(Pulled { folder, updated: Some(updated), ..pulling })
    }

    /// Downloads what is missing of the backup in a folder for that. Returns a hash of what the remote has listed, too.
    fn download(&self, pulled: &Path) -> Result<(Pulled, String), PullError> {
        if let Some(store) = self.store {
            drive::back_up(self, store, &Begun::beside(pulled, self.remote))?;
        }
        let kept = self.kept_listing(pulled)?;
        let is_written_down = kept.is_some();
        let listing = match kept {
            Some(kept) => kept,
            None => self.remote.files(self.backup, self.stop)?,
        };
        let bytes = check(&listing)?;
        std::fs::create_dir_all(pulled).map_err(FolderError::at("create the folder", pulled))?;
        drop_others(pulled, &listing)?;
        let mut missing = Vec::new();
        for file in &listing.files {
            if !self.sums.is(&pulled.join(&file.path), file.bytes, &file.sha256)? {
                missing.push(file);
            }
        }
        let needed = bytes_of(&missing);
        // A file system that does not tell how much is free will say when it is full.
        if let Ok(free) = fs4::available_space(pulled)
            && free < needed
        {
            return Err(PullError::Space { needed, free, folder: pulled.to_owned() });
        }
        let kept = listing.files.len() - missing.len();
        let is_all_here = missing.is_empty();
        let left = self.fetch(pulled, missing)?;
        let in_steps = matches!(self.reach, Reach::Step { .. });
        if left.is_empty() && in_steps && !is_written_down {
            // Serialising strings and numbers can't fail.
            let text = serde_json::to_vec(&listing).unwrap_or_default();
            folder::write_again(pulled.parent().unwrap_or(pulled), LISTING, &text)?;
        }
        // Files and rows are not of the same step.
        if !left.is_empty() || in_steps && !is_all_here {
            let files = listing.files.len();
            let (left, bytes_left) = (left.len(), bytes_of(&left));
            let came = needed - bytes_left;
            return Err(PullError::Paused(Paused::Downloading {
                files: files - left,
                of: files,
                bytes: bytes - bytes_left,
                of_bytes: bytes,
                came,
            }));
        }
        let pulling = Pulled {
            folder: pulled.to_owned(),
            files: listing.files.len(),
            bytes,
            kept,
            updated: None,
            unknown_runtime: None,
            changed_tool_files: Vec::new(),
        };
        Ok((pulling, listing.sha256()))
    }

    /// Verifies what was downloaded. If it is not as it should be, the next step asks the remote once more what there is.
    fn verify(&self, pulled: &Path, listed: &str) -> Result<Accepted, PullError> {
        let verified = verified::verify(self, pulled, listed);
        if verified.as_ref().is_err_and(|error| !matches!(error, PullError::Paused(_) | PullError::Stopped)) {
            folder::remove_file(&pulled.with_file_name(LISTING))?;
        }
        verified
    }

    /// What the remote had listed when all of it was here, which it still is: the remote is not needed any more.
    fn kept_listing(&self, pulled: &Path) -> Result<Option<Listing>, FolderError> {
        // In one go, what the remote has now is pulled.
        let (Reach::Step { .. }, None) = (self.reach, self.store) else { return Ok(None) };
        let kept = folder::read_regular(&pulled.with_file_name(LISTING), SizeLimit::PROGRESS)?;
        let Some(kept) = kept.and_then(|text| serde_json::from_slice::<Listing>(&text).ok()) else { return Ok(None) };
        for file in &kept.files {
            if !self.sums.is(&pulled.join(&file.path), file.bytes, &file.sha256)? {
                return Ok(None);
            }
        }
        Ok(Some(kept))
    }

    /// Fetches files; returns those that are left where the budget ends. Where a backup is updated, the manifests of kinds come first, in a
    /// step of their own: they tell from which store it would be.
    fn fetch<'f>(&self, pulled: &Path, missing: Vec<&'f ListedFile>) -> Result<Vec<&'f ListedFile>, PullError> {
        if !self.place.join(MANIFEST).exists() {
            return download::all(self, pulled, &missing);
        }
        let (first, then): (Vec<_>, Vec<_>) = missing.into_iter().partition(|file| file.path.starts_with("kinds/"));
        if !first.is_empty() {
            let left = download::all(self, pulled, &first)?;
            if !left.is_empty() {
                return Ok([left, then].concat());
            }
        }
        self.check_source(pulled)?;
        match self.reach {
            Reach::Step { .. } if !first.is_empty() => Ok(then),
            _ => download::all(self, pulled, &then),
        }
    }

    /// A backup that was taken from one store is not replaced by that of another, unless somebody said so.
    fn check_source(&self, pulled: &Path) -> Result<(), PullError> {
        if self.another_source {
            return Ok(());
        }
        let read = |backup: &Path| KindManifest::read_all(backup).map_err(VerifyError::from);
        let (here, there) = (read(self.place)?, read(pulled)?);
        let sources = |kinds: &[KindManifest]| kinds.iter().map(|kind| kind.source.clone()).collect::<BTreeSet<_>>();
        let (ours, theirs) = (sources(&here), sources(&there));
        if ours.is_empty() || theirs.is_empty() || !ours.is_disjoint(&theirs) {
            return Ok(());
        }
        let list = |sources: BTreeSet<String>| sources.into_iter().collect::<Vec<_>>().join(", ");
        Err(PullError::AnotherSource { here: list(ours), rows: here.iter().map(|kind| kind.rows).sum(), there: list(theirs) })
    }
}

fn bytes_of(files: &[&ListedFile]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

/// Where files wait of a backup that goes to a place.
pub(crate) fn waiting_for(place: &Path) -> PathBuf {
    let beside_update = place.join(PRIVATE).join(PULL);
    let own = if place.join(MANIFEST).exists() { beside_update } else { spool_of(place) };
    own.join(PULLED)
}

/// Does something to the files that wait, and nobody else is at them meanwhile.
pub(crate) fn with_waiting(place: &Path, work: impl FnOnce()) -> Result<(), PullError> {
    let done = |_: &Private| {
        work();
        Ok(())
    };
    if place.join(MANIFEST).exists() { Ok(done(&own(place)?)?) } else { Ok(at_work(place, done)?) }
}

/// Where files wait that a backup is updated from: beside what the update itself holds.
fn own(backup: &Path) -> Result<Private, PrivateError> {
    let own = backup.join(PRIVATE);
    no_links_in(&own)?;
    Private::hold(&own.join(PULL), backup)
}

/// Removes what was downloaded for a backup that is not going to be.
pub fn forget_pulled(place: &Path, sums: &Sums) -> Result<(), PullError> {
    if !place.join(MANIFEST).exists() {
        sums.forget(&spool_of(place));
        return Ok(forget(place)?);
    }
    let private = own(place)?;
    sums.forget(private.folder());
    Ok(folder::remove(private.folder())?)
}

/// Looks at what a remote says that it has; returns the bytes of all files.
fn check(listing: &Listing) -> Result<u64, PullError> {
    let refused = |path: &str, problem: &'static str| Err(PullError::Listed { path: path.to_owned(), problem });
    let mut paths = BTreeSet::new();
    if listing.files.len() > MOST_FILES {
        return Err(PullError::List(format!("it has {} files; a backup has at most {MOST_FILES}", listing.files.len())));
    }
    for file in &listing.files {
        if !is_backup_file(&file.path) {
            return refused(&file.path, "is no file of a backup");
        }
        // Some file systems take names that differ by case for one.
        if !paths.insert(file.path.to_ascii_lowercase()) {
            return refused(&file.path, "is listed twice");
        }
        if SizeLimit::of_part(&file.path).check(file.bytes).is_err() {
            return refused(&file.path, "is larger than such a file of a backup can be");
        }
    }
    Ok(listing.files.iter().map(|file| file.bytes).sum())
}

/// Removes what an earlier pull left, and the backup does not have any more.
fn drop_others(pulled: &Path, listing: &Listing) -> Result<(), FolderError> {
    let listed: BTreeSet<&str> = listing.files.iter().map(|file| file.path.as_str()).collect();
    for file in folder::files(pulled)?.into_iter().filter(|file| !listed.contains(file.as_str())) {
        let path = pulled.join(file);
        std::fs::remove_file(&path).map_err(FolderError::at("remove", &path))?;
        // And folders that are empty now: the first that is not can't be removed.
        let _ = path.ancestors().skip(1).take_while(|above| *above != pulled).try_for_each(std::fs::remove_dir);
    }
    Ok(())
}
