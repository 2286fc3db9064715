//! `gaebar backup`

use gaebar_runtime::say;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use gaebar_gen::backup::{BackedUp, Options, backup};
use gaebar_gen::config::Config;
use gaebar_gen::folder::bytes;
use gaebar_gen::read::{ROWS_PER_STEP, Selection};
use gaebar_gen::reading::Begin;
use gaebar_gen::shape::Reshape;
use gaebar_gen::shards::SHARD_BYTES;
use gaebar_runtime::cli::{Format, plural, rate};
use gaebar_runtime::model::Timestamp;
use gaebar_runtime::store::{self, StoreUrl};
use gaebar_runtime::visible::visible;
use serde::Serialize;

use super::args::BackupArgs;
use super::bars::BackupBars;
use super::{STOP, Usage, memo};

pub(super) fn run(args: &BackupArgs, config: &Config, format: Format) -> anyhow::Result<ExitCode> {
    let url = config.store(&args.store).map_err(Usage::from)?;
    let folder = args.folder.clone().unwrap_or_else(|| default_folder(&args.store, &url));
    let options = options(args, config)?;
    let store = store::open(&url)?;
    say!("Backing up {} into {}", store.place(), folder.display());
    let begun = Instant::now();
    let done = backup(store.as_ref(), &folder, &options, &BackupBars, &STOP)?;
    summarise(&done, &options, begun.elapsed().as_secs_f64(), format)?;
    Ok(ExitCode::SUCCESS)
}

/// `backups/` and the store's name: of a configured store, of the project, of the file.
fn default_folder(name: &str, url: &StoreUrl) -> PathBuf {
    let last = match url {
        _ if name != url.to_string() && !name.contains([':', '/']) => name.to_owned(),
        StoreUrl::Sqlite(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        StoreUrl::Datastore { project, database } if database.is_empty() => project.clone(),
        StoreUrl::Datastore { project, database } => format!("{project}-{database}"),
        StoreUrl::Memory => "memory".to_owned(),
    };
    PathBuf::from("backups").join(last)
}

fn options(args: &BackupArgs, config: &Config) -> anyhow::Result<Options> {
    let (config, scans) = (&config.backup, config.scans());
    let read_time = args.read_time.as_deref().map(str::parse::<Timestamp>).transpose();
    let read_time = read_time.map_err(|error| Usage(format!("--read-time: {error}")))?;
    let begin = match (args.resume, args.inconsistent) {
        (true, true) => Begin::ResumeInconsistent,
        (true, false) => Begin::Resume,
        (false, true) => Begin::Inconsistent,
        (false, false) => read_time.map_or(Begin::Now, Begin::Then),
    };
    let flag = |flag: Option<u32>| flag.map(|value| value as usize);
    Ok(Options {
        selection: Selection {
            kinds: args.kinds.clone().or_else(|| config.kinds.clone()),
            exclude_kinds: args.exclude_kinds.clone().unwrap_or_else(|| config.exclude_kinds.clone()),
            namespaces: args.namespaces.clone().or_else(|| config.namespaces.clone()),
            rows_per_step: flag(args.rows_per_step).or(config.rows_per_step).unwrap_or(ROWS_PER_STEP),
            scans: flag(args.scans).unwrap_or(scans),
        },
        begin,
        shard_bytes: flag(args.shard_size).or(config.shard_size).unwrap_or(SHARD_BYTES),
        reshape: if args.reshape { Reshape::Always } else { Reshape::WhereManyDoNotFit },
        compact: args.compact,
        allow_empty: args.allow_empty,
        memo: memo(),
        source_covers: None,
    })
}

fn summarise(done: &BackedUp, options: &Options, seconds: f64, format: Format) -> std::io::Result<()> {
    let rows: u64 = done.kinds.values().map(|kind| kind.rows).sum();
    for (kind, written) in done.kinds.iter().filter(|(_, kind)| !done.updated || kind.changed > 0) {
        let (rows, shards) = (plural(written.rows, "row"), plural(written.shards.into(), "shard"));
        say!("  {:<24} {rows:>14} {shards:>12} {:>12}", visible(kind), bytes(written.bytes));
    }
    let is_empty = |kind: &str| done.kinds.get(kind).is_none_or(|kind| kind.rows == 0);
    for kind in options.selection.kinds.iter().flatten().filter(|kind| is_empty(kind)) {
        say!("note: there are no entities of kind {kind:?}");
    }
    if rows == 0 && !options.selection.is_a_part() {
        say!("warning: {} holds no entities: is it the right project, database and namespace?", done.source);
    }
    if done.resumed > 0 {
        say!("note: {} had been read by the backup that was interrupted", plural(done.resumed, "row"));
    } else if done.began_anew {
        say!("note: {} keeps no earlier versions of its entities, so that it was read from the beginning", done.source);
    }
    if !done.read_time.consistent && options.begin.is_inconsistent() {
        say!("note: not all of it was read as of one time, as you asked");
    } else if !done.read_time.consistent {
        say!("note: {} offers no snapshot; what was written to it meanwhile may be half in the backup", done.source);
    }
    changes(done);
    say!(
        "Backed up {} of {} from {} into {}: {} in {} in {seconds:.1} s ({})",
        plural(rows, "row"),
        plural(done.kinds.len() as u64, "kind"),
        done.source,
        done.folder.display(),
        bytes(done.kinds.values().map(|kind| kind.bytes).sum()),
        plural(done.kinds.values().map(|kind| u64::from(kind.shards)).sum(), "shard"),
        rate(rows, seconds),
    );
    format.event(&Event {
        event: "backed-up",
        source: done.source.to_string(),
        folder: done.folder.display().to_string(),
        read_time: done.read_time.time.to_string(),
        consistent: done.read_time.consistent,
        resumed: done.resumed,
        updated: done.updated,
        reshaped: done.reshaped.iter().map(String::as_str).collect(),
        rows,
        kinds: done.kinds.iter().map(|(kind, written)| (kind.as_str(), written.into())).collect(),
        seconds,
    })
}

/// What became of a backup that was there.
pub(super) fn changes(done: &BackedUp) {
    for before in &done.other_sources {
        say!("note: the backup was taken from {before} before");
    }
    for edit in &done.replaced_edits {
        say!("replaced an edit: {edit}");
    }
    for kind in &done.reshaped {
        say!("reshaped: kind {kind:?} has a new struct, after all of its rows, so that many lines of it changed");
    }
    if done.updated {
        let changed: Vec<_> = done.kinds.values().map(|kind| kind.changed).filter(|files| *files > 0).collect();
        let (kinds, files) = (plural(changed.len() as u64, "kind"), plural(changed.iter().sum(), "file"));
        if changed.is_empty() {
            say!("Updated the backup that was there: nothing of it changed");
        } else {
            say!("Updated the backup that was there: {kinds} changed, in {files} of rows; `git diff` shows how");
        }
    }
}

/// What `--format json` says at the end.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    source: String,
    folder: String,
    read_time: String,
    consistent: bool,
    resumed: u64,
    updated: bool,
    reshaped: Vec<&'a str>,
    rows: u64,
    kinds: std::collections::BTreeMap<&'a str, KindEvent>,
    seconds: f64,
}

#[derive(Serialize)]
struct KindEvent {
    rows: u64,
    shards: u32,
    bytes: u64,
    /// Files that are new, changed, or gone.
    changed: u64,
}

impl From<&gaebar_gen::shards::Written> for KindEvent {
    fn from(written: &gaebar_gen::shards::Written) -> Self {
        Self { rows: written.rows, shards: written.shards, bytes: written.bytes, changed: written.changed }
    }
}
