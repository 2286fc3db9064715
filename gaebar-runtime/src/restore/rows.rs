//! Where rows come from, and where they stand.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::coverage::Coverage;
use crate::model::Entity;
use crate::proto;
use crate::rows::{Backup, Shard, Volume};

/// The bytes of a shard that are looked through for a row's line; no shard has more.
const MOST_BYTES: u64 = 32 << 20;

/// A row of a backup: a shard, counted from 0 over all volumes, and a place in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowRef {
    /// The shard.
    pub shard: usize,
    /// The place in the shard's table.
    pub at: usize,
}

/// Where a row stands, for a person to find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPlace {
    /// The shard's file, below the backup's folder.
    pub file: String,
    /// The row's number: its function is `row_N`.
    pub number: u32,
    /// The function's line, where the file is at hand.
    pub line: Option<usize>,
}

impl RowPlace {
    /// The same place, with its line, if the backup's folder is at hand and holds the row.
    #[must_use]
    pub fn with_line(self, folder: Option<&Path>) -> Self {
        let signature = format!("pub fn row_{}()", self.number);
        let line = folder.and_then(|folder| {
            let path = folder.join(&self.file);
            // Whatever stands there by now: a pipe would be waited for, and a line need not end.
            let file = path.is_file().then(|| File::open(path).ok()).flatten()?.take(MOST_BYTES);
            let mut lines = BufReader::new(file).lines().map_while(Result::ok);
            lines.position(|line| line.starts_with(&signature))
        });
        Self { line: line.map(|at| at + 1), ..self }
    }
}

impl Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row_{} in {}", self.number, self.file)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// Rows that can be turned into entities.
pub trait RowSource: Sync {
    /// A hash of the backup: rows of another backup have another.
    fn digest(&self) -> String;

    /// What the backup covers. Unless a source says so, nobody knows.
    fn coverage(&self) -> Coverage {
        Coverage::default()
    }

    /// How many shards there are.
    fn shards(&self) -> usize;

    /// How many rows a shard has.
    fn rows(&self, shard: usize) -> usize;

    /// Where a row stands.
    fn place(&self, row: RowRef) -> RowPlace;

    /// The entity that a row recreates, or what is wrong with it.
    fn entity(&self, row: RowRef) -> Result<Entity, String>;
}

/// A compiled backup: each row is a function to call.
#[derive(Debug)]
pub struct CompiledRows {
    digest: String,
    coverage: Coverage,
    shards: Vec<(&'static Volume, &'static Shard)>,
}

impl CompiledRows {
    /// The rows of a backup. `digest` is that of the files it was compiled from, where it is known.
    pub fn new(backup: &Backup, digest: Option<&str>) -> Self {
        let digest = digest.map_or_else(|| format!("{}, {} rows", backup.name, backup.rows()), str::to_owned);
        Self { digest, coverage: backup.into(), shards: backup.shards().collect() }
    }
}

impl RowSource for CompiledRows {
    fn digest(&self) -> String {
        self.digest.clone()
    }

    fn coverage(&self) -> Coverage {
        self.coverage.clone()
    }

    fn shards(&self) -> usize {
        self.shards.len()
    }

    fn rows(&self, shard: usize) -> usize {
        self.shards.get(shard).map_or(0, |(_, shard)| shard.rows)
    }

    fn place(&self, row: RowRef) -> RowPlace {
        let (file, number) = self.shards.get(row.shard).map_or_else(Default::default, |(volume, shard)| {
            (format!("volumes/{}/src/{}.rs", volume.name, shard.name), (shard.number)(row.at))
        });
        RowPlace { file, number, line: None }
    }

    fn entity(&self, row: RowRef) -> Result<Entity, String> {
        let (_, shard) = self.shards.get(row.shard).ok_or_else(|| format!("there is no shard {}", row.shard))?;
        proto::decode(&(shard.row)(row.at)?).map_err(|error| error.to_string())
    }
}
