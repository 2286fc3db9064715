//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use gaebar_gen::read::MOST_SCANS;
use gaebar_runtime::cli::{Format, RestoreOptions};

/// Backs up Google Cloud Datastore to Rust source, and restores it by compiling and running that source.
///
/// STORE is `sqlite:PATH`, `datastore://PROJECT[/DATABASE]`, or a name from [stores] in gaebar.toml.
/// With DATASTORE_EMULATOR_HOST set, datastore:// means that emulator, and never a real project.
#[derive(Debug, Parser)]
#[command(
    name = "gaebar",
    version,
    verbatim_doc_comment,
    after_help = "Examples:
  gaebar demo                                       the main job in one go, on this machine alone
  gaebar backup datastore://my-app backups/production
  gaebar restore backups/production --to datastore://my-app-staging
  gaebar COMMAND --help                             more on a command

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 differences, 130 interrupted."
)]
pub(crate) struct Cli {
    /// The settings file, instead of gaebar.toml in the present folder; paths in it are from its own folder
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Standard output: text, or one JSON object a line
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) format: Format,

    /// Tell more of what is going on
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Do the main job in one go: a sample datastore, backup, build, restore, compare
    Demo(DemoArgs),
    /// Write sample entities into a store
    Seed(SeedArgs),
    /// Back a store up into a folder of Rust source, or update the backup there
    Backup(BackupArgs),
    /// Compile a backup's restore binary
    Build(BuildArgs),
    /// Restore a backup into a store, compiling it first if need be
    Restore(RestoreArgs),
    /// Show whether a backup is exactly what was backed up; nothing in it is run
    Verify(VerifyArgs),
    /// Show how two backups, two stores, or one of each differ, by entity and property
    Diff(DiffArgs),
    /// Show an entity's row, and what refers to it
    Show(ShowArgs),
    /// Make a backup's lists of kinds and volumes anew, after git has merged two people's backups
    Merge(MergeArgs),
    /// Give a backup that another version wrote this version's runtime and format
    Upgrade(UpgradeArgs),
    /// Show what a backup holds
    List(ListArgs),
    /// Back up, restore, pull, browse and compare in the browser, or with JSON over HTTP
    #[cfg(feature = "web")]
    Serve(ServeArgs),
    /// Download a backup from a Gaebar elsewhere, and check it
    #[cfg(feature = "web")]
    Pull(PullArgs),
    /// Show what this machine has of what Gaebar needs
    Doctor,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  gaebar demo
  gaebar demo /tmp/gaebar-demo")]
pub(crate) struct DemoArgs {
    /// A folder to make; it must not exist yet [default: gaebar-demo, or gaebar-demo-2, …]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gaebar seed suite --to sqlite:dev.db
  gaebar seed headline --to datastore://demo --rows 1000")]
pub(crate) struct SeedArgs {
    /// Which entities
    #[arg(value_enum)]
    pub(crate) set: SeedSet,

    /// The store to write into: entities that exist are replaced
    #[arg(long, value_name = "STORE")]
    pub(crate) to: String,

    /// Write into a real project without being asked for its name
    #[arg(long)]
    pub(crate) yes: bool,

    /// How many entities of the headline set [default: 18969]
    #[arg(long, value_name = "N")]
    pub(crate) rows: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeedSet {
    /// Every type and every odd case, a few dozen entities
    Suite,
    /// 14 kinds in the proportions and sizes of a real application
    Headline,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gaebar backup sqlite:dev.db backups/dev
  gaebar backup datastore://my-app backups/production --exclude-kinds Session,Cache
  gaebar backup datastore://my-app backups/production --resume
  DATASTORE_EMULATOR_HOST=localhost:8081 gaebar backup datastore://demo")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct BackupArgs {
    /// The store to read
    #[arg(value_name = "STORE")]
    pub(crate) store: String,

    /// The folder to make, or the backup to update [default: backups/ and the store's name]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,

    /// Only these kinds; a name with a comma in it goes into gaebar.toml
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) kinds: Option<Vec<String>>,

    /// All kinds but these
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) exclude_kinds: Option<Vec<String>>,

