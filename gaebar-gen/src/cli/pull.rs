//! `gaebar pull`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gaebar_gen::backup::Options;
use gaebar_gen::config::Config;
use gaebar_gen::folder::bytes;
use gaebar_gen::pull::{Plain, Pull, Reach, Remote};
use gaebar_gen::read::Selection;
use gaebar_gen::shards::SHARD_BYTES;
use gaebar_gen::steps::Sums;
use gaebar_gen::verify::Writer;
use gaebar_gen::web::Token;
use gaebar_runtime::cli::{Format, plural};
use gaebar_runtime::say;
use serde::Serialize;

use super::args::PullArgs;
use super::bars::BackupBars;
use super::{DIFFERENCES, STOP, Usage, memo};

pub(super) fn run(args: &PullArgs, config: &Config, format: Format) -> anyhow::Result<ExitCode> {
    let named = config.remotes.get(&args.url);
    let url = named.map_or(&args.url, |remote| &remote.url);
    let token = match (&args.token_file, named.and_then(|remote| remote.token_file.as_ref())) {
        (None, Some(file)) => Some(Token::of_remote(&args.url, file)?),
        // The variable is this machine's own page's, too: it is for an address that somebody has typed.
        (None, None) if named.is_some() => None,
        (file, _) => Token::from(file.as_deref())?,
    };
    let plain = if args.plain_http { Plain::Allowed } else { Plain::Refused };
    let folder = folder(args)?;
    let remote = Remote::new(url, token.as_ref(), plain)?;
    say!("Pulling {} from {} into {}", args.name, url, folder.display());
    // All that the backup has: what it leaves out was left out there.
    let selection = Selection::default();
    let options =
        Options { shard_bytes: config.backup.shard_size.unwrap_or(SHARD_BYTES), memo: memo(), ..Options::new(selection) };
    let pull = Pull {
        remote: &remote,
        backup: &args.name,
        store: args.from.as_deref(),
        reach: Reach::End,
        place: &folder,
        another_source: args.another_source,
        options: &options,
        sums: &Sums::default(),
        stages: &BackupBars,
        hear: &|earlier| say!("note: {earlier}"),
        stop: &STOP,
    };
    let pulled = pull.run()?;
    if pulled.kept > 0 {
        say!("note: {} had been downloaded before", plural(pulled.kept as u64, "file"));
    }
    let files = plural(pulled.files as u64, "file");
    say!("Pulled {files} ({}) into {}; every hash matches", bytes(pulled.bytes), pulled.folder.display());
    if let Some(updated) = &pulled.updated {
        super::backup::changes(updated);
    }
    for file in &pulled.changed_tool_files {
        say!("note: {}", super::verify::changed_tool_file(file));
    }
    let code = if let Some(version) = pulled.unknown_runtime.clone() {
        say!("warning: its runtime {}", Writer::Unknown { version });
        ExitCode::from(DIFFERENCES)
    } else {
        ExitCode::SUCCESS
    };
    format.event(&Event {
        event: "pulled",
        folder: pulled.folder.display().to_string(),
        files: pulled.files,
        bytes: pulled.bytes,
        kept: pulled.kept,
        updated: pulled.updated.is_some(),
        unknown_runtime: pulled.unknown_runtime,
    })?;
    Ok(code)
}

/// Where the backup goes. A name from the command line is a folder's only if it can't lead elsewhere.
fn folder(args: &PullArgs) -> Result<PathBuf, Usage> {
    if let Some(folder) = &args.folder {
        return Ok(folder.clone());
    }
    let is_plain = !args.name.is_empty() && !args.name.starts_with('.') && !args.name.contains(['/', '\\', ':']);
    if is_plain {
        Ok(Path::new("backups").join(&args.name))
    } else {
        Err(Usage(format!("{:?} is no name for a folder; say where the backup goes", args.name)))
    }
}

/// What `--format json` says.
#[derive(Serialize)]
struct Event {
    event: &'static str,
    folder: String,
    files: usize,
    bytes: u64,
    kept: usize,
    updated: bool,
    unknown_runtime: Option<String>,
}
