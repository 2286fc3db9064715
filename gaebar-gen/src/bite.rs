//! A bite: as much of a long piece of work as is done in one go.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What is left of a bite. Whoever works looks at each place where it may stop.
#[derive(Debug)]
pub struct Bite {
    rows: AtomicU64,
    until: Instant,
}

impl Bite {
    /// So many rows, or so much time, whichever is over first.
    pub fn new(rows: usize, time: Duration) -> Self {
        Self { rows: AtomicU64::new(rows as u64), until: Instant::now() + time }
    }

    /// Rows were done.
    pub fn take(&self, rows: u64) {
        let _ = self.rows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(rows)));
    }

    /// How many rows are left.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Whether it is time to stop.
    pub fn is_over(&self) -> bool {
        self.rows() == 0 || Instant::now() >= self.until
    }
}
