//! This crate's own source as text. The generator puts it into every backup, so that a backup restores with the
//! runtime that wrote it.

/// The manifest of a backup's runtime crate; `{name}` stands for the package's name.
pub const MANIFEST: &str = include_str!("runtime.toml");

macro_rules! files {
    ($($file:literal)*) => {
        /// Every file below `src/`: its path and its text.
        pub const FILES: &[(&str, &str)] = &[$(($file, include_str!($file)),)*];
    };
}

files! {
    "cli/args.rs"
    "cli/mod.rs"
    "cli/output.rs"
    "cli/state.rs"
    "lib.rs"
    "model/entity.rs"
    "model/key.rs"
    "model/key_text.rs"
    "model/mod.rs"
    "model/order.rs"
    "model/timestamp.rs"
    "model/value.rs"
    "proto/mod.rs"
    "proto/written.rs"
    "restore/batches.rs"
    "restore/choose.rs"
    "restore/coverage.rs"
    "restore/execute.rs"
    "restore/hidden/inflate.rs"
    "restore/hidden/legacy.rs"
    "restore/hidden/mod.rs"
    "restore/hidden/token.rs"
    "restore/journal.rs"
    "restore/mod.rs"
    "restore/named.rs"
    "restore/noticed.rs"
    "restore/pace.rs"
    "restore/plan.rs"
    "restore/report.rs"
    "restore/rows.rs"
    "restore/zeros.rs"
    "rows/backup.rs"
    "rows/field.rs"
    "rows/kind.rs"
    "rows/literal.rs"
    "rows/mod.rs"
    "runtime.toml"
    "source.rs"
    "store/datastore/commit.rs"
    "store/datastore/connect.rs"
    "store/datastore/credentials.rs"
    "store/datastore/lookup.rs"
    "store/datastore/mod.rs"
    "store/datastore/query.rs"
    "store/datastore/read.rs"
    "store/datastore/reserve.rs"
    "store/datastore/retry.rs"
    "store/error.rs"
    "store/memory.rs"
    "store/mod.rs"
    "store/sqlite.rs"
    "store/url.rs"
    "visible.rs"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn files_below(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files_below(&path, root, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }

    #[test]
    fn no_file_of_this_crate_is_missing() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = BTreeSet::new();
        files_below(&root, &root, &mut found);
        let listed: BTreeSet<_> = FILES.iter().map(|(file, _)| (*file).to_owned()).collect();
        assert_eq!(listed, found);
    }

    #[test]
    fn a_backups_runtime_has_the_same_features_and_dependencies() {
        let lines = |manifest: &str, section: &str| {
            let lines = manifest.lines().skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
            lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        };
        let own = include_str!("../Cargo.toml");
        for section in ["[features]", "[dependencies]"] {
            assert_eq!(lines(MANIFEST, section), lines(own, section), "{section}");
        }
        assert!(MANIFEST.contains(&format!("version = \"{}\"", env!("CARGO_PKG_VERSION"))));
    }
}
