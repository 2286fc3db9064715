//! What cargo is told of a backup: the manifests of its packages, its profiles, and the lock file.
//!
//! A backup is a workspace and has its runtime within. The copy that is compiled has the same packages in another workspace, beside a
//! runtime that other backups have in the same place, so that cargo compiles it once for all of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{LOCK_NAME, RUNTIME, package};

/// The packages of a backup, and where they stand.
#[derive(Debug, Clone)]
pub struct Packages<'a> {
    backup: &'a str,
    /// The backup's folder below the workspace's; none where it is the workspace.
    member: Option<&'a str>,
    /// The runtime's package, and its folder below the workspace's.
    runtime: String,
    runtime_folder: &'a str,
}

impl<'a> Packages<'a> {
    /// The backup as it is written.
    pub fn of_backup(backup: &'a str) -> Self {
        Self { backup, member: None, runtime: package(backup, "runtime"), runtime_folder: RUNTIME }
    }

    /// A copy in the folder `member` of a workspace that has the runtime in `runtime_folder`. Cargo tells apart packages of one name by
    /// their paths below the workspace: two backups that share compiled crates need different `member`s, and two runtimes different
    /// folders. The runtime's package is then called as in the lock file's template.
    pub fn of_copy(backup: &'a str, member: &'a str, runtime_folder: &'a str) -> Self {
        Self { backup, member: Some(member), runtime: package(LOCK_NAME, "runtime"), runtime_folder }
    }

    /// `Cargo.toml` of the backup that is a workspace: its members, the library, and the restore binary.
    pub fn root(&self, volumes: &BTreeSet<String>) -> String {
        format!("{}\n{}\n{}", self.members(volumes), self.package(volumes), self.profiles(volumes))
    }

    /// `Cargo.toml` of the workspace around a copy. The runtime is no member: what cargo has members compiled with is not for it, so that
    /// it is the same to all copies.
    pub fn workspace(&self, volumes: &BTreeSet<String>) -> String {
        format!("{}exclude = [\"{}\"]\n\n{}", self.members(volumes), self.runtime_folder, self.profiles(volumes))
    }

    /// `Cargo.toml` of the backup in such a workspace.
    pub fn package(&self, volumes: &BTreeSet<String>) -> String {
        let Self { backup, runtime, .. } = self;
        let mut dependencies = self.dependency_on_runtime("");
        for volume in volumes {
            // Writing to a String can't fail.
            let _ = writeln!(dependencies, "{} = {{ path = \"volumes/{volume}\" }}", package(backup, volume));
        }
        format!(
            r#"[package]
name = "{backup}"
version = "0.0.0"
edition = "2024"
publish = false

[features]
default = ["restore"]
# The restore binary and its stores. An application that links the library turns it off.
restore = ["{runtime}/cli"]

[[bin]]
name = "{backup}-restore"
path = "src/main.rs"
required-features = ["restore"]

[dependencies]
{dependencies}"#
        )
    }

    /// `models/Cargo.toml`.
    pub fn models(&self) -> String {
        library(&package(self.backup, "models"), &self.dependency_on_runtime("../"))
    }

    /// `volumes/<volume>/Cargo.toml`.
    pub fn volume(&self, volume: &str) -> String {
        let models = package(self.backup, "models");
        let dependencies = format!("{models} = {{ path = \"../../models\" }}\n{}", self.dependency_on_runtime("../../"));
        library(&package(self.backup, volume), &dependencies)
    }

    /// `Cargo.lock`, as cargo itself would write it, of the versions in `template`.
    pub fn lock(&self, template: &str, volumes: &BTreeSet<String>) -> String {
        relock(template, LOCK_NAME, self.backup, &self.runtime, volumes)
    }

    /// The runtime as a dependency of a package from which `up` leads to the backup's folder.
    fn dependency_on_runtime(&self, up: &str) -> String {
        let out = if self.member.is_some() { "../" } else { "" };
        format!("{} = {{ path = \"{up}{out}{}\" }}\n", self.runtime, self.runtime_folder)
    }

