//! `gaebar seed`

use gaebar_runtime::say;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use gaebar_gen::config::Config;
use gaebar_gen::seed::{self, HEADLINE_ROWS, Headline, SeedError};
use gaebar_gen::stop;
use gaebar_runtime::cli::{self, Bars, Format, plural, rate};
use gaebar_runtime::model::Entity;
use gaebar_runtime::store::{self, Store};
use serde::Serialize;

use super::args::{SeedArgs, SeedSet};
use super::{STOP, Usage};

/// Entities written at once.
const BATCH: usize = 500;
/// Batches in flight.
const WRITERS: usize = 4;

pub(super) fn run(args: &SeedArgs, config: &Config, format: Format) -> anyhow::Result<ExitCode> {
    let to = config.target(&args.to).map_err(Usage::from)?;
    if cli::is_real(&to) && !args.yes {
        if !io::stdin().is_terminal() {
            return Err(Usage(format!(
                "{to} is a real project, whose entities with the same keys are replaced; say --yes if it is meant"
            ))
            .into());
        }
        cli::confirm(&to, &mut io::stdin().lock())?;
    }
    let store = store::open_or_create(&to)?;
    let begun = Instant::now();
    let rows = match args.set {
        SeedSet::Suite if args.rows.is_some() => {
            return Err(Usage("the suite has the entities that it has; --rows is for the headline set".to_owned()).into());
        }
        SeedSet::Suite => write(store.as_ref(), seed::suite()?.into_iter().map(Ok), None)?,
        SeedSet::Headline => {
            let rows = args.rows.unwrap_or(HEADLINE_ROWS);
            write(store.as_ref(), Headline::new(rows), Some(rows))?
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    say!("Wrote {} into {} in {seconds:.1} s ({})", plural(rows, "row"), store.place(), rate(rows, seconds));
    format.event(&Event { event: "seeded", target: store.place().to_string(), rows, seconds })?;
    Ok(ExitCode::SUCCESS)
}

/// Writes entities, several batches at once; returns how many.
pub(super) fn write(
    store: &dyn Store,
    entities: impl Iterator<Item = Result<Entity, SeedError>> + Send,
    total: Option<u64>,
) -> anyhow::Result<u64> {
    let bars = Bars::new("writing", total);
    let entities = std::sync::Mutex::new(entities);
    let next = || -> Result<Vec<Entity>, SeedError> {
        let mut entities = entities.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        entities.by_ref().take(BATCH).collect()
    };
    let work = || -> anyhow::Result<u64> {
        let mut written = 0;
        loop {
            stop::check(&STOP).context("what was written so far stays")?;
            let batch = next()?;
            let Some(first) = batch.first() else { return Ok(written) };
            store.upsert(&batch)?;
            written += batch.len() as u64;
            bars.add(first.kind(), batch.len() as u64);
        }
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    bars.finish();
    results.into_iter().sum()
}

/// What `--format json` says at the end.
#[derive(Serialize)]
struct Event {
    event: &'static str,
    target: String,
    rows: u64,
    seconds: f64,
}
