//! `gaebar backup`, `list` and `build`: what is written, what is refused, and that nothing is left half done.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gaebar_gen::backup::{Options, backup};
use gaebar_gen::progress::Silent;
use gaebar_gen::read::Selection;
use gaebar_gen::seed::Headline;
use gaebar_runtime::model::{Entity, Key, Properties, Timestamp};
use gaebar_runtime::store::{
    Cursor, MemoryStore, Page, Place, ReadTime, Scan, Snapshot, SqliteStore, Store, StoreError, View, WriteMode,
};
use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::strategy;
use gaebar_tests::tree::{assert_same_backup, files};

/// A store whose answers come in another order each time: ranges, page sizes and delays depend on a number.
struct Unsteady {
    inner: MemoryStore,
    dice: AtomicU64,
    fails_after: Option<u64>,
}

impl Unsteady {
    fn new(entities: &[Entity], seed: u64) -> Self {
        let inner = MemoryStore::default();
        inner.upsert(entities).unwrap();
        Self { inner, dice: AtomicU64::new(seed), fails_after: None }
    }

    fn roll(&self, sides: u64) -> u64 {
        let next = self.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        (next ^ (next >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) % sides
    }
}

impl Store for Unsteady {
    fn place(&self) -> &Place {
        self.inner.place()
    }

    fn snapshot(&self, view: View) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        Ok(Box::new(UnsteadySnapshot { store: self, inner: self.inner.snapshot(view)? }))
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

struct UnsteadySnapshot<'a> {
    store: &'a Unsteady,
    inner: Box<dyn Snapshot + 'a>,
}

impl Snapshot for UnsteadySnapshot<'_> {
    fn read_time(&self) -> ReadTime {
        ReadTime { time: Timestamp::new(0, 0).unwrap(), consistent: true }
    }

    fn namespaces(&self) -> Result<Vec<String>, StoreError> {
        let mut namespaces = self.inner.namespaces()?;
        namespaces.reverse();
        Ok(namespaces)
    }

    fn kinds(&self, namespace: &str) -> Result<Vec<String>, StoreError> {
        let mut kinds = self.inner.kinds(namespace)?;
        let by = usize::try_from(self.store.roll(1000)).unwrap() % kinds.len().max(1);
        kinds.rotate_left(by);
        Ok(kinds)
    }

    fn split(&self, namespace: &str, kind: &str, _: usize) -> Result<Vec<Key>, StoreError> {
        let scan = Scan { namespace: namespace.to_owned(), kind: kind.to_owned(), from: None, to: None };
        let all = self.inner.page(&scan, None, usize::MAX)?.entities;
        Ok(all.iter().map(Entity::key).filter(|_| self.store.roll(7) == 0).cloned().collect())
    }

    fn page(&self, scan: &Scan, cursor: Option<&Cursor>, _: usize) -> Result<Page, StoreError> {
        let roll = self.store.roll(5);
        std::thread::sleep(Duration::from_micros(roll * 300));
        if self.store.fails_after.is_some_and(|after| self.store.roll(after) == 0) {
            let (store, problem, next) = ("memory:".to_owned(), "pulled the plug".to_owned(), "plug it in".to_owned());
            return Err(StoreError::Open { store, problem, next });
        }
        self.inner.page(scan, cursor, usize::try_from(roll).unwrap() + 1)
    }
}

fn options() -> Options {
    let selection = Selection { rows_per_step: 100, ..Selection::default() };
    Options { shard_bytes: 30_000, ..Options::new(selection) }
}

#[test]
fn the_same_entities_give_the_same_bytes_in_whatever_order_they_arrive() {
    let folder = folder("order");
    let mut entities = strategy::entities(200);
    entities.extend(Headline::new(120).map(Result::unwrap));
    for seed in 0..4 {
        let place = folder.join(seed.to_string()).join("backup");
        backup(&Unsteady::new(&entities, seed), &place, &options(), &Silent, &AtomicBool::new(false)).unwrap();
        // Here the manifests too: the store says that it is always 1970.
        assert_eq!(files(&folder.join("0/backup")), files(&place));
    }
}

