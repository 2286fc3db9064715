//! A backup in place changes whole or not at all.
//!
//! Changed files are staged inside the folder, in `.gaebar/update/new/`, and synced; then a record of what goes where is
//! written; then each file is moved into place, manifests last. Whatever command comes next after a crash finds the record
//! and goes on from it before it reads; without a complete record the staging means nothing. Files that are not the
//! backup's are never touched.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::folder::{self, FolderError, SizeLimit, sync_folder, sync_tree};
use crate::names::hex;
use crate::private::{LOCK, Private, PrivateError, lock, no_links_in};
use crate::templates::TOOL_FILES;

pub(crate) const PRIVATE: &str = ".gaebar";
/// Below it, what an update stages.
pub(crate) const UPDATE: &str = "update";
/// Below it, what a pull downloads.
pub(crate) const PULL: &str = "pull";
const RECORD: &str = "commit.json";
/// Held by who moves files into place, and shared by who reads them.
pub(crate) const MOVING: &str = "moving";

/// Why a backup could not be updated.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// Gaebar's own folder in the backup is not to be had, or something stands in the way of a file.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// A record names what no update would.
    #[error("{path} is no record of an update: {problem}; remove {folder} to drop it", path = .path.display(), folder = .path.parent().unwrap_or(.path).display())]
    Record {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// What an update does once it is certain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// Staged files that replace or add, in this order.
    moves: Vec<String>,
    /// Files that go.
    removes: Vec<String>,
    /// The SHA-256 of this record with this value left empty.
    sha256: String,
}

/// An update that is being prepared. Dropped before it is committed, it leaves the backup as it was.
#[derive(Debug)]
pub struct Update {
    backup: PathBuf,
    private: Private,
}

impl Update {
    /// Begins to update the backup in a folder, after what an earlier update left is finished or dropped.
    pub fn new(backup: &Path) -> Result<Self, UpdateError> {
        let private = Private::hold(&backup.join(PRIVATE), backup)?;
        finish(backup)?;
        let update = Self { backup: backup.to_owned(), private };
        folder::remove(&staging(backup))?;
        let folder = update.folder();
        fs::create_dir_all(&folder).map_err(FolderError::at("create the folder", &folder))?;
        Ok(update)
    }

    /// Gaebar's own folder in the backup.
    pub fn private(&self) -> &Private {
        &self.private
    }

    /// A folder for rows that stay, until the update is over.
    pub fn rows(&self) -> Result<PathBuf, FolderError> {
        let folder = staging(&self.backup).join("rows");
        fs::create_dir_all(&folder).map_err(FolderError::at("create the folder", &folder))?;
        Ok(folder)
    }

    /// Takes the files of a folder, in which they were staged, for those that changed.
    pub fn take(&self, staged: &Path) -> Result<(), FolderError> {
        if !staged.exists() {
            return Ok(());
        }
        let folder = self.folder();
        folder::remove(&folder)?;
        fs::rename(staged, &folder).map_err(FolderError::at("move", staged))
    }

    /// Where changed files go.
    pub fn folder(&self) -> PathBuf {
        staging(&self.backup).join("new")
    }

    /// Puts what was staged in its place, and removes files of the backup's that are no more.
    pub fn commit(&self, removes: Vec<String>) -> Result<(), UpdateError> {
        sync_tree(&self.folder())?;
        let mut moves = folder::files(&self.folder())?;
        moves.sort_by_key(|file| (is_manifest(file), file.clone()));
        // Before it is certain: what stands in the way is found now, and not halfway.
        for file in moves.iter().chain(&removes) {
            check_place(&self.backup, file)?;
        }
        if !moves.is_empty() || !removes.is_empty() {
            let record = Record { moves, removes, sha256: String::new() };
            let record = Record { sha256: record.own_hash(), ..record };
            // Serialising strings can't fail.
            let text = serde_json::to_string_pretty(&record).unwrap_or_default();
            let folder = staging(&self.backup);
            folder::write(&folder, "record", text.as_bytes())?;
            let place = folder.join(RECORD);
            fs::rename(folder.join("record"), &place).map_err(FolderError::at("write", &place))?;
            sync_folder(&folder)?;
            finish(&self.backup)?;
        }
        Ok(folder::remove(&staging(&self.backup))?)
    }
}

impl Drop for Update {
    fn drop(&mut self) {
        // A record means that the update is certain: it stays, to be finished.
        if !staging(&self.backup).join(RECORD).exists() {
            let _ = fs::remove_dir_all(staging(&self.backup));
        }
    }
}

/// Goes on with an update that was certain when its process ended. Every command calls this before it reads a backup.
pub fn recover(backup: &Path) -> Result<(), UpdateError> {
    let staging = staging(backup);
    if staging.join(RECORD).exists() {
        // Whoever holds the lock is just doing it.
        let _lock = lock(&backup.join(PRIVATE), LOCK, wait)?;
        finish(backup)?;
    } else if staging.exists() {
        // An update that was never certain, unless somebody is at it. In a folder that can't be written it may stay.
        if let Ok(Some(_lock)) = lock(&backup.join(PRIVATE), LOCK, File::try_lock) {
            finish(backup)?;
            let _ = folder::remove(&staging);
        }
    }
    Ok(())
}

