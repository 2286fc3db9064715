//! `gaebar serve`

use std::process::ExitCode;
use std::time::Duration;

use gaebar_gen::backup::Options;
use gaebar_gen::compile::cache;
use gaebar_gen::config::{Config, RemoteConfig};
use gaebar_gen::memo::Memo;
use gaebar_gen::read::Selection;
use gaebar_gen::secret::Secret;
use gaebar_gen::shards::SHARD_BYTES;
use gaebar_gen::steps::{Budget, Elsewhere, StateStore};
use gaebar_gen::web::{self, Access, Settings, Token, VARIABLE};
use gaebar_runtime::cli::Format;
use gaebar_runtime::say;
use serde::Serialize;

use super::args::ServeArgs;
use super::{STOP, Usage};

pub(super) fn run(args: &ServeArgs, config: &Config, format: Format) -> anyhow::Result<ExitCode> {
    let token = Token::from(args.token_file.as_deref())?;
    let access = token.map_or(Access::Elsewhere, Access::Token);
    let mut settings = Settings::new(&args.backups, access);
    if let Access::Elsewhere = settings.access {
        settings.secret = own_secret();
    }
    settings.hosts.clone_from(&args.host);
    for name in config.stores.keys() {
        settings.stores.insert(name.clone(), config.store(name).map_err(Usage::from)?);
    }
    let of = &config.backup;
    let selection = Selection {
        kinds: of.kinds.clone(),
        exclude_kinds: of.exclude_kinds.clone(),
        namespaces: of.namespaces.clone(),
        ..Selection::default()
    };
    settings.rules.backup = Options {
        shard_bytes: of.shard_size.unwrap_or(SHARD_BYTES),
        memo: cache().ok().map(|cache| Memo::new(&cache)),
        ..Options::new(selection)
    };
    settings.rules.budget = budget(args, config);
    settings.rules.targets = config.targets().map_err(Usage::from)?;
    for (name, RemoteConfig { url, token_file }) in &config.remotes {
        // Not the variable: that token is this page's own.
        let token = token_file.as_deref().map(|file| Token::of_remote(name, file)).transpose()?;
        settings.rules.remotes.insert(name.clone(), Elsewhere { url: url.clone(), token });
    }
    if let Some((store, kind)) = config.state().map_err(Usage::from)? {
        settings.state = Some(StateStore::new(store, kind).map_err(|error| Usage(error.to_string()))?);
    }
    if !args.backups.is_dir() {
        say!("note: there is no folder {} yet", args.backups.display());
    }
    let listener = web::bind(args.listen, &settings.access)?;
    let url = format!("http://{}/", listener.local_addr()?);
    say!("Gaebar's page: {url} (Ctrl-C ends it)");
    match (&settings.access, &args.token_file) {
        (Access::Elsewhere, _) => say!("It asks for no token: whoever uses this machine can see it; {VARIABLE} sets one"),
        (Access::Token(_), Some(file)) => say!("It asks for the token in {}", file.display()),
        (Access::Token(_), None) => say!("It asks for the token in {VARIABLE}"),
    }
    format.event(&Event { event: "serving", url })?;
    web::serve(listener, settings, &STOP)?;
    say!("Stopped");
    Ok(ExitCode::SUCCESS)
}

/// The user's own secret, where no token makes one.
fn own_secret() -> Option<Secret> {
    let kept = cache().and_then(|folder| Secret::kept_in(&folder));
    kept.inspect_err(|error| say!("note: {error}; when this is started anew, it asks again whether a restore is meant")).ok()
}

/// What a step does at the most: as options say, or else settings.
fn budget(args: &ServeArgs, config: &Config) -> Budget {
    let usual = Budget::default();
    let rows = args.rows_per_step.map(|rows| rows as usize);
    let rows = rows.or(config.serve.rows_per_step).or(config.backup.rows_per_step);
    let seconds = args.step_seconds.or(config.serve.step_seconds);
    Budget { rows: rows.unwrap_or(usual.rows), time: seconds.map_or(usual.time, Duration::from_secs) }
}

/// What `--format json` says.
#[derive(Serialize)]
struct Event {
    event: &'static str,
    url: String,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Cli, Command};
    use super::*;

    #[test]
    fn options_win_over_settings_and_those_over_what_is_usual() {
        let settings = "[serve]\nrows-per-step = 200\nstep-seconds = 2\n[backup]\nrows-per-step = 50\n";
        for (options, settings, rows, seconds) in [
            (&[][..], "", 500, 5),
            (&[], "[backup]\nrows-per-step = 50\n", 50, 5),
            (&[], settings, 200, 2),
            (&["--rows-per-step", "8"], settings, 8, 2),
            (&["--step-seconds", "9"], settings, 200, 9),
        ] {
            let Command::Serve(args) = Cli::parse_from(["gaebar", "serve"].iter().chain(options)).command else { unreachable!() };
            let config: Config = toml::from_str(settings).unwrap();
            assert_eq!(budget(&args, &config), Budget { rows, time: Duration::from_secs(seconds) }, "{options:?}: {settings}");
        }
    }
}
