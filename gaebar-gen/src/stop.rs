//! Stopping when somebody asks to.

use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

/// Somebody asked to stop, and what was begun was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("interrupted")]
pub struct Interrupted;

/// An error once somebody asked to stop. Loops ask at each turn.
pub fn check(stop: &AtomicBool) -> Result<(), Interrupted> {
    if stop.load(Ordering::Relaxed) { Err(Interrupted) } else { Ok(()) }
}
