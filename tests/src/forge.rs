//! Backups with small shards, and shards that are forged: their manifests know them.

use std::fs;
use std::path::{Path, PathBuf};

use gaebar_gen::emit::rows;
use gaebar_gen::fingerprint::{Fingerprint, digest};
use gaebar_gen::manifest::KindManifest;
use gaebar_runtime::model::{Entity, Key};
use gaebar_runtime::store::{SqliteStore, Store as _};

use crate::command::{gaebar, run};

/// Rows of kind `Note` in a backup with small shards.
pub const NOTES: u64 = 150;
/// Rows that a step may take there.
pub const MOST: u64 = 10;

/// Makes a backup called `nightly` of a store called `from`: notes in many small shards, and one entity of another kind. Returns its folder.
pub fn with_small_shards(folder: &Path) -> PathBuf {
    let store = SqliteStore::open_or_create(&folder.join("from.db")).unwrap();
    let of = |kind: &str, id: i64| {
        let text = format!("the text of {id}");
        Entity::new(Key::root(kind, id), [("text".to_owned(), text.as_str().into())].into()).unwrap()
    };
    store.upsert(&(1..=NOTES.cast_signed()).map(|id| of("Note", id)).chain([of("Other", 1)]).collect::<Vec<_>>()).unwrap();
    let stores = "[stores]\nfrom = \"sqlite:from.db\"\nto = \"sqlite:to.db\"\n";
    fs::write(folder.join("gaebar.toml"), format!("{stores}[backup]\nrows-per-step = {MOST}\nshard-size = 1200\n")).unwrap();
    run(&mut gaebar(folder, &["backup", "from", "backups/nightly"]), 0);
    folder.join("backups/nightly")
}

/// The shards with notes, in the order in which they are verified, and their texts.
pub fn shards(backup: &Path) -> Vec<(PathBuf, String)> {
    let manifests = KindManifest::read_all(backup).unwrap();
    let note = manifests.iter().find(|kind| kind.kind == "Note").unwrap();
    let mut files: Vec<_> = note.shards().map(|(file, _)| backup.join(file)).collect();
    let number = |file: &Path| file.file_stem().unwrap().to_str().unwrap().rsplit('_').next().unwrap().parse::<u32>().unwrap();
    files.sort_by_key(|file| number(file));
    files.into_iter().map(|file| (file.clone(), fs::read_to_string(file).unwrap())).collect()
}

/// How many rows a shard has.
pub fn rows_of(shard: &str) -> u64 {
    rows(shard).len() as u64
}

/// A shard with a row of another number and key in the place of its first.
pub fn with_first_row(shard: &str, number: &str, key: &str) -> String {
    let (_, row) = rows(shard)[0];
    let (head, rest) = row.split_once('(').unwrap();
    let old = head.rsplit('_').next().unwrap();
    let changed = format!("pub fn row_{number}({rest}");
    let old_key = row.split("key: Key(\"").nth(1).unwrap().split('"').next().unwrap();
    let changed = changed.replace(&format!("Key(\"{old_key}\")"), &format!("Key(\"{key}\")"));
    shard.replace(row, &changed).replace(&format!("({old}, row_{old})"), &format!("({number}, row_{number})"))
}

/// Gives a shard another text, and has the manifest say that it is so, but for so many of its rows.
pub fn forge(backup: &Path, shard: &Path, text: &str, hidden: u64) {
    fs::write(shard, text).unwrap();
    let file = shard.strip_prefix(backup).unwrap().to_str().unwrap();
    let old = KindManifest::read_all(backup).unwrap().into_iter().find(|kind| kind.files.contains_key(file)).unwrap();
    let digests = rows(text).into_iter().map(|(_, row)| digest(row)).skip(usize::try_from(hidden).unwrap());
    let mut files = old.files.clone();
    files.insert(file.to_owned(), Fingerprint::of_shard(text.as_bytes(), digests));
    let new = KindManifest::new(&old.kind, &old.origin(), old.rows - hidden, old.next_row, files);
    fs::write(backup.join(&old.path), new.to_text()).unwrap();
}
