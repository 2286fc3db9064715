//! Running cargo.

use std::io::{self, BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::large::{CodeModel, is_out_of_reach};
use super::{BuildPlace, Progress, cargo};
use crate::folder::FolderError;
use crate::stop::{self, Interrupted};
use crate::templates;

/// How often to look whether somebody asked to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(100);
/// What cargo says that explains a wait.
const TELLING: &[&str] = &["Blocking", "Downloading", "Updating"];

/// Why cargo made no binary.
#[derive(Debug, Error)]
pub enum CargoError {
    /// Cargo can't be run.
    #[error("could not run cargo or rustc: {0}; install Rust from https://rustup.rs")]
    Missing(io::Error),
    /// There is a compiler, and no toolchain.
    #[error("rustc does not run: {0}")]
    Toolchain(String),
    /// Cargo's output broke off.
    #[error("cargo's output broke off: {0}")]
    Output(io::Error),
    /// Somebody asked to stop.
    #[error("{0}; what was compiled is kept for the next time")]
    Interrupted(#[from] Interrupted),
    /// The disk failed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It holds more than code can reach.
    #[error("the backup is too large: the linker can't place all of its constants within reach of the code")]
    OutOfReach,
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

/// What is built.
pub(super) struct Job<'a> {
    pub(super) place: &'a BuildPlace,
    /// The backup's name.
    pub(super) name: &'a str,
    pub(super) digest: &'a str,
    /// How many crates of its own it has.
    pub(super) crates: usize,
    pub(super) progress: &'a dyn Progress,
    pub(super) stop: &'a AtomicBool,
}

/// Builds a backup's restore binary. Returns its path, and how many crates that are not the backup's had to be compiled.
pub(super) fn build(job: &Job, model: CodeModel) -> Result<(PathBuf, usize), CargoError> {
    let Job { place, name, digest, crates, progress, stop } = *job;
    let binary = format!("{name}-restore");
    let mut child = cargo()?
        .args(["build", "--manifest-path"])
        .arg(place.source().join(templates::MANIFEST))
        .args(["--locked", "--message-format=json-render-diagnostics", "--profile", place.profile.name(), "--bin", &binary])
        // The binary has a folder of its own; intermediate files are shared (cargo 1.91; an older one compiles
        // dependencies for each backup).
        .env("GAEBAR_DIGEST", digest)
        .env("CARGO_TARGET_DIR", place.target())
        .env("CARGO_BUILD_BUILD_DIR", &place.shared)
        .envs(model.variables(place)?)
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
        return Err(if is_out_of_reach(&errors) { CargoError::OutOfReach } else { CargoError::Failed(errors) });
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