    /// Only these namespaces; an empty one ('') is the default namespace
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) namespaces: Option<Vec<String>>,

    /// Read the store as of this time, such as 2026-11-24T10:00:00Z: up to an hour back,
    /// or seven days at whole minutes with point-in-time recovery
    #[arg(long, value_name = "TIME", verbatim_doc_comment)]
    pub(crate) read_time: Option<String>,

    /// Go on from what an interrupted or killed backup of the same had read
    #[arg(long, conflicts_with = "read_time")]
    pub(crate) resume: bool,

    /// Read each page as it is just then, without one time for all: for what takes longer to read than the server keeps
    /// earlier versions (an hour, as a rule). The backup says so
    #[arg(long, conflicts_with = "read_time", verbatim_doc_comment)]
    pub(crate) inconsistent: bool,

    /// The most entities to ask for at a time [default: 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rows_per_step: Option<u32>,

    /// Kinds, or ranges of a large one, to read at once: for a real project with many or large kinds try 16 or 32; an
    /// emulator gets no faster. Each takes up to 4 MB of memory [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_SCANS as i64), verbatim_doc_comment)]
    pub(crate) scans: Option<u32>,

    /// Close a shard before it would pass so many bytes of source [default: 300000]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub(crate) shard_size: Option<u32>,

    /// Give kinds that the backup has new structs, after all of their entities
    #[arg(long)]
    pub(crate) reshape: bool,

    /// Merge shards that are nearly empty, which moves rows
    #[arg(long)]
    pub(crate) compact: bool,

    /// Go on if the store holds nothing, and the backup does, or nothing of a kind that is named
    #[arg(long)]
    pub(crate) allow_empty: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gaebar build backups/production
  gaebar build backups/production --output production-restore")]
pub(crate) struct BuildArgs {
    /// The backup's folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,

    /// Copy the restore binary to this file: it runs alone, on machines without Rust too
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Go on with rows that were edited since they were backed up
    #[arg(long)]
    pub(crate) accept_edits: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gaebar restore backups/production --to sqlite:local.db
  gaebar restore backups/production --to datastore://my-app-staging --dry-run
  gaebar restore backups/production --to datastore://my-app-staging --mirror
  gaebar restore backups/production --to sqlite:local.db --under Profile/2 --with-references
  gaebar restore backups/production --to sqlite:local.db --interpret")]
pub(crate) struct RestoreArgs {
    /// The backup's folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,

    /// The store to restore into: entities that exist are replaced, others are left alone
    #[arg(long, value_name = "STORE")]
    pub(crate) to: String,

    #[command(flatten)]
    pub(crate) options: RestoreOptions,

    /// Go on with rows that were edited since they were backed up
    #[arg(long)]
    pub(crate) accept_edits: bool,

    /// Restore without a compiler: read the rows instead of running them
    #[arg(long)]
    pub(crate) interpret: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 exactly what was backed up, 3 edited within the grammar, 1 refused: the backup, or what cargo or git
would act on in its folder.

Example:
  gaebar verify backups/production"
)]
pub(crate) struct VerifyArgs {
    /// The backup's folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,

    /// Accept `.git` and files whose names begin like that: the repository is your own, and did not come with the backup
    #[arg(long)]
    pub(crate) trust_git: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 no difference, 3 differences, 1 failed.

Examples:
  gaebar diff backups/production datastore://my-app
  gaebar diff datastore://my-app datastore://my-app-staging --stat
  gaebar diff backups/monday backups/tuesday --kinds Profile --full")]
pub(crate) struct DiffArgs {
    /// A backup's folder, or a store
    #[arg(value_name = "A")]
    pub(crate) first: String,

    /// Another
    #[arg(value_name = "B")]
    pub(crate) second: String,

    /// Only how many entities differ, by kind
    #[arg(long)]
    pub(crate) stat: bool,

    /// Values in full; they are cut to the terminal's width, or 120 characters, otherwise
    #[arg(long)]
    pub(crate) full: bool,

    /// Only these kinds
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) kinds: Option<Vec<String>>,

    /// All kinds but these
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub(crate) exclude_kinds: Vec<String>,

    /// Only these namespaces; an empty one ('') is the default namespace
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) namespaces: Option<Vec<String>>,

    /// Kinds, or ranges of a large one, to read at once [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_SCANS as i64))]
    pub(crate) scans: Option<u32>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gaebar show backups/production Profile/2
  gaebar show backups/production \"Account/'alice'/Order/7\"")]
pub(crate) struct ShowArgs {
    /// The backup's folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,

    /// The entity's key, as rows have it
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit codes: as those of verify, which follows: 0 in order, 3 edited within the grammar, 1 refused.

Examples:
  git merge -X no-renames their-backup
  gaebar merge backups/production
  gaebar merge backups/production --take theirs")]
pub(crate) struct MergeArgs {
    /// The backup's folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,

