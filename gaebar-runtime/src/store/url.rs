//! Store URLs: `sqlite:PATH` and `datastore://PROJECT[/DATABASE]`. `datastore://` alone means the project that Google's own
//! clients would take from the environment.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::str::FromStr;

use super::StoreError;
use crate::proto::Home;

/// Which store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:PATH`: a file on this machine.
    Sqlite(PathBuf),
    /// `datastore://PROJECT[/DATABASE]`: Cloud Datastore, or Firestore in Datastore mode.
    Datastore {
        /// The project's id.
        project: String,
        /// The database's id; empty for the default database.
        database: String,
    },
    /// `memory:`: the twin for tests, gone when closed. It can't be asked for by its URL.
    Memory,
}

impl StoreUrl {
    /// The project and database that keys of this store are of. Files have none.
    pub fn home(&self) -> Home {
        match self {
            Self::Datastore { project, database } => Home { project: project.clone(), database: database.clone() },
            Self::Sqlite(_) | Self::Memory => Home::default(),
        }
    }
}

impl Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Datastore { project, database } if database.is_empty() => write!(f, "datastore://{project}"),
            Self::Datastore { project, database } => write!(f, "datastore://{project}/{database}"),
            Self::Memory => f.write_str("memory:"),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        let bad = |problem| StoreError::Url { url: url.to_owned(), problem };
        if let Some(path) = url.strip_prefix("sqlite:") {
            if path.is_empty() || path == ":memory:" {
                return Err(bad("the path of a file is missing"));
            }
            return Ok(Self::Sqlite(path.into()));
        }
        let rest =
            url.strip_prefix("datastore://").ok_or_else(|| bad("it begins neither with `sqlite:` nor with `datastore://`"))?;
        let (project, database) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:~()".contains(&byte));
        let project = if project.is_empty() { default_project() } else { project.to_owned() };
        if project.is_empty() {
            return Err(bad("the project is missing, and neither DATASTORE_PROJECT_ID nor GOOGLE_CLOUD_PROJECT is set"));
        }
        if !plain(&project) || !plain(database) {
            return Err(bad("a project or database id has only letters, digits and `-`, `.`, `:`"));
        }
        // The API's name for the default database is the empty string.
        let database = if database == "(default)" { "" } else { database };
        Ok(Self::Datastore { project, database: database.to_owned() })
    }
}

/// The project that the environment names, in the order of Google's own clients; empty if none.
fn default_project() -> String {
    ["DATASTORE_PROJECT_ID", "GOOGLE_CLOUD_PROJECT"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|project| !project.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_read_back_and_wrong_ones_say_why() {
        for url in ["sqlite:a/b.db", "datastore://my-app", "datastore://example.com:app/db"] {
            assert_eq!(url.parse::<StoreUrl>().unwrap().to_string(), url);
        }
        assert_eq!("datastore://a/(default)".parse::<StoreUrl>().unwrap().to_string(), "datastore://a");
        for url in ["", "sqlite:", "sqlite::memory:", "memory:", "datastore://a b", "datastore://a/b/c", "postgres://x"] {
            assert!(url.parse::<StoreUrl>().is_err(), "{url} was accepted");
        }
    }
}
