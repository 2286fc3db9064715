//! What `verify` accepts and refuses; and that nothing is compiled or run but what it accepted.

mod beside;
mod hostile;
mod names;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use gaebar_gen::backup::{Options, backup};
use gaebar_gen::manifest::{BackupManifest, KindManifest, Origin};
use gaebar_gen::progress::Silent;
use gaebar_gen::read::Selection;
use gaebar_gen::templates::TOOL_FILES;
use gaebar_runtime::model::{Embedded, Entity, Key, Properties, Value};
use gaebar_runtime::restore::{Coverage, Extent};
use gaebar_runtime::store::{MemoryStore, SqliteStore, Store, View};
use gaebar_tests::command::{event, folder, gaebar, run, workspace};
use gaebar_tests::tree::files;
use sha2::{Digest as _, Sha256};

/// A small backup: two notes, one with a blob in a file of its own.
fn small_backup(folder: &Path) -> PathBuf {
    let store = SqliteStore::open_or_create(&folder.join("store.db")).unwrap();
    let note = |id: i64, properties: &[(&str, Value)]| {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Entity::new(Key::root("Note", id), properties.collect::<Properties>()).unwrap()
    };
    let blob = Value::from(vec![7_u8; 3000]).unindexed();
    store.upsert(&[note(1, &[("text", "one".into())]), note(2, &[("text", "two".into()), ("blob", blob)])]).unwrap();
    run(&mut gaebar(folder, &["backup", "sqlite:store.db", "backup"]), 0);
    folder.join("backup")
}

const SHARD: &str = "volumes/note_0/src/shard_0.rs";

/// Verifies: the exit code, and all that was said.
fn verify(folder: &Path) -> (i32, String) {
    let output = gaebar(folder, &["verify", "backup"]).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn an_untouched_backup_is_exactly_what_was_backed_up() {
    let folder = folder("gate-untouched");
    small_backup(&folder);
    let (code, said) = verify(&folder);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 rows of 1 kind, exactly what was backed up"), "{said}");
    let example = workspace().join("examples/backup");
    let done = event(&mut gaebar(&folder, &["verify", example.to_str().unwrap()]));
    assert_eq!((&done["rows"], &done["edits"]), (&39.into(), &serde_json::json!([])));
    assert_eq!(done["over_limit"], serde_json::json!([]), "the suite keeps to Datastore's limits");
    assert!(done["dangling"].as_u64().unwrap() >= 2, "the suite has dangling references: {done}");
}

#[test]
fn an_edit_within_the_grammar_is_named_and_goes_on_only_if_accepted() {
    let folder = folder("gate-edited");
    let backup = small_backup(&folder);
    let shard = fs::read_to_string(backup.join(SHARD)).unwrap();
    fs::write(backup.join(SHARD), shard.replace("\"one\"", "\"1\"")).unwrap();
    let (code, said) = verify(&folder);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("row_1 (Note/1) is not as it was backed up"), "{said}");
    let (_, error) = run(&mut gaebar(&folder, &["restore", "backup", "--to", "sqlite:restored.db"]), 1);
    assert!(error.contains("row_1 (Note/1)") && error.contains("--accept-edits"), "{error}");
    assert!(!folder.join("restored.db").exists(), "something was run");
    run(&mut gaebar(&folder, &["restore", "backup", "--to", "sqlite:restored.db", "--accept-edits"]), 0);
    let store = SqliteStore::open(&folder.join("restored.db")).unwrap();
    let scan = gaebar_runtime::store::Scan { namespace: String::new(), kind: "Note".to_owned(), from: None, to: None };
    let page = store.snapshot(View::Now).unwrap().page(&scan, None, 10).unwrap();
    assert_eq!(page.entities[0].properties["text"], "1".into());

    let (before, rest) = shard.split_once("\npub fn row_1").unwrap();
    let (_, after) = rest.split_once("\n}\n").unwrap();
    let without = format!("{before}{after}");
    fs::write(backup.join(SHARD), &without).unwrap();
    let (code, said) = verify(&folder);
    assert!(code == 1 && said.contains(":5:5: row_1 is listed, but is not there; to delete a row"), "{said}");
    fs::write(backup.join(SHARD), without.replace("    (1, row_1),\n", "")).unwrap();
    let (code, said) = verify(&folder);
    assert!(code == 3 && said.contains("a row was deleted"), "{said}");
}

