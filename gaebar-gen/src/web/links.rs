//! Addresses of pages, relative to the one that they stand on.

use std::fmt::Write as _;

use form_urlencoded::byte_serialize;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a part of a path as it is.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Addresses, as seen from one page.
#[derive(Debug, Clone)]
pub(super) struct Links {
    /// The way up to what is below the mount: `./`, `../`, `../../`.
    up: String,
    /// The way to the first page.
    home: String,
}

impl Links {
    /// As seen from a page, by its path below the mount, and by its whole path. The first page may stand at `/gaebar` or `/gaebar/`:
    /// an axum router that is nested takes the first alone.
    pub(super) fn from(path: &str, whole: &str) -> Self {
        let mount = whole.strip_suffix(path).unwrap_or(whole).trim_end_matches('/');
        let last = mount.rsplit('/').next().unwrap_or_default();
        if path == "/" && !whole.ends_with('/') {
            return Self { up: format!("./{last}/"), home: format!("./{last}") };
        }
        let up = match path.matches('/').count() {
            0 | 1 => "./".to_owned(),
            slashes => "../".repeat(slashes - 1),
        };
        let home = if last.is_empty() { up.clone() } else { format!("{up}../{last}") };
        Self { up, home }
    }

    pub(super) fn home(&self) -> String {
        self.home.clone()
    }

    /// A path below the mount, as it stands.
    pub(super) fn to(&self, path: &str) -> String {
        format!("{}{path}", self.up)
    }

    pub(super) fn backup(&self, backup: &str) -> String {
        self.to(&format!("backups/{}", part(backup)))
    }

    pub(super) fn kind(&self, backup: &str, kind: &str) -> String {
        format!("{}/kinds/{}", self.backup(backup), part(kind))
    }

    /// A shard, by its file below the backup's folder; at a row.
    pub(super) fn shard(&self, backup: &str, kind: &str, file: &str, row: Option<u32>) -> String {
        let mut link = self.kind(backup, kind);
        let (volume, shard) = file.strip_prefix("volumes/").and_then(|file| file.split_once("/src/")).unwrap_or_default();
        // Writing to a String can't fail.
        let _ = write!(link, "/{}/{}", part(volume), part(shard));
        if let Some(row) = row {
            let _ = write!(link, "?row={row}#row_{row}");
        }
        link
    }

    /// A backup that is compiled into the application.
    pub(super) fn linked(&self, backup: &str) -> String {
        self.to(&format!("linked/{}", part(backup)))
    }

    pub(super) fn linked_kind(&self, backup: &str, kind: &str) -> String {
        format!("{}/rows{}", self.linked(backup), query(&[("kind", kind)]))
    }

    pub(super) fn entity(&self, backup: &str, key: &str) -> String {
        format!("{}/entity{}", self.backup(backup), query(&[("key", key)]))
    }

    pub(super) fn job(&self, job: u64) -> String {
        self.to(&format!("jobs/{job}"))
    }

    pub(super) fn diff(&self, backup: &str, store: &str) -> String {
        format!("{}/diff{}", self.backup(backup), query(&[("store", store)]))
    }
}

/// `?a=b&c=d`.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    pairs.iter().enumerate().fold(String::new(), |mut out, (at, (name, value))| {
        out.push(if at == 0 { '?' } else { '&' });
        out.extend(byte_serialize(name.as_bytes()));
        out.push('=');
        out.extend(byte_serialize(value.as_bytes()));
        out
    })
}

/// A text as a part of a path.
pub(crate) fn part(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_up_to_the_mount_and_down_from_there() {
        for (path, whole, home, backup) in [
            ("/", "/", "./", "./backups/a%20b"),
            ("/", "/gaebar", "./gaebar", "./gaebar/backups/a%20b"),
            ("/", "/x/gaebar/", "./../gaebar", "./backups/a%20b"),
            ("/login", "/gaebar/login", "./../gaebar", "./backups/a%20b"),
            ("/backups/a", "/backups/a", "../", "../backups/a%20b"),
            ("/backups/a", "/gaebar/backups/a", "../../gaebar", "../backups/a%20b"),
        ] {
            let links = Links::from(path, whole);
            assert_eq!((links.home().as_str(), links.backup("a b").as_str()), (home, backup), "{whole}");
        }
        let links = Links::from("/backups/a/kinds/k", "/backups/a/kinds/k");
        assert_eq!(
            links.shard("a", "k", "volumes/k_0/src/shard_1.rs", Some(7)),
            "../../../backups/a/kinds/k/k_0/shard_1.rs?row=7#row_7"
        );
        assert_eq!(links.entity("a", "A/'ü&'"), "../../../backups/a/entity?key=A%2F%27%C3%BC%26%27");
    }
}
