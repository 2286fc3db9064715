//! The files of a backup that no entity is in: manifests for cargo, crate roots, the lock file.
//!
//! All follow from the backup's name, its kinds and its volumes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::releases::Foundation;

/// The lock file of a backup without volumes whose name is `template`: the versions that this Gaebar was tested with.
pub const LOCK: &str = include_str!("templates/Cargo.lock");
const LOCK_NAME: &str = "template";

/// What tools are told. Git: no byte of a backup is git's to change, and hunk headers show the row's function; what a parent folder ignores
/// is kept, and what cargo and Gaebar leave behind is not. Rustfmt: `cargo fmt --all` of an application that links the backup leaves it as
/// it is.
pub const TOOL_FILES: [(&str, &str); 3] = [
    (
        ".gitattributes",
        "* -text\n*.rs diff=rust\n/Cargo.lock merge=union\n/Cargo.toml merge=union\n/models/src/lib.rs merge=union\n/src/lib.rs merge=union\n",
    ),
    (".gitignore", "!*\n/target\n/.gaebar\n"),
    ("rustfmt.toml", "disable_all_formatting = true\n"),
];

/// The backup's own manifest.
pub const MANIFEST: &str = "Cargo.toml";
/// The lock file.
pub const LOCK_FILE: &str = "Cargo.lock";
/// The one derived file that needs the names of structs too.
pub const MODELS_LIBRARY: &str = "models/src/lib.rs";

/// The folder of the runtime's source.
pub const RUNTIME: &str = "gaebar-runtime";

/// A backup's files that follow from its name, its volumes, and the version that wrote it.
#[derive(Debug, Clone, Copy)]
pub struct Templates<'a> {
    /// The backup's name.
    pub name: &'a str,
    /// The names of its volumes.
    pub volumes: &'a BTreeSet<String>,
    /// What it is compiled with.
    pub foundation: &'a Foundation,
}

impl Templates<'_> {
    /// The paths and bytes of all of them.
    pub fn files(self) -> Vec<(String, Vec<u8>)> {
        let mut files = self.lists();
        files.push(("src/main.rs".to_owned(), root_main(self.name).into_bytes()));
        files.push(("models/Cargo.toml".to_owned(), models_manifest(self.name).into_bytes()));
        files.extend(self.foundation.files(self.name));
        files
    }

    /// Those that list volumes: two people's, merged by git, may have to be made anew.
    pub fn lists(self) -> Vec<(String, Vec<u8>)> {
        let Self { name, volumes, foundation } = self;
        [
            (MANIFEST, root_manifest(name, volumes)),
            (LOCK_FILE, relock(foundation.lock(), LOCK_NAME, name, volumes)),
            ("src/lib.rs", root_library(name, volumes)),
        ]
        .map(|(file, text)| (file.to_owned(), text.into_bytes()))
        .into()
    }
}

/// The package of a part of a backup: `production-models`.
pub fn package(backup: &str, part: &str) -> String {
    format!("{backup}-{}", part.replace('_', "-"))
}

/// A package's name in code.
pub fn crate_name(backup: &str, part: &str) -> String {
    package(backup, part).replace('-', "_")
}

/// Names of the crates that a backup depends on, which no backup may have.
pub fn dependency_names() -> BTreeSet<String> {
    LOCK.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).map(str::to_owned).collect()
}

/// `Cargo.toml` of the whole: the workspace, the library, and the restore binary.
fn root_manifest(backup: &str, volumes: &BTreeSet<String>) -> String {
    format!("{}\n{}\n{}", workspace_section("", volumes), package_sections(backup, volumes), profile_sections(backup, volumes))
}

/// `Cargo.toml` of a workspace that has the backup in its folder `member`, as copies have it: cargo tells apart packages of one
/// name by their paths below the workspace, and would mix up two backups that share compiled dependencies.
pub fn copy_workspace_manifest(backup: &str, member: &str, volumes: &BTreeSet<String>) -> String {
    format!("{}\n{}", workspace_section(member, volumes), profile_sections(backup, volumes))
}

/// The backup's own `Cargo.toml` in such a copy.
pub fn copy_package_manifest(backup: &str, volumes: &BTreeSet<String>) -> String {
    package_sections(backup, volumes)
}

fn workspace_section(member: &str, volumes: &BTreeSet<String>) -> String {
    let below = |part: &str| if member.is_empty() { part.to_owned() } else { format!("{member}/{part}") };
    let mut members = String::new();
    let own = (!member.is_empty()).then(|| member.to_owned());
    let parts = [below("gaebar-runtime"), below("models")].into_iter();
    for path in own.into_iter().chain(parts).chain(volumes.iter().map(|volume| below(&format!("volumes/{volume}")))) {
        // Writing to a String can't fail.
        let _ = writeln!(members, "    \"{path}\",");
    }
    format!("[workspace]\nresolver = \"3\"\nmembers = [\n{members}]\n")
}

fn package_sections(backup: &str, volumes: &BTreeSet<String>) -> String {
    let runtime = package(backup, "runtime");
    let mut dependencies = String::new();
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
{runtime} = {{ path = "gaebar-runtime" }}
{dependencies}"#
    )
}

