//! `gaebar merge`

use std::process::ExitCode;

use gaebar_gen::merge::merge;
use gaebar_runtime::cli::Format;
use gaebar_runtime::say;
use serde::Serialize;

use super::args::{MergeArgs, VerifyArgs};
use super::verify;

pub(super) fn run(args: &MergeArgs, format: Format) -> anyhow::Result<ExitCode> {
    let changed = merge(&args.folder)?;
    match changed.as_slice() {
        [] => say!("The lists of {} were in order", args.folder.display()),
        files => say!("Made anew in {}: {}", args.folder.display(), files.join(", ")),
    }
    format.event(&Event { event: "merged", changed: &changed })?;
    verify::run(&VerifyArgs { folder: args.folder.clone() }, format)
}

/// What `--format json` says, before what `verify` does.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    changed: &'a [String],
}
