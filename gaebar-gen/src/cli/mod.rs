//! The command line: arguments, and one module a command.

mod args;
mod backup;
mod bars;
mod build;
mod demo;
mod diff;
mod doctor;
mod list;
mod merge;
#[cfg(feature = "web")]
mod pull;
mod restore;
mod seed;
#[cfg(feature = "web")]
mod serve;
mod show;
mod upgrade;
mod verify;

use gaebar_runtime::say;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use clap::Parser as _;
use gaebar_runtime::cli::stop_on_signals;

use args::{Cli, Command};
use gaebar_gen::cache;
use gaebar_gen::config::{Config, ConfigError};
use gaebar_gen::memo::Memo;

/// Exit code after arguments that make no sense.
const USAGE: u8 = 2;
/// Exit code where two things that were compared differ.
const DIFFERENCES: u8 = 3;
/// Exit code after an interrupt: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// Set by the first Ctrl-C. What is running ends at the next safe place; a second Ctrl-C ends it at once.
static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The whole program.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| gaebar_runtime::cli::exit(&error));
    gaebar_runtime::cli::listen(cli.verbose);
    if let Err(error) = stop_on_signals(&STOP) {
        say!("warning: Ctrl-C will end gaebar at once: {error}");
    }
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            say!("error: {}", told(&error));
            if STOP.load(Ordering::Relaxed) {
                ExitCode::from(INTERRUPTED)
            } else if error.is::<Usage>() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// An error and its causes, each said once: many errors quote their cause.
fn told(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |said, cause| {
        let cause = cause.to_string();
        if said.contains(&cause) { said } else { format!("{said}: {cause}") }
    })
}

/// Arguments that make no sense: the exit code is that of arguments that can't be parsed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

impl From<ConfigError> for Usage {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}

/// What is remembered of rows. Without it an update takes longer, and gives the same.
fn memo() -> Option<Memo> {
    let cache = cache::folder();
    cache.inspect_err(|error| say!("note: {error}; without it, updates take longer")).ok().map(|cache| Memo::new(&cache))
}

fn run(Cli { config, format, command, .. }: Cli) -> anyhow::Result<ExitCode> {
    if let Command::Doctor = command {
        return doctor::run(format);
    }
    let config = Config::load(config.as_deref())?;
    match command {
        Command::Demo(args) => demo::run(&args, format),
        Command::Seed(args) => seed::run(&args, &config, format),
        Command::Backup(args) => backup::run(&args, &config, format),
        Command::Build(args) => build::run(&args, format),
        Command::Restore(args) => restore::run(&args, &config, format),
        Command::Verify(args) => verify::run(&args, format),
        Command::Diff(args) => diff::run(&args, &config, format),
        Command::Show(args) => show::run(&args, format),
        Command::Merge(args) => merge::run(&args, format),
        Command::Upgrade(args) => upgrade::run(&args, format),
        Command::List(args) => list::run(&args, format),
        #[cfg(feature = "web")]
        Command::Pull(args) => pull::run(&args, &config, format),
        #[cfg(feature = "web")]
        Command::Serve(args) => serve::run(&args, &config, format),
        Command::Doctor => doctor::run(format),
    }
}
