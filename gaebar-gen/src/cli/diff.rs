//! `gaebar diff`

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use gaebar_gen::compare::{Difference, Side, changes, compare};
use gaebar_gen::config::Config;
use gaebar_gen::emit::{notation, notations, visible};
use gaebar_gen::read::Selection;
use gaebar_runtime::cli::{Format, plural, print};
use gaebar_runtime::model::{Entity, Properties, Value};
use gaebar_runtime::say;
use gaebar_runtime::store::{self, Store};
use serde::Serialize;

use super::args::DiffArgs;
use super::{DIFFERENCES, STOP, Usage};

/// Columns where there is no terminal to ask.
const WIDTH: usize = 120;

pub(super) fn run(args: &DiffArgs, config: &Config, format: Format) -> anyhow::Result<ExitCode> {
    let (first, second) = (Opened::new(&args.first, config)?, Opened::new(&args.second, config)?);
    let selection = Selection {
        kinds: args.kinds.clone(),
        exclude_kinds: args.exclude_kinds.clone(),
        namespaces: args.namespaces.clone(),
        scans: args.scans.map_or_else(|| config.scans(), |scans| scans as usize),
        ..Selection::default()
    };
    let mut teller = Teller { format, detail: !args.stat, width: width(args.full), counts: BTreeMap::new() };
    let equal = compare(first.side(), second.side(), &selection, &STOP, &mut |difference| teller.tell(difference))?;
    teller.finish(equal, &args.first, &args.second)?;
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
}

impl Teller {
    fn tell(&mut self, difference: Difference) -> io::Result<()> {
        let (entity, what) = match difference {
            Difference::Added(entity) => (entity, 0),
            Difference::Removed(entity) => (entity, 1),
            Difference::Changed(entity, _) => (entity, 2),
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

    fn finish(&self, equal: u64, first: &str, second: &str) -> io::Result<()> {
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
        self.format.event(&Summary { event: "compared", equal, added, removed, changed, kinds: &self.counts })
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
    added: u64,
    removed: u64,
    changed: u64,
    /// Added, removed, changed.
    kinds: &'a BTreeMap<String, [u64; 3]>,
}
