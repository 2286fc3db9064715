//! A backup that fails, is interrupted or is killed goes on from what it had read, and leaves nothing that is half done.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gaebar_gen::backup::{BackupError, Options, backup};
use gaebar_gen::progress::Silent;
use gaebar_gen::read::Selection;
use gaebar_gen::reading::Begin;
use gaebar_gen::seed::{self, Headline};
use gaebar_runtime::model::{Entity, Key, Properties, Timestamp};
use gaebar_runtime::store::{
    Cursor, DatastoreStore, MemoryStore, Page, Place, ReadTime, Scan, Snapshot, SqliteStore, Store, StoreError, View, WriteMode,
};
use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::emulator::{Emulator, Flavour};
use gaebar_tests::faulty::{Fault, Faulty};
use gaebar_tests::tree::{assert_same_backup, timeless};
use gaebar_tests::{kills, needs};

/// A store that keeps its past, and whose pages run out.
struct Failing {
    inner: MemoryStore,
    pages: AtomicUsize,
    fails_at: usize,
    /// Pages that are being read now, and the most that were at once.
    busy: (AtomicUsize, AtomicUsize),
}

impl Failing {
    fn new(entities: &[Entity], fails_at: usize) -> Self {
        let inner = MemoryStore::default();
        inner.upsert(entities).unwrap();
        Self { inner, pages: AtomicUsize::new(0), fails_at, busy: Default::default() }
    }
}

impl Store for Failing {
    fn place(&self) -> &Place {
        self.inner.place()
    }

    fn snapshot(&self, view: View) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        let time = |seconds| Timestamp::new(seconds, 0).unwrap();
        let read_time = match view {
            View::Now => ReadTime { time: time(1), consistent: true },
            View::Then(then) => ReadTime { time: then, consistent: true },
            View::Latest => ReadTime { time: time(2), consistent: false },
        };
        Ok(Box::new(FailingSnapshot { store: self, inner: self.inner.snapshot(View::Now)?, read_time }))
    }

    fn write(&self, mode: WriteMode, entities: &[Entity]) -> Result<(), StoreError> {
        self.inner.write(mode, entities)
    }

    fn delete(&self, keys: &[&Key]) -> Result<(), StoreError> {
        self.inner.delete(keys)
    }

    fn lookup(&self, keys: &[&Key]) -> Result<Vec<Entity>, StoreError> {
        self.inner.lookup(keys)
    }

    fn reserve_ids(&self, keys: &[&Key]) -> Result<(), StoreError> {
        self.inner.reserve_ids(keys)
    }
}

struct FailingSnapshot<'a> {
    store: &'a Failing,
    inner: Box<dyn Snapshot + 'a>,
    read_time: ReadTime,
}

impl Snapshot for FailingSnapshot<'_> {
    fn read_time(&self) -> ReadTime {
        self.read_time
    }

    fn namespaces(&self) -> Result<Vec<String>, StoreError> {
        self.inner.namespaces()
    }

    fn kinds(&self, namespace: &str) -> Result<Vec<String>, StoreError> {
        self.inner.kinds(namespace)
    }

    fn split(&self, _: &str, kind: &str, parts: usize) -> Result<Vec<Key>, StoreError> {
        let bounds = (1..).map(|part| Key::root("Comment", part << 40)).take(parts.saturating_sub(1).min(8));
        Ok(if kind == "Comment" { bounds.collect() } else { Vec::new() })
    }

    fn page(&self, scan: &Scan, cursor: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        if self.store.pages.fetch_add(1, Ordering::Relaxed) >= self.store.fails_at {
            let (store, problem, next) = ("memory:".to_owned(), "pulled the plug".to_owned(), "plug it in".to_owned());
            return Err(StoreError::Open { store, problem, next });
        }
        let (busy, most) = &self.store.busy;
        most.fetch_max(busy.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(1));
        let page = self.inner.page(scan, cursor, limit);
        busy.fetch_sub(1, Ordering::Relaxed);
        page
    }
}

