//! Programs that tests need.

use std::process::Command;

/// `strace`, which kills a process at a system call. Where there is none, that is said, and in CI it is a failure.
pub fn strace() -> Option<&'static str> {
    let works = Command::new("strace").arg("true").output().is_ok_and(|output| output.status.success());
    if !works {
        assert!(std::env::var_os("CI").is_none(), "strace is missing, or may not trace");
        eprintln!("left out: strace is missing, or may not trace; `apt-get install strace`");
    }
    works.then_some("strace")
}

/// Whether these programs are there. Where one is not, that is said, and in CI it is a failure.
pub fn programs(names: &[&str]) -> bool {
    let is_missing = |name: &&&str| !Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    let missing = names.iter().find(is_missing);
    if let Some(name) = missing {
        assert!(std::env::var_os("CI").is_none(), "{name} is missing");
        eprintln!("left out: {name} is missing");
    }
    missing.is_none()
}

/// `chromedriver` and `chromium`, which open pages. Where they are missing, that is said, and in CI it is a failure.
pub fn chromedriver() -> Option<&'static str> {
    programs(&["chromedriver", "chromium"]).then_some("chromedriver")
}
