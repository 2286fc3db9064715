//! What can go wrong with a store. Each error names the store, what was tried, and the next step where there is one.

use thiserror::Error;

use super::{Place, WriteMode};
use crate::model::{Key, Timestamp};
use crate::proto::ProtoError;

/// A code's name in gRPC.
const ALREADY_EXISTS: &str = "ALREADY_EXISTS";
/// A code's name in gRPC.
const NOT_FOUND: &str = "NOT_FOUND";

/// Why a store did not do what it was asked to.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The URL is none.
    #[error("`{url}` is no store: {problem}; write `sqlite:PATH` or `datastore://PROJECT[/DATABASE]`")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The store can't be opened or reached as it was asked for.
    #[error("{store}: {problem}; {next}")]
    Open {
        /// The store.
        store: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        next: String,
    },
    /// The server refused a request, and would again.
    #[error("{store}: could not {action}: {code}: {message}")]
    Refused {
        /// The store.
        store: String,
        /// What was tried.
        action: String,
        /// The gRPC code's name.
        code: String,
        /// The server's message, and the next step where one is known.
        message: String,
    },
    /// The server could not be reached, or kept asking to try again.
    #[error("{store}: could not {action}: gave up after {tries} tries in {seconds} s; the last answer was {code}: {message}")]
    Unavailable {
        /// The store.
        store: String,
        /// What was tried.
        action: String,
        /// How often.
        tries: u32,
        /// For how long.
        seconds: u64,
        /// The gRPC code's name.
        code: String,
        /// The last message.
        message: String,
    },
    /// The server does not have the data of that time.
    #[error(
        "{store}: could not read as of {time}: {message}; a read time lies within the last hour, or, where \
         point-in-time recovery is on, at a whole minute of the last seven days"
    )]
    ReadTime {
        /// The store.
        store: String,
        /// The time asked for.
        time: Timestamp,
        /// The server's message.
        message: String,
    },
    /// The store can't be read as of a time.
    #[error("{store} keeps no earlier versions of its entities; leave `--read-time` out")]
    NoPast {
        /// The store.
        store: String,
    },
    /// The server answered with something other than what it was asked for.
    #[error("{store}: could not {action}: the server's answer makes no sense: {problem}")]
    Nonsense {
        /// The store.
        store: String,
        /// What was tried.
        action: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// The answer holds something that is no entity.
    #[error("{store}: could not {action}: {source}")]
    Answer {
        /// The store.
        store: String,
        /// What was tried.
        action: String,
        /// What is wrong with the answer.
        source: Box<ProtoError>,
    },
    /// The `SQLite` file failed.
    #[cfg(feature = "sqlite")]
    #[error("{store}: could not {action}: {source}")]
    Sqlite {
        /// The store.
        store: String,
        /// What was tried.
        action: &'static str,
        /// `SQLite`'s own error.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// Whether the store minds something about what was written, so that writing less at a time shows which entity it is.
    pub fn is_about_an_entity(&self) -> bool {
        let codes = ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNKNOWN", ALREADY_EXISTS, NOT_FOUND];
        matches!(self, Self::Refused { code, .. } if codes.contains(&code.as_str()))
    }

    /// Whether an entity that was to be created was there.
    pub fn exists_already(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == ALREADY_EXISTS)
    }

    /// Whether the server does not know such a request at all, as the Firestore emulator does not list kinds and namespaces.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "INVALID_ARGUMENT" || code == "UNIMPLEMENTED")
    }

    /// An entity that was to be created is there, or one that was to be replaced is not.
    pub(super) fn conflict(store: &Place, mode: WriteMode, key: &Key) -> Self {
        let (code, message) = match mode {
            WriteMode::Insert => (ALREADY_EXISTS, "the entity exists already"),
            WriteMode::Upsert | WriteMode::Update => (NOT_FOUND, "there is no such entity"),
        };
        let (code, message) = (code.to_owned(), message.to_owned());
        Self::Refused { store: store.to_string(), action: format!("write {key}"), code, message }
    }
}
