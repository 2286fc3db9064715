//! The harness: the built binary, the emulators, entities of every shape.

pub mod browser;
pub mod command;
pub mod compare;
pub mod drafts;
pub mod emulator;
pub mod example;
pub mod faulty;
pub mod forge;
pub mod fuzz;
pub mod http;
pub mod kills;
pub mod needs;
pub mod program;
pub mod proxy;
pub mod serve;
pub mod strategy;
pub mod terminal;
pub mod tree;
