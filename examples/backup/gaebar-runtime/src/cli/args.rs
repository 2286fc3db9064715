//! How to restore, as it is typed. `gaebar restore` takes the same, and hands it on to the restore binary.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum as _};
use thiserror::Error;

use crate::model::Key;
use crate::restore::{Choice, Namespaces, OnConflict, Options};

/// Batches written at once, unless somebody says otherwise.
pub const DEFAULT_JOBS: u16 = 8;

/// How to restore.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[allow(clippy::struct_excessive_bools)] // flags of a command line
pub struct RestoreOptions {
    /// Show what would be done, and write nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Restore into a real project without being asked for its name
    #[arg(long)]
    pub yes: bool,

    /// What happens to entities that the target has already
    #[arg(long, value_enum, value_name = "WHAT", default_value_t)]
    pub on_conflict: OnConflict,

    /// Also delete the target's entities that are missing in the backup, in the kinds that it has or had, or that --kinds names, and in
    /// the namespaces that it covers
    #[arg(long, conflicts_with_all = ["keys", "under", "with_references", "into_namespace", "map_namespace"])]
    pub mirror: bool,

    /// Write entities that are equal already, too
    #[arg(long)]
    pub write_all: bool,

    /// Only these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub kinds: Option<Vec<String>>,

    /// All kinds but these
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub exclude_kinds: Vec<String>,

    /// Only these namespaces; an empty one ('') is the default namespace
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub namespaces: Option<Vec<String>>,

    /// Only the entities with these keys, written as in rows: Profile/2
    #[arg(long, value_name = "KEY", num_args = 1.., value_parser = key)]
    pub keys: Vec<Key>,

    /// Only the entity with this key, and all below it
    #[arg(long, value_name = "KEY")]
    pub under: Vec<Key>,

    /// Also what chosen entities refer to, and what that refers to
    #[arg(long)]
    pub with_references: bool,

    /// Put everything into this namespace
    #[arg(long, value_name = "NAME", conflicts_with = "map_namespace")]
    pub into_namespace: Option<String>,

    /// Put what is of namespace A into B
    #[arg(long, value_name = "A=B")]
    pub map_namespace: Vec<Mapped>,

    /// Go on with a restore that was interrupted
    #[arg(long, conflicts_with = "dry_run")]
    pub resume: bool,

    /// Where to write down what is committed [default: a file for the target in the user's state folder]
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,

    /// Read everything back and compare, which is the default for files and emulators
    #[arg(long, overrides_with = "no_check")]
    pub check: bool,

    /// Do not read everything back
    #[arg(long)]
    pub no_check: bool,

    /// Write to a real project at full speed at once, instead of 500 entities a second and half more every five minutes
    #[arg(long)]
    pub no_ramp: bool,

    /// The most entities written a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_rate: Option<u32>,

    /// Batches written at once
    #[arg(long, value_name = "N", default_value_t = DEFAULT_JOBS, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,
}

/// `A=B`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// A namespace of the backup.
    pub from: String,
    /// The one that it becomes.
    pub to: String,
}

/// A text maps no namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("write it as A=B; either may be empty, which is the default namespace")]
pub struct NoMapping;

impl std::str::FromStr for Mapped {
    type Err = NoMapping;

    fn from_str(text: &str) -> Result<Self, NoMapping> {
        let (from, to) = text.split_once('=').ok_or(NoMapping)?;
        Ok(Self { from: from.to_owned(), to: to.to_owned() })
    }
}

/// A key of `--keys`, which takes all that follows it.
fn key(text: &str) -> Result<Key, String> {
    text.parse().map_err(|error| format!("{error}; if it is no key, put it before --keys, which takes all that follows it"))
}

