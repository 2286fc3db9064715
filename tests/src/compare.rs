//! Stores compared.

use std::sync::atomic::AtomicBool;

use gaebar_gen::compare::{Side, compare};
use gaebar_gen::read::Selection;
use gaebar_runtime::store::Store;

/// Asserts that two stores hold the same `count` entities, of what is selected.
pub fn assert_equal(one: &dyn Store, other: &dyn Store, selection: &Selection, count: usize) {
    let mut differing = Vec::new();
    let compared = compare(Side::Store(one), Side::Store(other), selection, &AtomicBool::new(false), &mut |difference| {
        differing.push(format!("{difference:#?}"));
        Ok(())
    });
    assert!(differing.is_empty(), "{} entities differ; the first: {}", differing.len(), differing[0]);
    assert_eq!(compared.unwrap().equal, count as u64);
}

/// Everything.
pub fn everything() -> Selection {
    Selection { rows_per_step: 100, ..Selection::default() }
}
