//! What is fuzzed: any bytes at all are read as parts of a backup, and what is accepted is written again to the same bytes.

use std::fs;
use std::path::Path;

use gaebar_gen::emit;
use gaebar_gen::manifest::KindManifest;
use gaebar_gen::reader::{self, Blobs};
use gaebar_runtime::model::Key;

/// What stands between a kind and its shard in an input of [`shard`].
pub const SEPARATOR: &str = "\n\0\n";

/// One blob, whatever its name: of another name it is not what the generator would have written.
struct OneBlob;

impl Blobs for OneBlob {
    fn blob(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(vec![7; 3000])
    }
}

/// A kind, and a shard of its rows.
pub fn shard(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (model, shard) = text.split_once(SEPARATOR).unwrap_or((text, text));
    let Ok(kind) = reader::kind("fuzzed", model) else {
        let _ = reader::kind("fuzzed", shard);
        return;
    };
    assert_eq!(emit::kind(&kind), model);
    if let Ok(rows) = reader::shard(&kind, "x_models", shard, &OneBlob) {
        for row in &rows {
            assert_eq!(emit::row(&kind, row.number, &row.entity).text, row.text);
        }
        let texts = rows.iter().map(|row| (row.number, row.text.as_str()));
        assert_eq!(emit::shard(&kind, "x_models", texts), shard);
        assert_eq!(reader::thorough(&kind, "x_models", shard, &OneBlob), Ok(rows));
    }
}

/// A kind's manifest, in a backup's folder.
pub fn manifest(data: &[u8]) {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("there is a folder for temporary files");
    }
    FOLDER.with(|folder| read_manifest(folder.path(), data));
}

fn read_manifest(folder: &Path, data: &[u8]) {
    let kinds = folder.join("kinds");
    fs::create_dir_all(&kinds).expect("the folder can be made");
    fs::write(kinds.join("fuzzed.json"), data).expect("the file can be written");
    if let Ok(manifests) = KindManifest::read_all(folder) {
        assert_eq!(manifests[0].to_text().as_bytes(), data);
        assert!(manifests[0].files.keys().all(|file| !file.contains("..") && !file.starts_with('/')));
    }
}

/// A key as text.
pub fn key(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<Key>() {
        assert_eq!(key.to_string().parse(), Ok(key.clone()), "{key}");
    }
}