fn options(begin: Begin) -> Options {
    Options { begin, ..Options::new(Selection { rows_per_step: 20, ..Selection::default() }) }
}

#[test]
fn whichever_page_fails_none_before_it_is_read_again() {
    let entities: Vec<_> = Headline::new(600).map(Result::unwrap).collect();
    let folder = folder("resumed-pages");
    let back_up = |store: &Failing, place: &str, begin| {
        backup(store, &folder.join(place), &options(begin), &Silent, &AtomicBool::new(false))
    };
    let steady = Failing::new(&entities, usize::MAX);
    back_up(&steady, "expected/backup", Begin::Now).unwrap();
    let all = steady.pages.load(Ordering::Relaxed);
    for place in ["new/backup", "updated/backup"] {
        for fails_at in (0..all).step_by(if place == "new/backup" { 3 } else { 9 }) {
            let _ = fs::remove_dir_all(folder.join(place));
            if place == "updated/backup" {
                back_up(&Failing::new(&entities[..300], usize::MAX), place, Begin::Now).unwrap();
                let before = timeless(&folder.join(place));
                back_up(&Failing::new(&entities, fails_at), place, Begin::Now).unwrap_err();
                assert!(before == without_private(&folder.join(place)), "the backup is as it was");
            } else {
                back_up(&Failing::new(&entities, fails_at), place, Begin::Now).unwrap_err();
                assert!(!folder.join(place).exists());
            }
            // What the store holds by now is not what is backed up: only what is left is read.
            let store = Failing::new(&entities, usize::MAX);
            match back_up(&store, place, Begin::Resume) {
                Ok(done) => {
                    let pages = store.pages.load(Ordering::Relaxed);
                    // Each of four scans may lose the page that tells whether a kind is split.
                    assert!(pages <= all - fails_at + 4, "{pages} of {all} pages were read after {fails_at}");
                    assert!(
                        done.resumed > 0 && done.read_time.consistent && done.read_time.time == Timestamp::new(1, 0).unwrap()
                    );
                }
                Err(error) => {
                    assert!(error.to_string().contains("no interrupted backup"), "{error}");
                    assert!(fails_at < 8, "after {fails_at} pages there is something to go on with");
                    back_up(&store, place, Begin::Now).unwrap();
                }
            }
            if place == "new/backup" {
                assert_same_backup(&folder.join("expected/backup"), &folder.join(place));
            }
            assert_leaves_nothing(&folder.join(place));
        }
    }
}

#[test]
fn scans_read_at_once_and_give_the_same_backup() {
    let entities: Vec<_> = Headline::new(600).map(Result::unwrap).collect();
    let folder = folder("scans");
    for scans in [1, 2, 7, 100, usize::MAX] {
        let store = Failing::new(&entities, usize::MAX);
        let mut options = options(Begin::Now);
        options.selection.scans = scans;
        let place = folder.join(format!("{scans}/backup"));
        backup(&store, &place, &options, &Silent, &AtomicBool::new(false)).unwrap();
        let most = store.busy.1.load(Ordering::Relaxed);
        assert!(if scans < 3 { most == scans } else { most > 2 && most <= scans.min(100) }, "{most} at once of {scans}");
        assert_same_backup(&folder.join("1/backup"), &place);
    }
}

/// A backup's files but for those of Gaebar's own folder.
fn without_private(backup: &Path) -> std::collections::BTreeMap<String, String> {
    let mut files = timeless(backup);
    files.retain(|file, _| !file.starts_with(".gaebar/"));
    files
}

fn assert_leaves_nothing(backup: &Path) {
    assert!(!backup.with_file_name(".backup.gaebar").exists(), "something was left beside the backup");
    for left in ["spool", "update"] {
        assert!(!backup.join(".gaebar").join(left).exists(), "{left} was left in the backup");
    }
}

