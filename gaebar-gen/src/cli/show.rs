//! `gaebar show`

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use anyhow::bail;
use gaebar_gen::folder::FolderError;
use gaebar_gen::reader::ReadRow;
use gaebar_gen::verify::{Visitor, read};
use gaebar_runtime::cli::{Format, plural, print};
use gaebar_runtime::model::{Data, Embedded, Key, Properties};
use gaebar_runtime::visible::visible;
use serde::Serialize;

use super::Usage;
use super::args::ShowArgs;

/// Entities that refer to the one shown and are named.
const NAMED: usize = 20;

pub(super) fn run(args: &ShowArgs, format: Format) -> anyhow::Result<ExitCode> {
    let key: Key = args.key.parse().map_err(|error| Usage(format!("{error}")))?;
    let search = Search { key: &key, found: Mutex::default() };
    read(&args.folder, &search)?;
    let Found { row, referrers } = search.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Some((place, text)) = row else { bail!("{} has no entity {key}", args.folder.display()) };
    match format {
        Format::Json => format.event(&Event { event: "row", key: key.to_string(), place, text, referrers })?,
        Format::Text => {
            print(&place)?;
            print("")?;
            // The reader has accepted it, so that nothing hides in it.
            text.split('\n').try_for_each(print)?;
            let count = plural(referrers.len() as u64, "entity").replace("entitys", "entities");
            let named: Vec<_> = referrers.iter().take(NAMED).map(|key| visible(key)).collect();
            let dots = if referrers.len() > NAMED { ", …" } else { "" };
            let colon = if named.is_empty() { "" } else { ": " };
            print(&format!("Referred to by {count}{colon}{}{dots}", named.join(", ")))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Search<'a> {
    key: &'a Key,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// Place and text.
    row: Option<(String, String)>,
    referrers: BTreeSet<String>,
}

impl Visitor for Search<'_> {
    fn file(&self, _: &str, _: &[u8]) -> Result<(), FolderError> {
        Ok(())
    }

    fn rows(&self, shard: &str, rows: &[ReadRow]) {
        for row in rows {
            let is_it = row.entity.key() == self.key;
            let refers = refers(&row.entity.properties, self.key);
            if is_it || refers {
                let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                if is_it {
                    found.row = Some((format!("{shard}:{}", row.line), row.text.clone()));
                }
                if refers {
                    found.referrers.insert(row.entity.key().to_string());
                }
            }
        }
    }
}

fn refers(properties: &Properties, key: &Key) -> bool {
    properties.values().any(|value| data_refers(&value.data, key))
}

fn data_refers(data: &Data, key: &Key) -> bool {
    match data {
        Data::Key(reference) => reference == key,
        Data::Array(items) => items.iter().any(|item| data_refers(&item.data, key)),
        Data::Entity(Embedded { properties, .. }) => refers(properties, key),
        _ => false,
    }
}

/// What `--format json` says.
#[derive(Serialize)]
struct Event {
    event: &'static str,
    key: String,
    place: String,
    text: String,
    referrers: BTreeSet<String>,
}