#[test]
fn a_store_that_fails_midway_leaves_what_was_read_and_nothing_else() {
    let folder = folder("midway");
    let entities = strategy::entities(100);
    let store = Unsteady { fails_after: Some(20), ..Unsteady::new(&entities, 7) };
    let error = backup(&store, &folder.join("backup"), &options(), &Silent, &AtomicBool::new(false)).unwrap_err();
    assert!(error.to_string().contains("pulled the plug") && error.to_string().contains("--resume"), "{error}");
    let left: Vec<_> = files(&folder).into_keys().filter(|file| !file.starts_with(".backup.gaebar/spool/")).collect();
    assert_eq!(left, [".backup.gaebar/.gitignore", ".backup.gaebar/lock"]);
}

#[test]
fn a_backup_that_is_killed_leaves_no_folder_at_its_place() {
    let folder = folder("killed");
    run(&mut gaebar(&folder, &["seed", "headline", "--rows", "3000", "--to", "sqlite:store.db"]), 0);
    let mut published = 0;
    for delay in (0..12).map(|step| Duration::from_millis(step * 120)) {
        let place = folder.join("backups").join(delay.as_millis().to_string());
        let mut child = gaebar(&folder, &["backup", "sqlite:store.db"]).arg(&place).spawn().unwrap();
        std::thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        if place.exists() {
            published += 1;
            let listed = run(&mut gaebar(&folder, &["list", place.to_str().unwrap()]), 0).0;
            assert!(listed.contains("3,000"), "a backup was published in part:\n{listed}");
        }
    }
    let left_behind = fs::read_dir(folder.join("backups")).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with('.')
    });
    assert!(left_behind.count() > 0 && published < 12, "no kill hit a backup at work: kill at other times");
}

/// In each stage: a backup ends with 130 and leaves nothing, or was done before.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_backup_with_130_and_no_backup() {
    let folder = folder("interrupted");
    run(&mut gaebar(&folder, &["seed", "headline", "--rows", "3000", "--to", "sqlite:store.db"]), 0);
    let mut interrupted = 0;
    for delay in (0..12).map(|step| Duration::from_millis(20 + step * 100)) {
        let place = folder.join("backups").join(delay.as_millis().to_string());
        let mut child =
            gaebar(&folder, &["backup", "sqlite:store.db"]).arg(&place).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(delay);
        let _ = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        match child.wait().unwrap().code() {
            Some(130) => {
                interrupted += 1;
                assert!(!place.exists());
            }
            // Before it listens, the signal ends it as any other program.
            None => assert!(!place.exists()),
            code => assert_eq!(code, Some(0)),
        }
    }
    assert!(interrupted >= 3, "only {interrupted} backups were at work when interrupted");
    let left = files(&folder.join("backups"));
    let is_kept = |file: &String| file.contains("/spool/") || file.ends_with("/lock") || file.ends_with("/.gitignore");
    assert!(left.keys().filter(|file| file.starts_with('.')).all(is_kept), "{:?}", left.keys());
}

#[cfg(unix)]
#[test]
fn places_that_can_not_be_taken_are_refused_before_anything_is_read() {
    let folder = folder("places");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:store.db"]), 0);
    fs::create_dir_all(folder.join("inside/real")).unwrap();
    let mut here = gaebar(&folder.join("inside/real"), &["backup", "sqlite:../../store.db", "."]);
    let (_, error) = run(&mut here, 1);
    assert!(error.contains("the folder that you are in"), "{error}");
    std::os::unix::fs::symlink("inside/real", folder.join("link")).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "link"]), 0);
    assert!(folder.join("inside/real/manifest.json").is_file(), "the backup goes to where the link leads");
    std::os::unix::fs::symlink("nowhere", folder.join("dangling")).unwrap();
    let (_, error) = run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "dangling"]), 1);
    assert!(error.contains("dangling"), "{error}");
    fs::write(folder.join("file"), "x").unwrap();
    let (_, error) = run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "file"]), 1);
    assert!(error.contains("file"), "{error}");
}

#[test]
fn a_folder_with_something_in_it_is_refused_and_left_alone() {
    let folder = folder("taken");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:store.db"]), 0);
    fs::create_dir_all(folder.join("notes")).unwrap();
    fs::write(folder.join("notes/mine.txt"), "mine").unwrap();
    let (_, error) = run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "notes"]), 1);
    assert!(error.contains("exists and is not empty; choose another folder"), "{error}");
    assert_eq!(files(&folder.join("notes")).keys().collect::<Vec<_>>(), ["mine.txt"]);

    fs::create_dir(folder.join("empty")).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "empty"]), 0);
    assert!(folder.join("empty/manifest.json").is_file());
}

