//! `gaebar.toml`: names for stores, and settings. Flags win over it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use gaebar_runtime::store::{StoreError, StoreUrl};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::folder::{self, FolderError, SizeLimit};
use crate::read::{MOST_SCANS, SCANS};

/// The file's name.
pub const FILE: &str = "gaebar.toml";

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Stores by name.
    pub stores: BTreeMap<String, String>,
    /// Gaebars elsewhere by name.
    pub remotes: BTreeMap<String, RemoteConfig>,
    /// Settings of `gaebar backup`.
    pub backup: BackupConfig,
    /// Settings of `gaebar restore`.
    pub restore: RestoreConfig,
    /// Settings of `gaebar serve`.
    pub serve: ServeConfig,
    /// Where `gaebar serve` keeps the state of backups and restores beside the disk.
    pub state: Option<StateConfig>,
}

/// Where the state of backups and restores is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StateConfig {
    /// A store, by name or URL.
    pub store: String,
    /// The kind of entities there, if it is not the usual one.
    pub kind: Option<String>,
}

/// A Gaebar elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "`[remotes.NAME]` with `url`, and `token-file` if it asks for a token"
)]
pub struct RemoteConfig {
    /// The address of its page.
    pub url: String,
    /// A file with the token that it asks for.
    pub token_file: Option<PathBuf>,
}

/// Settings of `gaebar restore`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RestoreConfig {
    /// The only stores that may be restored to, by name or URL.
    pub targets: Option<Vec<String>>,
}

/// Settings of `gaebar serve`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ServeConfig {
    /// The most rows that a step reads, compares or writes; what `[backup]` says, if it is left out.
    #[serde(deserialize_with = "up_to::<_, _, 10_000>")]
    pub rows_per_step: Option<usize>,
    /// How many seconds a step works on.
    #[serde(deserialize_with = "up_to::<_, _, 3_600>")]
    pub step_seconds: Option<u64>,
}

/// Settings of `gaebar backup`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BackupConfig {
    /// Only these kinds.
    pub kinds: Option<Vec<String>>,
    /// All kinds but these.
    pub exclude_kinds: Vec<String>,
    /// Only these namespaces.
    pub namespaces: Option<Vec<String>>,
    /// The most entities to ask for at a time.
    #[serde(deserialize_with = "up_to::<_, _, 10_000>")]
    pub rows_per_step: Option<usize>,
    /// How many kinds, or ranges of a large one, are read at once; of `gaebar diff` and the page's jobs, too.
    #[serde(deserialize_with = "up_to::<_, _, { MOST_SCANS as u64 }>")]
    pub scans: Option<usize>,
    /// A shard closes before it would pass so many bytes.
    #[serde(deserialize_with = "up_to::<_, _, 4_000_000>")]
    pub shard_size: Option<usize>,
}

/// A number from 1 on, as the options of the same names take it.
fn up_to<'de, D: Deserializer<'de>, T: TryFrom<u64>, const MOST: u64>(deserializer: D) -> Result<Option<T>, D::Error> {
    let number = u64::deserialize(deserializer)?;
    let within = (1..=MOST).contains(&number).then(|| T::try_from(number).ok()).flatten();
    within.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{number} is not within 1 and {MOST}")))
}

/// Why settings or a store's name make no sense.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is not as it should be.
    #[error("{path}: {source}", path = .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// A store or a remote has a name that can't be typed.
    #[error("{path}: the name {name:?} has control characters", path = .path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// The file can't be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The store is not one that may be restored to.
    #[error("{store} may not be restored to: [restore] targets in gaebar.toml has {}", .targets.join(", "))]
    Target {
        /// The store.
        store: String,
        /// Those that may.
        targets: Vec<String>,
    },
    /// A setting that should be a store is none.
    #[error("{setting} in gaebar.toml: {source}")]
    Setting {
        /// Which setting.
        setting: String,
        /// What is wrong with it.
        source: Box<ConfigError>,
    },
    /// Neither a store's URL nor a name of one.
    #[error("{source}, or a name from [stores] in gaebar.toml{known}")]
    Store {
        /// What is wrong with it as a URL.
        source: Box<StoreError>,
        /// The names there are.
        known: String,
    },
}

impl Config {
    /// Reads the file, if there is one: the one given, or `gaebar.toml` in the present folder. Paths in it are from its folder.
    pub fn load(given: Option<&Path>) -> Result<Self, ConfigError> {
        let path = given.unwrap_or(Path::new(FILE));
        if given.is_none() && !path.exists() {
            return Ok(Self::default());
        }
        // A pipe that the user names has settings to read; one that stands in the folder would be waited for.
        if given.is_none() && !path.is_file() {
            return Err(FolderError::at("read", path)(io::Error::other("it is no regular file")).into());
        }
        let bytes = folder::read(path, SizeLimit::SETTINGS)?;
        let text = String::from_utf8_lossy(&bytes);
        let config: Self =
            toml::from_str(&text).map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        // The page's forms could not send such a name back.
        if let Some(name) = config.stores.keys().chain(config.remotes.keys()).find(|name| name.contains(char::is_control)) {
            return Err(ConfigError::Name { path: path.to_owned(), name: name.clone() });
        }
        Ok(config.of_folder(path.parent().unwrap_or(Path::new(""))))
    }

