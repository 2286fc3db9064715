//! Progress, as a trait that the front end implements.

/// Hears of rows that were done.
pub trait Progress: Sync {
    /// So many more rows of a kind are done.
    fn add(&self, kind: &str, rows: u64);

    /// Something was done that has no rows, such as finding the kinds of a namespace.
    fn look(&self) {}
}

/// Nobody listens.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn add(&self, _: &str, _: u64) {}
}