/// What an attacker, or a merge that went wrong, might leave in a backup. The manifest is made to match where that can be.
#[test]
fn whatever_would_run_or_read_something_else_is_refused() {
    let folder = folder("gate-attacks");
    let backup = small_backup(&folder);
    let good = files(&backup);
    let blob = good.keys().find(|file| file.contains("/blobs/")).unwrap().clone();
    let hash = blob.rsplit('/').next().unwrap().to_owned();
    let evil = "fn main() { std::fs::write(\"/tmp/gaebar-was-here\", \"\").unwrap() }\n";

    let add = |file: &str, text: &str| vec![(file.to_owned(), text.as_bytes().to_vec())];
    let append = |file: &str, text: &str| vec![(file.to_owned(), [good[file].as_slice(), text.as_bytes()].concat())];
    let swap = |file: &str, from: &str, to: &str| {
        let text = String::from_utf8(good[file].clone()).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        vec![(file.to_owned(), text.replace(from, to).into_bytes())]
    };
    let attacks: Vec<(&str, Changes)> = vec![
        ("an added build script", add("build.rs", evil)),
        ("a volume's build script", add("volumes/note_0/build.rs", evil)),
        ("a model's build script", add("models/build.rs", evil)),
        ("cargo's settings", add(".cargo/config.toml", "[build]\nrustc-wrapper = \"/tmp/evil\"\n")),
        ("a volume's cargo settings", add("volumes/note_0/.cargo/config.toml", "[build]\n")),
        ("a toolchain", add("rust-toolchain.toml", "[toolchain]\npath = \"/tmp/evil\"\n")),
        ("another module", add("volumes/note_0/src/evil.rs", evil)),
        ("another volume", add("volumes/evil_0/src/lib.rs", evil)),
        ("another binary", add("src/bin/evil.rs", evil)),
        ("a dependency", append("Cargo.toml", "evil = { path = \"/tmp/evil\" }\n")),
        ("a patch", append("Cargo.toml", "\n[patch.crates-io]\nserde = { path = \"/tmp/evil\" }\n")),
        ("a volume's proc-macro dependency", append("volumes/note_0/Cargo.toml", "serde_derive = \"1\"\n")),
        ("a volume that is a build script", append("volumes/note_0/Cargo.toml", "\n[package.metadata]\nx = 1\n")),
        ("another lock", append("Cargo.lock", "\n")),
        ("another runtime", append("gaebar-runtime/src/lib.rs", "\nmod evil;\n")),
        ("another file of the runtime", add("gaebar-runtime/src/evil.rs", evil)),
        ("another restore binary", append("src/main.rs", "\n// more\n")),
        ("another root", append("src/lib.rs", "\n// more\n")),
        ("another list of models", append("models/src/lib.rs", "mod evil;\n")),
        ("another model", swap("models/src/note.rs", "text(\"text\")", "text(\"test\")")),
        ("code in a model", append("models/src/note.rs", evil)),
        ("code in a volume's root", append("volumes/note_0/src/lib.rs", evil)),
        ("a call", swap(SHARD, "\"one\"", "evil()")),
        ("a block", swap(SHARD, "\"one\"", "{ loop {} }")),
        ("a macro", swap(SHARD, "\"one\"", "include_str!(\"/etc/passwd\")")),
        ("unsafe", swap(SHARD, "pub fn row_1", "pub unsafe fn row_1")),
        ("an attribute", swap(SHARD, "pub fn row_1", "#[unsafe(no_mangle)]\npub fn row_1")),
        ("a module elsewhere", swap(SHARD, "pub fn row_1", "#[path = \"/tmp/evil.rs\"]\nmod evil;\npub fn row_1")),
        ("a blob elsewhere", swap(SHARD, "blobs/", "../../../../../etc/")),
        ("a blob with dots", swap(SHARD, &hash, "../lib.rs")),
        ("another blob", append(&blob, "x")),
        ("CRLF", swap(SHARD, "\n", "\r\n")),
        ("a BOM", swap(SHARD, "use gaebar_runtime", "\u{feff}use gaebar_runtime")),
        ("a shebang", swap(SHARD, "use gaebar_runtime", "#!/bin/sh\nuse gaebar_runtime")),
        ("a key twice", swap(SHARD, "Note/2", "Note/1")),
        ("a row past the last", swap(SHARD, "row_2", "row_9")),
        ("no UTF-8", vec![(SHARD.to_owned(), vec![0xff, 0xfe])]),
    ];
    for (attack, changes) in &attacks {
        for (file, bytes) in changes {
            let path = backup.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let (code, said) = verify(&folder);
        assert_eq!(code, 1, "{attack}: {said}");
        assert!(said.contains("refused"), "{attack}: {said}");
        // With hashes that match, the grammar still has the last word.
        forge(&backup, changes, &good);
        let (code, said) = verify(&folder);
        assert_eq!(code, 1, "{attack}, with a forged manifest: {said}");
        let (_, said) = run(&mut gaebar(&folder, &["build", "backup", "--accept-edits"]), 1);
        assert!(said.contains("refused"), "{attack}: {said}");
        restore_files(&backup, &good);
    }
    assert_eq!(verify(&folder).0, 0, "all was put back");

    #[cfg(unix)]
    for file in [SHARD, "src/main.rs", &blob, "Cargo.lock"] {
        let elsewhere = folder.join("elsewhere");
        fs::rename(backup.join(file), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, backup.join(file)).unwrap();
        let (code, said) = verify(&folder);
        assert!(code == 1 && said.contains("no regular file"), "{file}: {said}");
        fs::remove_file(backup.join(file)).unwrap();
        fs::rename(&elsewhere, backup.join(file)).unwrap();
    }
    for file in good.keys() {
        fs::remove_file(backup.join(file)).unwrap();
        let (code, said) = verify(&folder);
        // What tools are told is the user's to change, and named.
        let is_the_users = TOOL_FILES.iter().any(|(tools, _)| tools == file);
        assert_eq!(code, i32::from(!is_the_users), "{file} was removed: {said}");
        assert!(said.contains(file), "{file} was removed: {said}");
        restore_files(&backup, &good);
    }
}

/// What a backup covers decides what a mirror deletes, so it is verified like rows.
#[test]
fn a_record_of_what_is_covered_that_was_edited_is_refused() {
    let folder = folder("gate-covers");
    let backup = small_backup(&folder);
    let good = files(&backup);
    let manifest = BackupManifest::read(&backup).unwrap();
    let elsewhere = Extent::Only(["elsewhere".to_owned()].into());
    let nowhere = Coverage { other_kinds: Extent::NONE, ..Coverage::default() };
    let note = KindManifest::read_all(&backup).unwrap().remove(0);
    let origin = Origin { namespaces: elsewhere, ..note.origin() };
    let forged = KindManifest::new(&note.kind, &origin, note.rows, note.next_row, note.files.clone()).to_text();
    let as_before = BackupManifest { format: 1, other_kinds: None, sha256: None, ..manifest.clone() }.to_text();
    for (file, text, expected) in [
        ("manifest.json", manifest.to_text().replace("\"all\"", "[]"), "its own hash does not match"),
        ("manifest.json", BackupManifest::new("backup", &nowhere).to_text(), "src/lib.rs: is not as"),
        ("manifest.json", as_before, "has format 1, and not 2"),
        ("manifest.json", "{\n  \"format\": 3\n}\n".to_owned(), "use a newer one"),
        ("kinds/note.json", forged, "row_1 is of a namespace that kinds/note.json does not cover"),
        ("kinds/note.json", note.to_text().replace("\"all\"", "\"most\""), "\"most\" are no namespaces"),
    ] {
        fs::write(backup.join(file), text).unwrap();
        let (code, said) = verify(&folder);
        assert!(code == 1 && said.contains(expected), "{file}: {said}");
        restore_files(&backup, &good);
    }
    assert_eq!(verify(&folder).0, 0, "all was put back");
}

/// Files and the bytes that they get.
type Changes = Vec<(String, Vec<u8>)>;

/// Makes the kind's manifest match its changed files.
fn forge(backup: &Path, changes: &[(String, Vec<u8>)], good: &std::collections::BTreeMap<String, Vec<u8>>) {
    let hash = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let path = backup.join("kinds/note.json");
    let mut text = fs::read_to_string(&path).unwrap();
    for (file, bytes) in changes {
        if let Some(before) = good.get(file) {
            text = text.replace(&hash(before), &hash(bytes));
        }
    }
    let own = text.rsplit("\"sha256\": \"").next().unwrap()[..64].to_owned();
    let without = text.replace(&own, "");
    fs::write(path, text.replace(&own, &hash(without.as_bytes()))).unwrap();
}

fn restore_files(backup: &Path, good: &std::collections::BTreeMap<String, Vec<u8>>) {
    for (file, bytes) in files(backup) {
        if good.get(&file) != Some(&bytes) {
            fs::remove_file(backup.join(&file)).unwrap();
        }
    }
    for folder in [".cargo", "volumes/note_0/.cargo", "volumes/evil_0", "src/bin"] {
        let _ = fs::remove_dir_all(backup.join(folder));
    }
    for (file, bytes) in good {
        if !backup.join(file).exists() {
            fs::write(backup.join(file), bytes).unwrap();
        }
    }
}

/// Nothing passes silently: whatever byte of whatever file is changed, the backup is refused, or the edit is named.
#[test]
fn every_flipped_byte_and_every_cut_is_noticed() {
    use gaebar_gen::verify::{JustLooking, verify};
    let folder = folder("gate-flips");
    let backup = small_backup(&folder);
    assert!(verify(&backup, &JustLooking).unwrap().contents().edits.is_empty());
    let good = files(&backup);
    let (mut refused, mut edits) = (0, 0);
    let mut check = |file: &str, bytes: &[u8], what: &str| {
        fs::write(backup.join(file), bytes).unwrap();
        match verify(&backup, &JustLooking) {
            Err(_) => refused += 1,
            Ok(verified) => {
                let is_told = !verified.contents().edits.is_empty() || verified.changed_tool_files().contains(&file);
                assert!(is_told, "{file}: {what} passed silently");
                edits += 1;
            }
        }
    };
    for (file, bytes) in &good {
        // The runtime's source is compared as a whole: some places of it will do.
        let own = file.starts_with("gaebar-runtime/") || file.ends_with("Cargo.lock") || file.contains("/blobs/");
        let step = if own { 997 } else { 1 };
        for at in (0..bytes.len()).step_by(step) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            check(file, &changed, &format!("byte {at}"));
        }
        for end in (0..bytes.len()).step_by(if own { 4096 } else { 64 }) {
            check(file, &bytes[..end], &format!("cut at {end}"));
        }
        fs::write(backup.join(file), bytes).unwrap();
    }
    eprintln!("{refused} changes refused, {edits} named as edits");
    assert!(refused > 3000 && edits > 0, "{refused} refused, {edits} edits");
}

