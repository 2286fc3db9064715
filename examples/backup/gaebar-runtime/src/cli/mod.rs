//! The command line of a restore binary. `gaebar restore` takes the same options and hands them on.

mod args;
mod output;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use serde::Serialize;
use thiserror::Error;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use args::{DEFAULT_JOBS, Mapped, RestoreOptions};
pub use output::{Bars, Format, Steps, exit, plural, print, rate, tell, thousands};
use output::{Lines, tell_panic};
pub use state::{STATE_VARIABLE, state_folder};

use crate::restore::{
    CompiledRows, Counts, Cover, Execution, Failures, Identity, Incomplete, Journal, JournalError, Noticed, Pace, Plan,
    PlanError, Progress, Restored, RowSource, plan,
};
use crate::rows::Backup;
use crate::say;
use crate::store::{self, MemoryStore, Place, Realm, Store, StoreError, StoreUrl};
use crate::visible::visible;

/// Exit code after arguments that make no sense.
const USAGE: u8 = 2;
/// Names that a note has.
const TOLD: usize = 30;
/// Exit code after an interrupt: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// Restores the backup that is compiled into this program.
///
/// A `datastore://` target means the emulator when `DATASTORE_EMULATOR_HOST` is set.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// The store to restore into: `sqlite:PATH` or `datastore://PROJECT[/DATABASE]`
    #[arg(long, value_name = "STORE")]
    to: StoreUrl,

    #[command(flatten)]
    options: RestoreOptions,

    /// What goes to standard output
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// The backup's folder: failures then name the line of the row
    #[arg(long, value_name = "DIR")]
    source: Option<PathBuf>,

    /// Tell more of what is going on
    #[arg(long, short)]
    verbose: bool,

    /// Go on only if this program was built from the files with this digest; `gaebar restore` asks for it
    #[arg(long, value_name = "HEX", hide = true)]
    digest: Option<String>,

    /// The stores that the backup was taken from, for the plan to say if the target is one; `gaebar restore` knows them
    #[arg(long, value_name = "STORE", hide = true)]
    taken_from: Vec<String>,
}

/// The whole program: parses arguments, restores, reports. The exit code is 0 only if every row was committed.
///
/// `digest` is that of the files that the program was compiled from, where `gaebar build` compiled it.
pub fn main(backup: &'static Backup, digest: Option<&str>) -> ExitCode {
    let name = format!("{}-restore", backup.name);
    let examples = format!(
        "Examples:\n  ./{name} --to sqlite:local.db\n  ./{name} --to datastore://my-app-staging --dry-run\n  \
         DATASTORE_EMULATOR_HOST=localhost:8081 ./{name} --to datastore://my-app-staging\n\n\
         Exit codes: 0 restored, 1 failed, 2 wrong usage, 130 interrupted."
    );
    let matches = Cli::command()
        .name(name)
        .after_help(examples)
        .about(format!(
            "Restores the backup '{}' ({}), which is compiled into this program",
            backup.name,
            plural(backup.rows() as u64, "row")
        ))
        .try_get_matches()
        .unwrap_or_else(|error| exit(&error));
    let Cli { to, options, format, source, verbose, digest: wanted, taken_from } = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => exit(&error),
    };
    listen(verbose);
    if wanted.is_some() && wanted.as_deref() != digest {
        say!("error: this program was not built from the backup as it is now; nothing was restored. Build it again");
        return ExitCode::FAILURE;
    }
    let stop = Arc::default();
    if let Err(error) = stop_on_signals(&stop) {
        say!("warning: Ctrl-C will end this program at once: {error}");
    }
    let rows = CompiledRows::new(backup, digest);
    match run(&rows, &Job { to, options, format, folder: source.as_deref(), taken_from }, &stop) {
        Ok(code) => code,
        Err(error) => {
            say!("error: {error}");
            error.code()
        }
    }
}

/// Lets SIGINT and SIGTERM set a flag: what is running ends at the next safe place. SIGINT ends the program at once if the flag is set.
///
/// SIGTERM does not: `gaebar restore` sends it on after a Ctrl-C, which this program may have heard too.
pub fn stop_on_signals(stop: &Arc<AtomicBool>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag::{register, register_conditional_shutdown};
    // In this order: the second Ctrl-C finds the flag that the first one set.
    register_conditional_shutdown(SIGINT, INTERRUPTED.into(), Arc::clone(stop))?;
    for signal in [SIGINT, SIGTERM] {
        register(signal, Arc::clone(stop))?;
    }
    Ok(())
}

