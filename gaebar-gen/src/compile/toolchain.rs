//! Rust's tools, run as their user has set them up, whatever the folders say that surround what is compiled or the user.
//!
//! Cargo takes settings from the `.cargo/config.toml` of the folder that it runs in and of every folder above, and rustup a toolchain from
//! their `rust-toolchain.toml`: either names programs that are then run. The cache, and the folder a user works in, may be in a checkout of
//! somebody else's code. So tools run in the root folder; what they are compiling, cargo is told by `--manifest-path`. The user's own settings
//! stay: those in `CARGO_HOME`, those in variables, and the default toolchain.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::process::Command;

use super::CargoError;

/// Variables that name a file or folder, even one that is missing, or is named without a separator.
const PATHS: [&str; 8] =
    ["CARGO_HOME", "RUSTUP_HOME", "CARGO_HTTP_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR", "TMP", "TEMP"];

/// What cargo says of a package to a program that it runs, such as this one. Build scripts take these variables for settings, and would run
/// again with all that depends on them.
const OF_A_PACKAGE: [&str; 7] =
    ["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_", "CARGO_TARGET_TMPDIR", "OUT_DIR"];

/// The variable that names a toolchain to rustup, before all files.
const TOOLCHAIN: &str = "RUSTUP_TOOLCHAIN";

/// Cargo, the same that runs this program if one does.
pub fn cargo() -> Result<Command, CargoError> {
    let mut cargo = tool(&variable("CARGO").unwrap_or_else(|| "cargo".into()));
    // A `cargo` that is not rustup's runs the `rustc` that may be, in the folder of what it compiles.
    if variable(TOOLCHAIN).is_none() {
        cargo.env(TOOLCHAIN, toolchain()?);
    }
    Ok(cargo)
}

/// A program, by its path or its name, in the root folder. What variables say relative to the present folder still means the same.
pub fn tool(program: &OsStr) -> Command {
    let here = env::current_dir().unwrap_or_default();
    let mut command = Command::new(from(&here, program).unwrap_or_else(|| program.to_owned()));
    command.current_dir(root());
    for (name, value) in env::vars_os() {
        if name.to_str().is_some_and(|name| OF_A_PACKAGE.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        } else if PATHS.iter().any(|path| name == *path) && Path::new(&value).is_relative() && !value.is_empty() {
            // Cargo compiles again what was compiled with another spelling of `CARGO_HOME`.
            let path = here.join(value);
            command.env(name, path.canonicalize().unwrap_or(path));
        } else if let Some(path) = from(&here, &value) {
            command.env(name, path);
        }
    }
    command
}

/// The absolute path of a file or folder that is named relative to this one, and is there. A name without a separator is looked up in `PATH`.
fn from(here: &Path, value: &OsStr) -> Option<OsString> {
    let is_path = value.as_encoded_bytes().iter().any(|byte| *byte == b'/' || *byte == MAIN_SEPARATOR as u8);
    let path = here.join(value);
    (is_path && Path::new(value).is_relative() && path.exists()).then(|| path.into_os_string())
}

/// The root of the drive that this program is on.
fn root() -> PathBuf {
    let program = env::current_exe().ok();
    program
        .and_then(|program| program.ancestors().last().map(Path::to_owned))
        .unwrap_or_else(|| MAIN_SEPARATOR.to_string().into())
}

/// The toolchain of the `rustc` that is run in the root folder, as rustup's programs understand it.
fn toolchain() -> Result<OsString, CargoError> {
    let rustc = variable("RUSTC").or_else(|| variable("CARGO_BUILD_RUSTC")).unwrap_or_else(|| "rustc".into());
    let output = tool(&rustc).args(["--print", "sysroot"]).output().map_err(CargoError::Missing)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let sysroot = Path::new(said.trim());
    if !output.status.success() || !sysroot.is_absolute() {
        return Err(CargoError::Toolchain(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    // By its name, cargo finds its compiler without rustup, which takes some 30 ms a crate.
    let by_name = |home: PathBuf| sysroot.strip_prefix(home.join("toolchains")).ok().map(|name| name.as_os_str().to_owned());
    let home = variable("RUSTUP_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".rustup")));
    Ok(home.and_then(by_name).unwrap_or_else(|| sysroot.into()))
}

/// The program that a variable names, to be run in any folder.
pub(super) fn program(name: &str) -> Option<OsString> {
    let here = env::current_dir().unwrap_or_default();
    variable(name).map(|program| from(&here, &program).unwrap_or(program))
}

/// A variable that says something.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_from_elsewhere() {
        let here = tempfile::tempdir().unwrap();
        std::fs::create_dir(here.path().join("bin")).unwrap();
        std::fs::write(here.path().join("bin/cc"), "").unwrap();
        let from_here = |value: &str| from(here.path(), value.as_ref());
        assert_eq!(from_here("bin/cc"), Some(here.path().join("bin/cc").into()));
        assert_eq!(from_here("./bin"), Some(here.path().join("./bin").into()));
        for value in ["cc", "bin", "", "bin/c++", "/bin", "-O2 -g"] {
            assert_eq!(from_here(value), None, "{value:?} is left as it is");
        }
    }
}