    /// Of kinds that both sides changed, take this side's rows
    #[arg(long, value_enum)]
    pub(crate) take: Option<TakenSide>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TakenSide {
    /// The branch that you are on
    Ours,
    /// The branch that is merged
    Theirs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  gaebar upgrade backups/production
  git diff --stat")]
pub(crate) struct UpgradeArgs {
    /// The backup's folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The backup's folder
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

/// An address to listen at.
#[cfg(feature = "web")]
fn address(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse().map_err(|_| "write it in numbers, with a port, such as 127.0.0.1:9000, or [::1]:9000".to_owned())
}

/// A name for `--host`.
#[cfg(feature = "web")]
fn host_name(text: &str) -> Result<String, String> {
    let is_name = gaebar_gen::web::is_host_name(text);
    is_name.then(|| text.to_owned()).ok_or_else(|| "expected a name alone, such as backups.example.com".to_owned())
}

#[cfg(feature = "web")]
#[derive(Debug, Args)]
#[command(
    after_help = "The stores that gaebar.toml names are backed up by clicking, and restored to; if [restore] targets lists some, only to those. A
restore shows its plan first, and asks for the name of a real project. Backups come from the Gaebars in [remotes], too. Shards and
entities are shown, and how a backup differs from a store. Work is done in small steps, a request each: it goes on after a closed
tab or a restarted server.

Without a token, only this machine can reach the page. It speaks plain HTTP: beyond this machine, put a proxy
that speaks HTTPS in front of it, or a tunnel (`ssh -L 8734:localhost:8734 HOST`).

Examples:
  gaebar serve
  gaebar serve --backups /srv/backups --listen 127.0.0.1:9000
  gaebar serve --rows-per-step 200 --step-seconds 2

  openssl rand -hex 32 > token
  gaebar serve --token-file token --listen 0.0.0.0:8734 --host backups.example.com

In gaebar.toml:
  [stores]
  production = \"datastore://my-app\"
  staging = \"datastore://my-app-staging\"

  [restore]
  targets = [\"staging\"]

  [serve]
  rows-per-step = 200
  step-seconds = 2

  [remotes.office]
  url = \"https://backups.example.com\"
  token-file = \"office-token\""
)]
pub(crate) struct ServeArgs {
    /// The address to listen at; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8734", value_parser = address)]
    pub(crate) listen: std::net::SocketAddr,

    /// The folder that holds the backups
    #[arg(long, value_name = "DIR", default_value = "backups")]
    pub(crate) backups: PathBuf,

    /// A file with the token that the page asks for [default: the variable `GAEBAR_TOKEN`, if it is set]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// A name under which the page may be asked for, beside localhost and addresses
    #[arg(long, value_name = "NAME", value_parser = host_name)]
    pub(crate) host: Vec<String>,

    /// The most rows that a step reads, compares or writes [default: 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rows_per_step: Option<u32>,

    /// How long a step works on before the next request is waited for; less than the host's deadline [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) step_seconds: Option<u64>,
}

#[cfg(feature = "web")]
#[derive(Debug, Args)]
#[command(
    after_help = "Each file's size and hash are checked, and the whole is verified, before the backup appears in its folder. Interrupted or killed,
the same command goes on from what was downloaded. Nothing of the backup is run.

Exit codes: 0 done, 3 done, but this version does not know the backup's runtime (another one wrote it), so neither verifies nor builds it,
1 failed.

Examples:
  gaebar pull https://backups.example.com production
  gaebar pull https://backups.example.com nightly --from production
  gaebar pull http://127.0.0.1:8734 production backups/production --token-file ~/.gaebar-token"
)]
pub(crate) struct PullArgs {
    /// The address of the other Gaebar's page, or its name from [remotes] in gaebar.toml
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// The backup's name there
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// The folder to make, or that of a backup which is updated so that rows keep their numbers [default: backups/ and the backup's name]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,

    /// A store, by its name there, which the other Gaebar backs up into NAME first, or goes on with that
    #[arg(long, value_name = "STORE")]
    pub(crate) from: Option<String>,

    /// Replace a backup that was taken from another store: the one here, and with --from the one there, too
    #[arg(long)]
    pub(crate) another_source: bool,

    /// A file with the token that the other Gaebar asks for [default: for a name, the `token-file` of [remotes]; for an address, the variable `GAEBAR_TOKEN`, if it is set]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// Send the token to another machine over plain HTTP, where everybody on the way can read it
    #[arg(long)]
    pub(crate) plain_http: bool,
}
