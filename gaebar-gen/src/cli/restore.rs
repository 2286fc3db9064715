//! `gaebar restore`

use std::path::Path;
use std::process::{Child, Command, ExitCode};

use anyhow::Context as _;
use gaebar_gen::cache::trust;
use gaebar_gen::compile::Compiled;
use gaebar_gen::config::Config;
use gaebar_gen::interpret::InterpretedRows;
use gaebar_gen::stop;
use gaebar_gen::verify::{JustLooking, read};
use gaebar_runtime::cli::{self, Format, Job, RestoreOptions};
use gaebar_runtime::say;
use gaebar_runtime::store::{self, StoreUrl};

use super::args::RestoreArgs;
use super::build::{accept, build};
use super::{STOP, Usage};

pub(super) fn run(args: &RestoreArgs, config: &Config, format: Format) -> anyhow::Result<ExitCode> {
    let to = config.target(&args.to).map_err(Usage::from)?;
    if let Err(error) = cli::check_meant(&to, &args.options) {
        say!("error: {error}");
        return Ok(error.code());
    }
    store::check_target(&to)?;
    if args.options.resume && args.options.journal.is_none() {
        // What the journal says was committed is not written again.
        trust::check(&cli::state_folder()?, cli::STATE_VARIABLE)?;
    }
    if args.interpret {
        return interpret(args, to, format);
    }
    let built = build(&args.folder, args.accept_edits)?;
    restore(&built, &args.folder, &to, &args.options, format)
}

/// Restores through the reader: the same rows, and no compiler.
fn interpret(args: &RestoreArgs, to: StoreUrl, format: Format) -> anyhow::Result<ExitCode> {
    let contents = read(&args.folder, &JustLooking)?;
    accept(&args.folder, &contents, args.accept_edits)?;
    let taken_from = contents.taken_from();
    let rows = InterpretedRows::new(&args.folder, contents);
    let job = Job { to, options: args.options.clone(), format, folder: Some(&args.folder), taken_from };
    cli::run(&rows, &job, &STOP).or_else(|error| {
        say!("error: {error}");
        Ok(error.code())
    })
}

/// Runs a restore binary, whose exit code becomes ours.
pub(super) fn restore(
    built: &Compiled,
    folder: &Path,
    to: &StoreUrl,
    options: &RestoreOptions,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let binary = &built.binary;
    let mut command = Command::new(binary);
    command.args(["--digest", &built.digest]).arg("--to").arg(to.to_string()).arg("--source").arg(folder);
    if format == Format::Json {
        command.args(["--format", "json"]);
    }
    if options.mirror && built.release.is_some_and(|release| !release.records_coverage()) {
        say!(
            "note: the backup has no record of what it covers (Gaebar {} made it), so a mirror looks only at kinds and namespaces in which \
             it has rows; the next `gaebar backup` adds the record",
            built.release.map_or("", |release| release.version)
        );
    }
    if let Some(release) = built.release.filter(|release| release.is_the_first()) {
        // Its restore binaries know nothing else; nor do they ask before they write.
        if !options.suits_the_first_release() || (cli::is_real(to) && !options.yes) {
            anyhow::bail!(
                "the backup was written by Gaebar {}, whose runtime can't do that; `gaebar upgrade {}` gives it the present one, and \
                 --interpret does without",
                release.version,
                folder.display()
            );
        }
        command.args(["--jobs", &options.jobs.to_string()]);
    } else {
        command.args(options.to_arguments());
        command.args(built.taken_from.iter().map(|store| format!("--taken-from={store}")));
    }
    let mut child = command.spawn().with_context(|| format!("could not run {}", binary.display()))?;
    let mut told = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if stop::check(&STOP).is_err() && !told {
            // A terminal's Ctrl-C has reached it already, `kill` has not. It ends by itself once what is in flight is committed.
            told = true;
            ask_to_stop(&mut child);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    match status.code() {
        Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        None => anyhow::bail!("{} was ended by a signal ({status}); --resume goes on from there", binary.display()),
    }
}

#[cfg(unix)]
fn ask_to_stop(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It may have ended a moment ago, which the next look will show.
    let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
}

#[cfg(not(unix))]
fn ask_to_stop(child: &mut Child) {
    // What was committed is in the journal.
    let _ = child.kill();
}
