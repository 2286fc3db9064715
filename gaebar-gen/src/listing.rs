//! The files of a backup, as one Gaebar tells another: `GET /api/backups/NAME/files`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::folder::{self, FolderError, SizeLimit};
use crate::manifest::{KindManifest, MANIFEST, is_kind_file, is_plain};
use crate::templates::{self, RUNTIME, TOOL_FILES};

/// Files that every backup has beside those of its kinds and its runtime.
const FIXED: [&str; 7] = [
    MANIFEST,
    templates::MANIFEST,
    templates::LOCK_FILE,
    "src/lib.rs",
    "src/main.rs",
    "models/Cargo.toml",
    templates::MODELS_LIBRARY,
];

/// All files of a backup, in no order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listing {
    /// The files.
    pub files: Vec<ListedFile>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// Its path below the backup's folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl Listing {
    /// What the backup in a folder should consist of. Of a kind's files the manifest has the hash, so that they need not be read; one that
    /// was edited since does not have it.
    pub fn of(backup: &Path, kinds: &[&KindManifest]) -> Result<Self, FolderError> {
        let mut files = Vec::new();
        for (path, fingerprint) in kinds.iter().flat_map(|kind| &kind.files) {
            let place = backup.join(path);
            let bytes = place.symlink_metadata().map_err(FolderError::at("read", &place))?.len();
            files.push(ListedFile { path: path.clone(), bytes, sha256: fingerprint.sha256().to_owned() });
        }
        let fixed = FIXED.into_iter().chain(TOOL_FILES.map(|(file, _)| file)).map(str::to_owned);
        let runtime = folder::files(&backup.join(RUNTIME))?.into_iter().map(|file| format!("{RUNTIME}/{file}"));
        for path in fixed.chain(kinds.iter().map(|kind| kind.path.clone())).chain(runtime).filter(|path| is_backup_file(path)) {
            if let Some(bytes) = folder::read_regular(&backup.join(&path), SizeLimit::of_part(&path))? {
                let sha256 = Fingerprint::of(&bytes).sha256().to_owned();
                files.push(ListedFile { path, bytes: bytes.len() as u64, sha256 });
            }
        }
        Ok(Self { files })
    }

    /// A hash over all that is listed, in the order in which it is.
    pub fn sha256(&self) -> String {
        // Serialising strings and numbers can't fail.
        Fingerprint::of(&serde_json::to_vec(self).unwrap_or_default()).sha256().to_owned()
    }
}

/// Whether a path is one that a file of a backup has: below its folder, and nothing that cargo or git would take for more.
pub fn is_backup_file(path: &str) -> bool {
    let source = |file: &str| file == templates::MANIFEST || file.strip_suffix(".rs").is_some_and(is_plain);
    if let Some(("src", file)) = path.strip_prefix(RUNTIME).and_then(|below| below.strip_prefix('/')?.split_once('/')) {
        let (folders, file) = file.rsplit_once('/').map_or((None, file), |(folders, file)| (Some(folders), file));
        return folders.is_none_or(|folders| folders.split('/').all(is_plain)) && (source(file) || file == "runtime.toml");
    }
    let kind = || path.strip_prefix("kinds/").and_then(|file| file.strip_suffix(".json")).is_some_and(is_plain);
    FIXED.contains(&path)
        || TOOL_FILES.iter().any(|(file, _)| *file == path)
        || path.strip_prefix(RUNTIME).is_some_and(|below| below == "/Cargo.toml")
        || kind()
        || is_kind_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_has_nothing_but_backup_files_and_all_of_them_are_listed() {
        for backup in ["../examples/backup", "../tests/goldens/releases/0.1.0"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(backup);
            let kinds = KindManifest::read_all(&folder).unwrap();
            let listing = Listing::of(&folder, &kinds.iter().collect::<Vec<_>>()).unwrap();
            let mut listed: Vec<_> = listing.files.into_iter().map(|file| file.path).collect();
            listed.sort_unstable();
            let there: Vec<_> = folder::files(&folder).unwrap().into_iter().filter(|file| is_backup_file(file)).collect();
            assert!(listed == there && there.len() > 80, "{listed:#?}");
        }
    }

    #[test]
    fn nothing_else_is_a_backup_file() {
        for path in [
            "",
            "/etc/passwd",
            "../x.rs",
            "build.rs",
            "src/../build.rs",
            "src/bin/x.rs",
            ".cargo/config.toml",
            ".git/config",
            "kinds/../../x.json",
            "kinds/.json",
            "gaebar-runtime/build.rs",
            "gaebar-runtime/src/../../x.rs",
            "gaebar-runtime/src//x.rs",
            "gaebar-runtime/src/x\\y.rs",
            "gaebar-runtime/.cargo/config.toml",
            "C:/x.rs",
            "README.md",
        ] {
            assert!(!is_backup_file(path), "{path}");
        }
    }
}