#[test]
fn what_was_read_is_gone_on_with_for_the_same_alone() {
    let entities: Vec<_> = Headline::new(600).map(Result::unwrap).collect();
    let folder = folder("resumed-other");
    let place = folder.join("backup");
    let stop = AtomicBool::new(false);
    let steady = Failing::new(&entities, usize::MAX);
    backup(&Failing::new(&entities, 20), &place, &options(Begin::Now), &Silent, &stop).unwrap_err();
    let selection = Selection { kinds: Some(vec!["Comment".to_owned()]), rows_per_step: 20, ..Selection::default() };
    let error =
        backup(&steady, &place, &Options { begin: Begin::Resume, ..Options::new(selection) }, &Silent, &stop).unwrap_err();
    assert!(error.to_string().contains("and this one is of memory:, kinds [\"Comment\"]"), "{error}");
    assert!(matches!(error, BackupError::Unfinished { .. }), "that was no reason to forget what was read");
    // What is left, as it is now: the backup says that it is no snapshot.
    let done = backup(&steady, &place, &options(Begin::ResumeInconsistent), &Silent, &stop).unwrap();
    assert!(!done.read_time.consistent && done.resumed > 0);
    // Begun anew, nothing of it is used.
    let other = folder.join("other");
    backup(&Failing::new(&entities, 20), &other, &options(Begin::Now), &Silent, &stop).unwrap_err();
    let done = backup(&Failing::new(&entities[..100], usize::MAX), &other, &options(Begin::Now), &Silent, &stop).unwrap();
    assert_eq!((done.resumed, done.kinds.values().map(|kind| kind.rows).sum::<u64>()), (0, 100));
    let error = backup(&steady, &other, &options(Begin::Resume), &Silent, &stop).unwrap_err();
    assert!(error.to_string().contains("leave --resume out"), "{error}");
}

/// What is read of a file is not synced: once the machine has started again, it may be anything.
#[cfg(target_os = "linux")]
#[test]
fn what_was_read_before_the_machine_started_again_is_not_used() {
    let entities: Vec<_> = Headline::new(200).map(Result::unwrap).collect();
    let folder = folder("resumed-restart");
    let (place, log) = (folder.join("backup"), folder.join(".backup.gaebar/spool/read.log"));
    let stop = AtomicBool::new(false);
    backup(&Failing::new(&entities, 14), &place, &options(Begin::Now), &Silent, &stop).unwrap_err();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains(boot.trim()), "{text}");
    fs::write(&log, text.replace(boot.trim(), "another")).unwrap();
    let done = backup(&Failing::new(&entities, usize::MAX), &place, &options(Begin::Resume), &Silent, &stop).unwrap();
    assert_eq!((done.resumed, done.began_anew), (0, true));
    assert_eq!(done.kinds.values().map(|kind| kind.rows).sum::<u64>(), 200);
}

