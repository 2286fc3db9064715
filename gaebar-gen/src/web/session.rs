//! Who has logged in, with what, and whether they meant what they send.
//!
//! A visitor's browser keeps a random id as a cookie. Once it has logged in, the cookie says until when, sealed with a [`Secret`]: so
//! whoever has that knows the session, in another process too, and no store does: restoring over one logs nobody out. The token against
//! forged requests (CSRF) is made from the id, so it need not be kept.
//!
//! The secret may be made of Gaebar's token, and seals with it are for guessing at home. So a stranger gets none: the token of the login's
//! form is a hash of their id. Who could make that form another's would have to know Gaebar's token to log somebody in.

use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderValue;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use crate::folder::{self, FolderError, SizeLimit};
use crate::names::hex;
use crate::secret::Secret;

/// The environment variable with the token.
pub const VARIABLE: &str = "GAEBAR_TOKEN";

/// A session ends so long after the login.
const LIFE: Duration = Duration::from_hours(12);
/// What cookies of sessions, and tokens of forms, are sealed for.
const SESSION: &str = "session";
const FORM: &str = "form";
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
        match folder::read(path, SizeLimit::NOTE) {
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

    /// What everybody seals with who has it.
    pub(super) fn secret(&self) -> Secret {
        Secret::of_token(&self.text)
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
    fn new() -> Result<Self, getrandom::Error> {
        let mut id = [0; 32];
        getrandom::fill(&mut id)?;
        Ok(Self(id))
    }

    /// As it stands in a cookie.
    fn to_text(self) -> String {
        hex(&self.0)
    }

    /// From a cookie.
    fn from_text(text: &str) -> Option<Self> {
        let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
        let mut id = [0; 32];
        for (byte, digits) in id.iter_mut().zip(digits.as_chunks::<2>().0) {
            let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        Some(Self(id))
    }
}

/// A browser, by its cookie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Browser {
    /// It has not logged in, or its session has ended.
    Stranger(Id),
    /// It has logged in; the session ends at this time, in seconds since 1970.
    LoggedIn(Id, u64),
}

impl Browser {
    /// One that was not known before.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        Id::new().map(Self::Stranger)
    }

    /// One that has just given the token, under another id than before.
    pub(super) fn logged_in() -> Result<Self, getrandom::Error> {
        Ok(Self::LoggedIn(Id::new()?, now() + LIFE.as_secs()))
    }

    /// Whether it has logged in.
    pub(super) fn is_logged_in(self) -> bool {
        matches!(self, Self::LoggedIn(..))
    }

    fn id(self) -> Id {
        let (Self::Stranger(id) | Self::LoggedIn(id, _)) = self;
        id
    }
}

/// Who has logged in. Nothing is kept but what was ended early.
pub(super) struct Sessions {
    secret: Secret,
    /// Whether people have to log in here.
    asks: bool,
    /// Sessions whose people have logged out here, and when each would have ended.
    closed: Mutex<HashMap<[u8; 32], u64>>,
}

impl Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(…)")
    }
}

impl Sessions {
    pub(super) fn new(secret: Secret, asks: bool) -> Self {
        Self { secret, asks, closed: Mutex::default() }
    }

    /// Ends a session, for this process. Others know it until its time is up, if anybody has kept the cookie.
    pub(super) fn close(&self, browser: Browser) {
        if let Browser::LoggedIn(id, until) = browser {
            let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
            closed.retain(|_, until| *until > now());
            closed.insert(id.0, until);
        }
    }

    /// A browser's cookie.
    pub(super) fn cookie(&self, browser: Browser) -> Option<String> {
        match browser {
            Browser::Stranger(id) => Some(id.to_text()),
            Browser::LoggedIn(id, until) => {
                let text = format!("{}.{until}", id.to_text());
                let seal = self.secret.seal(SESSION, text.as_bytes())?;
                Some(format!("{text}.{seal}"))
            }
        }
    }

