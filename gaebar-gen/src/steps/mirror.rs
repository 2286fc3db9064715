//! The spool of a backup that is being made: on this disk, and with its job in a store.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::StateError;
use super::job::Job;
use super::parts::Blob;
use super::turn::{Claim, List};
use crate::folder::{self, FolderError};
use crate::names::hex;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 17;

/// The hashes of files that this process has looked at, as long as their times and sizes are the same.
#[derive(Debug, Default)]
pub(super) struct Sums(Mutex<HashMap<PathBuf, Sum>>);

#[derive(Debug, Clone)]
struct Sum {
    bytes: u64,
    modified: SystemTime,
    sha256: String,
}

impl Sums {
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

    /// Forgets a file, or those of a folder.
    pub(super) fn forget(&self, place: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|path, _| !path.starts_with(place));
    }

    fn is(&self, path: &Path, blob: &Blob) -> Result<bool, FolderError> {
        Ok(path.is_file() && {
            let sum = self.of(path)?;
            sum.bytes == blob.bytes && sum.sha256 == blob.sha256
        })
    }
}

impl Claim {
    /// Whether a spool on this disk is what the last turn left.
    pub(super) fn is_here(&self, spool: &Path, sums: &Sums) -> Result<bool, StateError> {
        let here = folder::files(spool)?;
        if !here.iter().eq(self.spool.keys()) {
            return Ok(false);
        }
        for (name, blob) in &self.spool {
            if !sums.is(&spool.join(name), blob)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes a spool on this disk what the last turn left.
    pub(super) fn bring(&self, spool: &Path, sums: &Sums) -> Result<(), StateError> {
        for name in folder::files(spool)?.iter().filter(|name| !self.spool.contains_key(*name)) {
            let path = spool.join(name);
            fs::remove_file(&path).map_err(FolderError::at("remove", &path))?;
        }
        for (name, blob) in &self.spool {
            let path = spool.join(name);
            if !sums.is(&path, blob)? {
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent).map_err(FolderError::at("create the folder", parent))?;
                }
                let mut file = File::create(&path).map_err(FolderError::at("write", &path))?;
                let failed = || FolderError::at("write", &path);
                blob.read(&self.state, self.id(), &mut |bytes| Ok(file.write_all(bytes).map_err(failed())?))?;
                sums.forget(&path);
            }
        }
        Ok(())
    }

    /// Ends the turn with what its step has left: a job and, as long as that goes on, a spool.
    pub(super) fn keep(mut self, job: &Job, spool: Option<&Path>, sums: &Sums) -> Result<(), StateError> {
        let mut files = BTreeMap::new();
        match spool {
            Some(spool) if job.stage.has_ended() => sums.forget(spool),
            Some(spool) => {
                for name in folder::files(spool)? {
                    let path = spool.join(&name);
                    let blob = match self.spool.get(&name) {
                        Some(same) if sums.is(&path, same)? => same.clone(),
                        _ => {
                            let mut file = File::open(&path).map_err(FolderError::at("read", &path))?;
                            self.parts.add(&self.state, &mut file, &path)?
                        }
                    };
                    files.insert(name, blob);
                }
            }
            None => {}
        }
        self.end(&List { job: job.clone(), spool: files })
    }
}
