//! What to know of the entities that a target is to hold: keys that become its own, and keys that can't.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::path::Path;

use super::hidden;
use super::rows::{RowRef, RowSource};
use crate::model::{Entity, Key};
use crate::proto::Home;

/// Databases that are counted apart.
const MOST_DATABASES: usize = 10;
/// Rows that are named.
const MOST_NAMED: usize = 5;

/// What a plan has noticed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct Noticed {
    /// References that name the target's own project and database. There they are like any that name none.
    pub own_references: u64,
    /// App Engine keys inside texts and bytes that name another.
    pub hidden_keys: HiddenKeys,
}

/// App Engine keys inside texts and bytes. They are restored as they are, so what reads them goes on in the project that they name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct HiddenKeys {
    /// How many there are.
    pub keys: u64,
    /// How many rows have some.
    pub rows: u64,
    /// How many there are by `PROJECT` or `PROJECT/DATABASE`, for the first ten of those that were met.
    pub projects: BTreeMap<String, u64>,
    /// The first rows, and where the keys stand in them.
    pub first: Vec<String>,
}

impl HiddenKeys {
    fn count(&mut self, project: String, keys: u64) {
        self.keys += keys;
        if self.projects.len() < MOST_DATABASES || self.projects.contains_key(&project) {
            *self.projects.entry(project).or_default() += keys;
        }
    }
}

impl AddAssign for Noticed {
    fn add_assign(&mut self, more: Self) {
        let Self { own_references, hidden_keys: HiddenKeys { keys, rows, projects, first } } = more;
        let all = self.hidden_keys.keys + keys;
        self.own_references += own_references;
        self.hidden_keys.rows += rows;
        for (project, keys) in projects {
            self.hidden_keys.count(project, keys);
        }
        self.hidden_keys.keys = all;
        let room = MOST_NAMED.saturating_sub(self.hidden_keys.first.len());
        self.hidden_keys.first.extend(first.into_iter().take(room));
    }
}

impl Noticed {
    /// What is to be said of it, a sentence each; `target` is the target's name.
    pub fn sentences(&self, target: &str) -> Vec<String> {
        let mut sentences = Vec::new();
        if self.own_references > 0 {
            let references = plural(self.own_references, "reference", "references");
            sentences.push(format!("{references} to {target} itself, restored as references within it"));
        }
        let HiddenKeys { keys, rows, projects, first } = &self.hidden_keys;
        if *keys > 0 {
            let mut named: Vec<_> = projects.iter().map(|(project, keys)| format!("{project} ({keys})")).collect();
            let others = *keys - projects.values().sum::<u64>().min(*keys);
            named.extend((others > 0).then(|| format!("others ({others})")));
            let more = match rows.saturating_sub(first.len() as u64) {
                0 => String::new(),
                more => format!("; and {}", plural(more, "more row", "more rows")),
            };
            sentences.push(format!(
                "{} inside texts and bytes of {} {} {} and not {target}, and {} as {}: code that follows them reads that project. First: \
                 {}{more}",
                plural(*keys, "App Engine key", "App Engine keys"),
                plural(*rows, "row", "rows"),
                if *keys == 1 { "names" } else { "name" },
                named.join(", "),
                if *keys == 1 { "stays" } else { "stay" },
                if *keys == 1 { "it is" } else { "they are" },
                first.join("; "),
            ));
        }
        sentences
    }
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What is noticed while rows are planned, several batches at once.
#[derive(Default)]
pub(super) struct Noticing {
    noticed: Noticed,
    /// The first rows with hidden keys, in the order of the backup: the entity's key, and the property or none for the key.
    first: BTreeMap<(usize, usize), (Key, Option<String>)>,
}

impl Noticing {
    /// Looks at an entity that the target is to hold, `adopted` of whose references became its own.
    pub(super) fn look(&mut self, row: RowRef, entity: &Entity, adopted: u64, target: &Home) {
        self.noticed.own_references += adopted;
        // A file has no project, and no App Engine application reads it.
        if target.project.is_empty() {
            return;
        }
        let before = self.noticed.hidden_keys.keys;
        let mut place = None;
        hidden::find(entity, &mut |property, home| {
            if home != *target {
                let Home { project, database } = home;
                let name = if database.is_empty() { project } else { format!("{project}/{database}") };
                self.noticed.hidden_keys.count(name, 1);
                place.get_or_insert(property);
            }
        });
        if self.noticed.hidden_keys.keys > before {
            self.noticed.hidden_keys.rows += 1;
            self.first.insert((row.shard, row.at), (entity.key().clone(), place.flatten().map(str::to_owned)));
            self.keep_first();
        }
    }

    fn keep_first(&mut self) {
        while self.first.len() > MOST_NAMED {
            self.first.pop_last();
        }
    }

    /// Adds what was noticed of other rows.
    pub(super) fn add(&mut self, more: Self) {
        self.noticed += more.noticed;
        self.first.extend(more.first);
        self.keep_first();
    }

    /// With the places of the first rows; `folder` is the backup's, where it is at hand.
    pub(super) fn finish(self, source: &dyn RowSource, folder: Option<&Path>) -> Noticed {
        let Self { mut noticed, first } = self;
        let named = first.into_iter().map(|((shard, at), (key, property))| {
            let place = source.place(RowRef { shard, at }).with_line(folder);
            let stands = property.map_or("its key".to_owned(), |property| format!("property {property:?}"));
            format!("{place} ({key}): {stands}")
        });
        noticed.hidden_keys.first = named.collect();
        noticed
    }
}
