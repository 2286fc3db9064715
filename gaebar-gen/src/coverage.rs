//! What a backup covers once it was made or updated, kind by kind.
//!
//! Each kind's manifest says so of its own kind, and `manifest.json` of all others. A backup of named kinds changes the former alone, so
//! that two people's backups of different kinds merge in git.

use std::collections::BTreeSet;

use gaebar_runtime::restore::{Coverage, Extent, is_own_kind};

use crate::manifest::{BackupManifest, KindManifest};
use crate::read::Selection;

/// What was covered, and what is read.
#[derive(Debug, Clone)]
pub struct Covering<'a> {
    before: Coverage,
    read: Read<'a>,
}

#[derive(Debug, Clone)]
enum Read<'a> {
    Nothing,
    /// What is selected of a store.
    Selected(&'a Selection),
    /// All of another backup.
    Backup(&'a Coverage),
}

impl<'a> Covering<'a> {
    /// A new backup.
    pub fn new(selection: &'a Selection, source: Option<&'a Coverage>) -> Self {
        Self::after(Coverage { other_kinds: Extent::NONE, ..Coverage::default() }, selection, source)
    }

    /// An update of a backup. `source` is what the store covers, if that is a backup itself.
    pub fn after(before: Coverage, selection: &'a Selection, source: Option<&'a Coverage>) -> Self {
        Self { before, read: source.map_or(Read::Selected(selection), Read::Backup) }
    }

    /// A backup for which nothing is read.
    pub fn unchanged(before: Coverage) -> Self {
        Self { before, read: Read::Nothing }
    }

    /// The namespaces that are covered of a kind that the backup has now.
    pub fn kind(&self, kind: &str) -> Extent {
        let before = self.before.of(kind);
        match self.read {
            Read::Selected(selection) if selection.includes_kind(kind) => {
                before.and(&Extent::of(selection.namespaces.as_deref()))
            }
            Read::Nothing | Read::Selected(_) => before.clone(),
            Read::Backup(source) => source.of(kind).clone(),
        }
    }

    /// What is covered now, given the kinds that the backup has.
    pub fn now<'k>(&self, kinds: impl IntoIterator<Item = &'k str>) -> Coverage {
        let (other_kinds, except) = self.other_kinds();
        let kinds = kinds.into_iter().map(|kind| (kind.to_owned(), self.kind(kind))).collect();
        Coverage { kinds, other_kinds, except }
    }

    /// The namespaces that are covered of all kinds that the backup has never had, and those for which that does not hold.
    fn other_kinds(&self) -> (Extent, BTreeSet<String>) {
        let Coverage { other_kinds: before, except, .. } = &self.before;
        match self.read {
            Read::Selected(selection) if selection.kinds.is_none() => {
                let read = Extent::of(selection.namespaces.as_deref());
                let now = before.and(&read);
                let is_excluded = |kind: &&String| selection.exclude_kinds.contains(kind);
                // A kind that is read in some of the namespaces alone stays an exception.
                let left = except.iter().filter(|kind| now != read || is_excluded(kind));
                // What somebody leaves out may be there by now, though it was not before: nobody wants it to be deleted.
                let new = selection.exclude_kinds.iter().filter(|kind| !is_own_kind(kind));
                let except = left.chain(new).filter(|kind| !self.before.kinds.contains_key(*kind)).cloned().collect();
                (now, except)
            }
            Read::Nothing | Read::Selected(_) => (before.clone(), except.clone()),
            Read::Backup(source) => (source.other_kinds.clone(), source.except.clone()),
        }
    }
}

/// What a backup covers, by its manifests.
pub fn coverage<'k>(manifest: &BackupManifest, kinds: impl IntoIterator<Item = &'k KindManifest>) -> Coverage {
    let (other_kinds, except) = manifest.other_kinds();
    let kinds = kinds.into_iter().map(|kind| (kind.kind.clone(), kind.namespaces.clone())).collect();
    Coverage { kinds, other_kinds, except }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Backs up some kinds and namespaces; the kinds are those of the selection, or these.
    fn back_up(
        before: &Coverage,
        kinds: Option<&[&str]>,
        exclude: &[&str],
        namespaces: Option<&[&str]>,
        has: &[&str],
    ) -> Coverage {
        let selection = Selection {
            kinds: kinds.map(names),
            exclude_kinds: names(exclude),
            namespaces: namespaces.map(names),
            ..Selection::default()
        };
        let all: BTreeSet<_> = before.kinds.keys().map(String::as_str).chain(has.iter().copied()).collect();
        Covering::after(before.clone(), &selection, None).now(all)
    }

    #[test]
    fn a_backup_covers_all_that_it_read_and_what_it_covered_before() {
        let new = Coverage { other_kinds: Extent::NONE, ..Coverage::default() };
        let only = |list: &[&str]| Extent::Only(names(list).into_iter().collect());
        let of_a = back_up(&new, Some(&["A"]), &[], None, &["A"]);
        assert_eq!((of_a.of("A"), of_a.of("B")), (&Extent::All, &Extent::NONE));
        let of_n = back_up(&of_a, Some(&["A", "B"]), &[], Some(&["n"]), &["A", "B"]);
        assert_eq!((of_n.of("A"), of_n.of("B"), of_n.of("C")), (&Extent::All, &only(&["n"]), &Extent::NONE));
        let but_log = back_up(&of_n, None, &["Log", "A"], None, &[]);
        assert_eq!((but_log.of("A"), but_log.of("B"), but_log.of("C")), (&Extent::All, &Extent::All, &Extent::All));
        assert_eq!((but_log.of("Log"), but_log.except.len()), (&Extent::NONE, 1));
        // A kind that was left out is covered where it is read.
        assert_eq!(back_up(&but_log, Some(&["Log"]), &[], Some(&["n"]), &["Log"]).of("Log"), &only(&["n"]));
        assert_eq!(back_up(&but_log, None, &[], Some(&["n"]), &[]).of("Log"), &Extent::NONE, "not in all of them");
        assert_eq!(back_up(&but_log, None, &[], None, &[]).of("Log"), &Extent::All);
        // A kind that the backup has is still covered, though it is left out now.
        let all = back_up(&new, None, &[], None, &["A"]);
        assert_eq!(back_up(&all, None, &["A"], None, &[]), all);
        assert_eq!(back_up(&all, None, &["Log"], None, &[]).of("Log"), &Extent::NONE);
        assert_eq!(back_up(&all, Some(&["A"]), &[], Some(&["n"]), &[]), all);
    }

    #[test]
    fn what_nobody_recorded_stays_unknown_until_all_is_read() {
        let old = Coverage { kinds: [("A".to_owned(), Extent::Unknown)].into(), ..Coverage::default() };
        assert!(back_up(&old, Some(&["A"]), &[], Some(&["n"]), &[]).is_unknown());
        assert!(back_up(&old, None, &[], Some(&["n"]), &[]).is_unknown());
        let of_a = back_up(&old, Some(&["A"]), &[], None, &[]);
        assert_eq!((of_a.of("A"), of_a.of("B")), (&Extent::All, &Extent::Unknown));
        assert_eq!(back_up(&old, None, &["A"], None, &[]).of("A"), &Extent::Unknown);
    }
}
