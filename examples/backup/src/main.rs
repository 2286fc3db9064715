//! Restores the backup into a store.
fn main() -> std::process::ExitCode {
    gaebar_runtime::cli::main(&backup::BACKUP)
}
