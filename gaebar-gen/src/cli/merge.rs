//! `gaebar merge`

use std::process::ExitCode;

use gaebar_gen::merge::{Side, merge, take};
use gaebar_runtime::cli::Format;
use gaebar_runtime::say;
use serde::Serialize;

use super::args::{MergeArgs, TakenSide, VerifyArgs};
use super::verify;

pub(super) fn run(args: &MergeArgs, format: Format) -> anyhow::Result<ExitCode> {
    let side = args.take.map(|side| match side {
        TakenSide::Ours => Side::Ours,
        TakenSide::Theirs => Side::Theirs,
    });
    if let Some(side) = side {
        for kind in take(&args.folder, side)? {
            say!("Took one side's of {kind}");
        }
    }
    let changed = merge(&args.folder)?;
    match changed.as_slice() {
        [] => say!("The lists of {} were in order", args.folder.display()),
        files => say!("Made anew in {}: {}", args.folder.display(), files.join(", ")),
    }
    format.event(&Event { event: "merged", changed: &changed })?;
    // Git has just merged there.
    verify::run(&VerifyArgs { folder: args.folder.clone(), trust_git: true }, format)
}

/// What `--format json` says, before what `verify` does.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    changed: &'a [String],
}
