//! What a manifest says of a file: its hash and, of a shard, a few bits of each row's, to tell which rows were edited.
//!
//! As text `<64 hexadecimal digits>` or `<64 hexadecimal digits> <4 characters a row>`, one line of a manifest a file.

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::names::hex;

/// The first 24 bits of the hash of a row's text. The file's hash is what is trusted; these only name rows.
pub type RowDigest = [u8; 3];

/// The hash of a file and, of a shard, digests of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint {
    sha256: String,
    rows: Vec<RowDigest>,
}

/// A text is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a file's hash has 64 hexadecimal digits, and behind them 4 characters a row")]
pub struct NoFingerprint;

impl Fingerprint {
    /// Of a file that is no shard.
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: hex(&Sha256::digest(bytes)), rows: Vec::new() }
    }

    /// Of a shard and its rows.
    pub fn of_shard(bytes: &[u8], rows: impl IntoIterator<Item = RowDigest>) -> Self {
        Self { rows: rows.into_iter().collect(), ..Self::of(bytes) }
    }

    /// The hash of the bytes, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Whether these are the bytes of the file.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        hex(&Sha256::digest(bytes)) == self.sha256
    }

    /// Whether another is of the same bytes.
    pub fn is_of_the_same(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }

    /// The same without what tells rows apart.
    #[must_use]
    pub fn of_the_file(&self) -> Self {
        Self { sha256: self.sha256.clone(), rows: Vec::new() }
    }

    /// How many rows a shard had; none, if it was no shard.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Which of the rows that a shard has now it did not have, and how many that it had are gone or changed.
    pub fn edits<'a, T>(&self, rows: &'a [T], text: impl Fn(&T) -> &str) -> (Vec<&'a T>, usize) {
        let before: HashSet<_> = self.rows.iter().copied().collect();
        let now: HashSet<_> = rows.iter().map(|row| digest(text(row))).collect();
        let edited = rows.iter().filter(|row| !before.contains(&digest(text(row)))).collect();
        (edited, self.rows.iter().filter(|row| !now.contains(*row)).count())
    }
}

/// The digest of a row's text.
pub fn digest(row: &str) -> RowDigest {
    let hash = Sha256::digest(row.as_bytes());
    [hash[0], hash[1], hash[2]]
}

impl Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sha256)?;
        if !self.rows.is_empty() {
            write!(f, " {}", BASE64_URL_SAFE_NO_PAD.encode(self.rows.as_flattened()))?;
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let (sha256, rows) = text.split_once(' ').unwrap_or((text, ""));
        let is_hex = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(rows).map_err(|_| NoFingerprint)?;
        let (rows, rest) = bytes.as_chunks::<3>();
        let fingerprint = Self { sha256: sha256.to_owned(), rows: rows.to_vec() };
        if is_hex && rest.is_empty() && fingerprint.to_string() == text { Ok(fingerprint) } else { Err(NoFingerprint) }
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NoFingerprint;

    fn try_from(text: String) -> Result<Self, NoFingerprint> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_read_back_and_name_edited_rows() {
        let fingerprint = Fingerprint::of_shard(b"file", ["one", "two", "three"].map(digest));
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint.clone()));
        assert!(fingerprint.matches(b"file") && !fingerprint.matches(b"File"));
        let now = ["one", "2", "three"];
        assert_eq!(fingerprint.edits(&now, |row| row), (vec![&"2"], 1));
        assert_eq!(fingerprint.edits(&["one", "three"], |row| row), (vec![], 1));
        let plain = Fingerprint::of(b"file").to_string();
        assert_eq!(plain.len(), 64);
        for wrong in
            ["", "00", &plain[1..], &plain.to_uppercase(), &format!("{plain} "), &format!("{plain} ab"), &format!("{plain} ab=d")]
        {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(NoFingerprint), "{wrong}");
        }
    }
}
