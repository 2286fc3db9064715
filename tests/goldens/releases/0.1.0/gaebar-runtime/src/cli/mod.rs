//! The command line of a restore binary. `gaebar restore` takes the same arguments and hands them on.

mod output;

use crate::say;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser};
use serde::Serialize;
use thiserror::Error;

pub use output::{Bars, Format, Steps, plural, print, rate, thousands};

use crate::restore::{CompiledRows, Failure, Progress, RowSource, restore};
use crate::rows::Backup;
use crate::store::{self, StoreError, StoreUrl};

/// Batches written at once, unless somebody says otherwise.
pub const DEFAULT_JOBS: u16 = 8;

/// How to restore.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// The store to restore into: `sqlite:PATH` or `datastore://PROJECT[/DATABASE]`
    #[arg(long, value_name = "STORE")]
    pub to: StoreUrl,

    /// Batches written at once
    #[arg(long, value_name = "N", default_value_t = DEFAULT_JOBS, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,

    /// What goes to standard output
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Restores the backup that is compiled into this program.
///
/// Entities that exist in the target are replaced; others are left alone. A `datastore://` target means the
/// emulator when `DATASTORE_EMULATOR_HOST` is set.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    restore: RestoreArgs,

    /// The backup's folder: failures then name the line of the row
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,

    /// Tell more of what is going on
    #[arg(long, short)]
    verbose: bool,

    /// Go on only if this program was built from the files with this digest; `gaebar restore` asks for it
    #[arg(long, value_name = "HEX", hide = true)]
    digest: Option<String>,
}

/// The whole program: parses arguments, restores, reports. The exit code is 0 only if every row was committed.
///
/// `digest` is that of the files that the program was compiled from, where `gaebar build` compiled it.
pub fn main(backup: &'static Backup, digest: Option<&str>) -> ExitCode {
    let name = format!("{}-restore", backup.name);
    let examples = format!(
        "Examples:\n  ./{name} --to sqlite:local.db\n  DATASTORE_EMULATOR_HOST=localhost:8081 ./{name} --to datastore://my-app-staging"
    );
    let matches = Cli::command()
        .name(name)
        .after_help(examples)
        .about(format!(
            "Restores the backup '{}' ({}), which is compiled into this program",
            backup.name,
            plural(backup.rows() as u64, "row")
        ))
        .get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    listen(cli.verbose);
    if cli.digest.is_some() && cli.digest.as_deref() != digest {
        say!("error: this program was not built from the backup as it is now; nothing was restored. Build it again");
        return ExitCode::FAILURE;
    }
    match run(&CompiledRows::new(backup), &cli.restore, cli.source.as_deref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells of retries and the like on standard error; with `verbose` of more.
pub fn listen(verbose: bool) {
    let level = if verbose { tracing::Level::DEBUG } else { tracing::Level::WARN };
    // Fails where a subscriber is set already, which then hears it all.
    let _ = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).with_target(false).without_time().try_init();
}

/// Restores rows and reports to people and programs; whether every row was committed. `folder` is the backup's, where it is at hand.
pub fn run(source: &dyn RowSource, args: &RestoreArgs, folder: Option<&Path>) -> Result<bool, RunError> {
    let RestoreArgs { to, jobs, format } = args;
    let store = store::open_or_create(to)?;
    let rows: u64 = (0..source.shards()).map(|shard| source.rows(shard) as u64).sum();
    say!("Restoring {} into {}", plural(rows, "row"), store.place());
    let begun = Instant::now();
    let bars = Bars::new("restoring", Some(rows));
    let result = restore(source, store.as_ref(), usize::from(*jobs), folder, &bars);
    bars.finish();
    let seconds = begun.elapsed().as_secs_f64();
    let (kinds, failures): (_, &[Failure]) = match &result {
        Ok(restored) => {
            say!(
                "Restored {} of {} into {} in {seconds:.1} s ({})",
                plural(rows, "row"),
                plural(restored.kinds.len() as u64, "kind"),
                store.place(),
                rate(rows, seconds)
            );
            (&restored.kinds, &[])
        }
        Err(incomplete) => {
            say!("error: not everything was restored into {}: {incomplete}", store.place());
            say!("Restoring again is safe: rows that are there already are replaced by themselves.");
            (&incomplete.committed.kinds, &incomplete.failures)
        }
    };
    format.event(&Event {
        event: "restored",
        target: store.place().to_string(),
        complete: result.is_ok(),
        rows,
        committed: kinds,
        failures: failures
            .iter()
            .map(|failure| FailureEvent { row: failure.place.to_string(), problem: &failure.problem })
            .collect(),
        seconds,
    })?;
    Ok(result.is_ok())
}

#[derive(Serialize)]
struct FailureEvent<'a> {
    row: String,
    problem: &'a str,
}

/// Why a restore could not be begun, or reported.
#[derive(Debug, Error)]
pub enum RunError {
    /// The target can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Standard output can't be written.
    #[error("could not write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// What `--format json` says at the end.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    target: String,
    complete: bool,
    rows: u64,
    committed: &'a BTreeMap<String, u64>,
    failures: Vec<FailureEvent<'a>>,
    seconds: f64,
}

impl Progress for Bars {
    fn committed(&self, kind: &str, rows: u64) {
        self.add(kind, rows);
    }
}
