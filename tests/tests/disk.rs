//! A disk that is full or broken, and folders that may not be read or written: a clear error, nothing lost, and a way on.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;

use gaebar_gen::seed;
use gaebar_runtime::store::{SqliteStore, Store};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::needs;
use gaebar_tests::tree::assert_same_backup;

/// System calls, what they fail with, and what the system or `SQLite` says of it.
const TROUBLES: [(&str, &str, &[&str]); 6] = [
    ("write", "ENOSPC", &["No space left on device"]),
    ("pwrite64", "ENOSPC", &["disk is full", "disk I/O error"]),
    ("fsync,fdatasync", "EIO", &["Input/output error", "disk I/O error"]),
    ("/^mkdir", "EROFS", &["Read-only file system"]),
    ("/^rename", "EACCES", &["Permission denied"]),
    // SQLite opens a file for reading where it can't be opened for writing.
    ("openat", "EACCES", &["Permission denied", "unable to open database file", "readonly database"]),
];

/// Every so many calls one is made to fail, each in a run of its own.
const STEP: usize = 5;

/// Runs a command of which one system call fails, for many such calls in turn. After each it must have ended well, or have said what the
/// system says; `after` then looks at what is there, and goes on. Returns how often a call made it fail.
fn in_trouble(strace: &str, prepare: impl Fn() -> Command, after: impl Fn()) -> usize {
    let mut failed = 0;
    for (calls, error, said_as) in TROUBLES {
        for at in (1..).step_by(STEP) {
            let command = prepare();
            let folder = command.get_current_dir().unwrap();
            let mut traced = Command::new(strace);
            traced.current_dir(folder).args(["-f", "-o", "trace", "-e", &format!("trace={calls}")]);
            traced.args(["-e", &format!("inject={calls}:error={error}:when={at}")]);
            traced.arg(command.get_program()).args(command.get_args()).env("RAYON_NUM_THREADS", "1");
            let output = traced.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let trace = fs::read_to_string(folder.join("trace")).unwrap();
            let injected: Vec<_> = trace.lines().filter(|line| line.contains("(INJECTED)")).collect();
            // Each thread counts its own calls, so that the words of an error may be lost too.
            let is_heard = !injected.iter().any(|line| line.contains("write(2,"));
            // Before its first line the program is only being loaded.
            let is_loaded = !said.contains("error while loading shared libraries");
            if !output.status.success() && is_loaded {
                assert_eq!(output.status.code(), Some(1), "{calls} {at}: {said}");
                assert!(!is_heard || said_as.iter().any(|words| said.contains(words)), "{calls} {at}: {said}");
                failed += 1;
            }
            after();
            if injected.is_empty() {
                break;
            }
        }
    }
    failed
}

fn small_store(folder: &Path) {
    let mut entities = seed::suite().unwrap();
    entities.retain(|entity| ["Profile", "Letter"].contains(&entity.kind()));
    SqliteStore::open_or_create(&folder.join("store.db")).unwrap().upsert(&entities).unwrap();
}

#[test]
fn a_backup_says_what_failed_and_goes_on() {
    let Some(strace) = needs::strace() else { return };
    let folder = folder("disk-backup");
    small_store(&folder);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "expected/backup"]), 0);
    let backup = folder.join("backup");
    let prepare = || {
        let _ = fs::remove_dir_all(&backup);
        gaebar(&folder, &["backup", "sqlite:store.db", "backup"])
    };
    let failed = in_trouble(strace, prepare, || {
        if !backup.exists() {
            let log = fs::read_to_string(folder.join(".backup.gaebar/spool/read.log"));
            let mut again = gaebar(&folder, &["backup", "sqlite:store.db", "backup"]);
            again.args(log.is_ok_and(|log| log.ends_with('\n')).then_some("--resume"));
            run(&mut again, 0);
        }
        assert_same_backup(&folder.join("expected/backup"), &backup);
    });
    eprintln!("failed {failed} times, went on {failed} times");
    assert!(failed > 20, "{failed}");
}

#[test]
fn a_restore_says_what_failed_and_goes_on() {
    let Some(strace) = needs::strace() else { return };
    let folder = folder("disk-restore");
    small_store(&folder);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    let restore = ["restore", "backup", "--interpret", "--to", "sqlite:target.db", "--journal", "journal", "--jobs", "1"];
    let prepare = || {
        for file in ["target.db", "target.db-wal", "target.db-shm", "journal"] {
            let _ = fs::remove_file(folder.join(file));
        }
        gaebar(&folder, &restore)
    };
    let failed = in_trouble(strace, prepare, || {
        let is_resumable = fs::read_to_string(folder.join("journal")).is_ok_and(|journal| journal.contains("\noptions "));
        let mut again = gaebar(&folder, &restore);
        again.args(is_resumable.then_some("--resume"));
        run(&mut again, 0);
        run(&mut gaebar(&folder, &["diff", "sqlite:store.db", "sqlite:target.db"]), 0);
    });
    eprintln!("failed {failed} times, went on {failed} times");
    assert!(failed > 3, "{failed}");
}
