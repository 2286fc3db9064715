//! Folders as maps, to compare them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// All files below a folder: path and bytes.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    gather(folder, folder, &mut found);
    found
}

fn gather(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            gather(root, &path, found);
        } else {
            let name = path.strip_prefix(root).expect("it is below").to_str().expect("names are plain").replace('\\', "/");
            found.insert(name, fs::read(&path).expect("the file can be read"));
        }
    }
}

/// A backup's files without what says when and from where it was read.
pub fn timeless(backup: &Path) -> BTreeMap<String, String> {
    let mut files = files(backup);
    for (name, bytes) in &mut files {
        if name.starts_with("kinds/") {
            let text = String::from_utf8(std::mem::take(bytes)).expect("manifests are text");
            let varies = ["\"source\"", "\"read_time\"", "\"consistent\"", "\"sha256\""];
            let lines = text.lines().filter(|line| !varies.iter().any(|field| line.trim_start().starts_with(field)));
            *bytes = lines.collect::<Vec<_>>().join("\n").into_bytes();
        }
    }
    files.into_iter().map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes).into_owned())).collect()
}

/// Asserts that two backups are the same but for when and from where they were read.
pub fn assert_same_backup(one: &Path, other: &Path) {
    assert_same_files(one, other, &|_| true);
}

/// Asserts that two backups have the same rows, whatever was selected for them.
pub fn assert_same_rows(one: &Path, other: &Path) {
    let says_what_is_covered = |file: &str| file.starts_with("kinds/") || ["manifest.json", "src/lib.rs"].contains(&file);
    assert_same_files(one, other, &|file| !says_what_is_covered(file));
}

fn assert_same_files(one: &Path, other: &Path, wanted: &dyn Fn(&str) -> bool) {
    let [one_files, other_files] = [one, other].map(|backup| {
        let files = timeless(backup).into_iter().filter(|(file, _)| wanted(file));
        files.collect::<BTreeMap<_, _>>()
    });
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one_files), names(&other_files), "{} and {} have other files", one.display(), other.display());
    for (name, text) in &one_files {
        assert!(text == &other_files[name], "{name} differs between {} and {}", one.display(), other.display());
    }
}
