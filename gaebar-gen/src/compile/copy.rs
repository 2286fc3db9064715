//! The copy of a backup that is compiled: what verification accepted, written only where its bytes differ.
//!
//! Cargo trusts modification times, so a file that is the same keeps its own, and one that differs gets the present.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use super::BuildPlace;
use crate::folder::{self, FolderError};
use crate::private;
use crate::releases::Foundation;
use crate::templates::{self, Packages};
use crate::verify::{self, Verified, VerifyError, Visitor};

/// The time of the runtime's files, after the epoch: some day of 1999. It means nothing but that they are older than what is compiled.
const RUNTIME_TIME: Duration = Duration::from_hours(30 * 365 * 24);

/// Verifies a backup, and copies what is accepted into the workspace of `place`. Returns, too, how many bytes its volumes have: shards and
/// blobs.
pub(super) fn copy(backup: &Path, place: &BuildPlace) -> Result<(Verified, u64), VerifyError> {
    let copy = Copy { workspace: place.source(), member: place.member(), bytes: AtomicU64::new(0), wanted: Mutex::default() };
    let no_links = private::no_links_in(&copy.workspace).map_err(io::Error::other);
    no_links.map_err(FolderError::at("copy the backup to", &copy.workspace))?;
    let verified = verify::verify(backup, &copy)?;
    let runtime = runtime_folder(verified.foundation());
    copy.manifests(&verified, &runtime)?;
    copy.runtime(verified.foundation(), &runtime)?;
    let wanted = copy.wanted.into_inner().unwrap_or_else(PoisonError::into_inner);
    remove_others(&copy.workspace, &copy.workspace, &wanted)?;
    Ok((verified, copy.bytes.into_inner()))
}

struct Copy<'a> {
    workspace: PathBuf,
    member: &'a str,
    /// How many bytes the volumes have.
    bytes: AtomicU64,
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
        if file.starts_with("volumes/") {
            self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        self.put(format!("{}/{file}", self.member), bytes).map(drop)
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
        if folder::holds(&path, bytes).is_ok_and(|holds| holds) {
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