/// Whatever is in the log, and wherever it is cut off: it is read in full, or an error says so.
#[test]
fn a_damaged_log_is_an_error_or_reads_what_is_left() {
    let entities: Vec<_> = Headline::new(200).map(Result::unwrap).collect();
    let folder = folder("resumed-damaged");
    let (place, log) = (folder.join("backup"), folder.join(".backup.gaebar/spool/read.log"));
    let stop = AtomicBool::new(false);
    let steady = Failing::new(&entities, usize::MAX);
    backup(&steady, &folder.join("expected/backup"), &options(Begin::Now), &Silent, &stop).unwrap();
    backup(&Failing::new(&entities, 14), &place, &options(Begin::Now), &Silent, &stop).unwrap_err();
    let spool = tempfile::tempdir().unwrap();
    copy(&folder.join(".backup.gaebar"), spool.path());
    let whole = fs::read(&log).unwrap();
    let lines = whole.split_inclusive(|byte| *byte == b'\n').count();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).step_by(37).map(|end| whole[..end].to_vec()).collect();
    for line in 0..lines {
        let kept = whole.split_inclusive(|byte| *byte == b'\n').enumerate().filter(|(number, _)| *number != line);
        damaged.push(kept.flat_map(|(_, line)| line.to_vec()).collect());
    }
    damaged.push(whole.replace_first(b"\"rows\":", b"\"rows\":9"));
    damaged.push(whole.replace_first(b"\"number\":0", b"\"number\":77"));
    let (mut refused, mut resumed) = (0, 0);
    for bytes in damaged {
        let _ = fs::remove_dir_all(&place);
        copy(spool.path(), &folder.join(".backup.gaebar"));
        fs::write(&log, bytes).unwrap();
        match backup(&steady, &place, &options(Begin::Resume), &Silent, &stop) {
            Ok(_) => {
                resumed += 1;
                assert_same_backup(&folder.join("expected/backup"), &place);
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 5 && resumed > 5, "{refused} refused, {resumed} resumed");
}

trait Replace {
    fn replace_first(&self, from: &[u8], to: &[u8]) -> Vec<u8>;
}

impl Replace for Vec<u8> {
    fn replace_first(&self, from: &[u8], to: &[u8]) -> Vec<u8> {
        let at = self.windows(from.len()).position(|window| window == from).expect("it is there");
        [&self[..at], to, &self[at + from.len()..]].concat()
    }
}

fn copy(from: &Path, to: &Path) {
    for (file, bytes) in gaebar_tests::tree::files(from) {
        fs::create_dir_all(to.join(&file).parent().unwrap()).unwrap();
        fs::write(to.join(file), bytes).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_backup_killed_at_any_operation_on_files_is_resumed_whole() {
    let Some(strace) = needs::strace() else { return };
    let folder = folder("killed-backup");
    let store = SqliteStore::open_or_create(&folder.join("store.db")).unwrap();
    let mut entities = seed::suite().unwrap();
    entities.retain(|entity| ["Profile", "Letter", "Child"].contains(&entity.kind()));
    store.upsert(&entities).unwrap();
    drop(store);
    let arguments = ["backup", "sqlite:store.db", "backup"];
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "expected/backup"]), 0);
    let (mut kills, mut resumed) = (0, 0);
    for calls in ["/^rename", "/^unlink", "/^rmdir", "/^mkdir", "/fsync,/fdatasync", "write"] {
        for at in 1.. {
            let _ = fs::remove_dir_all(folder.join("backup"));
            let backup = gaebar(&folder, &arguments);
            let mut command = Command::new(strace);
            command.current_dir(&folder).args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
            command.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={at}")]);
            command.arg(backup.get_program()).args(backup.get_args()).env("RAYON_NUM_THREADS", "1");
            if command.stderr(Stdio::null()).status().unwrap().success() {
                break;
            }
            kills += 1;
            if folder.join("backup").exists() {
                run(&mut gaebar(&folder, &["verify", "backup"]), 0);
            }
            let mut again = go_on(&folder);
            resumed += u32::from(again.get_args().any(|argument| argument == "--resume"));
            run(&mut again, 0);
            assert_leaves_nothing(&folder.join("backup"));
            let _ = fs::remove_dir_all(folder.join("backup/.gaebar"));
            assert_same_backup(&folder.join("expected/backup"), &folder.join("backup"));
        }
    }
    eprintln!("killed {kills} times, resumed {resumed} times, lost 0 of {} entities", entities.len());
    assert!(kills > 100 && resumed > 50, "{kills} kills, {resumed} resumed");
}

/// Backs up, from where a backup was killed, if it came so far that there is something to go on with.
fn go_on(folder: &Path) -> Command {
    let mut command = gaebar(folder, &["backup", "sqlite:store.db", "backup"]);
    let log = fs::read_to_string(folder.join(".backup.gaebar/spool/read.log"));
    if log.is_ok_and(|log| log.ends_with('\n')) && !folder.join("backup").exists() {
        command.arg("--resume");
    }
    command
}

