//! `gaebar list`

use std::path::Path;
use std::process::ExitCode;

use gaebar_gen::coverage::coverage;
use gaebar_gen::folder::bytes;
use gaebar_gen::manifest::{BackupManifest, KindManifest};
use gaebar_runtime::cli::{Format, print, thousands};
use gaebar_runtime::restore::{Coverage, Extent};
use gaebar_runtime::visible::visible;
use serde::Serialize;

use super::args::ListArgs;

pub(super) fn run(args: &ListArgs, format: Format) -> anyhow::Result<ExitCode> {
    let folder = args.folder.as_path();
    let manifest = BackupManifest::read(folder)?;
    let kinds = KindManifest::read_all(folder)?;
    let coverage = coverage(&manifest, &kinds);
    let kinds: Vec<Line> = kinds.into_iter().map(|kind| Line::new(folder, kind)).collect();
    if format == Format::Json {
        for kind in &kinds {
            format.event(kind)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("{}, format {}", manifest.name, manifest.format))?;
    print(&format!("{:<28} {:>10} {:>7} {:>11}  {:<27} source", "kind", "rows", "shards", "size", "read time"))?;
    for Line { kind, source, read_time, consistent, rows, shards, bytes: size, .. } in &kinds {
        let unsure = if *consistent { "" } else { " (no snapshot)" };
        print(&format!(
            "{:<28} {:>10} {shards:>7} {:>11}  {read_time:<27} {source}{unsure}",
            visible(kind),
            thousands(*rows),
            bytes(*size)
        ))?;
    }
    let (rows, size) = kinds.iter().fold((0, 0), |(rows, size), kind| (rows + kind.rows, size + kind.bytes));
    let shards: usize = kinds.iter().map(|kind| kind.shards).sum();
    print(&format!("{:<28} {:>10} {shards:>7} {:>11}", "all", thousands(rows), bytes(size)))?;
    for line in covered(&coverage) {
        print(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the backup covers, where that is not all of each kind.
fn covered(coverage: &Coverage) -> Vec<String> {
    let namespaces = |extent: &Extent| match extent {
        Extent::Unknown => "not recorded which namespaces".to_owned(),
        Extent::All => "all namespaces".to_owned(),
        Extent::Only(names) if names.is_empty() => "no namespaces".to_owned(),
        Extent::Only(names) => format!("only {}", names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")),
    };
    if coverage.is_unknown() {
        return vec!["It has no record of what it covers; the next `gaebar backup` adds it".to_owned()];
    }
    let not_whole = coverage.kinds.iter().filter(|(_, extent)| **extent != Extent::All);
    let mut lines: Vec<_> =
        not_whole.map(|(kind, extent)| format!("It covers of {}: {}", visible(kind), namespaces(extent))).collect();
    let except: Vec<_> = coverage.except.iter().map(|kind| visible(kind)).collect();
    let except = if except.is_empty() { String::new() } else { format!(", except {}", except.join(", ")) };
    lines.push(format!("It covers of other kinds: {}{except}", namespaces(&coverage.other_kinds)));
    lines
}

#[derive(Serialize)]
struct Line {
    event: &'static str,
    kind: String,
    source: String,
    read_time: String,
    consistent: bool,
    rows: u64,
    shards: usize,
    bytes: u64,
}

impl Line {
    fn new(folder: &Path, manifest: KindManifest) -> Self {
        Self {
            event: "kind",
            shards: manifest.shards().count(),
            bytes: manifest.size(folder),
            kind: manifest.kind,
            source: manifest.source,
            read_time: manifest.read_time,
            consistent: manifest.consistent,
            rows: manifest.rows,
        }
    }
}
