//! The command line: arguments, and one module a command.

mod args;
mod backup;
mod bars;
mod build;
mod demo;
mod doctor;
mod list;
mod restore;
mod seed;
mod verify;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use clap::Parser as _;

use args::{Cli, Command};
use gaebar_gen::config::Config;

/// Exit code where two things that were compared differ.
const DIFFERENCES: u8 = 3;
/// Exit code after an interrupt: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// Set by the first Ctrl-C. What is running ends at the next safe place; a second Ctrl-C ends it at once.
static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The whole program.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = listen_to_signals() {
        eprintln!("warning: Ctrl-C will end gaebar at once: {error}");
    }
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            if STOP.load(Ordering::Relaxed) { ExitCode::from(INTERRUPTED) } else { ExitCode::FAILURE }
        }
    }
}

fn listen_to_signals() -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag::{register, register_conditional_shutdown};
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds the flag that the first one set.
        register_conditional_shutdown(signal, INTERRUPTED.into(), Arc::clone(&STOP))?;
        register(signal, Arc::clone(&STOP))?;
    }
    Ok(())
}

fn run(Cli { config, format, command }: Cli) -> anyhow::Result<ExitCode> {
    let config = Config::load(config.as_deref())?;
    match command {
        Command::Demo(args) => demo::run(&args, format),
        Command::Seed(args) => seed::run(&args, &config, format),
        Command::Backup(args) => backup::run(&args, &config, format),
        Command::Build(args) => build::run(&args, format),
        Command::Restore(args) => restore::run(&args, &config, format),
        Command::Verify(args) => verify::run(&args, format),
        Command::List(args) => list::run(&args, format),
        Command::Doctor => Ok(doctor::run(format)),
    }
}
