//! The copy of a backup that is compiled: what verification accepted, written only where its bytes differ.
//!
//! Cargo trusts modification times, so a file that is the same keeps its own, and one that differs gets the present.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::BuildPlace;
use crate::folder::FolderError;
use crate::templates;
use crate::verify::{self, Verified, VerifyError, Visitor};

/// Verifies a backup, and copies what is accepted into the workspace of `place`.
pub(super) fn copy(backup: &Path, place: &BuildPlace) -> Result<Verified, VerifyError> {
    let copy = Copy { workspace: place.source(), member: place.member(), wanted: Mutex::default() };
    let verified = verify::verify(backup, &copy)?;
    let volumes = verify::volumes(verified.contents().kinds.iter().map(|kind| &kind.manifest));
    let name = &verified.contents().manifest.name;
    let workspace = templates::copy_workspace_manifest(name, place.member(), &volumes);
    copy.put(templates::MANIFEST.to_owned(), workspace.as_bytes())?;
    let package = templates::copy_package_manifest(name, &volumes);
    copy.put(format!("{}/{}", place.member(), templates::MANIFEST), package.as_bytes())?;
    let wanted = copy.wanted.into_inner().unwrap_or_else(PoisonError::into_inner);
    remove_others(&copy.workspace, &copy.workspace, &wanted)?;
    Ok(verified)
}

struct Copy<'a> {
    workspace: PathBuf,
    member: &'a str,
    /// The files that belong into the workspace.
    wanted: Mutex<BTreeSet<String>>,
}

impl Visitor for Copy<'_> {
    fn file(&self, file: &str, bytes: &[u8]) -> Result<(), FolderError> {
        match file {
            // The copy is a workspace around the backup, and has manifests of its own.
            templates::MANIFEST => Ok(()),
            templates::LOCK_FILE => self.put(file.to_owned(), bytes),
            _ => self.put(format!("{}/{file}", self.member), bytes),
        }
    }
}

impl Copy<'_> {
    fn put(&self, file: String, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.workspace.join(&file);
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(file);
        if fs::read(&path).is_ok_and(|present| present == bytes) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(FolderError::at("create the folder", parent))?;
        }
        fs::write(&path, bytes).map_err(FolderError::at("write", &path))
    }
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
