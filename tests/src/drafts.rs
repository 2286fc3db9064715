//! What a kill leaves of a backup that is being written.

use std::fs;
use std::path::Path;

/// Cuts off the line that was written last, in a spool's drafts. Files that no log tells of are left, too.
pub fn tear(drafts: &Path) {
    let Ok(logs) = fs::read_dir(drafts) else { return };
    let logs = logs.map(|log| log.unwrap().path()).filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    if let Some(last) = logs.max_by_key(|path| path.metadata().unwrap().modified().unwrap()) {
        let bytes = fs::read(&last).unwrap();
        fs::write(&last, &bytes[..bytes.len().saturating_sub(7)]).unwrap();
    }
}
