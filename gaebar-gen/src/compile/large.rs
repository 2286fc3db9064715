//! What a backup of gigabytes needs to be compiled: code that reaches all of its constants, and memory for the linker.
//!
//! Code as x86-64 compilers usually make it reaches what is within 2 GiB, and linkers give up where constants are farther away. Code of the
//! medium model reaches any distance, and its constants stand apart (`.lrodata`), so that what is compiled as usual (the runtime and all
//! that it depends on) stays within reach of itself.

use std::env;
use std::path::{Path, PathBuf};

use super::BuildPlace;
use crate::folder::{self, FolderError};

/// Backups with at least this many bytes of shards and blobs are compiled with the medium code model. Constants take about as many bytes
/// as their source; linkers gave up at one and a half times as many.
const LARGE: u64 = 1 << 30;
/// Memory of the linker, as a multiple of the bytes of shards and blobs.
const LINKER: u64 = 4;
/// Sets another number of bytes than [`LARGE`], for tests.
const VARIABLE: &str = "GAEBAR_LARGE_FROM";

/// Runs rustc, or the user's own wrapper of it, for a package of the backup. Cargo keeps apart what different wrappers have compiled.
const WRAPPER: &str = r#"#!/bin/sh
exec ${GAEBAR_WORKSPACE_WRAPPER:+"$GAEBAR_WORKSPACE_WRAPPER"} "$@" -Ccode-model=medium
"#;

/// How a backup's own crates reach constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeModel {
    /// As rustc does for this machine: within 2 GiB on x86-64.
    Usual,
    /// At any distance.
    Medium,
}

impl CodeModel {
    /// The code model for a backup, by the bytes of its shards and blobs.
    pub(super) fn of(bytes: u64) -> Self {
        if is_large(bytes) && Self::has_medium() { Self::Medium } else { Self::Usual }
    }

    /// Whether rustc and linkers know the medium model where the backup is to run.
    pub(super) fn has_medium() -> bool {
        let is_so = |target: &str| target.starts_with("x86_64") && target.contains("linux");
        env::var("CARGO_BUILD_TARGET").map_or(cfg!(all(target_arch = "x86_64", target_os = "linux")), |target| is_so(&target))
    }

    /// The variables that have cargo compile so.
    pub(super) fn variables(self, place: &BuildPlace) -> Result<Vec<(&'static str, PathBuf)>, FolderError> {
        if self == Self::Usual {
            return Ok(Vec::new());
        }
        let wrapper = place.own().join("medium-rustc");
        if !folder::holds(&wrapper, WRAPPER.as_bytes())? {
            folder::write_again(place.own(), "medium-rustc", WRAPPER.as_bytes())?;
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let all = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&wrapper, all).map_err(FolderError::at("make a program of", &wrapper))?;
        }
        let users =
            ["RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER"].into_iter().find_map(super::toolchain::program);
        let users = users.map(|wrapper| ("GAEBAR_WORKSPACE_WRAPPER", wrapper.into()));
        Ok(users.into_iter().chain([("RUSTC_WORKSPACE_WRAPPER", wrapper)]).collect())
    }
}

/// Whether a linker gave up since constants are out of reach: GNU's, LLVM's or Apple's.
pub(super) fn is_out_of_reach(errors: &str) -> bool {
    ["relocation truncated to fit", "out of range", "relocation overflow", "Overflow in relocation"]
        .iter()
        .any(|words| errors.contains(words))
        && errors.contains("linking with")
}

/// The memory that linking a large backup takes, and what this machine has. Both are about right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes for the linker.
    pub needed: u64,
    /// Bytes that processes can get, if the system says so.
    pub available: Option<u64>,
}

impl Memory {
    /// By the bytes of shards and blobs; `None` below the size from which memory matters.
    pub(super) fn of(bytes: u64) -> Option<Self> {
        is_large(bytes).then(|| Self { needed: bytes.saturating_mul(LINKER), available: available() })
    }

    /// Whether it is enough, as far as that is known.
    pub fn is_enough(self) -> bool {
        self.available.is_none_or(|available| available >= self.needed)
    }
}

fn is_large(bytes: u64) -> bool {
    let set = env::var(VARIABLE).ok().and_then(|from| from.parse().ok());
    bytes >= set.unwrap_or(LARGE)
}

