//! Earlier releases, whose backups are compiled as they are: each is known by what it wrote.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use crate::manifest::FORMAT_WITHOUT_COVERAGE;
use crate::names::hex;
use crate::templates;

/// A version's number has no more characters.
const LONGEST_VERSION: usize = 40;
/// The runtime's manifest, below its folder.
const MANIFEST: &str = "Cargo.toml";

/// A release of Gaebar.
#[derive(Debug, PartialEq, Eq)]
pub struct Release {
    /// Its version.
    pub version: &'static str,
    /// The format that it wrote.
    pub format: u32,
    /// The hash of the [`Foundation`] that it wrote.
    pub foundation: &'static str,
    /// Whether it wrote raw identifiers for crates and modules that are called like a keyword.
    pub writes_raw_names: bool,
}

impl Release {
    /// Whether it is the first.
    pub fn is_the_first(&self) -> bool {
        RELEASES.first() == Some(self)
    }

    /// Whether its backups say what they cover.
    pub fn records_coverage(&self) -> bool {
        self.format > FORMAT_WITHOUT_COVERAGE
    }
}

/// Every release from the first on. `tests/goldens/releases` has a backup of each.
pub const RELEASES: &[Release] = &[
    Release {
        version: "0.1.0",
        format: FORMAT_WITHOUT_COVERAGE,
        foundation: "31d46a0c0cdcceebb35a7c0d1a0436c6286f6a7f4d17aec7b8c2caafcefa10e5",
        writes_raw_names: false,
    },
    Release {
        version: "0.2.0",
        format: FORMAT_WITHOUT_COVERAGE,
        foundation: "437ac8736ab9bee35ef756cad8a81d333b23640387ece9ca3e0088665683e60b",
        writes_raw_names: false,
    },
];

/// What a backup is compiled with: the source of its runtime, and the lock file, without what differs from backup to backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foundation {
    /// Files below `gaebar-runtime/`; the package's name in the manifest is `{name}`.
    runtime: BTreeMap<String, Vec<u8>>,
    /// The lock file of a backup without volumes whose name is `template`.
    lock: String,
}

impl Foundation {
    /// What this version writes.
    pub fn present() -> &'static Self {
        static PRESENT: LazyLock<Foundation> = LazyLock::new(|| {
            let files =
                gaebar_runtime::source::FILES.iter().map(|(file, text)| (format!("src/{file}"), text.as_bytes().to_vec()));
            let manifest = (MANIFEST.to_owned(), gaebar_runtime::source::MANIFEST.as_bytes().to_vec());
            Foundation { runtime: files.chain([manifest]).collect(), lock: templates::LOCK.to_owned() }
        });
        &PRESENT
    }

    /// What a backup's files below `gaebar-runtime/` and its lock file seem to be made of; they are if [`Self::files`] and the lock file
    /// come out the same. `None` if no version wrote the like.
    pub fn found(backup: &str, mut runtime: BTreeMap<String, Vec<u8>>, lock: &[u8]) -> Option<Self> {
        let manifest = runtime.get_mut(MANIFEST)?;
        let own = format!("\"{}\"", templates::package(backup, "runtime"));
        *manifest = std::str::from_utf8(manifest).ok()?.replace(&own, "\"{name}\"").into_bytes();
        Some(Self { runtime, lock: templates::unlock(backup, std::str::from_utf8(lock).ok()?) })
    }

    /// The files, by their paths in a backup.
    pub fn files(&self, backup: &str) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
        let others = self.runtime.iter().filter(|(file, _)| *file != MANIFEST);
        let others = others.map(|(file, bytes)| (format!("{}/{file}", templates::RUNTIME), bytes.clone()));
        others.chain([self.manifest(backup)])
    }

    /// The runtime's manifest: its path in a backup, and its bytes.
    pub fn manifest(&self, backup: &str) -> (String, Vec<u8>) {
        let template = self.runtime.get(MANIFEST).map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
        let manifest = template.replace("{name}", &templates::package(backup, "runtime"));
        (format!("{}/{MANIFEST}", templates::RUNTIME), manifest.into_bytes())
    }

    /// The lock file's template.
    pub fn lock(&self) -> &str {
        &self.lock
    }

    /// The release that wrote this.
    pub fn release(&self) -> Option<&'static Release> {
        let hash = self.hash();
        RELEASES.iter().find(|release| release.foundation == hash)
    }

    /// The version that it says it is of, if that is none which is known, and a runtime is there to compile. What says that it is of a known
    /// version, and is not what that version wrote, was changed.
    pub fn unknown_version(&self) -> Option<String> {
        let manifest = std::str::from_utf8(self.runtime.get(MANIFEST)?).ok()?;
        let version = manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))?;
        let is_known = version == env!("CARGO_PKG_VERSION") || RELEASES.iter().any(|release| release.version == version);
        let is_plain = !version.is_empty()
            && version.len() <= LONGEST_VERSION
            && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte));
        (is_plain && !is_known && self.runtime.contains_key("src/lib.rs")).then(|| version.to_owned())
    }

    /// A hash over all of it.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        let lock = ("Cargo.lock", self.lock.as_bytes());
        for (file, bytes) in self.runtime.iter().map(|(file, bytes)| (file.as_str(), bytes.as_slice())).chain([lock]) {
            for part in [file.as_bytes(), bytes] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        hex(&hash.finalize())
    }
}
