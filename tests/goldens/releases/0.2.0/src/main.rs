//! Restores the backup into a store.
fn main() -> std::process::ExitCode {
    gaebar_runtime::cli::main(&release::BACKUP, option_env!("GAEBAR_DIGEST"))
}