/// Bytes of memory that processes here can get without another's being killed: of the machine, and of each control group around this process.
fn available() -> Option<u64> {
    let read = |file: &Path| std::fs::read_to_string(file).ok();
    let machine = of_machine(&read(Path::new("/proc/meminfo"))?)?;
    let groups = groups(&read(Path::new("/proc/self/cgroup")).unwrap_or_default());
    let groups = groups.iter().filter_map(|(folder, names)| {
        let said = |name: &str| read(&folder.join(name));
        of_group(&said(names.limit)?, &said(names.usage)?, &said("memory.stat")?, names)
    });
    Some(groups.fold(machine, u64::min))
}

/// What `/proc/meminfo` says.
fn of_machine(meminfo: &str) -> Option<u64> {
    let kilobytes = |name: &str| meminfo.lines().find_map(|line| number(line.strip_prefix(name)?.strip_prefix(':')?));
    Some((kilobytes("MemAvailable")? + kilobytes("SwapFree").unwrap_or(0)) << 10)
}

/// What the files of a control group are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Names {
    limit: &'static str,
    usage: &'static str,
    /// Before the names of what is cached of files: of this group and those below it.
    cached: &'static str,
}

const SECOND: Names = Names { limit: "memory.max", usage: "memory.current", cached: "" };
const FIRST: Names = Names { limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", cached: "total_" };

/// The folders of the control groups around a process, by its `/proc/self/cgroup`. In a container the path may be the host's, and only the
/// last of these be there.
fn groups(process: &str) -> Vec<(PathBuf, Names)> {
    let of = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (top, names) = match controllers {
            "" => ("/sys/fs/cgroup", SECOND),
            _ if controllers.split(',').any(|name| name == "memory") => ("/sys/fs/cgroup/memory", FIRST),
            _ => return None,
        };
        let path = path.trim_start_matches('/').to_owned();
        Some(Path::new(&path).ancestors().map(|path| (Path::new(top).join(path), names)).collect::<Vec<_>>())
    };
    process.lines().filter_map(of).flatten().collect()
}

/// What a control group leaves: its limit, less what is in use and not merely cached of files. `None` without a limit.
fn of_group(limit: &str, usage: &str, stat: &str, names: &Names) -> Option<u64> {
    let limit = number(limit)?;
    let cached = |name: &str| {
        let line = |line: &str| line.strip_prefix(names.cached)?.strip_prefix(name)?.strip_prefix(' ').and_then(number);
        stat.lines().find_map(line).unwrap_or(0)
    };
    Some(limit.saturating_sub(number(usage)?.saturating_sub(cached("inactive_file") + cached("active_file"))))
}

fn number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_the_machine_and_its_groups_leave() {
        let machine = "MemTotal:       24604900 kB\nMemAvailable:    8000000 kB\nSwapFree:         1000000 kB\n";
        assert_eq!(of_machine(machine), Some(9_000_000 << 10));
        assert_eq!(of_machine("MemTotal: 1 kB\n"), None);
        let second = "anon 700\nfile 500\ninactive_file 100\nactive_file 200\n";
        assert_eq!(of_group("2000\n", "1000\n", second, &SECOND), Some(1_300));
        assert_eq!(of_group("max\n", "1000\n", second, &SECOND), None);
        assert_eq!(of_group("100\n", "1000\n", "", &SECOND), Some(0));
        let first = "inactive_file 1\ntotal_inactive_file 100\ntotal_active_file 200\n";
        assert_eq!(of_group("2000\n", "1000\n", first, &FIRST), Some(1_300));
        let folders = |said: &str| groups(said).into_iter().map(|(folder, _)| folder).collect::<Vec<_>>();
        assert_eq!(
            folders("0::/user.slice/run.scope\n"),
            ["/sys/fs/cgroup/user.slice/run.scope", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup/"].map(PathBuf::from)
        );
        assert_eq!(
            folders("4:cpu,memory:/a\n3:cpuset:/b\n"),
            ["/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory/"].map(PathBuf::from)
        );
    }

    #[test]
    fn linkers_that_give_up_are_understood() {
        let gnu =
            "error: linking with `cc` failed: exit status: 1\n/x.o: relocation truncated to fit: R_X86_64_PC32 against `.rodata'";
        let llvm = "error: linking with `cc` failed: exit status: 1\nrust-lld: error: x.o: relocation R_X86_64_PC32 out of range: 2 is not in";
        assert!(is_out_of_reach(gnu) && is_out_of_reach(llvm));
        assert!(!is_out_of_reach("error: linking with `cc` failed: No space left on device"));
        assert!(!is_out_of_reach("error: literal out of range for `i8`"));
    }
}
