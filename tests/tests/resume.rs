//! A restore that is killed or interrupted goes on where it was, and nothing is lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gaebar_gen::seed::Headline;
use gaebar_runtime::model::{Entity, Key, Properties};
use gaebar_runtime::store::{SqliteStore, Store};
use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::{kills, needs};

/// Entities in a store, and its backup.
fn prepared(test: &str, entities: &[Entity]) -> PathBuf {
    let folder = folder(test);
    let store = SqliteStore::open_or_create(&folder.join("source.db")).unwrap();
    entities.chunks(500).for_each(|entities| store.upsert(entities).unwrap());
    run(&mut gaebar(&folder, &["backup", "sqlite:source.db", "backup"]), 0);
    folder
}

const RESTORE: [&str; 8] =
    ["restore", "backup", "--interpret", "--to", "sqlite:target.db", "--journal", "journal", "--on-conflict=fail"];

/// Restores, where a restore that was killed left off, if it came so far that it left a journal.
fn go_on(folder: &Path) -> Command {
    let mut command = gaebar(folder, &RESTORE);
    // The head of a journal is written before anything else is.
    if fs::read_to_string(folder.join("journal")).is_ok_and(|journal| journal.contains("\noptions ")) {
        command.arg("--resume");
    }
    command
}

/// Restores what is left. Killed after its last act, a restore is whole, though nobody heard of it.
fn finish(folder: &Path) {
    let mut diff = gaebar(folder, &["diff", "sqlite:source.db", "sqlite:target.db", "--stat"]);
    if folder.join("journal").exists() || !diff.output().unwrap().status.success() {
        run(&mut go_on(folder), 0);
    }
}

fn assert_whole(folder: &Path) {
    run(&mut gaebar(folder, &["diff", "sqlite:source.db", "sqlite:target.db", "--stat"]), 0);
    assert!(!folder.join("journal").exists(), "there is nothing to go on with");
}

fn forget(folder: &Path) {
    for file in ["target.db", "target.db-wal", "target.db-shm", "journal"] {
        let _ = fs::remove_file(folder.join(file));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_restore_killed_at_any_write_is_resumed_with_nothing_lost() {
    let Some(strace) = needs::strace() else { return };
    // Three commits.
    let small = |id: i64| Entity::new(Key::root("Small", id), Properties::from([("n".to_owned(), id.into())])).unwrap();
    let folder = prepared("killed-restore", &(1..=1_100).map(small).collect::<Vec<_>>());
    let mut kills = 0;
    for calls in ["/fsync,/fdatasync", "write", "/unlink"] {
        for at in 1.. {
            forget(&folder);
            let restore = gaebar(&folder, &RESTORE);
            let mut command = Command::new(strace);
            command.current_dir(&folder).args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
            command.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={at}")]);
            command.arg(restore.get_program()).args(restore.get_args()).args(["--jobs", "1"]).env("RAYON_NUM_THREADS", "1");
            if command.stderr(Stdio::null()).status().unwrap().success() {
                break;
            }
            kills += 1;
            finish(&folder);
            assert_whole(&folder);
        }
    }
    eprintln!("killed {kills} times, resumed {kills} times, lost 0");
    assert!(kills > 15, "{kills}");
}

#[test]
fn a_restore_killed_again_and_again_ends_whole() {
    let entities: Vec<_> = Headline::new(kills::rows()).map(Result::unwrap).collect();
    let folder = prepared("killed-random", &entities);
    let begun = Instant::now();
    run(&mut gaebar(&folder, &RESTORE), 0);
    let ended = |is_over: bool| {
        if !is_over {
            finish(&folder);
        }
        assert_whole(&folder);
    };
    let (killed, resumed) = kills::kill(begun.elapsed(), || forget(&folder), || go_on(&folder), ended);
    eprintln!("killed {killed} times, resumed {resumed} times, lost 0 of {} entities", entities.len());
    assert!(resumed > 2, "{killed} kills, {resumed} resumed");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_after_the_commits_in_flight_and_says_how_to_go_on() {
    let entities: Vec<_> =
        (1..=60).map(|id| Entity::new(Key::root("Slow", id), Properties::from([("n".to_owned(), id.into())])).unwrap()).collect();
    let folder = prepared("interrupted", &entities);
    for signal in ["-INT", "-TERM"] {
        forget(&folder);
        let child = gaebar(&folder, &RESTORE).args(["--max-rate", "10"]).stderr(Stdio::piped()).spawn().unwrap();
        wait_for_rows(&folder);
        run(Command::new("kill").args([signal, &child.id().to_string()]), 0);
        let (code, said) = child_output(child);
        assert_eq!(code, Some(130), "{said}");
        assert!(said.contains("interrupted") && said.contains("--resume"), "{said}");
        // Another backup, target or way of restoring is no going on.
        let (target, options) = ("went to another target", "had other options");
        for (other, told) in
            [(["--to", "sqlite:other.db"], target), (["--on-conflict", "skip"], options), (["--kinds", "Slow"], options)]
        {
            let mut arguments: Vec<&str> = vec!["restore", "backup", "--interpret", "--journal", "journal", "--resume"];
            arguments.extend(other);
            if other[0] != "--to" {
                arguments.extend(["--to", "sqlite:target.db"]);
            }
            let (_, error) = run(&mut gaebar(&folder, &arguments), 1);
            assert!(error.contains(&format!("the restore that was interrupted {told}")), "{error}");
            assert!(!error.contains("Choice {"), "{error}");
        }
        let done = event(&mut go_on(&folder));
        let rows = done["rows"].as_u64().unwrap();
        assert!(rows > 0 && rows < 60, "what was committed is not sent again: {done}");
        assert_whole(&folder);
    }
    let (_, error) = run(gaebar(&folder, &RESTORE).arg("--resume"), 1);
    assert!(error.contains("there is no interrupted restore"), "{error}");
}

/// Waits until something is in the target.
fn wait_for_rows(folder: &Path) {
    let begun = Instant::now();
    while fs::read_to_string(folder.join("journal")).map_or(0, |journal| journal.lines().count()) <= 4 {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing was committed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn child_output(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The compiled binary hears what `gaebar` is told.
#[cfg(unix)]
#[test]
fn a_compiled_restore_is_interrupted_and_resumed_too() {
    let entities: Vec<_> =
        (1..=60).map(|id| Entity::new(Key::root("Slow", id), Properties::from([("n".to_owned(), id.into())])).unwrap()).collect();
    let folder = prepared("interrupted-compiled", &entities);
    let arguments = ["restore", "backup", "--to", "sqlite:target.db", "--journal", "journal"];
    run(&mut gaebar(&folder, &["build", "backup"]), 0);
    let child = gaebar(&folder, &arguments).args(["--max-rate", "10"]).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_rows(&folder);
    run(Command::new("kill").args(["-INT", &child.id().to_string()]), 0);
    let (code, said) = child_output(child);
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("interrupted") && said.contains("--resume"), "{said}");
    run(gaebar(&folder, &arguments).arg("--resume"), 0);
    assert_whole(&folder);
}
