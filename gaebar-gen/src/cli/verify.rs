//! `gaebar verify`

use gaebar_runtime::say;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use gaebar_gen::verify::{Contents, Hazard, JustLooking, Tool, Verified, verify};
use gaebar_runtime::cli::{Format, plural, print};
use gaebar_runtime::visible::visible;
use serde::Serialize;

use super::DIFFERENCES;
use super::args::VerifyArgs;

pub(super) fn run(args: &VerifyArgs, format: Format) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let verified = verify(&args.folder, &JustLooking)?;
    let contents = verified.contents();
    let rows: usize = contents.kinds.iter().flat_map(|kind| &kind.shards).map(|shard| shard.rows).sum();
    if format == Format::Text {
        tell(contents)?;
    }
    refuse_hazards(args, &verified)?;
    let edits = contents.edits.len();
    say!(
        "Verified {}: {} of {}, {} in {:.1} s",
        args.folder.display(),
        plural(rows as u64, "row"),
        plural(contents.kinds.len() as u64, "kind"),
        if edits == 0 {
            "exactly what was backed up,".to_owned()
        } else {
            format!("{} within the grammar,", plural(edits as u64, "edit"))
        },
        begun.elapsed().as_secs_f64()
    );
    for file in verified.changed_tool_files() {
        say!("note: {}", changed_tool_file(file));
    }
    if let Some(release) = verified.release() {
        say!("note: written by Gaebar {}; `gaebar upgrade {}` brings it up to date", release.version, args.folder.display());
    }
    format.event(&Event {
        event: "verified",
        rows,
        kinds: contents.kinds.len(),
        edits: contents.edits.iter().map(ToString::to_string).collect(),
        over_limit: contents.over_limit.iter().map(|over| format!("{}:{}: {}", over.file, over.line, over.problem)).collect(),
        dangling: contents.dangling.count,
    })?;
    Ok(if edits == 0 { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENCES) })
}

/// The backup itself is in order, and would be compiled from a copy. But whoever has it verified may run something in its folder next.
fn refuse_hazards(args: &VerifyArgs, verified: &Verified) -> anyhow::Result<()> {
    let is_trusted = |hazard: &&Hazard| args.trust_git && hazard.tool == Tool::Git;
    let hazards: Vec<_> = verified.hazards().iter().filter(|hazard| !is_trusted(hazard)).collect();
    if hazards.is_empty() {
        return Ok(());
    }
    let lines: String = hazards.iter().flat_map(|hazard| ["\n  ".to_owned(), hazard.to_string()]).collect();
    let hint = if hazards.iter().any(|hazard| hazard.tool == Tool::Git) {
        "\nIf the repository in .git is your own, which did not come with the backup, pass --trust-git"
    } else {
        ""
    };
    bail!(
        "run nothing in {}: beside the backup, which is not refused itself, stands what tools would act on there{lines}{hint}",
        args.folder.display()
    )
}

/// What is told of a file for tools that is not as Gaebar writes it.
pub(super) fn changed_tool_file(file: &str) -> String {
    format!("{file} is not as Gaebar writes it; it has git and rustfmt leave the backup as it is")
}

fn tell(contents: &Contents) -> std::io::Result<()> {
    for edit in &contents.edits {
        print(&format!("edited: {edit}"))?;
    }
    for over in &contents.over_limit {
        print(&format!("warning: {}:{}: {}; a server will refuse it", over.file, over.line, over.problem))?;
    }
    let dangling = &contents.dangling;
    if dangling.count > 0 {
        let shown = dangling.first.iter().map(|key| visible(key)).collect::<Vec<_>>().join(", ");
        let dots = if dangling.count > dangling.first.len() { ", …" } else { "" };
        print(&format!("note: {} of entities that are not in the backup: {shown}{dots}", plural(dangling.count as u64, "key")))?;
    }
    Ok(())
}

/// What `--format json` says at the end.
#[derive(Serialize)]
struct Event {
    event: &'static str,
    rows: usize,
    kinds: usize,
    edits: Vec<String>,
    over_limit: Vec<String>,
    dangling: usize,
}
