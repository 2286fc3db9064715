//! The built `gaebar`, run as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::{env, fs};

use serde_json::Value;

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the workspace")
}

/// The `gaebar` binary.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| build("gaebar-gen", "gaebar"))
}

/// A binary of a package of this workspace. Another package gets none from cargo, so it is built here.
pub fn build(package: &str, binary: &str) -> PathBuf {
    let output = gaebar_gen::compile::cargo()
        .unwrap()
        .args(["build", "--package", package, "--bin", binary, "--message-format", "json-render-diagnostics"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{binary} does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let executable = messages.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    executable.expect("cargo names the binary")
}

/// An empty folder for a test, at the same place in each run: then what was compiled for it is found again.
pub fn folder(test: &str) -> PathBuf {
    let target = binary().parent().and_then(Path::parent).expect("the binary stands in a target folder");
    let folder = target.join("gaebar-tests").join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// `gaebar` with arguments, in a folder, with nothing of the user's environment that it would listen to.
pub fn gaebar(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    clean(&mut command).current_dir(folder).args(arguments);
    command
}

/// Takes from a command what this machine's user may have set.
pub fn clean(command: &mut Command) -> &mut Command {
    for variable in [
        "DATASTORE_EMULATOR_HOST",
        "DATASTORE_PROJECT_ID",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CLOUDSDK_CONFIG",
    ] {
        command.env_remove(variable);
    }
    let target = binary().parent().and_then(Path::parent).expect("the binary stands in a target folder");
    command.env("GAEBAR_CACHE_DIR", target.join("gaebar-tests/.cache"));
    command.env("GAEBAR_STATE_DIR", target.join("gaebar-tests/.state"))
}

/// Runs a command that must end with this exit code; returns what it wrote to standard output and standard error.
pub fn run(command: &mut Command, code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the command runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned());
    assert_eq!(status.code(), Some(code), "{command:?} ended with {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
    (stdout, stderr)
}

/// Runs a command that must succeed; returns the last JSON line of its output.
pub fn event(command: &mut Command) -> Value {
    let (stdout, stderr) = run(command.args(["--format", "json"]), 0);
    let last = stdout.lines().last().unwrap_or_else(|| panic!("{command:?} said nothing on stdout\n{stderr}"));
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{last}: {error}"))
}
