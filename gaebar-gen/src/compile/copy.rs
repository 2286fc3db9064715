//! The copy of a backup that is compiled: every file checked, and written only where its bytes differ.
//!
//! Cargo trusts modification times, so a file that is the same keeps its own, and one that differs gets the present.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{BuildPlace, CompileError};
use crate::emit;
use crate::folder::{self, FolderError};
use crate::manifest::{BackupManifest, KindManifest};
use crate::names::hex;
use crate::templates::{self, Templates};

/// Copies a backup into the workspace of `place`.
pub(super) fn copy(
    backup: &Path,
    place: &BuildPlace,
    manifest: &BackupManifest,
    kinds: &[KindManifest],
    volumes: &BTreeSet<String>,
) -> Result<(), CompileError> {
    let mut copy = Copy { workspace: place.source(), wanted: BTreeSet::new() };
    let member = place.member();
    let mut structures = Vec::new();
    for (file, hash) in kinds.iter().flat_map(|kind| &kind.files) {
        let path = backup.join(file);
        let bytes = folder::read(&path)?;
        if hex(&Sha256::digest(&bytes)) != *hash {
            return Err(CompileError::Changed(path));
        }
        if let Some(module) = file.strip_prefix("models/src/").and_then(|file| file.strip_suffix(".rs")) {
            let structure = emit::structure(&bytes).ok_or_else(|| CompileError::NotOurs(path.clone()))?;
            structures.push((module, structure));
        }
        if let Some(volume) = file.strip_prefix("volumes/").and_then(|file| file.strip_suffix("/Cargo.toml"))
            && bytes != templates::volume_manifest(&manifest.name, volume).as_bytes()
        {
            return Err(CompileError::NotOurs(path));
        }
        copy.put(&format!("{member}/{file}"), &bytes)?;
    }
    let mut derived = Templates { name: &manifest.name, volumes }.files();
    let structures = structures.iter().map(|(module, structure)| (*module, structure.as_str()));
    derived.push((templates::MODELS_LIBRARY.to_owned(), templates::models_library(structures)));
    for (file, text) in derived {
        let path = backup.join(&file);
        if folder::read(&path)? != text.as_bytes() {
            return Err(CompileError::NotOurs(path));
        }
        match file.as_str() {
            templates::MANIFEST => {
                let package = templates::copy_package_manifest(&manifest.name, volumes);
                copy.put(&format!("{member}/{file}"), package.as_bytes())?;
                let workspace = templates::copy_workspace_manifest(&manifest.name, member, volumes);
                copy.put(&file, workspace.as_bytes())?;
            }
            templates::LOCK_FILE => copy.put(&file, text.as_bytes())?,
            _ => copy.put(&format!("{member}/{file}"), text.as_bytes())?,
        }
    }
    Ok(remove_others(&copy.workspace, &copy.workspace, &copy.wanted)?)
}

struct Copy {
    workspace: PathBuf,
    /// The files that belong there.
    wanted: BTreeSet<String>,
}

impl Copy {
    fn put(&mut self, file: &str, bytes: &[u8]) -> Result<(), FolderError> {
        self.wanted.insert(file.to_owned());
        let path = self.workspace.join(file);
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