    fn members(&self, volumes: &BTreeSet<String>) -> String {
        let below = |part: &str| self.member.map_or_else(|| part.to_owned(), |member| format!("{member}/{part}"));
        let first = self.member.unwrap_or(self.runtime_folder).to_owned();
        let volumes = volumes.iter().map(|volume| below(&format!("volumes/{volume}")));
        let mut members = String::new();
        for path in [first, below("models")].into_iter().chain(volumes) {
            // Writing to a String can't fail.
            let _ = writeln!(members, "    \"{path}\",");
        }
        format!("[workspace]\nresolver = \"3\"\nmembers = [\n{members}]\n")
    }

    /// What is compiled for this backup alone is not optimised, since it runs once.
    fn profiles(&self, volumes: &BTreeSet<String>) -> String {
        let own_runtime = self.member.is_none().then_some("runtime");
        let parts = std::iter::once("models").chain(own_runtime).chain(volumes.iter().map(String::as_str));
        let mut lines = String::new();
        for package in std::iter::once(self.backup.to_owned()).chain(parts.map(|part| package(self.backup, part))) {
            // Writing to a String can't fail.
            let _ = writeln!(lines, "{package} = {{ opt-level = 0 }}");
        }
        format!(
            "# What is here runs once, so it is compiled as it is; what it depends on is compiled as everywhere else.\n\
             [profile.dev]\ndebug = false\n\n[profile.release.package]\n{lines}"
        )
    }
}

fn library(package: &str, dependencies: &str) -> String {
    format!(
        "[package]\nname = \"{package}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[dependencies]\n{dependencies}"
    )
}

/// The template that a backup's lock file was made of.
pub fn unlock(backup: &str, lock: &str) -> String {
    relock(lock, backup, LOCK_NAME, &package(LOCK_NAME, "runtime"), &BTreeSet::new())
}

/// The lock file with the versions of that of a backup called `from`, and the packages of `to`, whose runtime is called `runtime`.
fn relock(lock: &str, from: &str, to: &str, runtime: &str, volumes: &BTreeSet<String>) -> String {
    let models = package(to, "models");
    let (head, packages) = lock.split_once("\n\n").unwrap_or((lock, ""));
    let from_runtime = format!("[[package]]\nname = \"{}\"\n", package(from, "runtime"));
    let mut blocks: Vec<String> = packages
        .trim_end()
        .split("\n\n")
        .filter_map(|block| match block.strip_prefix(&from_runtime) {
            // Only the runtime has dependencies that follow from nothing else.
            Some(rest) => Some(format!("[[package]]\nname = \"{runtime}\"\n{rest}")),
            // The backup's own packages come from nowhere.
            None => block.contains("\nsource = ").then(|| block.to_owned()),
        })
        .collect();
    let own: Vec<String> = volumes.iter().map(|volume| package(to, volume)).collect();
    let mut needed: Vec<&str> = own.iter().map(String::as_str).chain([runtime]).collect();
    needed.sort_unstable();
    blocks.push(lock_block(to, &needed));
    blocks.push(lock_block(&models, &[runtime]));
    blocks.extend(own.iter().map(|volume| {
        let mut needed = [models.as_str(), runtime];
        needed.sort_unstable();
        lock_block(volume, &needed)
    }));
    // Cargo sorts packages by name, then version; a block begins with both.
    blocks.sort_by_cached_key(|block| block.lines().skip(1).take(2).map(str::to_owned).collect::<Vec<_>>());
    format!("{head}\n\n{}\n", blocks.join("\n\n"))
}

fn lock_block(package: &str, dependencies: &[&str]) -> String {
    let dependencies = dependencies.join("\",\n \"");
    format!("[[package]]\nname = \"{package}\"\nversion = \"0.0.0\"\ndependencies = [\n \"{dependencies}\",\n]")
}