    /// The same, with paths from a folder on.
    fn of_folder(mut self, folder: &Path) -> Self {
        let targets = self.restore.targets.iter_mut().flatten();
        for url in self.stores.values_mut().chain(targets).chain(self.state.as_mut().map(|state| &mut state.store)) {
            if let Ok(StoreUrl::Sqlite(path)) = url.parse() {
                *url = StoreUrl::Sqlite(from(folder, &path)).to_string();
            }
        }
        for file in self.remotes.values_mut().filter_map(|remote| remote.token_file.as_mut()) {
            *file = from(folder, file);
        }
        self
    }

    /// The store of a name or a URL.
    pub fn store(&self, name_or_url: &str) -> Result<StoreUrl, ConfigError> {
        let named = self.stores.get(name_or_url);
        let store = named.map_or(name_or_url, String::as_str).parse().map_err(|source| {
            let all: Vec<_> = self.stores.keys().map(String::as_str).collect();
            let known = if all.is_empty() { String::new() } else { format!(" (there: {})", all.join(", ")) };
            ConfigError::Store { source: Box::new(source), known }
        });
        if named.is_some() { of_setting(store, &format!("[stores] {name_or_url}")) } else { store }
    }

    /// The stores that may be restored to; `None`: any.
    pub fn targets(&self) -> Result<Option<Vec<StoreUrl>>, ConfigError> {
        let Some(targets) = &self.restore.targets else { return Ok(None) };
        let target = |target: &String| of_setting(self.store(target), "[restore] targets");
        targets.iter().map(target).collect::<Result<_, _>>().map(Some)
    }

    /// The store in which state is kept, and the kind of its entities, if they are set.
    pub fn state(&self) -> Result<Option<(StoreUrl, Option<&str>)>, ConfigError> {
        let Some(StateConfig { store, kind }) = &self.state else { return Ok(None) };
        Ok(Some((of_setting(self.store(store), "[state] store")?, kind.as_deref())))
    }

    /// How many scans a store is read with.
    pub fn scans(&self) -> usize {
        self.backup.scans.unwrap_or(SCANS)
    }

    /// A store that may be restored to.
    pub fn target(&self, name_or_url: &str) -> Result<StoreUrl, ConfigError> {
        let url = self.store(name_or_url)?;
        let targets = self.targets()?;
        if targets.is_none_or(|targets| targets.iter().any(|target| is_same(target, &url))) {
            return Ok(url);
        }
        Err(ConfigError::Target { store: url.to_string(), targets: self.restore.targets.clone().unwrap_or_default() })
    }
}

/// The store that a setting names.
fn of_setting(store: Result<StoreUrl, ConfigError>, setting: &str) -> Result<StoreUrl, ConfigError> {
    store.map_err(|source| ConfigError::Setting { setting: setting.to_owned(), source: Box::new(source) })
}

/// A path from a folder on, without `.` in it.
fn from(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path).components().filter(|part| *part != Component::CurDir).collect()
}

/// Whether two URLs are of one store, however a file's path is written.
pub(crate) fn is_same(one: &StoreUrl, other: &StoreUrl) -> bool {
    match (one, other) {
        (StoreUrl::Sqlite(one), StoreUrl::Sqlite(other)) => whole(one) == whole(other),
        _ => one == other,
    }
}

/// The whole path of a file that need not exist yet.
fn whole(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(beside).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_urls_are_stores_and_unknown_settings_are_errors() {
        let config: Config =
            toml::from_str("[stores]\nstaging = \"datastore://my-app-staging\"\n[backup]\nshard-size = 1000").unwrap();
        assert_eq!(config.store("staging").unwrap().to_string(), "datastore://my-app-staging");
        assert_eq!(config.store("sqlite:x").unwrap().to_string(), "sqlite:x");
        let error = config.store("stagging").unwrap_err().to_string();
        assert!(error.contains("(there: staging)"), "{error}");
        let config: Config =
            toml::from_str("[stores]\nproduction = \"datastor://my-app\"\n[restore]\ntargets = [\"stagin\"]").unwrap();
        let error = config.store("production").unwrap_err().to_string();
        assert!(error.starts_with("[stores] production in gaebar.toml: `datastor://my-app` is no store"), "{error}");
        let error = config.target("sqlite:x").unwrap_err().to_string();
        assert!(error.starts_with("[restore] targets in gaebar.toml: `stagin` is no store"), "{error}");
        assert!(toml::from_str::<Config>("[backup]\nshard_size = 1").is_err());
        for wrong in [
            "[serve]\nstep-seconds = 0",
            "[serve]\nstep-seconds = 3601",
            "[backup]\nrows-per-step = 10001",
            "[backup]\nscans = 101",
        ] {
            assert!(toml::from_str::<Config>(wrong).unwrap_err().to_string().contains("is not within 1 and "), "{wrong}");
        }
    }

    #[test]
    fn only_the_stores_that_are_listed_may_be_restored_to() {
        let stores = "[stores]\nstaging = \"datastore://my-app-staging\"\nproduction = \"datastore://my-app\"\n";
        let config: Config = toml::from_str(&format!("{stores}[restore]\ntargets = [\"staging\", \"sqlite:local.db\"]")).unwrap();
        for target in ["staging", "datastore://my-app-staging", "sqlite:local.db", "sqlite:./local.db"] {
            config.target(target).unwrap();
        }
        for other in ["production", "datastore://my-app", "datastore://my-app-staging/other", "sqlite:other.db"] {
            let error = config.target(other).unwrap_err().to_string();
            assert!(error.contains("may not be restored to") && error.contains("staging, sqlite:local.db"), "{error}");
        }
        assert!(toml::from_str::<Config>(stores).unwrap().target("production").is_ok());
        let none: Config = toml::from_str("[restore]\ntargets = []").unwrap();
        assert!(none.target("sqlite:x.db").is_err());
    }
}
