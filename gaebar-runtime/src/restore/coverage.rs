//! What a backup covers, and where a mirror therefore looks for entities that the backup does not have.
//!
//! A backup covers a kind in a namespace if it holds every entity that was there when it was read, even if there was none. What it
//! covers is recorded when it is made; a backup by Gaebar 0.2.0 or earlier has no such record.

use std::collections::{BTreeMap, BTreeSet};

use super::choose::{Namespaces, is_own_kind};
use super::plan::Options;
use crate::rows::Backup;
use crate::store::{Scan, Snapshot, Store, StoreError, View};

/// Namespaces that a backup covers; the default one is the empty string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Extent {
    /// Nobody recorded which.
    #[default]
    Unknown,
    /// All that there were.
    All,
    /// These.
    Only(BTreeSet<String>),
}

impl Extent {
    /// No namespaces at all.
    pub const NONE: Self = Self::Only(BTreeSet::new());

    /// These namespaces, or all.
    pub fn of(namespaces: Option<&[String]>) -> Self {
        namespaces.map_or(Self::All, |names| Self::Only(names.iter().cloned().collect()))
    }

    /// What is covered once another extent was read, too.
    #[must_use]
    pub fn and(&self, read: &Self) -> Self {
        match (self, read) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Only(before), Self::Only(read)) => Self::Only(before | read),
        }
    }

    /// Whether a namespace is covered, if that is known.
    pub fn includes(&self, namespace: &str) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::All => Some(true),
            Self::Only(namespaces) => Some(namespaces.contains(namespace)),
        }
    }
}

static NOWHERE: Extent = Extent::NONE;

/// What a backup covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The kinds that it has, or had in an earlier state.
    pub kinds: BTreeMap<String, Extent>,
    /// All other kinds, of which it has never had an entity.
    pub other_kinds: Extent,
    /// Kinds for which that does not hold: they are not covered.
    pub except: BTreeSet<String>,
}

impl Coverage {
    /// The namespaces that are covered of a kind.
    pub fn of(&self, kind: &str) -> &Extent {
        match self.kinds.get(kind) {
            Some(extent) => extent,
            None if self.except.contains(kind) => &NOWHERE,
            None => &self.other_kinds,
        }
    }

    /// Whether nothing is recorded.
    pub fn is_unknown(&self) -> bool {
        self.other_kinds == Extent::Unknown && self.kinds.values().all(|extent| *extent == Extent::Unknown)
    }

    /// Whether some kind is covered in this namespace by name.
    fn names(&self, namespace: &str) -> bool {
        let named = |extent: &Extent| matches!(extent, Extent::Only(names) if names.contains(namespace));
        self.kinds.values().chain([&self.other_kinds]).any(named)
    }
}

/// Names as a compiled backup has them.
type Names = &'static [&'static str];

impl From<(&'static [(&'static str, Option<Option<Names>>)], (Option<Option<Names>>, Names))> for Coverage {
    /// What [`Backup::covered`] gives, of whatever version.
    fn from(
        (kinds, (other_kinds, except)): (&'static [(&'static str, Option<Option<Names>>)], (Option<Option<Names>>, Names)),
    ) -> Self {
        let owned = |names: Names| names.iter().map(|name| (*name).to_owned()).collect();
        let extent = |namespaces: Option<Option<Names>>| match namespaces {
            None => Extent::Unknown,
            Some(None) => Extent::All,
            Some(Some(names)) => Extent::Only(owned(names)),
        };
        let kinds = kinds.iter().map(|(kind, namespaces)| ((*kind).to_owned(), extent(*namespaces))).collect();
        Self { kinds, other_kinds: extent(other_kinds), except: owned(except) }
    }
}

impl From<&Backup> for Coverage {
    fn from(backup: &Backup) -> Self {
        backup.covered().into()
    }
}

/// Where a mirror looks for entities that the backup does not have. What it finds there, it deletes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct Cover {
    /// Namespaces of the target.
    pub namespaces: BTreeSet<String>,
    /// The kinds, each with the namespaces in which it is looked for; `None`: those above.
    pub kinds: BTreeMap<String, Option<BTreeSet<String>>>,
    /// Kinds of which nobody recorded the namespaces that the backup covers: those of its rows are taken.
    pub unrecorded: BTreeSet<String>,
    /// Whether the target does not list its namespaces, so that there may be more.
    pub has_unlisted_namespaces: bool,
    /// Whether the target does not list its kinds, so that those that only it has are not known.
    pub has_unlisted_kinds: bool,
    /// Kinds that only the target has, and that are left alone; whether the backup covers them, so that naming them deletes them.
    pub only_there: BTreeMap<String, bool>,
}

