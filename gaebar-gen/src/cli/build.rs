//! `gaebar build`

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use gaebar_gen::compile::{BuildPlace, Compiled, compile};
use gaebar_runtime::cli::Format;
use serde::Serialize;

use super::args::BuildArgs;
use super::bars::BuildBars;

pub(super) fn run(args: &BuildArgs, format: Format) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let built = build(&args.folder)?;
    let binary = match &args.output {
        None => built.binary,
        Some(output) => {
            std::fs::copy(&built.binary, output).with_context(|| format!("could not copy the binary to {}", output.display()))?;
            output.clone()
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("Built {} in {seconds:.1} s; it restores alone: {} --to STORE", binary.display(), binary.display());
    format.event(&Event { event: "built", binary: binary.display().to_string(), dependencies: built.dependencies, seconds });
    Ok(ExitCode::SUCCESS)
}

/// Compiles a backup.
pub(super) fn build(folder: &Path) -> anyhow::Result<Compiled> {
    let place = BuildPlace::of(folder)?;
    eprintln!(
        "Compiling {} (profile {}, dependencies in {}; the first time they are compiled too, which takes a minute or two)",
        folder.display(),
        place.profile.name(),
        place.shared.display()
    );
    Ok(compile(folder, &place, &BuildBars::new())?)
}

/// What `--format json` says at the end.
#[derive(Serialize)]
struct Event {
    event: &'static str,
    binary: String,
    dependencies: usize,
    seconds: f64,
}
