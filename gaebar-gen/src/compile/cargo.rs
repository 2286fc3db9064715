//! Running cargo.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;
use thiserror::Error;

use super::{BuildPlace, Compiled, Progress};

/// Why cargo made no binary.
#[derive(Debug, Error)]
pub enum CargoError {
    /// Cargo can't be run.
    #[error("could not run cargo: {0}; install Rust from https://rustup.rs")]
    Missing(io::Error),
    /// Cargo's output broke off.
    #[error("cargo's output broke off: {0}")]
    Output(io::Error),
    /// The code did not compile.
    #[error("the backup did not compile:\n{0}")]
    Failed(String),
    /// It compiled, and there is no binary.
    #[error("cargo named no binary {0}")]
    NoBinary(String),
}

/// One line of `cargo build --message-format=json`; other kinds of lines are passed over.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    fresh: bool,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Cargo, the same that runs this program if one does, without what that one says of the package that it runs: build scripts take
/// these variables for settings, and would run again with all that depends on them.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_a_package =
        ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_", "CARGO_TARGET_TMPDIR", "OUT_DIR"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| of_a_package.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
    command
}

/// Builds the restore binary of the backup called `name`, which has so many crates of its own.
pub(super) fn build(place: &BuildPlace, name: &str, crates: usize, progress: &dyn Progress) -> Result<Compiled, CargoError> {
    let binary = format!("{name}-restore");
    let mut child = cargo()
        .current_dir(place.source())
        .args([
            "build",
            "--locked",
            "--message-format=json-render-diagnostics",
            "--profile",
            place.profile.name(),
            "--bin",
            &binary,
        ])
        // The binary has a folder of its own; intermediate files are shared (cargo 1.91; an older one compiles
        // dependencies for each backup).
        .env("CARGO_TARGET_DIR", place.target())
        .env("CARGO_BUILD_BUILD_DIR", &place.shared)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(CargoError::Missing)?;
    let errors = child.stderr.take().map(|mut stderr| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read until an error is still worth showing.
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    });
    let mut executable = None;
    let (mut own, mut dependencies) = (0, 0);
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.map_err(CargoError::Output)?;
        let Ok(Message { reason, target: Some(target), executable: found, manifest_path, fresh }) = serde_json::from_str(&line)
        else {
            continue;
        };
        if reason == "compiler-artifact" {
            let is_own = manifest_path.is_some_and(|path| path.starts_with(place.source()));
            own += usize::from(is_own);
            dependencies += usize::from(!is_own && !fresh);
            progress.compiled(&target.name, own.min(crates), crates);
            if target.name == binary {
                executable = found.or(executable);
            }
        }
    }
    let status = child.wait().map_err(CargoError::Output)?;
    let errors = errors.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if !status.success() {
        return Err(CargoError::Failed(errors));
    }
    let binary = executable.ok_or(CargoError::NoBinary(binary))?;
    Ok(Compiled { binary, dependencies })
}
