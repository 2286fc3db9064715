//! The copy of a backup that is compiled: what verification accepted, written only where its bytes differ.
//!
//! Cargo trusts modification times, so a file that is the same keeps its own, and one that differs gets the present.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use super::BuildPlace;
use crate::fingerprint::Fingerprint;
use crate::folder::FolderError;
use crate::memo::{KnownRow, Memo};
use crate::releases::Foundation;
use crate::schema::Kind;
use crate::templates::{self, Packages};
use crate::verify::{self, Verified, VerifyError, Visitor};

/// The time of the runtime's files, after the epoch: some day of 1999. It means nothing but that they are older than what is compiled.
const RUNTIME_TIME: Duration = Duration::from_hours(30 * 365 * 24);

/// Verifies a backup, and copies what is accepted into the workspace of `place`.
pub(super) fn copy(backup: &Path, place: &BuildPlace) -> Result<Verified, VerifyError> {
    let memo = Memo::new(&super::cache()?);
    let copy = Copy { workspace: place.source(), member: place.member(), memo, wanted: Mutex::default() };
    let verified = verify::verify(backup, &copy)?;
    let runtime = runtime_folder(verified.foundation());
    copy.manifests(&verified, &runtime)?;
    copy.runtime(verified.foundation(), &runtime)?;
    let wanted = copy.wanted.into_inner().unwrap_or_else(PoisonError::into_inner);
    remove_others(&copy.workspace, &copy.workspace, &wanted)?;
    Ok(verified)
}

struct Copy<'a> {
    workspace: PathBuf,
    member: &'a str,
    memo: Memo,
    /// The files that belong into the workspace.
    wanted: Mutex<BTreeSet<String>>,
}

impl Visitor for Copy<'_> {
    fn file(&self, file: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let is_cargos = [templates::MANIFEST, templates::LOCK_FILE].contains(&file.rsplit('/').next().unwrap_or(file));
        if is_cargos || file.strip_prefix(templates::RUNTIME).is_some_and(|rest| rest.starts_with('/')) {
            // The copy has its own; they follow from what is verified.
            return Ok(());
        }
        self.put(format!("{}/{file}", self.member), bytes).map(drop)
    }

    /// A shard that this Gaebar wrote, to the byte, is not read again. One that includes blobs is, since they are files of their own.
    fn recall(&self, _shard: &str, kind: &Kind, accepted: &Fingerprint) -> Option<Vec<KnownRow>> {
        self.memo.recall(accepted, kind).filter(|rows| rows.iter().all(|row| row.entity.is_some()))
    }
}

impl Copy<'_> {
    /// Cargo's files: those of a workspace around the backup and the runtime.
    fn manifests(&self, verified: &Verified, runtime: &str) -> Result<(), FolderError> {
        let contents = verified.contents();
        let volumes = verify::volumes(contents.kinds.iter().map(|kind| &kind.manifest));
        let packages = Packages::of_copy(&contents.manifest.name, self.member, runtime);
        let own =
            [("", packages.package(&volumes)), ("models/", packages.models())].map(|(folder, text)| (folder.to_owned(), text));
        let own = own.into_iter().chain(volumes.iter().map(|volume| (format!("volumes/{volume}/"), packages.volume(volume))));
        for (folder, text) in own {
            self.put(format!("{}/{folder}{}", self.member, templates::MANIFEST), text.as_bytes())?;
        }
        self.put(templates::MANIFEST.to_owned(), packages.workspace(&volumes).as_bytes())?;
        self.put(templates::LOCK_FILE.to_owned(), packages.lock(verified.foundation().lock(), &volumes).as_bytes())?;
        Ok(())
    }

    /// The runtime's source. Its folder is named after what is in it, so that it can be of one time in all copies: cargo, which goes by
    /// times, then compiles it for the first of them alone.
    fn runtime(&self, foundation: &Foundation, folder: &str) -> Result<(), FolderError> {
        for (file, bytes) in foundation.files(templates::LOCK_NAME) {
            let file = file.strip_prefix(templates::RUNTIME).unwrap_or(&file);
            let path = self.put(format!("{folder}{file}"), &bytes)?;
            let set = || File::options().append(true).open(&path)?.set_modified(UNIX_EPOCH + RUNTIME_TIME);
            set().map_err(FolderError::at("set the time of", &path))?;
        }
        Ok(())
    }

    fn put(&self, file: String, bytes: &[u8]) -> Result<PathBuf, FolderError> {
        let path = self.workspace.join(&file);
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(file);
        if fs::read(&path).is_ok_and(|present| present == bytes) {
            return Ok(path);
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(FolderError::at("create the folder", parent))?;
        }
        fs::write(&path, bytes).map_err(FolderError::at("write", &path))?;
        Ok(path)
    }
}

/// The runtime's folder in the copy of each backup that has this one.
fn runtime_folder(foundation: &Foundation) -> String {
    format!("{}-{}", templates::RUNTIME, &foundation.hash()[..16])
}

/// Removes what an earlier state of the backup left in the copy.
fn remove_others(root: &Path, below: &Path, wanted: &BTreeSet<String>) -> Result<(), FolderError> {
    for entry in fs::read_dir(below).map_err(FolderError::at("list", below))? {
        let entry = entry.map_err(FolderError::at("list", below))?;
        let path = entry.path();
        if entry.file_type().map_err(FolderError::at("list", below))?.is_dir() {
            remove_others(root, &path, wanted)?;
            // Fails where something is left in it, which is right.
            let _ = fs::remove_dir(&path);
            continue;
        }
        let relative = path.strip_prefix(root).ok().and_then(Path::to_str).map(|path| path.replace('\\', "/"));
        if relative.is_none_or(|relative| !wanted.contains(&relative)) {
            fs::remove_file(&path).map_err(FolderError::at("remove", &path))?;
        }
    }
    Ok(())
}
