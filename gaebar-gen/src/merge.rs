//! After git has merged two people's backups: one side's rows for kinds that both changed, and lists of kinds and volumes anew.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::process::Command;

use thiserror::Error;

use crate::coverage::coverage;
use crate::folder::{self, FolderError, SizeLimit};
use crate::manifest::{BackupManifest, KindManifest, MANIFEST, ManifestError, has_conflict_markers};
use crate::releases::Foundation;
use crate::stage::stage_changed;
use crate::templates::{self, Templates};
use crate::update::{Update, UpdateError};
use crate::verify::{self, VerifyError};

/// Why a merge could not be brought to its end.
#[derive(Debug, Error)]
pub enum MergeError {
    /// A kind is not in order, so nobody knows what to list.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The backup can't be changed.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Another version wrote the backup, so its lists are that version's to make.
    #[error("the backup was written by another version of Gaebar; `gaebar upgrade {}` gives it the present one's runtime, and makes its lists anew", .0.display())]
    AnotherVersion(std::path::PathBuf),
    /// Git failed.
    #[error("could not take one side's files: git {command}: {problem}")]
    Git {
        /// What was asked of git.
        command: String,
        /// What it said.
        problem: String,
    },
}

impl From<ManifestError> for MergeError {
    fn from(error: ManifestError) -> Self {
        Self::Verify(error.into())
    }
}

/// A side of a merge, as git names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `HEAD`
    Ours,
    /// `MERGE_HEAD`
    Theirs,
}

/// Takes one side's files of each kind that both sides changed, and its record of what is covered. Returns the manifests that were taken.
pub fn take(backup: &Path, side: Side) -> Result<Vec<String>, MergeError> {
    let revision = match side {
        Side::Ours => "HEAD",
        Side::Theirs => "MERGE_HEAD",
    };
    let mut taken = Vec::new();
    if folder::read_regular(&backup.join(MANIFEST), SizeLimit::of_part(MANIFEST))?
        .is_some_and(|bytes| has_conflict_markers(&bytes))
    {
        git(backup, &["checkout", "--quiet", revision, "--", MANIFEST])?;
        taken.push(MANIFEST.to_owned());
    }
    for manifest in folder::files(&backup.join("kinds"))?.into_iter().map(|file| format!("kinds/{file}")) {
        let Some(bytes) = folder::read_regular(&backup.join(&manifest), SizeLimit::of_part(&manifest))?
            .filter(|bytes| has_conflict_markers(bytes))
        else {
            continue;
        };
        // Both sides' lines are there, so all volumes of both are named.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut parts: BTreeSet<String> = text.split('"').filter_map(part).collect();
        parts.insert(manifest.clone());
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let theirs = git(backup, &[&["ls-tree", "-r", "--name-only", revision, "--"], parts.as_slice()].concat())?;
        git(backup, &[&["rm", "-r", "-f", "--quiet", "--ignore-unmatch", "--"], parts.as_slice()].concat())?;
        let files: Vec<&str> = theirs.lines().collect();
        if !files.is_empty() {
            git(backup, &[&["checkout", "--quiet", revision, "--"], files.as_slice()].concat())?;
        }
        taken.push(manifest);
    }
    Ok(taken)
}

/// The folder or file that stands for a kind's listed file: its volume, or its model.
fn part(file: &str) -> Option<String> {
    let plain = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    match file.split('/').collect::<Vec<_>>()[..] {
        ["volumes", volume, ..] if plain(volume) => Some(format!("volumes/{volume}")),
        ["models", "src", model] if plain(model) => Some(format!("models/src/{model}")),
        _ => None,
    }
}

/// What git says of a command in the backup's folder, where paths are relative to.
fn git(backup: &Path, arguments: &[&str]) -> Result<String, MergeError> {
    let failed =
        |problem: String| MergeError::Git { command: arguments.first().copied().unwrap_or_default().to_owned(), problem };
    let output = Command::new("git").current_dir(backup).args(arguments).output();
    let output = output.map_err(|error: io::Error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Makes the lists of a backup's kinds and volumes anew, from the kinds. Returns the files that changed.
pub fn merge(backup: &Path) -> Result<Vec<String>, MergeError> {
    let manifest = BackupManifest::read(backup)?;
    let (file, runtime) = Foundation::present().manifest(&manifest.name);
    if !folder::holds(&backup.join(file), &runtime)? {
        return Err(MergeError::AnotherVersion(backup.to_owned()));
    }
    let update = Update::new(backup)?;
    let (manifest, kinds) = verify::structs(backup)?;
    let volumes = verify::volumes(kinds.iter().map(|(manifest, _): &(KindManifest, _)| manifest));
    let coverage = coverage(&manifest, kinds.iter().map(|(manifest, _)| manifest));
    let coverage = manifest.has_coverage().then_some(&coverage);
    let mut files = Templates { name: &manifest.name, volumes: &volumes, coverage, foundation: Foundation::present() }.lists();
    let structures = kinds.iter().map(|(_, kind)| (kind.file.as_str(), kind.structure.as_str()));
    files.push((templates::MODELS_LIBRARY.to_owned(), templates::models_library(structures).into_bytes()));
    let changed = stage_changed(&update.folder(), backup, &files)?;
    update.commit(Vec::new())?;
    Ok(changed)
}