/// What the rows that are restored have.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    /// Their kinds.
    pub kinds: &'a BTreeSet<String>,
    /// Their namespaces in the target.
    pub namespaces: &'a BTreeSet<String>,
}

impl Cover {
    /// Where a mirror looks in a target: in each kind that the backup has or had and that is chosen, or that is chosen by name, in each
    /// namespace that the backup covers of it. If that is all of them, they are those of the target.
    ///
    /// A restore of single entities, or into other namespaces, looks where its rows go, as does one of a kind without a record.
    pub fn new(coverage: &Coverage, options: &Options, rows: Chosen, store: &dyn Store) -> Result<Self, StoreError> {
        let choice = &options.choice;
        let is_by_rows = options.namespaces != Namespaces::Same
            || choice.with_references
            || !(choice.keys.is_empty() && choice.under.is_empty());
        if is_by_rows {
            return Ok(Self::of_rows(rows));
        }
        let mut cover = Self::default();
        let known = coverage.kinds.keys().chain(rows.kinds).chain(choice.kinds.iter().flatten());
        let chosen = known.filter(|kind| choice.includes_kind(kind) && !is_own_kind(kind));
        for kind in chosen.collect::<BTreeSet<_>>() {
            let namespaces = match coverage.of(kind) {
                Extent::Unknown if rows.kinds.contains(kind) => {
                    cover.unrecorded.insert(kind.clone());
                    Some(rows.namespaces.clone())
                }
                Extent::Unknown => continue,
                Extent::All => choice.namespaces.as_ref().map(|names| names.iter().cloned().collect()),
                Extent::Only(names) => Some(names.iter().filter(|name| choice.includes_namespace(name)).cloned().collect()),
            };
            if namespaces.as_ref().is_none_or(|names: &BTreeSet<_>| !names.is_empty()) {
                cover.kinds.insert(kind.clone(), namespaces);
            }
        }
        let needs_all = cover.kinds.values().any(Option::is_none);
        match &choice.namespaces {
            Some(names) => cover.namespaces.extend(names.iter().cloned()),
            None if needs_all || options.mirror => {
                cover.namespaces.extend(rows.namespaces.iter().cloned());
                match store.snapshot(View::Latest)?.namespaces() {
                    Ok(names) => cover.namespaces.extend(names),
                    Err(error) if error.is_unsupported() => {
                        cover.has_unlisted_namespaces = needs_all;
                        // There is always the default one; and those that are covered by name are known, too.
                        cover.namespaces.insert(String::new());
                        cover.namespaces.extend(cover.kinds.values().flatten().flatten().cloned());
                    }
                    Err(error) => return Err(error),
                }
            }
            None => {}
        }
        Ok(cover)
    }

    /// The kinds and namespaces of rows, whatever the backup covers.
    pub fn of_rows(Chosen { kinds, namespaces }: Chosen) -> Self {
        let kinds = kinds.iter().map(|kind| (kind.clone(), None)).collect();
        Self { kinds, namespaces: namespaces.clone(), ..Self::default() }
    }

    /// Looks in a namespace of the target for kinds that the backup has never had. If kinds are chosen by name, nobody wants to know.
    pub fn look_for_kinds(
        &mut self,
        namespace: &str,
        snapshot: &dyn Snapshot,
        coverage: &Coverage,
        options: &Options,
    ) -> Result<(), StoreError> {
        let choice = &options.choice;
        if choice.kinds.is_some() || self.has_unlisted_kinds {
            return Ok(());
        }
        let found = match snapshot.kinds(namespace) {
            Err(error) if error.is_unsupported() => {
                self.has_unlisted_kinds = true;
                return Ok(());
            }
            found => found?,
        };
        let is_new = |kind: &String| {
            !self.kinds.contains_key(kind)
                && !coverage.kinds.contains_key(kind)
                && choice.includes_kind(kind)
                && !is_own_kind(kind)
        };
        for kind in found.into_iter().filter(is_new).collect::<Vec<_>>() {
            let is_covered = coverage.of(&kind).includes(namespace) == Some(true);
            *self.only_there.entry(kind).or_default() |= is_covered;
        }
        Ok(())
    }

    /// The scans that find what is there.
    pub fn scans(&self) -> Vec<Scan> {
        let of = |kind: &String, namespaces: &BTreeSet<String>| {
            let scan = |namespace: &String| Scan { namespace: namespace.clone(), kind: kind.clone(), from: None, to: None };
            namespaces.iter().map(scan).collect::<Vec<_>>()
        };
        let scans = self.kinds.iter().flat_map(|(kind, only)| of(kind, only.as_ref().unwrap_or(&self.namespaces)));
        scans.collect()
    }
}

