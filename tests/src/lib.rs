//! The harness: the built binary, the emulators, entities of every shape.

pub mod command;
pub mod compare;
pub mod emulator;
pub mod faulty;
pub mod fuzz;
pub mod kills;
pub mod needs;
pub mod strategy;
pub mod tree;
