//! The files of a backup that no entity is in: manifests for cargo, crate roots, the lock file.
//!
//! All follow from the backup's name, its kinds, what it covers, and its volumes.

mod packages;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gaebar_runtime::restore::{Coverage, Extent};
pub use packages::{Packages, unlock};

use crate::emit::one_line_literal;
use crate::names;
use crate::releases::Foundation;

/// The lock file of a backup without volumes whose name is `template`: the versions that this Gaebar was tested with.
pub const LOCK: &str = include_str!("templates/Cargo.lock");
/// The name of that backup.
pub const LOCK_NAME: &str = "template";

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

/// The files with names of crates and modules that may have to be raw.
pub const NAMING: [&str; 2] = ["src/main.rs", MODELS_LIBRARY];

/// The folder of the runtime's source.
pub const RUNTIME: &str = "gaebar-runtime";

/// A backup's files that follow from its name, its volumes, what it covers, and the version that wrote it.
#[derive(Debug, Clone, Copy)]
pub struct Templates<'a> {
    /// The backup's name.
    pub name: &'a str,
    /// The names of its volumes.
    pub volumes: &'a BTreeSet<String>,
    /// What it covers; `None` in the format that does not say so.
    pub coverage: Option<&'a Coverage>,
    /// What it is compiled with.
    pub foundation: &'a Foundation,
}

impl Templates<'_> {
    /// The paths and bytes of all of them.
    pub fn files(self) -> Vec<(String, Vec<u8>)> {
        let mut files = self.lists();
        files.push(("src/main.rs".to_owned(), root_main(self.name).into_bytes()));
        files.push(("models/Cargo.toml".to_owned(), Packages::of_backup(self.name).models().into_bytes()));
        files.extend(self.foundation.files(self.name));
        files
    }

    /// Those that list volumes: two people's, merged by git, may have to be made anew.
    pub fn lists(self) -> Vec<(String, Vec<u8>)> {
        let Self { name, volumes, coverage, foundation } = self;
        let packages = Packages::of_backup(name);
        [
            (MANIFEST, packages.root(volumes)),
            (LOCK_FILE, packages.lock(foundation.lock(), volumes)),
            ("src/lib.rs", root_library(name, volumes, coverage)),
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

/// `src/lib.rs`: the volumes and what is covered of each kind, one sorted line each.
fn root_library(backup: &str, volumes: &BTreeSet<String>, coverage: Option<&Coverage>) -> String {
    let mut lines = String::new();
    for volume in volumes {
        // Writing to a String can't fail.
        let _ = writeln!(lines, "        Volume {{ name: \"{volume}\", shards: {}::SHARDS }},", crate_name(backup, volume));
    }
    let covered = coverage.map(covered).unwrap_or_default();
    format!(
        "//! A backup, as code: each row of its volumes recreates one entity.\n\n\
         use gaebar_runtime::rows::{{Backup, Volume}};\n\n\
         /// All rows.\n\
         pub static BACKUP: Backup = Backup {{\n    name: \"{backup}\",\n    volumes: &[\n{lines}    ],\n{covered}}};\n"
    )
}

/// What a backup covers, as fields of its `BACKUP`.
fn covered(Coverage { kinds, other_kinds, except }: &Coverage) -> String {
    let list = |names: &BTreeSet<String>| names.iter().map(|name| one_line_literal(name)).collect::<Vec<_>>().join(", ");
    let namespaces = |extent: &Extent| match extent {
        Extent::Unknown => "Backup::UNKNOWN".to_owned(),
        Extent::All => "Backup::ALL".to_owned(),
        Extent::Only(names) => format!("Backup::only(&[{}])", list(names)),
    };
    let mut lines = String::new();
    for (kind, extent) in kinds {
        // Writing to a String can't fail.
        let _ = writeln!(lines, "        ({}, {}),", one_line_literal(kind), namespaces(extent));
    }
    format!("    kinds: &[\n{lines}    ],\n    other_kinds: ({}, &[{}]),\n", namespaces(other_kinds), list(except))
}

/// `src/main.rs`: the restore binary.
fn root_main(backup: &str) -> String {
    let name = names::raw(&backup.replace('-', "_"));
    let span = proc_macro2::Span::call_site();
    let name = match name.strip_prefix("r#") {
        Some(keyword) => proc_macro2::Ident::new_raw(keyword, span),
        None => proc_macro2::Ident::new(&name, span),
    };
    let main = quote::quote! {
        #![doc = " Restores the backup into a store."]
        fn main() -> std::process::ExitCode {
            gaebar_runtime::cli::main(&#name::BACKUP, option_env!("GAEBAR_DIGEST"))
        }
    };
    // What `quote` was given is a file; were it none, the backup would not compile, and tests would tell.
    let text = syn::parse2(main).map(|file| prettyplease::unparse(&file)).unwrap_or_default();
    // Else the thread would keep the literals for as long as it lives.
    proc_macro2::extra::invalidate_current_thread_spans();
    text
}

/// `models/src/lib.rs`: two sorted lines a kind, from the file and the struct of each. A module called like a keyword is one that a release
/// named which did not know the keyword.
pub fn models_library<'a>(kinds: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let (mut modules, mut uses) = (BTreeSet::new(), BTreeSet::new());
    for (file, structure) in kinds {
        let file = names::raw(file);
        modules.insert(format!("mod {file};\n"));
        uses.insert(format!("pub use {file}::{structure};\n"));
    }
    let modules: String = modules.into_iter().collect();
    let uses: String = uses.into_iter().collect();
    format!("//! One struct a kind.\n\n#![allow(unused_imports)]\n\n{modules}\n{uses}")
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