/// Keeps files from being moved into place while somebody reads them; until the file is dropped.
pub fn reading(backup: &Path) -> Result<Option<File>, UpdateError> {
    loop {
        recover(backup)?;
        // The first update of a backup makes the file. Where it can't be opened, nobody updates either.
        let path = backup.join(PRIVATE).join(MOVING);
        let file = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()).then(|| File::open(&path).ok()).flatten();
        if let Some(file) = &file {
            file.lock_shared().map_err(FolderError::at("lock", &path))?;
        }
        if !staging(backup).join(RECORD).exists() {
            return Ok(file);
        }
    }
}

fn wait(file: &File) -> Result<(), fs::TryLockError> {
    file.lock().map_err(fs::TryLockError::Error)
}

fn staging(backup: &Path) -> PathBuf {
    backup.join(PRIVATE).join(UPDATE)
}

/// A file of the backup can be put at its place, or taken from it.
fn check_place(backup: &Path, file: &str) -> Result<(), UpdateError> {
    let path = backup.join(file);
    let in_the_way = |path, expected| Err(PrivateError::in_the_way(path, expected).into());
    if !is_part(file) {
        return in_the_way(&path, "file that Gaebar would write");
    }
    for parent in path.ancestors().skip(1).take_while(|parent| *parent != backup) {
        if parent.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
            return in_the_way(parent, "folder");
        }
    }
    if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return in_the_way(&path, "file");
    }
    Ok(())
}

/// Carries out a record, if there is one. It may be carried out in part already.
fn finish(backup: &Path) -> Result<(), UpdateError> {
    let folder = staging(backup);
    let path = folder.join(RECORD);
    if !path.exists() {
        return Ok(());
    }
    no_links_in(&backup.join(PRIVATE))?;
    let Some(bytes) = folder::read_regular(&path, SizeLimit::PROGRESS)? else { return Ok(()) };
    let bad = |problem: String| UpdateError::Record { path: path.clone(), problem };
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    if record.sha256 != record.own_hash() {
        return Err(bad("its hash does not match".to_owned()));
    }
    if let Some(file) = record.moves.iter().chain(&record.removes).find(|file| !is_part(file)) {
        return Err(bad(format!("{file:?} is no file of a backup")));
    }
    for file in record.moves.iter().chain(&record.removes) {
        check_place(backup, file)?;
    }
    // Waits for those who read.
    let _moving = lock(&backup.join(PRIVATE), MOVING, wait)?;
    for file in &record.moves {
        let (from, to) = (folder.join("new").join(file), backup.join(file));
        if from.exists() {
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(FolderError::at("create the folder", parent))?;
            }
            fs::rename(&from, &to).map_err(FolderError::at("replace", &to))?;
        }
    }
    for file in &record.removes {
        let path = backup.join(file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(FolderError::at("remove", &path)(error).into());
            }
            _ => {}
        }
        // A folder in which something is left stays.
        for parent in path.ancestors().skip(1).take_while(|parent| *parent != backup) {
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
    }
    for top in ["kinds", "models", "volumes", "src", "gaebar-runtime"].map(|top| backup.join(top)) {
        if top.is_dir() {
            sync_tree(&top)?;
        }
    }
    sync_folder(backup)?;
    fs::remove_file(&path).map_err(FolderError::at("remove", &path))?;
    Ok(folder::remove(&folder)?)
}

impl Record {
    fn own_hash(&self) -> String {
        let without = Self { sha256: String::new(), ..self.clone() };
        // Serialising strings can't fail.
        hex(&Sha256::digest(serde_json::to_vec(&without).unwrap_or_default()))
    }
}

fn is_manifest(file: &str) -> bool {
    file.starts_with("kinds/") || file == "manifest.json"
}

