//! Settings of the page as `gaebar.toml` has them.

use std::path::PathBuf;

use thiserror::Error;

use super::{Access, Settings, Token, TokenError};
use crate::backup::Options;
use crate::cache;
use crate::config::{Config, ConfigError, RemoteConfig};
use crate::memo::Memo;
use crate::read::Selection;
use crate::shards::SHARD_BYTES;
use crate::steps::{Budget, Elsewhere, StateError, StateStore};

/// Why a page can't be as `gaebar.toml` says.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// A store or a target is none.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The token for a Gaebar elsewhere is not to be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The state can't be kept so.
    #[error("[state] in gaebar.toml: {0}")]
    State(#[from] StateError),
}

impl Settings {
    /// What `gaebar.toml` says of stores, backups, restores, steps, remotes and the state:
    ///
    /// ```no_run
    /// use gaebar_gen::config::Config;
    /// use gaebar_gen::web::{Access, Settings};
    ///
    /// let config = Config::load(None)?;
    /// let settings = Settings::from_config(&config, "backups", Access::Elsewhere)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_config(config: &Config, backups: impl Into<PathBuf>, access: Access) -> Result<Self, SettingsError> {
        let mut settings = Self::new(backups, access);
        for name in config.stores.keys() {
            settings.stores.insert(name.clone(), config.store(name)?);
        }
        let of = &config.backup;
        let selection = Selection {
            kinds: of.kinds.clone(),
            exclude_kinds: of.exclude_kinds.clone(),
            namespaces: of.namespaces.clone(),
            scans: config.scans(),
            ..Selection::default()
        };
        settings.rules.backup = Options {
            shard_bytes: of.shard_size.unwrap_or(SHARD_BYTES),
            memo: cache::folder().ok().map(|cache| Memo::new(&cache)),
            ..Options::new(selection)
        };
        settings.rules.budget = config.budget();
        settings.rules.targets = config.targets()?;
        for (name, RemoteConfig { url, token_file }) in &config.remotes {
            // Not the variable: that token is this page's own.
            let token = token_file.as_deref().map(|file| Token::of_remote(name, file)).transpose()?;
            settings.rules.remotes.insert(name.clone(), Elsewhere { url: url.clone(), token });
        }
        if let Some((store, kind)) = config.state()? {
            settings.state = Some(StateStore::new(store, kind)?);
        }
        Ok(settings)
    }
}

impl Config {
    /// What a step does at the most.
    fn budget(&self) -> Budget {
        let usual = Budget::default();
        let rows = self.serve.rows_per_step.or(self.backup.rows_per_step);
        let time = self.serve.step_seconds.map(std::time::Duration::from_secs);
        Budget { rows: rows.unwrap_or(usual.rows), time: time.unwrap_or(usual.time) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings(text: &str) -> Result<Settings, SettingsError> {
        Settings::from_config(&toml::from_str(text).unwrap(), "backups", Access::Elsewhere)
    }

    #[test]
    fn a_step_is_as_serve_says_or_else_as_backup_does() {
        let both = "[serve]\nrows-per-step = 200\nstep-seconds = 2\n[backup]\nrows-per-step = 50\n";
        for (text, rows, seconds) in [("", 500, 5), ("[backup]\nrows-per-step = 50\n", 50, 5), (both, 200, 2)] {
            let budget = Budget { rows, time: Duration::from_secs(seconds) };
            assert_eq!(settings(text).unwrap().rules.budget, budget, "{text}");
        }
    }

    #[test]
    fn an_application_has_the_stores_the_targets_the_remotes_and_the_state_of_the_file() {
        let text = "[stores]\nlive = \"sqlite:live.db\"\ncopy = \"sqlite:copy.db\"\n[restore]\ntargets = [\"copy\"]\n\
                    [remotes.far]\nurl = \"https://example.com/gaebar\"\n[state]\nstore = \"live\"\nkind = \"_GaebarJobs\"\n";
        let settings = settings(text).unwrap();
        assert_eq!(settings.stores.keys().collect::<Vec<_>>(), ["copy", "live"]);
        assert_eq!(settings.rules.targets, Some(vec!["sqlite:copy.db".parse().unwrap()]));
        assert_eq!(settings.rules.remotes["far"].url, "https://example.com/gaebar");
        assert!(settings.state.is_some());
    }

    #[test]
    fn what_is_wrong_names_its_setting() {
        for (text, named) in [
            ("[stores]\nlive = \"nowhere\"", "[stores] live in gaebar.toml: "),
            ("[restore]\ntargets = [\"nowhere\"]", "[restore] targets in gaebar.toml: "),
            ("[state]\nstore = \"sqlite:s.db\"\nkind = \"State\"", "[state] in gaebar.toml: "),
            ("[remotes.far]\nurl = \"https://example.com\"\ntoken-file = \"not-there\"", "[remotes.far] in gaebar.toml"),
        ] {
            let error = settings(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