#[test]
fn kinds_and_namespaces_are_chosen_by_flags_and_settings_and_flags_win() {
    let folder = folder("chosen");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:store.db"]), 0);
    let kinds = |event: &serde_json::Value| event["kinds"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();

    let done = event(&mut gaebar(&folder, &["backup", "sqlite:store.db", "a", "--kinds", "Profile,Letter", "--namespaces", ""]));
    assert_eq!(kinds(&done), ["Letter", "Profile"]);
    assert_eq!(done["rows"], 6, "five profiles of the default namespace, one letter");

    let settings = "[stores]\ndev = \"sqlite:store.db\"\n[backup]\nkinds = [\"Child\"]\nshard-size = 1\n";
    fs::write(folder.join("gaebar.toml"), settings).unwrap();
    let done = event(&mut gaebar(&folder, &["backup", "dev"]));
    assert_eq!(kinds(&done), ["Child"]);
    assert!(folder.join("backups/dev/manifest.json").is_file(), "the folder is named after the store");
    let done = event(&mut gaebar(&folder, &["backup", "dev", "b", "--kinds", "Profile"]));
    assert_eq!(done["kinds"]["Profile"]["shards"], 6, "the shard size of the settings holds: a shard a row");
    let done = event(&mut gaebar(&folder, &["backup", "dev", "c", "--kinds", "Profile", "--shard-size", "100000"]));
    assert_eq!(done["kinds"]["Profile"]["shards"], 1);

    for (into, kinds) in [("e", "Nobody"), ("e", "Profile,Nobody,Profile"), ("a", "Nobody"), ("a", "Letter,Nobody")] {
        let manifests = || folder.join(into).exists().then(|| files(&folder.join(into).join("kinds")));
        let before = manifests();
        let (_, error) = run(&mut gaebar(&folder, &["backup", "dev", into, "--kinds", kinds]), 1);
        let told = "no entities of kind \"Nobody\"; it has ../up, AllOtherTypes, ";
        assert!(error.contains(told) && error.contains(", Profile, ") && error.contains("nothing was written"), "{error}");
        assert!(!error.contains("right project") && !error.contains("--resume"), "{error}");
        assert!(manifests() == before, "{into}: {kinds}");
    }
    let allowed = ["backup", "dev", "d", "--kinds", "Profile,Nobody,Profile", "--allow-empty"];
    let (_, note) = run(&mut gaebar(&folder, &allowed), 0);
    assert!(note.contains("note: there are no entities of kind \"Nobody\""), "{note}");
    // A kind that the backup has, and the store no longer, is no slip of the pen.
    rusqlite::Connection::open(folder.join("store.db"))
        .unwrap()
        .execute("DELETE FROM entities WHERE kind = 'Letter'", [])
        .unwrap();
    let (_, note) = run(&mut gaebar(&folder, &["backup", "dev", "a", "--kinds", "Letter"]), 0);
    assert!(note.contains("no entities of kind \"Letter\"") && !note.contains("right project"), "{note}");
    assert!(note.contains("1 kind changed, in ") && note.contains("  Letter "), "{note}");
    let again = ["backup", "dev", "a", "--kinds", "Letter,Profile", "--namespaces", ""];
    run(&mut gaebar(&folder, &again), 0);
    let (_, note) = run(&mut gaebar(&folder, &again), 0);
    assert!(note.contains("nothing of it changed") && !note.contains("  Letter ") && !note.contains("  Profile "), "{note}");
    let (_, error) = run(&mut gaebar(&folder, &["backup", "prod", "e"]), 2);
    assert!(error.contains("(there: dev)"), "{error}");
}

#[test]
fn a_namespace_that_nobody_has_is_an_error_and_no_update() {
    let folder = folder("no-namespace");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:store.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    let backup =
        || files(&folder.join("backup")).into_iter().filter(|(file, _)| !file.starts_with(".gaebar/")).collect::<Vec<_>>();
    let before = backup();
    for into in ["backup", "new"] {
        let (_, error) = run(&mut gaebar(&folder, &["backup", "sqlite:store.db", into, "--namespaces", "tenant-a,tenant-x"]), 1);
        let told = "no entities in the namespace \"tenant-x\"; it has \"\", \"tenant-a\"";
        assert!(error.contains(told) && error.contains("nothing was written"), "{error}");
        assert!(error.contains("--allow-empty") && !error.contains("--resume"), "{error}");
        assert!(backup() == before && !folder.join("new").exists(), "{into}");
    }
    let allowed = ["backup", "sqlite:store.db", "new", "--namespaces", "tenant-a,tenant-x", "--allow-empty"];
    run(&mut gaebar(&folder, &allowed), 0);
    // One that the backup has, and the store no longer, is emptied.
    let database = rusqlite::Connection::open(folder.join("store.db")).unwrap();
    assert!(database.execute("DELETE FROM entities WHERE namespace = 'tenant-a'", []).unwrap() > 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup", "--namespaces", "tenant-a"]), 0);
    run(&mut gaebar(&folder, &["diff", "backup", "sqlite:store.db"]), 0);
}

#[test]
fn list_shows_kinds_rows_and_shards() {
    let folder = folder("list");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:store.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup"]), 0);
    let (text, _) = run(&mut gaebar(&folder, &["list", "backup"]), 0);
    let profile = text.lines().find(|line| line.starts_with("Profile")).unwrap();
    assert_eq!(profile.split_whitespace().take(3).collect::<Vec<_>>(), ["Profile", "6", "1"]);
    let (json, _) = run(&mut gaebar(&folder, &["list", "backup", "--format", "json"]), 0);
    assert!(json.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    let (_, error) = run(&mut gaebar(&folder, &["list", "."]), 1);
    assert!(error.contains("is no backup") && error.contains("gaebar backup STORE"), "{error}");
}

#[test]
fn backing_up_twice_gives_the_same_bytes() {
    let folder = folder("twice");
    run(&mut gaebar(&folder, &["seed", "headline", "--rows", "300", "--to", "sqlite:store.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "one/backup"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "two/backup", "--rows-per-step", "7"]), 0);
    assert_same_backup(&folder.join("one/backup"), &folder.join("two/backup"));
}

/// Cargo tells packages of one name apart by their paths, and trusts modification times; both have made it run an
/// older or another backup's rows.
#[test]
fn backups_of_one_name_built_at_once_keep_to_their_own_rows() {
    let folder = folder("namesakes");
    let backup_of = |place: &str, text: &str| {
        let store = format!("{place}.db");
        let entity = Entity::new(Key::root("Note", 1), Properties::from([("text".to_owned(), text.into())])).unwrap();
        SqliteStore::open_or_create(&folder.join(&store)).unwrap().upsert(&[entity]).unwrap();
        run(&mut gaebar(&folder, &["backup", &format!("sqlite:{store}"), &format!("{place}/backup")]), 0);
    };
    let restored = |place: &str| {
        let to = format!("{place}-restored.db");
        run(&mut gaebar(&folder, &["restore", &format!("{place}/backup"), "--to", &format!("sqlite:{to}")]), 0);
        let store = SqliteStore::open(&folder.join(&to)).unwrap();
        let scan = Scan { namespace: String::new(), kind: "Note".to_owned(), from: None, to: None };
        let page = store.snapshot(View::Now).unwrap().page(&scan, None, 10).unwrap();
        page.entities[0].properties["text"].clone()
    };
    backup_of("one", "first");
    backup_of("two", "second");
    std::thread::scope(|scope| {
        let one = scope.spawn(|| restored("one"));
        let two = scope.spawn(|| restored("two"));
        assert_eq!((one.join().unwrap(), two.join().unwrap()), ("first".into(), "second".into()));
    });

    // Another backup at the same place, with older files, as a checkout or an unpacked archive brings them.
    fs::remove_dir_all(folder.join("one")).unwrap();
    fs::remove_file(folder.join("one.db")).unwrap();
    backup_of("one", "third");
    let old = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    let shard = fs::File::options().append(true).open(folder.join("one/backup/volumes/note_0/src/shard_0.rs")).unwrap();
    shard.set_times(old).unwrap();
    assert_eq!(restored("one"), "third".into());
}

#[test]
fn a_build_that_fails_shows_the_compilers_own_message() {
    let folder = folder("broken-build");
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:store.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backup", "--kinds", "Letter"]), 0);
    let (_, error) = run(gaebar(&folder, &["build", "backup"]).env("RUSTFLAGS", "--cfg nonsense("), 1);
    assert!(error.contains("did not compile") && error.contains("--cfg"), "{error}");
}
