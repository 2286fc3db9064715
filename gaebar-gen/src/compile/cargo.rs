//! Running cargo.

use std::io::{self, BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::{BuildPlace, Progress};
use crate::stop::{self, Interrupted};

/// How often to look whether somebody asked to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(100);
/// What cargo says that explains a wait.
const TELLING: &[&str] = &["Blocking", "Downloading", "Updating"];

/// Why cargo made no binary.
#[derive(Debug, Error)]
pub enum CargoError {
    /// Cargo can't be run.
    #[error("could not run cargo: {0}; install Rust from https://rustup.rs")]
    Missing(io::Error),
    /// Cargo's output broke off.
    #[error("cargo's output broke off: {0}")]
    Output(io::Error),
    /// Somebody asked to stop.
    #[error("{0}; what was compiled is kept for the next time")]
    Interrupted(#[from] Interrupted),
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

/// Builds the restore binary of the backup called `name`, which has this digest and so many crates of its own. Returns its path, and how
/// many other crates had to be compiled.
pub(super) fn build(
    place: &BuildPlace,
    name: &str,
    digest: &str,
    crates: usize,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<(PathBuf, usize), CargoError> {
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
        .env("GAEBAR_DIGEST", digest)
        .env("CARGO_TARGET_DIR", place.target())
        .env("CARGO_BUILD_BUILD_DIR", &place.shared)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(CargoError::Missing)?;
    let (lines, said) = mpsc::channel();
    forward(child.stdout.take(), lines.clone(), Line::Message);
    forward(child.stderr.take(), lines, Line::Text);
    let mut errors = String::new();
    let mut executable = None;
    let (mut own, mut dependencies) = (0, 0);
    let own_folder = place.source().join(place.member());
    loop {
        let line = match said.recv_timeout(STOP_INTERVAL) {
            Ok(line) => line,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if let Err(interrupted) = stop::check(stop) {
                    // Compilers that run end by themselves, each with its crate.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(interrupted.into());
                }
                continue;
            }
        };
        match line {
            Line::Message(line) => {
                let Ok(Message { reason, target: Some(target), executable: found, manifest_path, fresh }) =
                    serde_json::from_str(&line)
                else {
                    continue;
                };
                if reason == "compiler-artifact" {
                    let is_own = manifest_path.is_some_and(|path| path.starts_with(&own_folder));
                    own += usize::from(is_own);
                    dependencies += usize::from(!is_own && !fresh);
                    if is_own {
                        progress.compiled(&target.name, own.min(crates), crates);
                    } else if !fresh {
                        progress.dependency(&target.name, dependencies);
                    }
                    if target.name == binary {
                        executable = found.or(executable);
                    }
                }
            }
            Line::Text(line) => {
                if TELLING.iter().any(|word| line.trim_start().starts_with(word)) {
                    progress.says(line.trim());
                }
                errors.push_str(&line);
                errors.push('\n');
            }
        }
    }
    let status = child.wait().map_err(CargoError::Output)?;
    if !status.success() {
        stop::check(stop)?;
        return Err(CargoError::Failed(errors));
    }
    let binary = executable.ok_or(CargoError::NoBinary(binary))?;
    Ok((binary, dependencies))
}

/// A line of cargo's standard output or standard error.
enum Line {
    Message(String),
    Text(String),
}

/// Sends each line of an output on, from a thread of its own; until the output ends, or nobody listens.
fn forward(output: Option<impl Read + Send + 'static>, lines: mpsc::Sender<Line>, kind: fn(String) -> Line) {
    std::thread::spawn(move || {
        for line in output.into_iter().flat_map(|output| BufReader::new(output).split(b'\n')).map_while(Result::ok) {
            if lines.send(kind(String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
        }
    });
}