    /// The browser that has a cookie, if it is one of ours.
    pub(super) fn browser(&self, cookie: &str) -> Option<Browser> {
        let Some((text, seal)) = cookie.rsplit_once('.') else { return Id::from_text(cookie).map(Browser::Stranger) };
        let (id, until) = text.split_once('.')?;
        let (id, until) = (Id::from_text(id)?, until.parse().ok()?);
        let is_open = until > now() && self.secret.has_sealed(SESSION, text.as_bytes(), seal) && !self.is_closed(id);
        Some(if is_open { Browser::LoggedIn(id, until) } else { Browser::Stranger(id) })
    }

    fn is_closed(&self, id: Id) -> bool {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id.0)
    }

    /// What the forms of a browser's pages carry, and a page of somebody else's can't know.
    pub(super) fn form_token(&self, browser: Browser) -> Option<String> {
        let id = browser.id().0;
        if self.asks && !browser.is_logged_in() {
            return Some(hex(&Sha256::new_with_prefix(FORM).chain_update(id).finalize()));
        }
        self.secret.seal(FORM, &id)
    }

    /// Whether a form is of a page that this browser was given.
    pub(super) fn is_form_token(&self, browser: Browser, given: &str) -> bool {
        self.form_token(browser).is_some_and(|token| token.as_bytes().ct_eq(given.as_bytes()).into())
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
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

    fn sessions(token: &str) -> Sessions {
        Sessions::new(Token::new(token, "x").unwrap().secret(), true)
    }

    #[test]
    fn who_has_the_secret_knows_a_session_until_it_ends() {
        let [here, there, elsewhere] = ["0123456789abcdef", "0123456789abcdef", "fedcba9876543210"].map(sessions);
        let session = Browser::logged_in().unwrap();
        let cookie = here.cookie(session).unwrap();
        assert!(here.browser(&cookie) == Some(session) && there.browser(&cookie) == Some(session));
        let stranger = Some(Browser::Stranger(session.id()));
        assert!(elsewhere.browser(&cookie) == stranger, "of another token");
        let over = Browser::LoggedIn(session.id(), now());
        assert!(here.browser(&here.cookie(over).unwrap()) == stranger, "its time is up");
        let (id, rest) = cookie.split_once('.').unwrap();
        let (until, seal) = rest.split_once('.').unwrap();
        let longer = format!("{id}.{}.{seal}", until.parse::<u64>().unwrap() + 1);
        assert!(here.browser(&longer) == stranger, "nobody makes it longer");
        for other in ["", "0", "x.1.2", &format!("{id}."), &format!("{id}..{seal}"), &format!("{id}.{seal}")] {
            assert!(here.browser(other).is_none_or(|browser| !browser.is_logged_in()), "{other}");
        }
        assert!(here.browser(id) == stranger);
        here.close(session);
        assert!(here.browser(&cookie) == stranger);
    }

    #[test]
    fn a_form_token_is_one_browsers_and_a_strangers_tells_nothing_of_the_secret() {
        let [here, elsewhere] = ["0123456789abcdef", "fedcba9876543210"].map(sessions);
        let session = Browser::logged_in().unwrap();
        let stranger = Browser::Stranger(session.id());
        let form = here.form_token(session).unwrap();
        assert!(here.is_form_token(session, &form) && !here.is_form_token(Browser::logged_in().unwrap(), &form));
        assert!(!here.is_form_token(stranger, &form) && !here.is_form_token(session, ""));
        assert!(!elsewhere.is_form_token(session, &form));
        assert_eq!(here.form_token(stranger), elsewhere.form_token(stranger));
        // Where nobody logs in, a stranger is all that there is.
        let open = Sessions::new(Secret::new([7; 32]), false);
        assert!(open.form_token(stranger).is_some() && open.form_token(stranger) != here.form_token(stranger));
    }
}
