//! `gaebar doctor`: what this machine has of what Gaebar needs.

use std::env;
use std::io::Write as _;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use gaebar_gen::compile::{cache, cargo};
use gaebar_runtime::cli::Format;
use serde::Serialize;

/// Building a restore binary takes some 1 GB of dependencies, once.
const DISK_NEEDED: u64 = 2 << 30;

pub(super) fn run(format: Format) -> ExitCode {
    let checks = [rust(), build_folder(), emulator(), credentials()];
    for check in &checks {
        if format == Format::Json {
            format.event(check);
        } else {
            let mark = if check.ok { "ok     " } else { "missing" };
            // A closed pipe is the reader's decision.
            let _ = writeln!(std::io::stdout(), "{mark}  {}: {}\n         for {}", check.name, check.found, check.needed_for);
        }
    }
    // Only Rust and a folder are needed by everybody.
    if checks[..2].iter().all(|check| check.ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Serialize)]
struct Check {
    event: &'static str,
    name: &'static str,
    ok: bool,
    found: String,
    needed_for: &'static str,
}

fn check(name: &'static str, needed_for: &'static str, result: Result<String, String>) -> Check {
    let (ok, found) = match result {
        Ok(found) => (true, found),
        Err(missing) => (false, missing),
    };
    Check { event: "check", name, ok, found, needed_for }
}

fn rust() -> Check {
    let result = match cargo().arg("--version").output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Ok(output) => Err(format!("cargo does not run: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("no cargo ({error}); install Rust from https://rustup.rs")),
    };
    check("Rust", "building restore binaries", result)
}

fn build_folder() -> Check {
    let result = cache().map_err(|error| error.to_string()).and_then(|folder| {
        std::fs::create_dir_all(&folder)
            .and_then(|()| tempfile::tempfile_in(&folder))
            .map_err(|error| format!("{} can't be written: {error}; set GAEBAR_CACHE_DIR to another folder", folder.display()))?;
        match fs4::available_space(&folder) {
            Ok(free) if free < DISK_NEEDED => {
                Err(format!("{} has {} MB left of the 2 GB that a first build takes", folder.display(), free >> 20))
            }
            Ok(free) => Ok(format!("{}, {} GB free", folder.display(), free >> 30)),
            Err(error) => Err(format!("{}: {error}", folder.display())),
        }
    });
    check("build folder", "building restore binaries", result)
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
    check("emulator", "datastore:// without a real project", result)
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
    check("credentials", "datastore:// with a real project", result)
}
