//! What the benchmark needs of Rust beside `gaebar` itself: data, and yardsticks. `bench/run` calls it.

mod data;
mod saturate;
mod variant;

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, bail};
use gaebar_gen::checkpoint::Checkpoints;
use gaebar_gen::progress::Silent;
use gaebar_gen::read::{Selection, read};
use gaebar_gen::spool::Spool;
use gaebar_runtime::cli::print;
use gaebar_runtime::say;
use gaebar_runtime::store::{self, View};

use crate::data::Share;
use crate::variant::Form;

const USAGE: &str = "usage:
  gaebar-bench scalars STORE ROWS              write so many rows of 6 scalars
  gaebar-bench change STORE one|hundredth N    change a text of some rows; N makes it another text each time
  gaebar-bench variant BACKUP DIR empty|chain  the same crates with other rows: empty functions, or chains of calls
  gaebar-bench parse BACKUP                    syn::parse_file over all shards, in one thread
  gaebar-bench read STORE DIR                  read a store into a spool below DIR, and no further
  gaebar-bench saturate-reads HOST PROJECT CLIENTS
  gaebar-bench saturate-writes HOST PROJECT CLIENTS ROWS";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(said) => {
            if print(&said).is_err() {
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            say!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the arguments say; returns what to print.
fn run(arguments: &[&str]) -> anyhow::Result<String> {
    Ok(match *arguments {
        ["scalars", store, rows] => rows_done(data::scalars(store, rows.parse()?)?),
        ["change", store, share, round] => {
            let share = match share {
                "one" => Share::One,
                "hundredth" => Share::Hundredth,
                _ => bail!(USAGE),
            };
            rows_done(data::change(store, share, round.parse()?)?)
        }
        ["variant", backup, folder, form] => {
            let form = match form {
                "empty" => Form::Empty,
                "chain" => Form::Chain,
                _ => bail!(USAGE),
            };
            rows_done(variant::write(Path::new(backup), Path::new(folder), form)?)
        }
        ["parse", backup] => rows_done(parse(Path::new(backup))?),
        ["read", store, folder] => rows_done(read_store(store, Path::new(folder))?),
        ["saturate-reads", host, project, clients] => saturate::reads(host, project, clients.parse()?)?.to_string(),
        ["saturate-writes", host, project, clients, rows] => {
            saturate::writes(host, project, clients.parse()?, rows.parse()?)?.to_string()
        }
        _ => bail!(USAGE),
    })
}

fn rows_done(rows: u64) -> String {
    format!("{{\"rows\": {rows}}}\n")
}

/// Parses each shard of a backup with syn, one after the other; returns how many functions there are.
fn parse(backup: &Path) -> anyhow::Result<u64> {
    let mut functions = 0;
    for volume in std::fs::read_dir(backup.join("volumes"))? {
        for file in std::fs::read_dir(volume?.path().join("src"))? {
            let path = file?.path();
            if !path.is_file() {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let file = syn::parse_file(&text).with_context(|| path.display().to_string())?;
            functions += file.items.iter().filter(|item| matches!(item, syn::Item::Fn(_))).count() as u64;
        }
    }
    Ok(functions)
}

fn read_store(url: &str, below: &Path) -> anyhow::Result<u64> {
    let store = store::open(&url.parse()?)?;
    let folder = tempfile::tempdir_in(below)?;
    let spool = Spool::new(folder.path().to_owned());
    let selection = Selection::default();
    read(
        store.snapshot(View::Now)?.as_ref(),
        &selection,
        &spool,
        (&Checkpoints::none(), None),
        &Silent,
        &AtomicBool::new(false),
    )?;
    Ok(spool.into_kinds().values().map(gaebar_gen::spool::SpooledKind::rows).sum())
}