#[test]
fn a_backup_killed_again_and_again_ends_whole() {
    let folder = folder("killed-backups");
    let rows = kills::rows();
    run(&mut gaebar(&folder, &["seed", "headline", "--rows", &rows.to_string(), "--to", "sqlite:store.db"]), 0);
    let begun = Instant::now();
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "expected/backup"]), 0);
    let begin = || drop(fs::remove_dir_all(folder.join("backup")));
    let ended = |is_over: bool| {
        if !is_over {
            run(&mut go_on(&folder), 0);
        }
        assert_leaves_nothing(&folder.join("backup"));
        drop(fs::remove_dir_all(folder.join("backup/.gaebar")));
        assert_same_backup(&folder.join("expected/backup"), &folder.join("backup"));
    };
    let (killed, resumed) = kills::kill(begun.elapsed(), begin, || go_on(&folder), ended);
    eprintln!("killed {killed} times, resumed {resumed} times, lost 0 of {rows} entities");
    assert!(resumed > 2, "{killed} kills, {resumed} resumed");
}

#[cfg(unix)]
#[test]
fn an_interrupted_backup_of_a_server_goes_on_as_of_the_same_time() {
    let Some(emulator) = Emulator::shared(Flavour::Firestore) else { return };
    let folder = folder("resumed-server");
    let project = format!("resumed-{}", std::process::id());
    let store = DatastoreStore::connect_to_emulator(&emulator.host(), &project, "").unwrap();
    let entity =
        |id: i64, text: &str| Entity::new(Key::root("N", id), Properties::from([("t".to_owned(), text.into())])).unwrap();
    store.upsert(&(1..=400).map(|id| entity(id, "then")).collect::<Vec<_>>()).unwrap();
    let is_slow = Arc::new(AtomicBool::new(true));
    let server = Faulty::start(&emulator.host(), {
        let is_slow = Arc::clone(&is_slow);
        move |asked| {
            let slow = is_slow.load(Ordering::Relaxed) && asked.method == "RunQuery" && asked.number > 5;
            slow.then_some(Fault::Slow(Duration::from_secs(3)))
        }
    });
    let source = format!("datastore://{project}");
    let arguments = ["backup", &source, "backup", "--kinds", "N", "--namespaces", "", "--rows-per-step", "20"];
    let back_up = |more: &[&str]| {
        let mut command = gaebar(&folder, &arguments);
        command.args(more).env("DATASTORE_EMULATOR_HOST", server.host());
        command
    };
    let child = back_up(&[]).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !folder.join(".backup.gaebar/spool/0.run").exists() {
        assert!(begun.elapsed() < Duration::from_mins(1), "nothing was read");
        std::thread::sleep(Duration::from_millis(20));
    }
    // While somebody is at it, nobody else is.
    let (_, error) = run(&mut back_up(&[]), 1);
    assert!(error.contains(&format!("another gaebar (process {}) is writing", child.id())), "{error}");
    run(Command::new("kill").args(["-INT", &child.id().to_string()]), 0);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("No backup was written") && said.contains("--resume"), "{said}");
    assert!(!folder.join("backup").exists());
    is_slow.store(false, Ordering::Relaxed);

    // The rest of the store changes. The backup is of the time at which it began.
    store.upsert(&(1..=500).map(|id| entity(id, "now")).collect::<Vec<_>>()).unwrap();
    let log = folder.join(".backup.gaebar/spool/read.log");
    let (head, rest) = fs::read_to_string(&log).unwrap().split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    // What a server does not have any more can't be gone on with.
    let time = head.find("\"read_time\":\"").unwrap() + "\"read_time\":\"".len();
    let old = format!("{}2020{}", &head[..time], &head[time + 4..]);
    fs::write(&log, format!("{old}\n{rest}")).unwrap();
    let (_, error) = run(&mut back_up(&["--resume"]), 1);
    assert!(error.contains("--resume --inconsistent") && error.contains("could not read as of 2020"), "{error}");
    fs::write(&log, format!("{head}\n{rest}")).unwrap();
    let done = event(&mut back_up(&["--resume"]));
    assert!(done["resumed"].as_u64().unwrap() > 0 && done["consistent"] == true && done["rows"] == 400, "{done}");
    let shard = fs::read_to_string(folder.join("backup/volumes/n_0/src/shard_0.rs")).unwrap();
    assert_eq!((shard.matches("\"then\"").count(), shard.matches("\"now\"").count()), (400, 0));
}
