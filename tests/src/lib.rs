//! The harness.

pub mod emulator;
