//! Files of a backup: written whole, and safe on disk before anything depends on them.

mod size_limit;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use gaebar_runtime::cli::thousands;
use thiserror::Error;

pub use size_limit::SizeLimit;

/// A file or folder that can't be written or read, and why.
#[derive(Debug, Error)]
#[error("could not {action} {path}: {source}", path = .path.display())]
pub struct FolderError {
    /// What was tried.
    pub action: &'static str,
    /// With which file or folder.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl FolderError {
    /// Puts a place to an error: `map_err(FolderError::at("read", path))`.
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }

    /// Whether a file has more bytes than are read.
    pub fn is_too_large(&self) -> bool {
        self.source.kind() == io::ErrorKind::FileTooLarge
    }
}

/// Writes a new file below a folder, its parent folders too, and syncs it.
pub fn write(folder: &Path, file: &str, bytes: &[u8]) -> Result<(), FolderError> {
    let path = folder.join(file);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(FolderError::at("create the folder", parent))?;
    }
    let write = || -> io::Result<()> {
        let mut file = File::create_new(&path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(FolderError::at("write", &path))
}

/// The same, in the place of a file that a kill may have cut off.
pub fn write_again(folder: &Path, file: &str, bytes: &[u8]) -> Result<(), FolderError> {
    remove_file(&folder.join(file))?;
    write(folder, file, bytes)
}

/// The same for a file of a backup. One that would be too large to be read again is an error.
pub fn write_part(folder: &Path, file: &str, bytes: &[u8]) -> Result<(), FolderError> {
    SizeLimit::of_part(file).check(bytes.len() as u64).map_err(FolderError::at("write", &folder.join(file)))?;
    write_again(folder, file, bytes)
}

/// Removes a file; there need not be one.
pub fn remove_file(path: &Path) -> Result<(), FolderError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FolderError::at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Reads a file that the user named: of any type, and behind a link too.
pub fn read(path: &Path, most: SizeLimit) -> Result<Vec<u8>, FolderError> {
    File::open(path).and_then(|file| read_open(file, most)).map_err(FolderError::at("read", path))
}

/// Reads a file of a folder that may come from anywhere. `None` if it is missing, or is no regular file: a link, a folder, or a device,
/// none of which is opened. A file above its limit is an error ([`FolderError::is_too_large`]), before any memory is taken for it.
pub fn read_regular(path: &Path, most: SizeLimit) -> Result<Option<Vec<u8>>, FolderError> {
    open_regular(path)?.map(|file| read_open(file, most).map_err(FolderError::at("read", path))).transpose()
}

/// Opens a file of a folder that may come from anywhere, under the conditions of [`read_regular`].
pub fn open_regular(path: &Path) -> Result<Option<File>, FolderError> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() => File::open(path).map(Some).map_err(FolderError::at("read", path)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::at("read", path)(error)),
    }
}

/// Whether a regular file has exactly these bytes. One of another size is not read.
pub fn holds(path: &Path, bytes: &[u8]) -> Result<bool, FolderError> {
    let has_their_size = path.symlink_metadata().is_ok_and(|metadata| metadata.len() == bytes.len() as u64);
    Ok(has_their_size && read_regular(path, SizeLimit::of_bytes(bytes))?.as_deref() == Some(bytes))
}

fn read_open(file: File, most: SizeLimit) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    most.check(size)?;
    // The size is a hint alone: a file may grow, and a pipe has none.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(most.bytes().saturating_add(1)).read_to_end(&mut bytes)?;
    most.check(bytes.len() as u64)?;
    Ok(bytes)
}

/// The files below a folder, by their paths there, sorted. None if there is no such folder.
pub fn files(folder: &Path) -> Result<Vec<String>, FolderError> {
    fn list(folder: &Path, below: &str, found: &mut Vec<String>) -> Result<(), FolderError> {
        for entry in fs::read_dir(folder).map_err(FolderError::at("list", folder))? {
            let entry = entry.map_err(FolderError::at("list", folder))?;
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.file_type().map_err(FolderError::at("read", &entry.path()))?.is_dir() {
                list(&entry.path(), &format!("{name}/"), found)?;
            } else {
                found.push(name);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    if folder.is_dir() {
        list(folder, "", &mut found)?;
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes a folder and all that is in it; there need not be one.
pub fn remove(folder: &Path) -> Result<(), FolderError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FolderError::at("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// Makes the names in a folder, and in every folder below it, safe on disk.
pub fn sync_tree(folder: &Path) -> Result<(), FolderError> {
    for entry in fs::read_dir(folder).map_err(FolderError::at("list", folder))? {
        let entry = entry.map_err(FolderError::at("list", folder))?;
        if entry.file_type().map_err(FolderError::at("list", folder))?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_folder(folder)
}

/// Makes the names in a folder safe on disk.
pub fn sync_folder(folder: &Path) -> Result<(), FolderError> {
    // Windows can't open a folder as a file, and keeps its names by itself.
    if cfg!(unix) {
        File::open(folder).and_then(|file| file.sync_all()).map_err(FolderError::at("sync", folder))?;
    }
    Ok(())
}

/// `1.2 MB`, in the units of disks.
pub fn bytes(number: u64) -> String {
    match number {
        0..1_000 => format!("{number} B"),
        1_000..1_000_000 => format!("{} kB", number / 1_000),
        _ => format!("{}.{} MB", thousands(number / 1_000_000), number / 100_000 % 10),
    }
}
