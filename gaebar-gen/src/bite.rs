//! A bite: as much of a long piece of work as is done in one go.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What is left of a bite. Whoever works looks at each place where it may stop.
#[derive(Debug)]
pub struct Bite {
    rows: AtomicU64,
    time: Duration,
    /// When the first row was done: what has to be read before that must not use up the time.
    begun: OnceLock<Instant>,
}

impl Bite {
    /// So many rows, or so much time from the first of them on, whichever is over first.
    pub fn new(rows: usize, time: Duration) -> Self {
        Self { rows: AtomicU64::new(rows as u64), time, begun: OnceLock::new() }
    }

    /// Rows were done.
    pub fn take(&self, rows: u64) {
        self.begun.get_or_init(Instant::now);
        let _ = self.rows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(rows)));
    }

    /// How many rows are left.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Whether it is time to stop.
    pub fn is_over(&self) -> bool {
        self.rows() == 0 || self.begun.get().is_some_and(|begun| begun.elapsed() >= self.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_time_begins_with_its_first_row() {
        let bite = Bite::new(10, Duration::ZERO);
        assert!(!bite.is_over());
        bite.take(1);
        assert!(bite.is_over() && bite.rows() == 9);
    }
}