/// A binary in the build folder that was made from something else does not run.
#[test]
fn a_stale_binary_restores_nothing() {
    let folder = folder("gate-stale");
    small_backup(&folder);
    let built = event(&mut gaebar(&folder, &["build", "backup", "--output", "binary"]));
    assert_eq!(built["event"], "built");
    let mut binary = Command::new(folder.join("binary"));
    let (_, error) = run(binary.current_dir(&folder).args(["--to", "sqlite:x.db", "--digest", &"0".repeat(64)]), 1);
    assert!(error.contains("not built from the backup as it is now"), "{error}");
    assert!(!folder.join("x.db").exists());
    run(&mut gaebar(&folder, &["restore", "backup", "--to", "sqlite:y.db"]), 0);
}

/// What Datastore would refuse is told with the row's place, and references to nothing as information.
#[test]
fn limits_and_dangling_references_are_told() {
    let folder = folder("gate-limits");
    let entity = |key: Key, value: Value| Entity::new(key, Properties::from([("p".to_owned(), value)])).unwrap();
    let long = "x".repeat(1_501);
    let deep = (1..=101).map(|id| format!("Long/{id}")).collect::<Vec<_>>().join("/");
    let nested = |levels: usize| {
        (0..levels).fold(Value::from(1), |inside, _| {
            Value::from(Embedded { key: None, properties: Properties::from([("inner".to_owned(), inside)]) })
        })
    };
    let cases = [
        (entity(Key::root("Large", 1), Value::from(vec![7_u8; 1_048_573]).unindexed()), "bytes, and Datastore takes 1048572"),
        (entity(Key::root("Text", 1), long.as_str().into()), "the indexed property \"p\" has 1501 bytes"),
        (entity(Key::root("Blob", 1), vec![7_u8; 1_501].into()), "the indexed property \"p\" has 1501 bytes"),
        (entity(deep.parse().unwrap(), 1.into()), "a path of 101 elements"),
        (entity(Key::root("Name", long.as_str()), 1.into()), "a key name has 1501 bytes"),
        (entity(Key::root("Nested", 2), nested(21)), "is nested deeper than 20 entities"),
        (entity(Key::root("Many", 1), (0..20_001).map(Value::from).collect::<Vec<_>>().into()), "20001 index entries"),
    ];
    let store = MemoryStore::default();
    for (entity, _) in &cases {
        store.upsert(std::slice::from_ref(entity)).unwrap();
    }
    let within = [
        entity(Key::root("Text", 2), Value::from(long.as_str()).unindexed()),
        entity(Key::root("Text", 3), "x".repeat(1_500).into()),
        entity(Key::root("Nested", 1), nested(20)),
        entity(Key::root("Refers", 1), Key::root("Text", 2).into()),
        entity(Key::root("Refers", 2), Value::from(vec![Value::from(Key::root("Nobody", 1)), Key::root("Nobody", 2).into()])),
    ];
    store.upsert(&within).unwrap();
    let options = Options::new(Selection { rows_per_step: 100, ..Selection::default() });
    backup(&store, &folder.join("backup"), &options, &Silent, &AtomicBool::new(false)).unwrap();
    let (said, _) = run(&mut gaebar(&folder, &["verify", "backup"]), 0);
    let told: Vec<_> = said.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(told.len(), cases.len(), "{told:#?}");
    for (entity, part) in &cases {
        assert!(told.iter().any(|told| told.contains(part) && told.contains("/src/shard_0.rs:")), "{}: {told:#?}", entity.key());
    }
    assert!(said.contains("2 keys of entities that are not in the backup: Nobody/1, Nobody/2"), "{said}");
}

