//! `gaebar list`

use std::path::Path;
use std::process::ExitCode;

use gaebar_gen::emit::visible;
use gaebar_gen::folder::bytes;
use gaebar_gen::manifest::{BackupManifest, KindManifest};
use gaebar_runtime::cli::{Format, print, thousands};
use serde::Serialize;

use super::args::ListArgs;

pub(super) fn run(args: &ListArgs, format: Format) -> anyhow::Result<ExitCode> {
    let folder = args.folder.as_path();
    let manifest = BackupManifest::read(folder)?;
    let kinds: Vec<Line> = KindManifest::read_all(folder)?.into_iter().map(|kind| Line::new(folder, kind)).collect();
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
    Ok(ExitCode::SUCCESS)
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
