//! The user's cache folder: compiled code, the copies that it is compiled from, and what is remembered of rows.
//!
//! Cargo runs what it finds compiled there, and an update believes what is remembered. So a folder that others could have written to is
//! no cache: see [`trust`].

pub mod trust;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use crate::folder::FolderError;

/// The variable that names the folder.
const VARIABLE: &str = "GAEBAR_CACHE_DIR";

/// `GAEBAR_CACHE_DIR`, or `gaebar` in the user's cache folder. It is made if it is missing, and refused if others could have written to it.
pub fn folder() -> Result<PathBuf, FolderError> {
    let path = if let Some(folder) = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        std::path::absolute(&folder).map_err(FolderError::at("resolve", Path::new(&folder)))?
    } else {
        let strategy = etcetera::choose_base_strategy()
            .map_err(io::Error::other)
            .map_err(FolderError::at("find a cache folder for", Path::new("gaebar")))?;
        strategy.cache_dir().join("gaebar")
    };
    let path = private_folder(&path)?;
    trust::check(&path, VARIABLE)?;
    Ok(path)
}

/// Makes a folder that only its owner can read: it holds what backups hold. Returns its path without links, as cargo reports paths.
pub(crate) fn private_folder(path: &Path) -> Result<PathBuf, FolderError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).and_then(|()| path.canonicalize()).map_err(FolderError::at("create the folder", path))
}