/// Tells of retries and the like on standard error; with `verbose` of more. Panics are told there, too.
pub fn listen(verbose: bool) {
    let heard = if verbose {
        Targets::new().with_default(LevelFilter::DEBUG)
    } else {
        // What comes of the search for credentials is told as one error, or not at all.
        Targets::new().with_default(LevelFilter::WARN).with_target("gcp_auth", LevelFilter::OFF)
    };
    let lines = tracing_subscriber::fmt().with_max_level(LevelFilter::DEBUG).with_writer(|| Lines);
    // Fails where a subscriber is set already, which then hears it all.
    let _ = lines.with_target(false).without_time().finish().with(heard).try_init();
    std::panic::set_hook(Box::new(tell_panic));
}

/// A restore as it is asked for.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The target.
    pub to: StoreUrl,
    /// How.
    pub options: RestoreOptions,
    /// What goes to standard output.
    pub format: Format,
    /// The backup's folder, where it is at hand: failures then name lines.
    pub folder: Option<&'a Path>,
    /// The stores that the backup was taken from, as [`Place::source`] names them, where they are known.
    pub taken_from: Vec<String>,
}

/// Why a restore was not begun, or not reported.
#[derive(Debug, Error)]
pub enum RunError {
    /// The target can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is no journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no place for the journal.
    #[error("there is no folder for the journal: {0}; --journal FILE names one")]
    State(io::Error),
    /// It is a real project, and nobody said that it is meant.
    #[error("{0} is a real project; say --yes if it is meant, or --dry-run to see what would be done")]
    Unconfirmed(StoreUrl),
    /// Somebody was asked, and typed something else.
    #[error("that is not {0}; nothing was written")]
    NotConfirmed(String),
    /// Standard output can't be written, or standard input read.
    #[error("could not read standard input, or write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl RunError {
    /// The exit code.
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Unconfirmed(_) => ExitCode::from(USAGE),
            Self::Plan(PlanError::Interrupted) => ExitCode::from(INTERRUPTED),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Plans a restore, carries it out, and reports to people and programs. The exit code is 0 only if the target is as planned.
pub fn run(source: &dyn RowSource, job: &Job, stop: &AtomicBool) -> Result<ExitCode, RunError> {
    let Job { to, options, format, folder, taken_from } = job;
    check_meant(to, options)?;
    let store = open(to, options.dry_run)?;
    let place = store.place();
    let is_real = place.realm == Realm::Production;
    let settings = options.options();
    // How many work at once, and what is counted on the way, makes no other restore.
    let way = format!("{:?}", crate::restore::Options { jobs: 0, count_others: false, ..settings.clone() });
    let identity = Identity { backup: source.digest(), target: place.identity(), options: way };
    let path = match &options.journal {
        Some(path) => path.clone(),
        None => state::journal(place).map_err(RunError::State)?,
    };
    let (resumed, done) = if options.resume { Some(Journal::resume(&path, &identity)?).unzip() } else { (None, None) };

    let rows: u64 = (0..source.shards()).map(|shard| source.rows(shard) as u64).sum();
    say!("Comparing {} with {place}", plural(rows, "row"));
    let begun = Instant::now();
    let bars = Bars::new("comparing", Some(rows));
    let plan = plan(source, store.as_ref(), settings, done.as_ref(), *folder, &bars, stop);
    bars.finish();
    let plan = plan?;
    tell_plan(&plan, place, taken_from, *format)?;
    let total = plan.total();
    if options.dry_run {
        say!("Nothing was written");
        return Ok(ExitCode::SUCCESS);
    }
    if is_real && !options.yes {
        confirm(to, &mut io::stdin().lock())?;
    }
    let journal = if let Some(journal) = resumed {
        journal
    } else {
        if path.exists() {
            say!("note: an earlier restore into {place} was interrupted; this one begins anew (--resume goes on with that one)");
        }
        Journal::begin(&path, &identity)?
    };
    say!("Restoring {} into {place}", plural(total.create + total.replace, "row"));
    let committing = Bars::new("restoring", Some(total.create + total.replace));
    let checking = Bars::new("checking", Some(total.create + total.replace + total.equal + total.done));
    let execution = Execution {
        pace: &Pace::new(is_real && !options.no_ramp, options.max_rate),
        journal: Some(&journal),
        check: options.check || (!options.no_check && !is_real),
        committing: &committing,
        checking: &checking,
        stop,
    };
    let noticed = plan.noticed().clone();
    let result = plan.execute(&execution);
    committing.finish();
    checking.finish();
    let (seconds, note) = (begun.elapsed().as_secs_f64(), store.caveat());
    let outcome = Outcome { place, total, noticed, note, seconds, result };
    if outcome.result.is_ok() {
        journal.finish()?;
    }
    outcome.tell(*format)
}

/// A target that does not exist is not created to see what would be done.
fn open(to: &StoreUrl, dry_run: bool) -> Result<Box<dyn Store>, StoreError> {
    match to {
        StoreUrl::Sqlite(path) if dry_run && !path.exists() => {
            store::check_target(to)?;
            Ok(Box::new(MemoryStore::in_place_of(Place { url: to.clone(), realm: Realm::Local })))
        }
        _ if dry_run => store::open(to),
        _ => store::open_or_create(to),
    }
}

/// What happens to entities, in words, and how many of them.
fn columns(counts: &Counts) -> [(&'static str, u64); 8] {
    let Counts { create, replace, equal, leave, miss, done, delete, others } = *counts;
    [
        ("create", create),
        ("replace", replace),
        ("equal", equal),
        ("leave", leave),
        ("not there", miss),
        ("done before", done),
        ("delete", delete),
        ("others", others),
    ]
}

/// What the plan says, and what to think of.
fn tell_plan(plan: &Plan, place: &Place, taken_from: &[String], format: Format) -> io::Result<()> {
    let total = plan.total();
    let is_shown = columns(&total).map(|(name, count)| name == "create" || count > 0);
    let line = |first: &str, cells: [String; 8]| {
        let cells = cells.iter().zip(is_shown).filter(|(_, is_shown)| *is_shown);
        cells.fold(format!("  {first:<24}"), |line, (cell, _)| format!("{line} {cell:>12}"))
    };
    let numbers = |counts: &Counts| columns(counts).map(|(_, count)| thousands(count));
    say!("Plan for {place}:");
    say!("{}", line("kind", columns(&total).map(|(name, _)| name.to_owned())));
    for (kind, counts) in plan.kinds() {
        say!("{}", line(&visible(kind), numbers(counts)));
    }
    say!("{}", line("all", numbers(&total)));
    if taken_from.contains(&place.source()) {
        say!("note: this is the store that the backup was taken from");
    }
    for sentence in plan.noticed().sentences(&place.url.to_string()) {
        say!("note: {sentence}");
    }
    tell_cover(plan);
    let Cover { only_there, unrecorded, .. } = plan.cover();
    format.event(&PlanEvent {
        event: "plan",
        target: place.to_string(),
        kinds: plan.kinds(),
        total,
        only_in_target: only_there.keys().collect(),
        not_covered: only_there.iter().filter(|(_, is_covered)| !**is_covered).map(|(kind, _)| kind).collect(),
        unrecorded,
        noticed: plan.noticed(),
    })
}

/// What a mirror leaves alone, and why.
fn tell_cover(plan: &Plan) {
    if !plan.is_mirror() {
        return;
    }
    let Cover { namespaces, unrecorded, has_unlisted_namespaces, has_unlisted_kinds, only_there, .. } = plan.cover();
    let of = |is_covered: bool| {
        let kinds = only_there.iter().filter(|(_, covered)| **covered == is_covered);
        kinds.map(|(kind, _)| kind.as_str()).collect::<Vec<_>>()
    };
    let (covered, not_covered) = (of(true), of(false));
    if !covered.is_empty() {
        say!(
            "note: the target has kinds that the backup has never had; they are left alone unless --kinds names them: {}",
            list(&covered)
        );
    }
    if !not_covered.is_empty() {
        say!("note: the target has kinds that the backup does not cover; they are left alone: {}", list(&not_covered));
    }
    if !unrecorded.is_empty() {
        let kinds: Vec<_> = unrecorded.iter().map(String::as_str).collect();
        say!(
            "note: the backup has no record of what it covers (an earlier Gaebar made it), so only namespaces in which it has rows are \
             mirrored of {}; the next `gaebar backup` adds the record",
            list(&kinds)
        );
    }
    if *has_unlisted_namespaces {
        let namespaces: Vec<_> = namespaces.iter().map(String::as_str).collect();
        say!(
            "note: the target does not list its namespaces, so only these are mirrored: {}; --namespaces names others",
            list(&namespaces)
        );
    }
    if *has_unlisted_kinds {
        say!(
            "note: the target does not list its kinds; those that the backup has never had are left alone unless --kinds names them"
        );
    }
}

/// The first of some names.
fn list(names: &[&str]) -> String {
    let told: Vec<_> = names.iter().take(TOLD).map(|name| format!("{name:?}")).collect();
    match names.len().saturating_sub(TOLD) {
        0 => told.join(", "),
        more => format!("{}, and {more} more", told.join(", ")),
    }
}

/// Whether a real project is meant, or somebody can be asked: to know before long work begins.
pub fn check_meant(to: &StoreUrl, options: &RestoreOptions) -> Result<(), RunError> {
    if is_real(to) && !options.yes && !options.dry_run && !io::stdin().is_terminal() {
        return Err(RunError::Unconfirmed(to.clone()));
    }
    Ok(())
}

/// Whether a store is a real project's: no file, and no emulator.
pub fn is_real(store: &StoreUrl) -> bool {
    matches!(store, StoreUrl::Datastore { .. }) && std::env::var_os("DATASTORE_EMULATOR_HOST").is_none()
}

/// Asks a person to type the project's name.
pub fn confirm(to: &StoreUrl, input: &mut dyn io::BufRead) -> Result<(), RunError> {
    let name = match to {
        StoreUrl::Datastore { project, .. } => project.clone(),
        other => other.to_string(),
    };
    say!("This is a real project. Type its name ({name}) to write into it:");
    let mut typed = String::new();
    input.read_line(&mut typed)?;
    if typed.trim() == name { Ok(()) } else { Err(RunError::NotConfirmed(name)) }
}

/// How a restore ended.
struct Outcome<'a> {
    place: &'a Place,
    total: Counts,
    noticed: Noticed,
    /// What to know of the target from now on.
    note: Option<&'static str>,
    seconds: f64,
    result: Result<Restored, Incomplete>,
}

impl Outcome<'_> {
    fn tell(&self, format: Format) -> Result<ExitCode, RunError> {
        let Self { place, total, noticed, note, seconds, result } = self;
        let none = Failures::default();
        let (done, failures, problem, code) = match result {
            Ok(done) => {
                self.tell_success(done);
                (done, &none, None, ExitCode::SUCCESS)
            }
            Err(incomplete) => {
                let (what, code) =
                    if incomplete.interrupted { ("interrupted", INTERRUPTED.into()) } else { ("error", ExitCode::FAILURE) };
                say!("{what}: not everything was restored into {place}: {incomplete}");
                say!("The same command with --resume goes on from there; restoring again from the beginning is safe too.");
                (&incomplete.done, &incomplete.failures, incomplete.problem.as_deref(), code)
            }
        };
        if let Some(note) = note {
            say!("note: {note}");
        }
        format.event(&Event {
            event: "restored",
            target: place.to_string(),
            complete: result.is_ok(),
            rows: total.create + total.replace,
            equal: total.equal,
            committed: &done.kinds,
            deleted: done.deleted,
            checked: done.checked,
            noticed,
            note: *note,
            failures: failures
                .named
                .iter()
                .map(|failure| FailureEvent { row: failure.place.to_string(), problem: &failure.problem })
                .collect(),
            problem,
            seconds: *seconds,
        })?;
        Ok(code)
    }