/// What a mirror has found of the target's own.
pub(super) struct Others {
    pub(super) coverage: Coverage,
    pub(super) cover: Cover,
    /// Kinds of which it has found something.
    pub(super) kinds: BTreeSet<String>,
    /// Namespaces in which it has found something.
    pub(super) namespaces: BTreeSet<String>,
}

impl Others {
    /// Whether a kind that is named and has no rows is no slip of the pen: the backup covers it, and has had it, or the target has it.
    pub(super) fn has_kind(&self, kind: &str) -> bool {
        self.cover.kinds.contains_key(kind) && (self.coverage.kinds.contains_key(kind) || self.kinds.contains(kind))
    }

    /// The same for a namespace.
    pub(super) fn has_namespace(&self, namespace: &str) -> bool {
        let Cover { kinds, namespaces, .. } = &self.cover;
        let is_covered = kinds.values().any(|only| only.as_ref().unwrap_or(namespaces).contains(namespace));
        is_covered && (self.coverage.names(namespace) || self.namespaces.contains(namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Entity, Key, Properties};
    use crate::restore::Choice;
    use crate::store::MemoryStore;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn only(namespaces: &[&str]) -> Extent {
        Extent::Only(names(namespaces))
    }

    /// `kind namespace` of all that a mirror of a backup with rows of kind `A` in the default namespace looks at.
    fn looked_at(coverage: &Coverage, choice: Choice) -> Vec<String> {
        let store = MemoryStore::default();
        for key in ["A/1", "{n}A/1", "{m}Session/1", "Log/1", "_GaebarState/1"] {
            store.upsert(&[Entity::new(key.parse::<Key>().unwrap(), Properties::new()).unwrap()]).unwrap();
        }
        let (kinds, namespaces) = (names(&["A"]), names(&[""]));
        let options = Options { choice, mirror: true, ..Options::default() };
        let cover = Cover::new(coverage, &options, Chosen { kinds: &kinds, namespaces: &namespaces }, &store).unwrap();
        cover.scans().into_iter().map(|scan| format!("{} {}", scan.kind, scan.namespace)).collect()
    }

    fn coverage(kinds: &[(&str, Extent)], other_kinds: Extent, except: &[&str]) -> Coverage {
        let kinds = kinds.iter().map(|(kind, extent)| ((*kind).to_owned(), extent.clone())).collect();
        Coverage { kinds, other_kinds, except: names(except) }
    }

    #[test]
    fn what_was_read_is_added_to_what_was_covered() {
        assert_eq!(only(&["a"]).and(&only(&["b"])), only(&["a", "b"]));
        assert_eq!(Extent::All.and(&only(&["b"])), Extent::All);
        assert_eq!(only(&["a"]).and(&Extent::All), Extent::All);
        assert_eq!(Extent::Unknown.and(&only(&["b"])), Extent::Unknown);
        assert_eq!(Extent::Unknown.and(&Extent::All), Extent::All);
    }

    #[test]
    fn a_mirror_looks_where_the_backup_covers_its_kinds() {
        let all = coverage(&[("A", Extent::All), ("Session", Extent::All)], Extent::All, &["Log"]);
        let kind = |kind: &str| Choice { kinds: Some(vec![kind.to_owned()]), ..Choice::default() };
        let namespace = |name: &str| Choice { namespaces: Some(vec![name.to_owned()]), ..Choice::default() };
        assert_eq!(looked_at(&all, Choice::default()), ["A ", "A m", "A n", "Session ", "Session m", "Session n"]);
        assert_eq!(looked_at(&all, kind("Session")), ["Session ", "Session m", "Session n"]);
        assert_eq!(looked_at(&all, kind("Other")), ["Other ", "Other m", "Other n"]);
        assert_eq!(looked_at(&all, kind("Log")), [""; 0], "it was not covered");
        assert_eq!(looked_at(&all, kind("_GaebarState")), [""; 0]);
        assert_eq!(looked_at(&all, namespace("m")), ["A m", "Session m"]);
        let part = coverage(&[("A", only(&["n"])), ("Session", only(&[]))], Extent::NONE, &[]);
        assert_eq!(looked_at(&part, Choice::default()), ["A n"]);
        assert_eq!(looked_at(&part, namespace("m")), [""; 0]);
        let none = coverage(&[("A", Extent::Unknown), ("Session", Extent::Unknown)], Extent::Unknown, &[]);
        assert_eq!(looked_at(&none, Choice::default()), ["A "], "where it has rows");
        assert_eq!(looked_at(&none, kind("Session")), [""; 0]);
        assert_eq!(looked_at(&Coverage::default(), Choice::default()), ["A "]);
    }
}
