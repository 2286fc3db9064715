//! Files from a remote to the disk, several at once, each checked before it is written.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::{Pull, PullError, Reach, Remote};
use crate::folder;
use crate::listing::ListedFile;
use crate::names::hex;

/// Files that are downloaded at once.
const AT_ONCE: usize = 4;

/// Downloads files. The first that is not as it should be ends it. Returns those that are left where the budget ends, or the remote asks to
/// wait longer.
pub(super) fn all<'f>(pull: &Pull, pulled: &Path, files: &[&'f ListedFile]) -> Result<Vec<&'f ListedFile>, PullError> {
    let Pull { remote, backup, stop, .. } = *pull;
    let (most, end) = match pull.reach {
        Reach::End => (files.len(), None),
        Reach::Step { budget, .. } => (budget.rows.max(1).min(files.len()), Instant::now().checked_add(budget.time)),
    };
    let left = Mutex::new(files[..most].iter());
    let (failed, put_off) = (Mutex::new(None), Mutex::new(Vec::new()));
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let has_failed = || failed.lock().is_ok_and(|failed| failed.is_some());
    let progress = pull.stages.downloading(files.len() as u64);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while !has_failed()
                    && let Some(file) = next()
                {
                    match one(remote, backup, pulled, file, stop) {
                        Ok(()) => progress.add(&file.path, 1),
                        Err(PullError::Later { .. }) => put_off.lock().unwrap_or_else(PoisonError::into_inner).push(*file),
                        Err(error) => {
                            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        }
                    }
                    if end.is_some_and(|end| Instant::now() >= end) {
                        break;
                    }
                }
            });
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let untried = left.into_inner().unwrap_or_else(PoisonError::into_inner).len();
    let mut left = put_off.into_inner().unwrap_or_else(PoisonError::into_inner);
    left.extend_from_slice(&files[most - untried..]);
    Ok(left)
}

fn one(remote: &Remote, backup: &str, pulled: &Path, file: &ListedFile, stop: &AtomicBool) -> Result<(), PullError> {
    if stop.load(Ordering::Relaxed) {
        return Err(PullError::Stopped);
    }
    let path = || file.path.clone();
    let bytes = remote.file(backup, file, stop)?;
    if bytes.len() as u64 != file.bytes {
        return Err(PullError::Size { path: path(), said: file.bytes, came: bytes.len() as u64 });
    }
    if hex(&Sha256::digest(&bytes)) != file.sha256 {
        return Err(PullError::Hash { path: path() });
    }
    // A kill may have left a part of it.
    Ok(folder::write_again(pulled, &file.path, &bytes)?)
}