    fn tell_success(&self, done: &Restored) {
        let Self { place, total, seconds, .. } = self;
        let mut more = Vec::new();
        let parts = [
            (total.equal, "equal already"),
            (total.leave, "left as they are"),
            (total.miss, "not there and not created"),
            (total.done, "committed before"),
            (done.deleted, "deleted"),
        ];
        more.extend(
            parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {} {what}", thousands(count))),
        );
        more.extend(done.checked.map(|rows| format!(", {} read back and equal", thousands(rows))));
        say!(
            "Restored {} of {} into {place} in {seconds:.1} s ({}){}",
            plural(done.rows(), "row"),
            plural(done.kinds.len() as u64, "kind"),
            rate(done.rows(), *seconds),
            more.concat()
        );
    }
}

/// What `--format json` says of the plan.
#[derive(Serialize)]
struct PlanEvent<'a> {
    event: &'static str,
    target: String,
    kinds: &'a BTreeMap<String, Counts>,
    total: Counts,
    /// Kinds that a mirror leaves alone because the backup has never had them.
    only_in_target: Vec<&'a String>,
    /// Those of them that the backup does not cover.
    not_covered: Vec<&'a String>,
    /// Kinds of which the backup does not say which namespaces it covers.
    unrecorded: &'a BTreeSet<String>,
    #[serde(flatten)]
    noticed: &'a Noticed,
}

/// What `--format json` says at the end.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    target: String,
    complete: bool,
    rows: u64,
    equal: u64,
    committed: &'a BTreeMap<String, u64>,
    deleted: u64,
    checked: Option<u64>,
    #[serde(flatten)]
    noticed: &'a Noticed,
    note: Option<&'a str>,
    failures: Vec<FailureEvent<'a>>,
    problem: Option<&'a str>,
    seconds: f64,
}

#[derive(Serialize)]
struct FailureEvent<'a> {
    row: String,
    problem: &'a str,
}

impl Progress for Bars {
    fn done(&self, kind: &str, rows: u64) {
        self.add(kind, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_projects_own_name_confirms() {
        let to: StoreUrl = "datastore://my-app/named".parse().unwrap();
        assert!(confirm(&to, &mut "my-app\n".as_bytes()).is_ok());
        for typed in ["", "\n", "y\n", "yes\n", "my-app-staging\n", "MY-APP\n", "datastore://my-app/named\n"] {
            assert!(matches!(confirm(&to, &mut typed.as_bytes()), Err(RunError::NotConfirmed(_))), "{typed:?}");
        }
    }
}
