//! Which Gaebar wrote the runtime and the lock file that a backup is compiled with.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::Path;

use super::Gate;
use crate::folder::{self, FolderError, SizeLimit};
use crate::releases::{Foundation, Release};
use crate::templates;

// A release's runtime has fewer files, fewer bytes in all, and shorter paths.
const MOST_FILES: usize = 1_000;
const MOST_BYTES: u64 = 4 << 20;
const MOST_PATH: usize = 200;

/// What a backup is compiled with, and who wrote it.
pub(super) type CompiledWith = (Cow<'static, Foundation>, Writer);

/// The version of Gaebar that wrote a backup's runtime and lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    /// This one.
    This,
    /// An earlier release, whose backups are compiled as they are.
    Release(&'static Release),
    /// One that this version does not know, such as a later release. Nothing of its backup is compiled here.
    Unknown {
        /// Its number, as the runtime's manifest says.
        version: String,
    },
}

impl Writer {
    /// The earlier release, if it is one.
    pub(super) fn release(&self) -> Option<&'static Release> {
        if let Self::Release(release) = self { Some(release) } else { None }
    }
}

impl Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::This => write!(f, "is of this version of Gaebar"),
            Self::Release(release) => write!(f, "is of Gaebar {}", release.version),
            Self::Unknown { version } => write!(
                f,
                "is of Gaebar {version}, whose runtime Gaebar {} does not know; verify and build the backup with that version, or run \
                 `gaebar upgrade`, which writes a runtime that is known",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }
}

impl Gate<'_> {
    /// What the backup is compiled with, if a version wrote it that is known or may exist; else this version's own, from which it differs.
    pub(super) fn foundation(&self) -> Result<CompiledWith, FolderError> {
        let present = || Ok((Cow::Borrowed(Foundation::present()), Writer::This));
        // Every version has a manifest of its own, for its number is in it.
        let (file, manifest) = Foundation::present().manifest(&self.manifest.name);
        if folder::holds(&self.backup.join(file), &manifest)? {
            return present();
        }
        let mut runtime = BTreeMap::new();
        let lock = match folder::read_regular(&self.backup.join(templates::LOCK_FILE), SizeLimit::of_part(templates::LOCK_FILE)) {
            Err(error) if error.is_too_large() => None,
            lock => lock?,
        };
        if read_below(&self.backup.join(templates::RUNTIME), "", &mut runtime, &mut { MOST_BYTES })?
            && let Some(found) = lock.and_then(|lock| Foundation::found(&self.manifest.name, runtime, &lock))
        {
            if let Some(release) = found.release() {
                return Ok((Cow::Owned(found), Writer::Release(release)));
            }
            if let Some(version) = found.unknown_version() {
                return Ok((Cow::Owned(found), Writer::Unknown { version }));
            }
        }
        present()
    }
}

/// Adds all files below a folder, whose path begins with `below`. `false` if there is something else than files and folders, or more
/// than a runtime is made of.
fn read_below(folder: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>, left: &mut u64) -> Result<bool, FolderError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        entries => entries.map_err(FolderError::at("list", folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(FolderError::at("list", folder))?;
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        let is_folder = entry.file_type().map_err(FolderError::at("read", &entry.path()))?.is_dir();
        if path.len() >= MOST_PATH || found.len() >= MOST_FILES {
            return Ok(false);
        }
        if is_folder {
            if !read_below(&entry.path(), &format!("{path}/"), found, left)? {
                return Ok(false);
            }
            continue;
        }
        match folder::read_regular(&entry.path(), SizeLimit::of_part(&path).and(*left)) {
            Err(error) if error.is_too_large() => return Ok(false),
            bytes => match bytes? {
                None => return Ok(false),
                Some(bytes) => {
                    *left -= bytes.len() as u64;
                    found.insert(path, bytes);
                }
            },
        }
    }
    Ok(true)
}