/// What is read or compiled is what was verified, whatever becomes of the folder since.
#[test]
fn a_file_that_is_swapped_after_verification_is_not_used() {
    use gaebar_gen::interpret::InterpretedRows;
    use gaebar_gen::verify::{JustLooking, read};
    use gaebar_runtime::restore::{RowRef, RowSource};
    let folder = folder("gate-swapped");
    let backup = small_backup(&folder);
    let good = fs::read_to_string(backup.join(SHARD)).unwrap();
    let evil = good.replace("\"one\"", "\"swapped\"");

    let rows = InterpretedRows::new(&backup, read(&backup, &JustLooking).unwrap());
    fs::write(backup.join(SHARD), &evil).unwrap();
    let problem = rows.entity(RowRef { shard: 0, at: 0 }).unwrap_err();
    assert!(problem.contains("was changed since it was verified"), "{problem}");

    fs::write(backup.join(SHARD), &good).unwrap();
    let mut build = gaebar(&folder, &["build", "backup", "--output", "binary"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(build.stderr.take().unwrap()).lines();
    // Said when all is verified and copied, and before anything is compiled.
    assert!(said.any(|line| line.unwrap().starts_with("Building ")));
    fs::write(backup.join(SHARD), &evil).unwrap();
    said.for_each(drop);
    assert!(build.wait().unwrap().success());
    let mut binary = Command::new(folder.join("binary"));
    run(binary.current_dir(&folder).args(["--to", "sqlite:swapped.db", "--journal", "journal"]), 0);
    let store = SqliteStore::open(&folder.join("swapped.db")).unwrap();
    assert_eq!(store.lookup(&[&Key::root("Note", 1)]).unwrap()[0].properties["text"], "one".into());
}