fn profile_sections(backup: &str, volumes: &BTreeSet<String>) -> String {
    let parts = ["models", "runtime"].into_iter().chain(volumes.iter().map(String::as_str)).map(|part| package(backup, part));
    let mut lines = String::new();
    for package in std::iter::once(backup.to_owned()).chain(parts) {
        // Writing to a String can't fail.
        let _ = writeln!(lines, "{package} = {{ opt-level = 0 }}");
    }
    format!(
        "# What is here runs once, so it is compiled as it is; what it depends on is compiled as everywhere else.\n\
         [profile.dev]\ndebug = false\n\n[profile.release.package]\n{lines}"
    )
}

/// `src/lib.rs`: the volumes, one sorted line each.
fn root_library(backup: &str, volumes: &BTreeSet<String>) -> String {
    let mut lines = String::new();
    for volume in volumes {
        // Writing to a String can't fail.
        let _ = writeln!(lines, "        Volume {{ name: \"{volume}\", shards: {}::SHARDS }},", crate_name(backup, volume));
    }
    format!(
        "//! A backup, as code: each row of its volumes recreates one entity.\n\n\
         use gaebar_runtime::rows::{{Backup, Volume}};\n\n\
         /// All rows.\n\
         pub static BACKUP: Backup = Backup {{\n    name: \"{backup}\",\n    volumes: &[\n{lines}    ],\n}};\n"
    )
}

/// `src/main.rs`: the restore binary.
fn root_main(backup: &str) -> String {
    let name = proc_macro2::Ident::new(&backup.replace('-', "_"), proc_macro2::Span::call_site());
    let main = quote::quote! {
        #![doc = " Restores the backup into a store."]
        fn main() -> std::process::ExitCode {
            gaebar_runtime::cli::main(&#name::BACKUP, option_env!("GAEBAR_DIGEST"))
        }
    };
    // What `quote` was given is a file; were it none, the backup would not compile, and tests would tell.
    syn::parse2(main).map(|file| prettyplease::unparse(&file)).unwrap_or_default()
}

/// `models/Cargo.toml`.
fn models_manifest(backup: &str) -> String {
    library_manifest(&package(backup, "models"), &[(package(backup, "runtime"), "../gaebar-runtime")])
}

/// `models/src/lib.rs`: two sorted lines a kind, from the file and the struct of each.
pub fn models_library<'a>(kinds: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let (mut modules, mut uses) = (BTreeSet::new(), BTreeSet::new());
    for (file, structure) in kinds {
        modules.insert(format!("mod {file};\n"));
        uses.insert(format!("pub use {file}::{structure};\n"));
    }
    let modules: String = modules.into_iter().collect();
    let uses: String = uses.into_iter().collect();
    format!("//! One struct a kind.\n\n#![allow(unused_imports)]\n\n{modules}\n{uses}")
}

/// `volumes/<volume>/Cargo.toml`.
pub fn volume_manifest(backup: &str, volume: &str) -> String {
    let dependencies = [(package(backup, "models"), "../../models"), (package(backup, "runtime"), "../../gaebar-runtime")];
    library_manifest(&package(backup, volume), &dependencies)
}

/// `volumes/<volume>/src/lib.rs`: the shards, in order.
pub fn volume_library(models_crate: &str, structure: &str, shards: &[String]) -> String {
    let (mut modules, mut lines) = (String::new(), String::new());
    for shard in shards {
        // Writing to a String can't fail.
        let _ = writeln!(modules, "mod {shard};");
        let _ = writeln!(lines, "    shard!({shard}, {structure}),");
    }
    format!(
        "//! Rows of one kind.\n\n\
         use gaebar_runtime::rows::Shard;\nuse gaebar_runtime::shard;\nuse {models_crate}::{structure};\n\n\
         {modules}\n\
         /// The shards.\npub const SHARDS: &[Shard] = &[\n{lines}];\n"
    )
}

fn library_manifest(package: &str, dependencies: &[(String, &str)]) -> String {
    let mut lines = String::new();
    for (name, path) in dependencies {
        // Writing to a String can't fail.
        let _ = writeln!(lines, "{name} = {{ path = \"{path}\" }}");
    }
    format!(
        "[package]\nname = \"{package}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[dependencies]\n{lines}"
    )
}

/// The template that a backup's lock file was made of.
pub fn unlock(backup: &str, lock: &str) -> String {
    relock(lock, backup, LOCK_NAME, &BTreeSet::new())
}

/// `Cargo.lock`, as cargo itself would write it: the versions of the lock file of a backup called `from`, and the packages of `to`.
fn relock(lock: &str, from: &str, to: &str, volumes: &BTreeSet<String>) -> String {
    let (models, runtime) = (package(to, "models"), package(to, "runtime"));
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
    let mut needed: Vec<&str> = own.iter().map(String::as_str).chain([runtime.as_str()]).collect();
    needed.sort_unstable();
    blocks.push(lock_block(to, &needed));
    blocks.push(lock_block(&models, &[&runtime]));
    blocks.extend(own.iter().map(|volume| lock_block(volume, &[&models, &runtime])));
    // Cargo sorts packages by name, then version; a block begins with both.
    blocks.sort_by_cached_key(|block| block.lines().skip(1).take(2).map(str::to_owned).collect::<Vec<_>>());
    format!("{head}\n\n{}\n", blocks.join("\n\n"))
}

fn lock_block(package: &str, dependencies: &[&str]) -> String {
    let dependencies = dependencies.join("\",\n \"");
    format!("[[package]]\nname = \"{package}\"\nversion = \"0.0.0\"\ndependencies = [\n \"{dependencies}\",\n]")
}
