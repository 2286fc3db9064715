//! Files that are there and belong to nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{Gate, VerifiedKind};
use crate::folder::FolderError;
use crate::manifest::KindManifest;
use crate::templates::{self, TOOL_FILES};

/// What may stand beside a backup: never read, never compiled.
fn is_tolerated(top: &str) -> bool {
    let is_for_a_tool = top.starts_with(".git") || TOOL_FILES.iter().any(|(file, _)| *file == top);
    is_for_a_tool || top.starts_with("README") || top == ".gaebar" || top == "target" || is_note(top)
}

/// A text of the user's.
fn is_note(top: &str) -> bool {
    Path::new(top).extension().is_some_and(|extension| extension == "md" || extension == "txt")
}

impl Gate<'_> {
    /// Refuses files that cargo or a person could take for a part of the backup.
    pub(super) fn strays(&self, kinds: &[VerifiedKind], templates: impl Iterator<Item = String>) -> Result<(), FolderError> {
        let mut known: BTreeSet<String> = templates.collect();
        known.extend(["manifest.json".to_owned(), templates::MODELS_LIBRARY.to_owned()]);
        for kind in kinds {
            known.insert(KindManifest::path(&kind.kind.file));
            known.extend(kind.manifest.files.keys().cloned());
        }
        // Of a kind that was refused the files are not known: its own problem is told already.
        if self.problems.lock().is_ok_and(|problems| problems.is_empty()) {
            self.walk(self.backup, "", &known)?;
        }
        Ok(())
    }

    fn walk(&self, folder: &Path, below: &str, known: &BTreeSet<String>) -> Result<(), FolderError> {
        for entry in fs::read_dir(folder).map_err(FolderError::at("list", folder))? {
            let entry = entry.map_err(FolderError::at("list", folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if below.is_empty() && is_tolerated(&name) {
                continue;
            }
            let path = format!("{below}{name}");
            let is_folder = entry.file_type().map_err(FolderError::at("read", &entry.path()))?.is_dir();
            let is_part = if is_folder {
                let inside = format!("{path}/");
                known.range(inside.clone()..).next().is_some_and(|file| file.starts_with(&inside))
            } else {
                known.contains(&path)
            };
            match (is_part, is_folder) {
                (true, true) => self.walk(&entry.path(), &format!("{path}/"), known)?,
                (true, false) => {}
                (false, _) => self.refuse(path, "is no part of the backup; move it elsewhere"),
            }
        }
        Ok(())
    }
}
