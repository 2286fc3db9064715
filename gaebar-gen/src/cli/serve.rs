//! `gaebar serve`

use std::process::ExitCode;
use std::time::Duration;

use gaebar_gen::cache;
use gaebar_gen::config::Config;
use gaebar_gen::secret::Secret;
use gaebar_gen::steps::Budget;
use gaebar_gen::web::{self, Access, Settings, SettingsError, Token, VARIABLE};
use gaebar_runtime::cli::Format;
use gaebar_runtime::say;
use serde::Serialize;

use super::args::ServeArgs;
use super::{STOP, Usage};

pub(super) fn run(args: &ServeArgs, config: &Config, format: Format) -> anyhow::Result<ExitCode> {
    let token = Token::from(args.token_file.as_deref())?;
    let access = token.map_or(Access::Elsewhere, Access::Token);
    let mut settings = Settings::from_config(config, &args.backups, access).map_err(usage)?;
    if let Access::Elsewhere = settings.access {
        settings.secret = own_secret();
    }
    settings.hosts.clone_from(&args.host);
    settings.rules.budget = budget(args, settings.rules.budget);
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
    let kept = cache::folder().and_then(|folder| Secret::kept_in(&folder));
    kept.inspect_err(|error| say!("note: {error}; when this is started anew, it asks again whether a restore is meant")).ok()
}

/// What a step does at the most: as options say, or else settings.
fn budget(args: &ServeArgs, Budget { rows, time }: Budget) -> Budget {
    let of_option = args.rows_per_step.map(|rows| rows as usize);
    Budget { rows: of_option.unwrap_or(rows), time: args.step_seconds.map_or(time, Duration::from_secs) }
}

/// A file of settings that makes no sense is wrong usage; a token that can't be read is not.
fn usage(error: SettingsError) -> anyhow::Error {
    match error {
        SettingsError::Token(error) => error.into(),
        error => Usage(error.to_string()).into(),
    }
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
    fn options_win_over_settings() {
        let settings = Budget { rows: 200, time: Duration::from_secs(2) };
        for (options, rows, seconds) in [(&[][..], 200, 2), (&["--rows-per-step", "8"], 8, 2), (&["--step-seconds", "9"], 200, 9)]
        {
            let Command::Serve(args) = Cli::parse_from(["gaebar", "serve"].iter().chain(options)).command else { unreachable!() };
            assert_eq!(budget(&args, settings), Budget { rows, time: Duration::from_secs(seconds) }, "{options:?}");
        }
    }
}
