//! What reaches a terminal: text in which nothing hides.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use gaebar_runtime::visible::is_hidden;

/// A name that clears a terminal's line, sets its title, begins another line, and turns the text behind it around.
pub const HOSTILE: &str = "\u{1b}[2K\u{1b}]0;title\u{7}\r\nFORGED \u{9b}2K\u{85}\u{202e}\u{2028}";
/// What nothing may begin a line with.
const FORGED: &str = "FORGED";

/// Runs a command, however it ends. Nothing hides in what it says, and no name begins a line there. Returns that.
pub fn said(command: &mut Command) -> String {
    let Output { stdout, stderr, .. } = command.stdin(Stdio::null()).output().expect("the command runs");
    let said = String::from_utf8([stdout, stderr].concat()).expect("text");
    if let Err(problem) = check(&said) {
        panic!("{command:?} wrote {problem}: {said:?}");
    }
    said
}

/// Whether nothing hides in a text, and no hostile name begins a line there.
pub fn check(text: &str) -> Result<(), String> {
    let hidden = text.chars().find(|c| *c != '\n' && is_hidden(*c));
    match hidden {
        Some(c) => Err(format!("{c:?}")),
        None if text.lines().any(|line| line.starts_with(FORGED)) => Err("a line of a name's".to_owned()),
        None => Ok(()),
    }
}

/// Runs a command in a terminal, by `script`; returns all that it wrote there.
pub fn in_terminal(command: &Command) -> String {
    let quoted = |text: &OsStr| format!("'{}'", text.to_str().expect("text").replace('\'', "'\\''"));
    let line: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["-qec", &format!("exec {}", line.join(" ")), "/dev/null"]).env("SHELL", "/bin/sh").stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.current_dir(command.get_current_dir().expect("a folder"));
    String::from_utf8(script.output().expect("script runs").stdout).expect("text")
}
