//! `gaebar upgrade`

use std::process::ExitCode;

use gaebar_gen::upgrade::upgrade;
use gaebar_runtime::cli::{Format, plural};
use gaebar_runtime::say;
use serde::Serialize;

use super::STOP;
use super::args::UpgradeArgs;
use super::bars::BackupBars;

pub(super) fn run(args: &UpgradeArgs, format: Format) -> anyhow::Result<ExitCode> {
    let changed = upgrade(&args.folder, &BackupBars, &STOP)?;
    let version = env!("CARGO_PKG_VERSION");
    match changed.len() {
        0 => say!("{} is as Gaebar {version} writes it", args.folder.display()),
        files => say!(
            "{} is now as Gaebar {version} writes it: {} changed, the entities are the same",
            args.folder.display(),
            plural(files as u64, "file")
        ),
    }
    format.event(&Event { event: "upgraded", version, changed: &changed })?;
    Ok(ExitCode::SUCCESS)
}

/// What `--format json` says.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    version: &'static str,
    changed: &'a [String],
}