impl RestoreOptions {
    /// What the engine is asked for.
    pub(super) fn options(&self) -> Options {
        let map: BTreeMap<_, _> = self.map_namespace.iter().map(|Mapped { from, to }| (from.clone(), to.clone())).collect();
        Options {
            choice: Choice {
                kinds: self.kinds.clone(),
                exclude_kinds: self.exclude_kinds.clone(),
                namespaces: self.namespaces.clone(),
                keys: self.keys.clone(),
                under: self.under.clone(),
                with_references: self.with_references,
            },
            namespaces: match &self.into_namespace {
                Some(target) => Namespaces::Into(target.clone()),
                None if map.is_empty() => Namespaces::Same,
                None => Namespaces::Map(map),
            },
            on_conflict: self.on_conflict,
            mirror: self.mirror,
            write_all: self.write_all,
            count_others: self.dry_run,
            jobs: usize::from(self.jobs),
        }
    }

    /// The same as arguments, which are parsed to the same again.
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let flags = [
            ("--dry-run", self.dry_run),
            ("--yes", self.yes),
            ("--mirror", self.mirror),
            ("--write-all", self.write_all),
            ("--with-references", self.with_references),
            ("--resume", self.resume),
            ("--check", self.check),
            ("--no-check", self.no_check),
            ("--no-ramp", self.no_ramp),
        ];
        arguments.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.into()));
        let mut add = |flag: &str, value: &str| arguments.push(format!("--{flag}={value}").into());
        add("on-conflict", self.on_conflict.to_possible_value().as_ref().map_or("overwrite", |value| value.get_name()));
        self.kinds.iter().flatten().for_each(|kind| add("kinds", kind));
        self.exclude_kinds.iter().for_each(|kind| add("exclude-kinds", kind));
        self.namespaces.iter().flatten().for_each(|name| add("namespaces", name));
        self.keys.iter().for_each(|key| add("keys", &key.to_string()));
        self.under.iter().for_each(|key| add("under", &key.to_string()));
        self.into_namespace.iter().for_each(|name| add("into-namespace", name));
        self.map_namespace.iter().for_each(|Mapped { from, to }| add("map-namespace", &format!("{from}={to}")));
        self.max_rate.iter().for_each(|rate| add("max-rate", &rate.to_string()));
        add("jobs", &self.jobs.to_string());
        if let Some(journal) = &self.journal {
            let mut argument = OsString::from("--journal=");
            argument.push(journal);
            arguments.push(argument);
        }
        arguments
    }

    /// Whether nothing is asked for that a restore binary of Gaebar 0.1.0 does not do.
    pub fn suits_the_first_release(&self) -> bool {
        let plain = Self { jobs: self.jobs, yes: self.yes, ..Self::default() };
        *self == plain
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        options: RestoreOptions,
    }

    #[test]
    fn arguments_survive_being_handed_on() {
        let lines: [&[&str]; 5] = [
            &[],
            &[
                "--dry-run",
                "--yes",
                "--on-conflict",
                "update-only",
                "--write-all",
                "--kinds",
                "A,-b",
                "--kinds",
                "C",
                "--jobs",
                "3",
            ],
            &["--mirror", "--exclude-kinds", "x", "--namespaces", "", "--resume", "--journal", "a b", "--no-check"],
            &["--keys", "A/'x,y'", "{n}B/2", "--under", "C/1", "--under=D/'-'", "--with-references", "--into-namespace", ""],
            &["--map-namespace", "=a", "--map-namespace", "b=c=d", "--check", "--no-ramp", "--max-rate", "7"],
        ];
        for line in lines {
            let parsed = Cli::try_parse_from(std::iter::once(&"x").chain(line)).unwrap_or_else(|error| panic!("{error}")).options;
            let again = std::iter::once(OsString::from("x")).chain(parsed.to_arguments());
            assert_eq!(Cli::try_parse_from(again).unwrap().options, parsed, "{line:?}");
        }
        let first = Cli::try_parse_from(["x", "--jobs", "2"]).unwrap().options;
        assert!(first.suits_the_first_release());
        assert!(!Cli::try_parse_from(["x", "--mirror"]).unwrap().options.suits_the_first_release());
    }
}