/// Whether a path is one that the generator writes.
fn is_part(file: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    if TOOL_FILES.iter().any(|(name, _)| *name == file) {
        return true;
    }
    let tops = ["Cargo.toml", "Cargo.lock", "manifest.json", "src", "models", "volumes", "kinds", "gaebar-runtime"];
    tops.contains(&file.split('/').next().unwrap_or_default()) && file.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A backup with one file to change, one to add, one to remove, and a user's own.
    fn prepared(backup: &Path) -> Update {
        write(&backup.join("models/src/a.rs"), "old");
        write(&backup.join("volumes/b_0/src/lib.rs"), "gone");
        write(&backup.join("volumes/b_0/mine.txt"), "mine");
        let update = Update::new(backup).unwrap();
        write(&update.folder().join("models/src/a.rs"), "new");
        write(&update.folder().join("volumes/c_0/src/lib.rs"), "added");
        write(&update.folder().join("kinds/a.json"), "manifest");
        update
    }

    fn is_new(backup: &Path) -> bool {
        let is = |file: &str, text: &str| fs::read_to_string(backup.join(file)).is_ok_and(|found| found == text);
        is("models/src/a.rs", "new")
            && is("volumes/c_0/src/lib.rs", "added")
            && is("kinds/a.json", "manifest")
            && !backup.join("volumes/b_0/src").exists()
            && is("volumes/b_0/mine.txt", "mine")
    }

    #[test]
    fn an_update_comes_whole_and_leaves_what_is_not_the_backups() {
        let folder = tempfile::tempdir().unwrap();
        prepared(folder.path()).commit(vec!["volumes/b_0/src/lib.rs".to_owned()]).unwrap();
        assert!(is_new(folder.path()) && !staging(folder.path()).exists());
    }

    #[test]
    fn one_that_is_dropped_or_has_no_record_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(prepared(folder.path()));
        assert_eq!(fs::read_to_string(folder.path().join("models/src/a.rs")).unwrap(), "old");
        write(&staging(folder.path()).join("new/models/src/a.rs"), "half");
        recover(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("models/src/a.rs")).unwrap(), "old");
    }

    /// Ended after any number of moves and removals, it is finished by whoever comes next.
    #[test]
    fn one_that_ended_midway_is_finished() {
        for moved in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let backup = folder.path();
            let update = prepared(backup);
            let moves: Vec<String> = ["models/src/a.rs", "volumes/c_0/src/lib.rs", "kinds/a.json"].map(str::to_owned).into();
            let record =
                Record { moves: moves.clone(), removes: vec!["volumes/b_0/src/lib.rs".to_owned()], sha256: String::new() };
            let record = Record { sha256: record.own_hash(), ..record };
            write(&staging(backup).join(RECORD), &serde_json::to_string(&record).unwrap());
            for file in moves.iter().take(moved) {
                fs::create_dir_all(backup.join(file).parent().unwrap()).unwrap();
                fs::rename(update.folder().join(file), backup.join(file)).unwrap();
            }
            if moved > 3 {
                fs::remove_file(backup.join("volumes/b_0/src/lib.rs")).unwrap();
            }
            drop(update);
            recover(backup).unwrap();
            assert!(is_new(backup) && !staging(backup).exists(), "after {moved} moves");
        }
    }

    #[test]
    fn a_record_that_leads_elsewhere_is_refused() {
        for file in ["../x", "/etc/passwd", "volumes/../../x", ".git/config", "src/.x", "", "notes.txt", "volumes//x"] {
            let folder = tempfile::tempdir().unwrap();
            let record = Record { moves: vec![file.to_owned()], removes: Vec::new(), sha256: String::new() };
            let record = Record { sha256: record.own_hash(), ..record };
            write(&staging(folder.path()).join(RECORD), &serde_json::to_string(&record).unwrap());
            assert!(matches!(recover(folder.path()), Err(UpdateError::Record { .. })), "{file}");
        }
    }

    /// A backup that came from somebody else touches nothing outside of it.
    #[cfg(unix)]
    #[test]
    fn links_in_gaebars_own_folder_are_refused() {
        use std::os::unix::fs::symlink;
        for link in ["", "lock", "moving", "update", "update/new", "update/new/src", "update/commit.json"] {
            let outside = tempfile::tempdir().unwrap();
            write(&outside.path().join("precious/main.rs"), "precious");
            write(&outside.path().join("lock"), "precious");
            let folder = tempfile::tempdir().unwrap();
            let record = Record { moves: vec!["src/main.rs".to_owned()], removes: Vec::new(), sha256: String::new() };
            let record = serde_json::to_string(&Record { sha256: record.own_hash(), ..record }).unwrap();
            let private = folder.path().join(PRIVATE);
            if link != "update" && !link.is_empty() {
                write(&private.join("update").join(RECORD), &record);
            }
            let place = if link.is_empty() { private.clone() } else { private.join(link) };
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&place);
            let target = if ["lock", "moving", "update/commit.json"].contains(&link) { "lock" } else { "precious" };
            symlink(outside.path().join(target), &place).unwrap();
            let _ = recover(folder.path());
            assert!(matches!(Update::new(folder.path()), Err(UpdateError::Private(PrivateError::InTheWay { .. }))), "{link}");
            assert_eq!(fs::read_to_string(outside.path().join("lock")).unwrap(), "precious", "{link}");
            assert_eq!(fs::read_to_string(outside.path().join("precious/main.rs")).unwrap(), "precious", "{link}");
        }
    }

    /// What can't be carried out is not begun.
    #[test]
    fn what_stands_in_the_way_is_found_before_the_record_is_written() {
        for (place, is_folder) in [("volumes/c_0", false), ("kinds/a.json", true), ("volumes/c_0/src/lib.rs", true)] {
            let folder = tempfile::tempdir().unwrap();
            let update = prepared(folder.path());
            if is_folder {
                fs::create_dir_all(folder.path().join(place)).unwrap();
            } else {
                write(&folder.path().join(place), "in the way");
            }
            assert!(matches!(update.commit(Vec::new()), Err(UpdateError::Private(PrivateError::InTheWay { .. }))), "{place}");
            drop(update);
            assert!(!staging(folder.path()).exists());
            recover(folder.path()).unwrap();
            assert_eq!(fs::read_to_string(folder.path().join("models/src/a.rs")).unwrap(), "old");
        }
    }
}
