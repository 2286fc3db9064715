//! What a job has found out, or read, or downloaded: on this disk, and with the job in a store.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use super::job::Job;
use super::parts::Blob;
use super::turn::{Claim, List};
use super::{StateError, Sums};
use crate::folder::{self, FolderError};

impl Claim {
    /// Whether a spool on this disk is what the last turn left.
    pub(super) fn is_here(&self, spool: &Path, sums: &Sums) -> Result<bool, StateError> {
        let here = folder::files(spool)?;
        if !here.iter().eq(self.spool.keys()) {
            return Ok(false);
        }
        for (name, blob) in &self.spool {
            if !is(sums, &spool.join(name), blob)? {
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
            if !is(sums, &path, blob)? {
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent).map_err(FolderError::at("create the folder", parent))?;
                }
                let mut file = File::create(&path).map_err(FolderError::at("write", &path))?;
                let failed = || FolderError::at("write", &path);
                blob.read(&self.state, &mut |bytes| Ok(file.write_all(bytes).map_err(failed())?))?;
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
                        Some(same) if is(sums, &path, same)? => same.clone(),
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
        let keeping = self.keeping.take().filter(|_| !job.stage.has_ended());
        self.end(&List { job: job.clone(), files, keeping })
    }
}

fn is(sums: &Sums, path: &Path, blob: &Blob) -> Result<bool, FolderError> {
    sums.is(path, blob.bytes, &blob.sha256)
}
