//! `gaebar diff`

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use gaebar_gen::compare::{Compared, Difference, Side, changes, compare};
use gaebar_gen::config::Config;
use gaebar_gen::emit::{notation, notations};
use gaebar_gen::read::Selection;
use gaebar_runtime::cli::{Format, plural, print};
use gaebar_runtime::model::{Entity, Properties, Value};
use gaebar_runtime::say;
use gaebar_runtime::store::{self, Store};
use gaebar_runtime::visible::visible;
use serde::Serialize;

use super::args::DiffArgs;
use super::{DIFFERENCES, STOP, Usage};

/// Columns where there is no terminal to ask.
const WIDTH: usize = 120;
/// Kinds that a note names.
const TOLD: usize = 30;

pub(super) fn run(args: &DiffArgs, config: &Config, format: Format) -> anyhow::Result<ExitCode> {
    let (first, second) = (Opened::new(&args.first, config)?, Opened::new(&args.second, config)?);
    let selection = Selection {
        kinds: args.kinds.clone(),
        exclude_kinds: args.exclude_kinds.clone(),
        namespaces: args.namespaces.clone(),
        scans: args.scans.map_or_else(|| config.scans(), |scans| scans as usize),
        ..Selection::default()
    };
    let mut teller =
        Teller { format, detail: !args.stat, width: width(args.full), counts: BTreeMap::new(), not_covered: BTreeMap::new() };
    let compared = compare(first.side(), second.side(), &selection, &STOP, &mut |difference| teller.tell(difference))?;
    teller.finish(compared, &args.first, &args.second)?;
    Ok(if teller.counts.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENCES) })
}

/// A side, opened.
enum Opened<'a> {
    Store(Box<dyn Store>),
    Backup(&'a Path),
}

impl<'a> Opened<'a> {
    /// A folder is a backup; everything else is a store's URL or name.
    fn new(name: &'a str, config: &Config) -> anyhow::Result<Self> {
        if Path::new(name).is_dir() && !config.stores.contains_key(name) {
            return Ok(Self::Backup(Path::new(name)));
        }
        let url = config.store(name).map_err(|error| Usage(format!("{error}; there is no folder `{name}` either")))?;
        Ok(Self::Store(store::open(&url)?))
    }

    fn side(&self) -> Side<'_> {
        match self {
            Self::Store(store) => Side::Store(store.as_ref()),
            Self::Backup(folder) => Side::Backup(folder),
        }
    }
}

fn width(full: bool) -> usize {
    if full {
        return usize::MAX;
    }
    console::Term::stdout().size_checked().map_or(WIDTH, |(_, columns)| columns.into())
}

struct Teller {
    format: Format,
    detail: bool,
    width: usize,
    /// By kind: added, removed, changed.
    counts: BTreeMap<String, [u64; 3]>,
    /// Entities that were not compared, by kind.
    not_covered: BTreeMap<String, u64>,
}

impl Teller {
    fn tell(&mut self, difference: Difference) -> io::Result<()> {
        let (entity, what) = match difference {
            Difference::Added(entity) => (entity, 0),
            Difference::Removed(entity) => (entity, 1),
            Difference::Changed(entity, _) => (entity, 2),
            Difference::NotCovered(entity) => {
                *self.not_covered.entry(entity.kind().to_owned()).or_default() += 1;
                return Ok(());
            }
        };
        self.counts.entry(entity.kind().to_owned()).or_default()[what] += 1;
        if !self.detail {
            return Ok(());
        }
        let nothing = Properties::new();
        let (mark, change, before, after) = match difference {
            Difference::Added(entity) => ("+", "added", &nothing, &entity.properties),
            Difference::Removed(entity) => ("-", "removed", &entity.properties, &nothing),
            Difference::Changed(one, other) => ("~", "changed", &one.properties, &other.properties),
            Difference::NotCovered(_) => return Ok(()),
        };
        match self.format {
            Format::Json => self.format.event(&Event {
                event: "difference",
                change,
                key: entity.key().to_string(),
                kind: entity.kind(),
                properties: changes(before, after).map(|(name, before, after)| (name, Change::new(before, after))).collect(),
            }),
            Format::Text => self.lines(mark, entity, before, after),
        }
    }

    fn lines(&self, mark: &str, entity: &Entity, before: &Properties, after: &Properties) -> io::Result<()> {
        self.line(&format!("{mark} {}", visible(&entity.key().to_string())))?;
        for (name, before, after) in changes(before, after) {
            let name = visible(name);
            for (mark, value) in ["-", "+"].into_iter().zip(notations(before, after)) {
                if let Some(value) = value {
                    self.line(&format!("    {mark} {name}: {value}"))?;
                }
            }
        }
        Ok(())
    }

    fn line(&self, line: &str) -> io::Result<()> {
        if line.chars().count() <= self.width {
            return print(line);
        }
        let cut: String = line.chars().take(self.width.saturating_sub(1)).collect();
        print(&format!("{cut}…"))
    }

    fn finish(&self, Compared { equal, own_references }: Compared, first: &str, second: &str) -> io::Result<()> {
        let mut all = [0; 3];
        for (kind, counts) in &self.counts {
            let [added, removed, changed] = counts;
            if self.format == Format::Text && !self.detail {
                print(&format!("{:<28} {added:>8} added {removed:>8} removed {changed:>8} changed", visible(kind)))?;
            }
            all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        }
        let [added, removed, changed] = all;
        say!("From {first} to {second}: {added} added, {removed} removed, {changed} changed; {} equal", plural(equal, "row"));
        let not_covered: u64 = self.not_covered.values().sum();
        if not_covered > 0 {
            let kinds: Vec<_> = self.not_covered.keys().take(TOLD).map(|kind| format!("{kind:?}")).collect();
            let more = if self.not_covered.len() > TOLD { ", …" } else { "" };
            say!(
                "note: {not_covered} more were not compared, since a backup does not cover their kinds or namespaces ({}{more}); --kinds or \
                 --namespaces compare what they name",
                kinds.join(", ")
            );
        }
        if own_references > 0 {
            let references = plural(own_references, "reference");
            say!("note: {references} to the other side's project, compared as references within it");
        }
        self.format.event(&Summary {
            event: "compared",
            equal,
            own_references,
            added,
            removed,
            changed,
            not_covered,
            kinds: &self.counts,
        })
    }
}

/// What `--format json` says of an entity.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    change: &'static str,
    key: String,
    kind: &'a str,
    properties: BTreeMap<&'a str, Change>,
}

/// A property before and after, with type and flags.
#[derive(Serialize)]
struct Change {
    before: Option<String>,
    after: Option<String>,
}

impl Change {
    fn new(before: Option<&Value>, after: Option<&Value>) -> Self {
        Self { before: before.map(notation), after: after.map(notation) }
    }
}

/// What `--format json` says at the end.
#[derive(Serialize)]
struct Summary<'a> {
    event: &'static str,
    equal: u64,
    own_references: u64,
    added: u64,
    removed: u64,
    changed: u64,
    /// Those that were not compared, since a backup does not cover their kinds or namespaces.
    not_covered: u64,
    /// Added, removed, changed.
    kinds: &'a BTreeMap<String, [u64; 3]>,
}
