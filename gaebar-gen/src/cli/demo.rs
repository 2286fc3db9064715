//! `gaebar demo`: the main job, end to end, on this machine alone.

use gaebar_runtime::say;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use gaebar_gen::backup::{Options, backup};
use gaebar_gen::compare::{Side, compare};
use gaebar_gen::fingerprint::Fingerprint;
use gaebar_gen::folder::bytes;
use gaebar_gen::read::Selection;
use gaebar_gen::seed::Headline;
use gaebar_runtime::cli::{DEFAULT_JOBS, Format, RestoreOptions, plural};
use gaebar_runtime::store::{self, StoreUrl};
use serde::Serialize;

use super::STOP;
use super::args::DemoArgs;
use super::bars::BackupBars;
use super::build::build;
use super::restore::restore;
use super::seed::write;

/// Entities of the sample.
const ROWS: u64 = 500;
/// The kind whose first row is shown: short, and of many types.
const SHOWN_KIND: &str = "Order";

pub(super) fn run(args: &DemoArgs, format: Format) -> anyhow::Result<ExitCode> {
    let folder = args.folder.clone().unwrap_or_else(free_folder);
    std::fs::create_dir_all(folder.parent().unwrap_or(Path::new(""))).ok();
    std::fs::create_dir(&folder)
        .with_context(|| format!("could not make {}; name a folder that does not exist", folder.display()))?;
    let (production, staging) = (StoreUrl::Sqlite(folder.join("production.db")), StoreUrl::Sqlite(folder.join("staging.db")));
    let backup_folder = folder.join("backups/production");

    say!("1. A datastore to play with: {production}");
    let source = store::open_or_create(&production)?;
    let rows = write(source.as_ref(), Headline::new(ROWS), Some(ROWS))?;
    say!("   {rows} entities");

    say!("2. Backing it up as Rust source: {}", backup_folder.display());
    let selection = Selection::default();
    let options = Options::new(selection.clone());
    let done = backup(source.as_ref(), &backup_folder, &options, &BackupBars, &STOP)?;
    let (shards, size) =
        done.kinds.values().fold((0, 0), |(shards, size), kind| (shards + u64::from(kind.shards), size + kind.bytes));
    say!("   {} of {}, {}", plural(shards, "shard"), plural(done.kinds.len() as u64, "kind"), bytes(size));

    say!("3. Compiling it into a restore binary");
    let built = build(&backup_folder, false)?;
    let binary = &built.binary;

    say!("4. Restoring into an empty store: {staging}");
    if restore(
        &built,
        &backup_folder,
        &staging,
        &RestoreOptions { jobs: DEFAULT_JOBS, ..RestoreOptions::default() },
        Format::Text,
    )? != ExitCode::SUCCESS
    {
        bail!("the restore did not complete");
    }

    say!("5. Comparing every entity of the two");
    let target = store::open(&staging)?;
    let mut differing = Vec::new();
    let compared = compare(Side::Store(source.as_ref()), Side::Store(target.as_ref()), &selection, &STOP, &mut |difference| {
        differing.push(format!("{difference:?}"));
        Ok(())
    })?;
    if let Some(first) = differing.first() {
        bail!("what was restored differs from what was backed up in {} entities; the first: {first}", differing.len());
    }
    say!("   {} entities, all equal bit for bit", compared.equal);

    let shard =
        shard_of(&done.kinds[SHOWN_KIND].files).map(|file| backup_folder.join(file)).context("the backup has no shard")?;
    say!("");
    say!("A row of the backup, as a reviewer sees it ({}):", shard.display());
    say!("");
    first_row(&shard)?.iter().for_each(|line| say!("    {line}"));
    say!("");
    say!("Try next:");
    let gaebar = std::env::current_exe().unwrap_or_else(|_| "gaebar".into());
    say!("  {} list {}", gaebar.display(), backup_folder.display());
    say!("  {} --to sqlite:{}", binary.display(), folder.join("another.db").display());
    say!("  {} backup STORE      with STORE = datastore://your-project, or an emulator's", gaebar.display());
    format.event(&Event {
        event: "demo",
        folder: folder.display().to_string(),
        entities: compared.equal,
        shard: shard.display().to_string(),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// `gaebar-demo`, or the first of `gaebar-demo-2`, … that is free.
fn free_folder() -> PathBuf {
    let names = std::iter::once("gaebar-demo".to_owned()).chain((2..1000).map(|number| format!("gaebar-demo-{number}")));
    names.map(PathBuf::from).find(|folder| !folder.exists()).unwrap_or_else(|| PathBuf::from("gaebar-demo"))
}

fn shard_of(files: &BTreeMap<String, Fingerprint>) -> Option<&String> {
    files.keys().find(|file| file.contains("/src/shard_"))
}

/// The lines of a shard's first row.
fn first_row(shard: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(shard).with_context(|| format!("could not read {}", shard.display()))?;
    let lines = text.lines().skip_while(|line| !line.starts_with("pub fn"));
    Ok(lines.take_while(|line| *line != "}").chain(["}"]).map(str::to_owned).collect())
}

/// What `--format json` says at the end.
#[derive(Serialize)]
struct Event {
    event: &'static str,
    folder: String,
    entities: u64,
    shard: String,
}
