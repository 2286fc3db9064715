//! Gaebar as a library: a store that is filled here becomes a backup, and its code is printed.
//!
//! `cargo run -p gaebar-examples --bin backup-from-code -- FOLDER`

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use gaebar_gen::backup::{Options, backup};
use gaebar_gen::progress::Silent;
use gaebar_gen::read::Selection;
use gaebar_runtime::model::{Entity, Key, Properties, Value};
use gaebar_runtime::store::{MemoryStore, Store as _};

fn main() -> anyhow::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("name a folder to write the backup into")?);

    let store = MemoryStore::default();
    let author = Key::root("Author", "le-guin");
    let entities = [
        Entity::new(author.clone(), Properties::from([("name".to_owned(), Value::from("Ursula K. Le Guin"))]))?,
        Entity::new(
            Key::root("Book", 1),
            Properties::from([("author".to_owned(), Value::from(author)), ("year".to_owned(), Value::from(1969))]),
        )?,
    ];
    store.upsert(&entities)?;

    let selection = Selection::default();
    let options = Options::new(selection);
    let done = backup(&store, &folder, &options, &Silent, &AtomicBool::new(false))?;
    for file in done.kinds.values().flat_map(|kind| kind.files.keys()).filter(|file| file.contains("shard_")) {
        println!("{file}:\n{}", std::fs::read_to_string(done.folder.join(file))?);
    }
    Ok(())
}
