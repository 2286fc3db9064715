//! The crates of a backup with other rows, compiled for comparison: the same number of crates, files and rows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use gaebar_gen::emit::{bytes_literal, string_literal};
use gaebar_gen::folder::FolderError;
use gaebar_gen::reader::ReadRow;
use gaebar_gen::verify::{Visitor, verify};
use gaebar_runtime::model::{Data, Embedded, Entity, Properties, Value};

/// What a chain's calls are.
const CHAIN: &str = include_str!("templates/chain.rs");

/// What stands in place of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `pub fn row_1() {}`: what a function costs that does nothing.
    Empty,
    /// The obvious way: owned values, put together by method calls.
    Chain,
}

/// Writes a backup's crates with other rows into a folder; returns how many rows there are.
pub(crate) fn write(backup: &Path, folder: &Path, form: Form) -> anyhow::Result<u64> {
    let rows = Rows { form, folder, shards: Mutex::default() };
    let verified = verify(backup, &rows)?;
    let texts = rows.shards.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut volumes: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    let mut count = 0;
    for kind in &verified.contents().kinds {
        for shard in &kind.shards {
            let (volume, file) = shard.file.split_once("/src/").context("a shard stands in a volume")?;
            volumes.entry(volume).or_default().push((file.trim_end_matches(".rs"), &kind.kind.name));
            put(&folder.join(&shard.file), texts.get(&shard.file).context("a shard was not read")?)?;
            count += shard.rows as u64;
        }
    }
    for (volume, shards) in volumes {
        let source = folder.join(volume).join("src");
        put(&source.join("lib.rs"), &library(form, &shards))?;
        if form == Form::Chain {
            put(&source.join("chain.rs"), CHAIN)?;
        }
    }
    Ok(count)
}

/// A volume's crate root, given the modules of its shards and their kind.
fn library(form: Form, shards: &[(&str, &str)]) -> String {
    let (mut modules, mut lines) = (String::new(), String::new());
    for (module, kind) in shards {
        // Writing to a String can't fail. Modules are public, so that no function counts as unused.
        let _ = writeln!(modules, "pub mod {module};");
        if form == Form::Chain {
            let _ = writeln!(
                lines,
                "    Shard {{ name: {module:?}, kind: {kind:?}, rows: {module}::ROWS.len(), number: |at| {module}::ROWS[at].0, \
                 row: |at| Ok(gaebar_runtime::proto::encode(&{module}::ROWS[at].1())) }},"
            );
        }
    }
    if form == Form::Chain {
        modules.push_str("mod chain;\n");
    }
    format!("use gaebar_runtime::rows::Shard;\n\n{modules}\npub const SHARDS: &[Shard] = &[\n{lines}];\n")
}

/// Writes what is no row as it is, and keeps rows in their other form.
struct Rows<'a> {
    form: Form,
    folder: &'a Path,
    shards: Mutex<BTreeMap<String, String>>,
}

impl Visitor for Rows<'_> {
    fn file(&self, file: &str, bytes: &[u8]) -> Result<(), FolderError> {
        if file.starts_with("volumes/") && file.contains("/src/") {
            return Ok(());
        }
        let path = self.folder.join(file);
        let parent = path.parent().unwrap_or(self.folder);
        fs::create_dir_all(parent).map_err(FolderError::at("create the folder", parent))?;
        fs::write(&path, bytes).map_err(FolderError::at("write", &path))
    }

    fn rows(&self, shard: &str, rows: &[ReadRow]) {
        let text = match self.form {
            Form::Empty => joined(rows, |row| format!("pub fn row_{}() {{}}\n", row.number)),
            Form::Chain => chains(rows),
        };
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).insert(shard.to_owned(), text);
    }
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::create_dir_all(path.parent().context("a file stands in a folder")?)?;
    fs::write(path, text).with_context(|| path.display().to_string())
}

fn chains(rows: &[ReadRow]) -> String {
    let (mut table, mut functions) = (String::new(), String::new());
    for row in rows {
        // Writing to a String can't fail.
        let _ = writeln!(table, "    ({0}, row_{0}),", row.number);
        functions.push_str(&chain(row.number, &row.entity));
    }
    format!(
        "use crate::chain::*;\nuse gaebar_runtime::model::Entity;\n\npub static ROWS: &[(u32, fn() -> Entity)] = &[\n{table}];\n{functions}"
    )
}

fn chain(number: u32, entity: &Entity) -> String {
    let key = string_literal(&entity.key().to_string());
    format!("\npub fn row_{number}() -> Entity {{\n    row({key}){}.entity()\n}}\n", sets(&entity.properties))
}

fn sets(properties: &Properties) -> String {
    joined(properties, |(name, value)| format!("\n        .set({}, {})", string_literal(name), owned(value)))
}

/// A value as calls.
fn owned(value: &Value) -> String {
    let meaning = if value.meaning == 0 { String::new() } else { format!(".meaning({})", value.meaning) };
    let unindexed = if value.exclude_from_indexes { ".unindexed()" } else { "" };
    data(&value.data) + &meaning + unindexed
}

fn data(data: &Data) -> String {
    match data {
        Data::Null => "null()".to_owned(),
        Data::Boolean(value) => format!("boolean({value})"),
        Data::Integer(value) => format!("integer({value})"),
        Data::Double(value) => format!("double(0x{:x})", value.0.to_bits()),
        Data::Timestamp(time) => format!("time(\"{time}\")"),
        Data::Key(key) => format!("key({})", string_literal(&key.to_string())),
        Data::String(text) => format!("text({})", string_literal(text)),
        Data::Blob(bytes) => format!("blob({})", bytes_literal(bytes)),
        Data::GeoPoint(point) => format!("geo(0x{:x}, 0x{:x})", point.latitude().0.to_bits(), point.longitude().0.to_bits()),
        Data::Entity(Embedded { key: None, properties }) => format!("embedded(){}.value()", sets(properties)),
        Data::Entity(Embedded { key: Some(key), properties }) => {
            format!("keyed({}){}.value()", string_literal(&key.to_string()), sets(properties))
        }
        Data::Array(items) => {
            format!("list(){}.value()", joined(items, |item| format!(".item({})", owned(item))))
        }
    }
}

/// The texts of all items, one after the other.
fn joined<T>(items: impl IntoIterator<Item = T>, text: impl FnMut(T) -> String) -> String {
    items.into_iter().map(text).collect::<Vec<_>>().concat()
}
