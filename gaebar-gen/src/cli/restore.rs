//! `gaebar restore`

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use gaebar_gen::compile::Compiled;
use gaebar_gen::config::Config;
use gaebar_gen::interpret::InterpretedRows;
use gaebar_gen::stop;
use gaebar_gen::verify::{JustLooking, read};
use gaebar_runtime::cli::{self, Format};
use gaebar_runtime::store::{self, StoreUrl};

use super::args::RestoreArgs;
use super::build::{accept, build};
use super::{STOP, Usage};

pub(super) fn run(args: &RestoreArgs, config: &Config, format: Format) -> anyhow::Result<ExitCode> {
    let to = config.store(&args.to).map_err(Usage::from)?;
    store::check_target(&to)?;
    if args.interpret {
        return interpret(args, to, format);
    }
    let built = build(&args.folder, args.accept_edits)?;
    restore(&built, &args.folder, &to, args.jobs, format)
}

/// Restores through the reader: the same rows, and no compiler.
fn interpret(args: &RestoreArgs, to: StoreUrl, format: Format) -> anyhow::Result<ExitCode> {
    let contents = read(&args.folder, &JustLooking)?;
    accept(&args.folder, &contents, args.accept_edits)?;
    let rows = InterpretedRows::new(&args.folder, contents);
    let complete = cli::run(&rows, &cli::RestoreArgs { to, jobs: args.jobs, format }, Some(&args.folder))?;
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs a restore binary, whose exit code becomes ours.
pub(super) fn restore(built: &Compiled, folder: &Path, to: &StoreUrl, jobs: u16, format: Format) -> anyhow::Result<ExitCode> {
    let binary = &built.binary;
    let mut command = Command::new(binary);
    command.args(["--digest", &built.digest]);
    command.arg("--to").arg(to.to_string()).arg("--source").arg(folder).args(["--jobs", &jobs.to_string()]);
    if format == Format::Json {
        command.args(["--format", "json"]);
    }
    let mut child = command.spawn().with_context(|| format!("could not run {}", binary.display()))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if stop::check(&STOP).is_err() {
            // A terminal's Ctrl-C has reached it already, `kill` has not. Nothing is lost by its end but the time.
            child.kill().and_then(|()| child.wait())?;
            anyhow::bail!("interrupted: some rows may be in {to}; restoring again is safe");
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    match status.code() {
        Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        None if stop::check(&STOP).is_err() => anyhow::bail!("interrupted: some rows may be in {to}; restoring again is safe"),
        None => anyhow::bail!("{} was ended by a signal ({status}); restoring again is safe", binary.display()),
    }
}
