//! `gaebar build`

use gaebar_runtime::say;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};
use gaebar_gen::compile::{BuildPlace, CargoError, CompileError, Compiled, Memory, Prepared};
use gaebar_gen::folder::bytes;
use gaebar_gen::verify::Contents;
use gaebar_runtime::cli::Format;
use serde::Serialize;

use super::STOP;
use super::args::BuildArgs;
use super::bars::BuildBars;

pub(super) fn run(args: &BuildArgs, format: Format) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    if let Some(output) = &args.output {
        check_output(output)?;
    }
    let built = build(&args.folder, args.accept_edits)?;
    let binary = match &args.output {
        None => built.binary.clone(),
        Some(output) => {
            std::fs::copy(&built.binary, output).with_context(|| format!("could not copy the binary to {}", output.display()))?;
            output.clone()
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    let run = if binary.components().count() == 1 { Path::new(".").join(&binary) } else { binary.clone() };
    say!("Built {} in {seconds:.1} s; it restores alone: {} --to STORE", binary.display(), run.display());
    format.event(&Event { event: "built", binary: binary.display().to_string(), dependencies: built.dependencies, seconds })?;
    Ok(ExitCode::SUCCESS)
}

/// Before minutes of compiling, whether the binary can be put where it should go.
fn check_output(output: &Path) -> anyhow::Result<()> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    if output.is_dir() {
        bail!("--output {} is a folder; name a file in it", output.display());
    }
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("--output {}: there is no folder {}", output.display(), folder.display());
    }
    Ok(())
}

/// Verifies and compiles a backup. Rows that were edited are compiled only if that is accepted.
pub(super) fn build(folder: &Path, accept_edits: bool) -> anyhow::Result<Compiled> {
    let place = BuildPlace::of(folder)?;
    let (profile, shared) = (place.profile, place.shared.clone());
    let bars = BuildBars::new();
    let prepared = Prepared::new(folder, place, &bars)?;
    accept(folder, prepared.verified.contents(), accept_edits)?;
    say!("Building {} (profile {}, dependencies in {})", folder.display(), profile.name(), shared.display());
    if let Some(Memory { needed, available }) = prepared.memory() {
        let available = available.map(|available| format!(" of the {} that are available", bytes(available))).unwrap_or_default();
        say!("note: the backup is large: linking it takes about {} of memory{available}", bytes(needed));
    }
    prepared.compile(&bars, &STOP).map_err(|error| {
        let is_too_large = matches!(error, CompileError::Memory(_) | CompileError::Cargo(CargoError::OutOfReach));
        let advice = if is_too_large { "; `gaebar restore --interpret` restores it without compiling it" } else { "" };
        anyhow::anyhow!("{error}{advice}")
    })
}

/// Lists what was edited, and ends here unless that is accepted.
pub(super) fn accept(folder: &Path, contents: &Contents, accept_edits: bool) -> anyhow::Result<()> {
    for edit in &contents.edits {
        say!("edited: {edit}");
    }
    if !contents.edits.is_empty() && !accept_edits {
        bail!("{} was edited since it was backed up; nothing was run. If that is meant, say --accept-edits", folder.display());
    }
    Ok(())
}

/// What `--format json` says at the end.
#[derive(Serialize)]
struct Event {
    event: &'static str,
    binary: String,
    dependencies: usize,
    seconds: f64,
}
