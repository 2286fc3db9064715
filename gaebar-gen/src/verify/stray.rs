//! What stands in a backup's folder, and is no part of the backup.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::fs::{self, DirEntry, FileType};
use std::path::Path;
use std::sync::PoisonError;

use super::{Gate, VerifiedKind, git};
use crate::folder::FolderError;
use crate::manifest::KindManifest;
use crate::private::{LOCK, SPOOL};
use crate::templates::{self, TOOL_FILES};
use crate::update::{MOVING, PRIVATE, PULL, UPDATE};
use gaebar_runtime::visible::visible;

/// Where cargo puts what it builds.
const TARGET: &str = "target";
/// Git's own folder.
const GIT: &str = ".git";

/// The tool that would act on something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// `cargo`, and `rustc` that it runs.
    Cargo,
    /// `git`, and what others do with a repository that they host.
    Git,
    /// This program.
    Gaebar,
}

/// Something beside a backup that a tool would act on which is run in its folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hazard {
    /// Where it is, below the backup's folder.
    pub path: String,
    /// Who would act on it.
    pub tool: Tool,
    /// What that would do, and how to get rid of it.
    pub problem: String,
}

impl Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", visible(&self.path), visible(&self.problem))
    }
}

/// A text of the user's, which no tool acts on.
fn is_note(name: &str) -> bool {
    name.starts_with("README") || Path::new(name).extension().is_some_and(|extension| extension == "md" || extension == "txt")
}

impl Gate<'_> {
    /// Refuses files that cargo or a person could take for a part of the backup, and notes hazards.
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

    /// The hazards that were noted.
    pub(super) fn take_hazards(&self) -> Vec<Hazard> {
        let mut hazards = std::mem::take(&mut *self.hazards.lock().unwrap_or_else(PoisonError::into_inner));
        hazards.sort_unstable();
        hazards
    }

    fn hazard(&self, path: impl Into<String>, tool: Tool, problem: impl Into<String>) {
        let hazard = Hazard { path: path.into(), tool, problem: problem.into() };
        self.hazards.lock().unwrap_or_else(PoisonError::into_inner).push(hazard);
    }

    fn walk(&self, folder: &Path, below: &str, known: &BTreeSet<String>) -> Result<(), FolderError> {
        for (name, file_type, entry) in list(folder)? {
            let path = format!("{below}{name}");
            let is_folder = file_type.is_dir();
            let is_part = if is_folder {
                let inside = format!("{path}/");
                known.range(inside.clone()..).next().is_some_and(|file| file.starts_with(&inside))
            } else {
                known.contains(&path)
            };
            match (is_part, is_folder) {
                (true, true) => self.walk(&entry.path(), &format!("{path}/"), known)?,
                (true, false) => {}
                (false, _) if below.is_empty() && self.is_tolerated(&name, file_type, &entry.path())? => {}
                (false, _) => self.refuse(path, "is no part of the backup; move it elsewhere"),
            }
        }
        Ok(())
    }

    /// What may stand beside a backup, since nothing of it is read or compiled; what tools would act on is noted. Names are taken as they are
    /// written: where case is ignored, `Target` and `.GIT` mean the same to tools, and are refused.
    fn is_tolerated(&self, name: &str, file_type: FileType, path: &Path) -> Result<bool, FolderError> {
        let is_own = TOOL_FILES.iter().any(|(file, _)| *file == name);
        match name {
            PRIVATE => self.own_folder(file_type, path)?,
            TARGET if file_type.is_dir() && list(path)?.is_empty() => {}
            TARGET => self.hazard(
                name,
                Tool::Cargo,
                format!(
                    "cargo would run what lies there without building it again, whoever put it there; remove it: rm -r {}",
                    path.display()
                ),
            ),
            GIT if file_type.is_dir() => {
                for (file, problem) in git::hazards(path)? {
                    self.hazard(format!("{GIT}/{file}"), Tool::Git, problem);
                }
            }
            GIT => self.hazard(name, Tool::Git, "leads git to a repository elsewhere, and so to its hooks and settings"),
            _ if is_own || is_note(name) || name == ".gitkeep" => return Ok(file_type.is_file()),
            _ if name.starts_with(GIT) => {
                self.hazard(name, Tool::Git, "git acts on such files, or a service that hosts the repository");
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Gaebar's own folder has no more than Gaebar puts there.
    fn own_folder(&self, file_type: FileType, path: &Path) -> Result<(), FolderError> {
        if !file_type.is_dir() {
            self.hazard(PRIVATE, Tool::Gaebar, "must be a folder, but is something else; remove it");
            return Ok(());
        }
        for (name, file_type, _) in list(path)? {
            let is_own = match name.as_str() {
                ".gitignore" | LOCK | MOVING => file_type.is_file(),
                SPOOL | UPDATE | PULL => file_type.is_dir(),
                _ => false,
            };
            if !is_own {
                self.hazard(format!("{PRIVATE}/{name}"), Tool::Gaebar, "is nothing that Gaebar puts there; remove it");
            }
        }
        Ok(())
    }
}

/// What is in a folder: names, with what is no UTF-8 replaced, and what each is. A link is a link, wherever it leads.
pub(super) fn list(folder: &Path) -> Result<Vec<(String, FileType, DirEntry)>, FolderError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(FolderError::at("list", folder))? {
        let entry = entry.map_err(FolderError::at("list", folder))?;
        let file_type = entry.file_type().map_err(FolderError::at("read", &entry.path()))?;
        found.push((entry.file_name().to_string_lossy().into_owned(), file_type, entry));
    }
    Ok(found)
}
