//! Who has logged in, with what, and whether they meant what they send.
//!
//! A visitor's browser keeps a random id as a cookie. Whether it has logged in is known to this process alone, and to no store: so
//! restoring over one logs nobody out. The token against forged requests (CSRF) is made from the id with a secret of the process,
//! so it need not be kept.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use crate::folder::{self, FolderError};
use crate::names::hex;

/// The environment variable with the token.
pub const VARIABLE: &str = "GAEBAR_TOKEN";

/// A session that is not used ends after so long.
const IDLE: Duration = Duration::from_hours(12);
/// Sessions at once. The one that was not used for the longest time makes room.
const MOST_SESSIONS: usize = 100;
/// Shorter tokens could be guessed.
const SHORTEST_TOKEN: usize = 16;

/// Gaebar's token: who has it may use the page. It is never shown.
#[derive(Clone)]
pub struct Token {
    text: String,
    /// Where it was found.
    place: String,
}

impl Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why there is no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// It could be guessed.
    #[error(
        "the token in {place} is too short: it must have {SHORTEST_TOKEN} characters or more; `openssl rand -hex 32` makes a good one"
    )]
    Short {
        /// Where it was found.
        place: String,
    },
    /// It can't be sent.
    #[error("the token in {place} has blanks or other than ASCII characters; `openssl rand -hex 32` makes a good one")]
    Odd {
        /// Where it was found.
        place: String,
    },
    /// Its file can't be read.
    #[error("there is no token in {place}: {source}")]
    Read {
        /// Where it should be.
        place: String,
        /// What failed.
        source: FolderError,
    },
}

impl Token {
    /// A token: sixteen visible ASCII characters or more. `place` is where it was found.
    pub fn new(token: &str, place: &str) -> Result<Self, TokenError> {
        let place = place.to_owned();
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err(TokenError::Odd { place })
        } else if token.len() < SHORTEST_TOKEN {
            Err(TokenError::Short { place })
        } else {
            Ok(Self { text: token.to_owned(), place })
        }
    }

    /// The token in [`VARIABLE`], if that is set.
    pub fn from_environment() -> Result<Option<Self>, TokenError> {
        std::env::var_os(VARIABLE).map(|token| Self::new(&token.to_string_lossy(), VARIABLE)).transpose()
    }

    /// The token that a file has, on a line alone.
    pub fn from_file(path: &Path) -> Result<Self, TokenError> {
        Self::read(path, path.display().to_string())
    }

    /// The token that a file has which `[remotes]` in `gaebar.toml` names for a Gaebar.
    pub fn of_remote(name: &str, path: &Path) -> Result<Self, TokenError> {
        Self::read(path, format!("{}, the token-file of [remotes.{name}] in gaebar.toml", path.display()))
    }

    fn read(path: &Path, place: String) -> Result<Self, TokenError> {
        match folder::read(path) {
            Ok(bytes) => Self::new(String::from_utf8_lossy(&bytes).trim_end(), &place),
            Err(source) => Err(TokenError::Read { place, source }),
        }
    }

    /// Where it was found: the variable's name, or a file.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// The token of a file, or else of [`VARIABLE`].
    pub fn from(file: Option<&Path>) -> Result<Option<Self>, TokenError> {
        file.map_or_else(Self::from_environment, |file| Self::from_file(file).map(Some))
    }

    /// What a client sends in `Authorization`.
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", self.text)).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// Whether it is this one. How long that takes says nothing of where the two differ, or of how long the token is.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        Sha256::digest(self.text.as_bytes()).as_slice().ct_eq(Sha256::digest(given).as_slice()).into()
    }
}

/// What a visitor's browser is known by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Id([u8; 32]);

impl Id {
    /// One that nobody could guess.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut id = [0; 32];
        getrandom::fill(&mut id)?;
        Ok(Self(id))
    }

    /// As it stands in a cookie.
    pub(super) fn to_text(self) -> String {
        hex(&self.0)
    }

    /// From a cookie.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
        let mut id = [0; 32];
        for (byte, digits) in id.iter_mut().zip(digits.as_chunks::<2>().0) {
            let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        Some(Self(id))
    }
}

/// Sessions, in the memory of this process.
pub(super) struct Sessions {
    /// `None` if the system has no random numbers: then nobody logs in.
    secret: Option<Id>,
    /// By what is made of their ids, when they were last used.
    open: Mutex<HashMap<String, Instant>>,
}

impl Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(…)")
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self { secret: Id::new().ok(), open: Mutex::default() }
    }
}

impl Sessions {
    /// Opens a session for a browser that gave the token.
    pub(super) fn open(&self, id: Id) {
        let Some(session) = self.seal("session", id) else { return };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, used| used.elapsed() < IDLE);
        if open.len() >= MOST_SESSIONS
            && let Some(oldest) = open.iter().min_by_key(|(_, used)| **used).map(|(session, _)| session.clone())
        {
            open.remove(&oldest);
        }
        open.insert(session, Instant::now());
    }

    /// Whether a session is open. It stays so for another while.
    pub(super) fn is_open(&self, id: Id) -> bool {
        let Some(session) = self.seal("session", id) else { return false };
        match self.open.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&session) {
            Some(used) if used.elapsed() < IDLE => {
                *used = Instant::now();
                true
            }
            _ => false,
        }
    }

    /// Ends a session.
    pub(super) fn close(&self, id: Id) {
        if let Some(session) = self.seal("session", id) {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
        }
    }

    /// What the forms of a browser's pages carry, and a page of somebody else's can't know.
    pub(super) fn form_token(&self, id: Id) -> Option<String> {
        self.seal("form", id)
    }

    /// Whether a form is of a page that this browser was given.
    pub(super) fn is_form_token(&self, id: Id, given: &str) -> bool {
        self.form_token(id).is_some_and(|token| token.as_bytes().ct_eq(given.as_bytes()).into())
    }

    fn seal(&self, purpose: &str, id: Id) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret?.0).ok()?;
        mac.update(purpose.as_bytes());
        mac.update(&id.0);
        Some(hex(&mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_enough_and_never_shown() {
        assert!(matches!(Token::new("short", "x"), Err(TokenError::Short { .. })));
        assert!(matches!(Token::new("with a blank, and long", "x"), Err(TokenError::Odd { .. })));
        let token = Token::new("0123456789abcdef", "x").unwrap();
        assert!(token.is(b"0123456789abcdef") && !token.is(b"0123456789abcdeF") && !token.is(b""));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn a_session_is_open_until_it_is_closed_and_its_form_token_is_its_own() {
        let sessions = Sessions::default();
        let (one, other) = (Id::new().unwrap(), Id::new().unwrap());
        assert!(Id::from_text(&one.to_text()) == Some(one) && Id::from_text("0").is_none());
        sessions.open(one);
        assert!(sessions.is_open(one) && !sessions.is_open(other));
        let form = sessions.form_token(one).unwrap();
        assert!(sessions.is_form_token(one, &form) && !sessions.is_form_token(other, &form) && !sessions.is_form_token(one, ""));
        sessions.close(one);
        assert!(!sessions.is_open(one));
        (0..=MOST_SESSIONS).for_each(|_| sessions.open(Id::new().unwrap()));
        assert_eq!(sessions.open.lock().unwrap().len(), MOST_SESSIONS);
    }
}
