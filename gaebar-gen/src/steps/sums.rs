//! The hashes of files, each of which is read once as long as it stays as it is.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::folder::FolderError;
use crate::names::hex;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 17;

/// The hashes of files that this process has looked at, as long as their times and sizes are the same.
#[derive(Debug, Default)]
pub struct Sums(Mutex<HashMap<PathBuf, Sum>>);

#[derive(Debug, Clone)]
struct Sum {
    bytes: u64,
    modified: SystemTime,
    sha256: String,
}

impl Sums {
    /// Whether there is a file of so many bytes with this SHA-256, in hexadecimal.
    pub fn is(&self, path: &Path, bytes: u64, sha256: &str) -> Result<bool, FolderError> {
        let has_its_size = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == bytes);
        Ok(has_its_size && {
            let sum = self.of(path)?;
            sum.bytes == bytes && sum.sha256 == sha256
        })
    }

    /// Forgets a file, or those of a folder.
    pub fn forget(&self, place: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|path, _| !path.starts_with(place));
    }

    fn of(&self, path: &Path) -> Result<Sum, FolderError> {
        let failed = || FolderError::at("read", path);
        let mut file = File::open(path).map_err(failed())?;
        let metadata = file.metadata().map_err(failed())?;
        let (bytes, modified) = (metadata.len(), metadata.modified().map_err(failed())?);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some(sum) = known.filter(|sum| (sum.bytes, sum.modified) == (bytes, modified)) {
            return Ok(sum);
        }
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; BUFFER]);
        loop {
            let read = file.read(&mut buffer).map_err(failed())?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
        }
        let sum = Sum { bytes, modified, sha256: hex(&hash.finalize()) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), sum.clone());
        Ok(sum)
    }
}
