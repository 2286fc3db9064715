//! `gaebar doctor`: what this machine has of what Gaebar needs.

use std::env;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use gaebar_gen::cache;
use gaebar_gen::compile::{CargoError, cargo, tool};
use gaebar_runtime::cli::{Format, print};
use serde::Serialize;

/// Building a restore binary takes some 1 GB of dependencies, once.
const DISK_NEEDED: u64 = 2 << 30;

/// The first cargo that shares compiled dependencies between backups, and the oldest that Gaebar is tried with.
const OLDEST_CARGO: (u32, u32) = (1, 91);

pub(super) fn run(format: Format) -> anyhow::Result<ExitCode> {
    let checks = [rust(), c_compiler(), build_folder(), emulator(), credentials()];
    for check in &checks {
        match format {
            Format::Json => format.event(check)?,
            Format::Text => {
                let Check { name, state, found, needed_for, .. } = check;
                print(&format!("{:<8} {name}: {found}", state.mark()))?;
                print(&format!("         for {needed_for}"))?;
            }
        }
    }
    // What is only needed for some stores is never a failure.
    let failed = checks.iter().any(|check| check.state == State::Missing);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[derive(Serialize)]
struct Check {
    event: &'static str,
    name: &'static str,
    state: State,
    found: String,
    needed_for: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    /// Not there, and not needed by everybody.
    NotSet,
    Missing,
}

impl State {
    fn mark(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotSet => "not set",
            Self::Missing => "missing",
        }
    }
}

/// A check of what everybody needs.
fn needed(name: &'static str, needed_for: &'static str, result: Result<String, String>) -> Check {
    check(name, needed_for, State::Missing, result)
}

fn check(name: &'static str, needed_for: &'static str, otherwise: State, result: Result<String, String>) -> Check {
    let (state, found) = match result {
        Ok(found) => (State::Ok, found),
        Err(missing) => (otherwise, missing),
    };
    Check { event: "check", name, state, found, needed_for }
}

fn rust() -> Check {
    let result = match cargo().and_then(|mut cargo| cargo.arg("--version").output().map_err(CargoError::Missing)) {
        Ok(output) if output.status.success() => {
            let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if cargo_version(&version).is_some_and(|version| version >= OLDEST_CARGO) {
                Ok(version)
            } else {
                Err(format!("{version}, which is older than 1.91; run `rustup update`"))
            }
        }
        Ok(output) => Err(format!("cargo does not run: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(error.to_string()),
    };
    needed("Rust", "building restore binaries (`restore --interpret` does without)", result)
}

/// `cargo 1.95.0 (…)`
fn cargo_version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn c_compiler() -> Check {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let result = match tool(compiler.as_ref()).arg("--version").output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or(&compiler).to_owned())
        }
        _ => Err(format!("`{compiler}` does not run; install gcc or clang")),
    };
    needed("C compiler", "building restore binaries: it compiles SQLite, and links", result)
}

fn build_folder() -> Check {
    let result = cache::folder().map_err(|error| error.to_string()).and_then(|folder| {
        tempfile::tempfile_in(&folder)
            .map_err(|error| format!("{} can't be written: {error}; set GAEBAR_CACHE_DIR to another folder", folder.display()))?;
        match fs4::available_space(&folder) {
            Ok(free) if free < DISK_NEEDED => {
                Err(format!("{} has {} MB left of the 2 GB that a first build takes", folder.display(), free >> 20))
            }
            Ok(free) => Ok(format!("{}, {} GB free", folder.display(), free >> 30)),
            Err(error) => Err(format!("{}: {error}", folder.display())),
        }
    });
    needed("build folder", "building restore binaries", result)
}

fn emulator() -> Check {
    let result = match env::var("DATASTORE_EMULATOR_HOST") {
        Err(_) => Err("DATASTORE_EMULATOR_HOST is not set; datastore:// means real projects".to_owned()),
        Ok(host) => {
            let address = host.trim_start_matches("http://").to_owned();
            let answers = address
                .to_socket_addrs()
                .ok()
                .into_iter()
                .flatten()
                .any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok());
            if answers {
                Ok(format!("answers at {address}"))
            } else {
                Err(format!(
                    "nothing answers at {address}; start it with `gcloud beta emulators datastore start`, or unset DATASTORE_EMULATOR_HOST"
                ))
            }
        }
    };
    check("emulator", "datastore:// without a real project", State::NotSet, result)
}

/// Looks where Google's clients look, without asking for a token.
fn credentials() -> Check {
    let key_file = env::var_os("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let user_file = || {
        let home = env::var_os("CLOUDSDK_CONFIG").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".config/gcloud")));
        home.map(|folder| folder.join("application_default_credentials.json"))
    };
    let result = match key_file {
        Some(file) if file.is_file() => Ok(format!("GOOGLE_APPLICATION_CREDENTIALS = {}", file.display())),
        Some(file) => Err(format!("GOOGLE_APPLICATION_CREDENTIALS names {}, which is no file", file.display())),
        None => match user_file().filter(|file| file.is_file()) {
            Some(file) => Ok(file.display().to_string()),
            None => {
                Err("none; run `gcloud auth application-default login` (on Google Cloud, the machine's own are used)".to_owned())
            }
        },
    };
    check("credentials", "datastore:// with a real project", State::NotSet, result)
}
