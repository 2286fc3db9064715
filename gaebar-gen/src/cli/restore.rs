//! `gaebar restore`

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use gaebar_gen::compile::Compiled;
use gaebar_gen::config::Config;
use gaebar_runtime::cli::Format;
use gaebar_runtime::store::StoreUrl;

use super::args::RestoreArgs;
use super::build::build;

pub(super) fn run(args: &RestoreArgs, config: &Config, format: Format) -> anyhow::Result<ExitCode> {
    let to = config.store(&args.to)?;
    let Compiled { binary, .. } = build(&args.folder, args.accept_edits)?;
    restore(&binary, &args.folder, &to, args.jobs, format)
}

/// Runs a restore binary, whose exit code becomes ours.
pub(super) fn restore(binary: &Path, folder: &Path, to: &StoreUrl, jobs: usize, format: Format) -> anyhow::Result<ExitCode> {
    let mut command = Command::new(binary);
    command.arg("--to").arg(to.to_string()).arg("--source").arg(folder).args(["--jobs", &jobs.to_string()]);
    if format == Format::Json {
        command.args(["--format", "json"]);
    }
    let status = command.status().with_context(|| format!("could not run {}", binary.display()))?;
    match status.code() {
        Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        None => anyhow::bail!("{} was ended by a signal ({status}); restoring again is safe", binary.display()),
    }
}
