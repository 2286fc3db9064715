//! How large a file may be, by what it is. A backup, and all that lies beside it, may come from anywhere: a file of 3 GB costs nothing to
//! make, and would take as much memory to read.

use std::io;

use gaebar_runtime::cli::thousands;

/// The most bytes that are read of a file, and that the generator writes into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeLimit(u64);

impl SizeLimit {
    /// A shard: what fits into a volume, 16 MB, and one row more. The longest is that of an entity of 1 MiB, Datastore's limit: an array of
    /// 150,000 nulls, none of them indexed, has some 8 MB of source.
    const SHARD: Self = Self(32 << 20);
    /// The bytes of a blob, or of an entity.
    pub const BLOB: Self = Self(64 << 20);
    /// A kind's manifest: 4 bytes a row, of 16 million rows.
    const KIND: Self = Self(64 << 20);
    /// A kind's struct: 32 fields, each with a property's name of 1,500 bytes, escaped.
    const MODEL: Self = Self(1 << 20);
    /// A list of kinds or volumes: 100 bytes for each of 160,000.
    const LIST: Self = Self(16 << 20);
    /// A file with one statement: a token, a lock's process, `manifest.json`.
    pub const NOTE: Self = Self(64 << 10);
    /// A file that somebody writes by hand.
    pub const SETTINGS: Self = Self(1 << 20);
    /// A file in which Gaebar keeps how far it has come: a job, a log of what was read, hashes of rows.
    pub const PROGRESS: Self = Self(256 << 20);

    /// That of a file of a backup, by its path below the backup's folder.
    pub fn of_part(path: &str) -> Self {
        match path.split('/').collect::<Vec<_>>()[..] {
            ["manifest.json"] => Self::NOTE,
            ["kinds", ..] => Self::KIND,
            ["Cargo.toml" | "Cargo.lock"] | ["src", "lib.rs"] | ["models", "src", "lib.rs"] | ["volumes", _, "src", "lib.rs"] => {
                Self::LIST
            }
            ["volumes", _, "src", _] => Self::SHARD,
            ["volumes", _, "src", "blobs", _] => Self::BLOB,
            ["models", "src", _] => Self::MODEL,
            _ => Self::SETTINGS,
        }
    }

    /// That of a file which should have exactly these bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(bytes.len() as u64)
    }

    /// The smaller of this limit and a number of bytes.
    #[must_use]
    pub fn and(self, most: u64) -> Self {
        Self(self.0.min(most))
    }

    /// The bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// An error of kind [`io::ErrorKind::FileTooLarge`] for a file of more bytes.
    pub fn check(self, bytes: u64) -> io::Result<()> {
        if bytes <= self.0 {
            return Ok(());
        }
        let problem = format!("it has more than {} bytes, the limit for such a file", thousands(self.0));
        Err(io::Error::new(io::ErrorKind::FileTooLarge, problem))
    }
}
