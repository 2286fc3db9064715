//! Keys as one readable, greppable string: `{tenant-a}Account/7/'Order line'/'no ''1'''`.
//!
//! ```text
//! key        = [ partition ] element { "/" element }
//! partition  = "{" word "}"                                            a namespace
//!            | "{project=" word [ ",database=" word ] [ ",namespace=" word ] "}"
//! element    = kind "/" ( number | quoted | "?" )                      "?": no id yet
//! kind       = identifier | quoted
//! word       = one or more of A-Z a-z 0-9 . _ - ~ :  | quoted
//! quoted     = "'" any text, each ' doubled "'"
//! ```
//! A key has exactly one text, and parsing refuses every other spelling, so texts can be compared and searched for.

use std::fmt::{self, Display, Write as _};
use std::str::FromStr;

use thiserror::Error;

use super::{Database, Id, Key, KeyError, PathElement};

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyTextError {
    /// Something else stands where a part of the key should.
    #[error("`{text}` is no key: at byte {at}, expected {expected}")]
    Expected {
        /// The whole text.
        text: String,
        /// The byte offset.
        at: usize,
        /// What could stand there.
        expected: &'static str,
    },
    /// It reads as a key, which is spelled otherwise.
    #[error("`{text}` is not how this key is written: write `{canonical}`")]
    Spelling {
        /// The text.
        text: String,
        /// The only spelling.
        canonical: String,
    },
    /// It reads as a path that can't be.
    #[error("`{text}` is no key: {source}")]
    Key {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: KeyError,
    },
}

impl Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.database() {
            Database::Own if self.namespace().is_empty() => {}
            Database::Own => {
                f.write_char('{')?;
                write_word(f, self.namespace())?;
                f.write_char('}')?;
            }
            Database::Other { project, database } => {
                f.write_str("{project=")?;
                write_word(f, project)?;
                for (label, word) in [(",database=", database.as_str()), (",namespace=", self.namespace())] {
                    if !word.is_empty() {
                        f.write_str(label)?;
                        write_word(f, word)?;
                    }
                }
                f.write_char('}')?;
            }
        }
        for (i, PathElement { kind, id }) in self.path().iter().enumerate() {
            if i > 0 {
                f.write_char('/')?;
            }
            if is_identifier(kind) {
                f.write_str(kind)?;
            } else {
                write_quoted(f, kind)?;
            }
            f.write_char('/')?;
            match id {
                Id::Number(number) => write!(f, "{number}")?,
                Id::Name(name) => write_quoted(f, name)?,
                Id::Unset => f.write_char('?')?,
            }
        }
        Ok(())
    }
}

/// Writes a text between single quotes, each quote in it doubled.
pub fn write_quoted(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    f.write_char('\'')?;
    for (i, part) in text.split('\'').enumerate() {
        if i > 0 {
            f.write_str("''")?;
        }
        f.write_str(part)?;
    }
    f.write_char('\'')
}

fn write_word(f: &mut impl fmt::Write, word: &str) -> fmt::Result {
    if !word.is_empty() && word.bytes().all(is_word_byte) { f.write_str(word) } else { write_quoted(f, word) }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-~:".contains(&byte)
}

fn is_identifier(kind: &str) -> bool {
    !kind.is_empty()
        && !kind.as_bytes()[0].is_ascii_digit()
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl FromStr for Key {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let mut parser = Parser { text, at: 0 };
        let (database, namespace) = parser.partition()?;
        let mut path = vec![parser.element()?];
        while parser.at < text.len() {
            parser.expect("/", "`/` or the end")?;
            path.push(parser.element()?);
        }
        let key = Self::new(database, namespace, path).map_err(|source| KeyTextError::Key { text: text.to_owned(), source })?;
        let canonical = key.to_string();
        if canonical != text {
            return Err(KeyTextError::Spelling { text: text.to_owned(), canonical });
        }
        Ok(key)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn partition(&mut self) -> Result<(Database, String), KeyTextError> {
        if !self.skip("{") {
            return Ok((Database::Own, String::new()));
        }
        if !self.skip("project=") {
            let namespace = self.word()?;
            self.expect("}", "`}`")?;
            return Ok((Database::Own, namespace));
        }
        let project = self.word()?;
        let database = if self.skip(",database=") { self.word()? } else { String::new() };
        let namespace = if self.skip(",namespace=") { self.word()? } else { String::new() };
        self.expect("}", "`,database=`, `,namespace=` or `}`")?;
        Ok((Database::Other { project, database }, namespace))
    }

    fn element(&mut self) -> Result<PathElement, KeyTextError> {
        let kind = if self.rest().starts_with('\'') {
            self.quoted()?
        } else {
            self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_', "a kind")?.to_owned()
        };
        self.expect("/", "`/` and an id or a name")?;
        let id = if self.rest().starts_with('\'') {
            Id::Name(self.quoted()?)
        } else if self.skip("?") {
            Id::Unset
        } else {
            let at = self.at;
            let digits = self.run(|byte| byte.is_ascii_digit() || byte == b'-', "a numeric id, a quoted name or `?`")?;
            Id::Number(digits.parse().map_err(|_| self.expected(at, "a numeric id of 64 bits"))?)
        };
        Ok(PathElement { kind, id })
    }

    fn word(&mut self) -> Result<String, KeyTextError> {
        if self.rest().starts_with('\'') {
            self.quoted()
        } else {
            Ok(self.run(is_word_byte, "a project, database or namespace")?.to_owned())
        }
    }

    fn quoted(&mut self) -> Result<String, KeyTextError> {
        self.expect("'", "`'`")?;
        let mut out = String::new();
        loop {
            let Some(end) = self.rest().find('\'') else {
                return Err(self.expected(self.text.len(), "a closing `'`"));
            };
            out.push_str(&self.rest()[..end]);
            self.at += end + 1;
            if !self.skip("'") {
                return Ok(out);
            }
            out.push('\'');
        }
    }

    fn run(&mut self, belongs: impl Fn(u8) -> bool, expected: &'static str) -> Result<&'a str, KeyTextError> {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| belongs(*byte)).count();
        if length == 0 {
            return Err(self.expected(self.at, expected));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    fn expect(&mut self, token: &str, expected: &'static str) -> Result<(), KeyTextError> {
        if self.skip(token) { Ok(()) } else { Err(self.expected(self.at, expected)) }
    }

    fn skip(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn expected(&self, at: usize, expected: &'static str) -> KeyTextError {
        KeyTextError::Expected { text: self.text.to_owned(), at, expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(kind: &str, id: impl Into<Id>) -> PathElement {
        PathElement { kind: kind.into(), id: id.into() }
    }

    #[test]
    fn each_form_of_a_key_has_its_text_and_back() {
        let other = Database::Other { project: "other".into(), database: "db".into() };
        let bare = Database::Other { project: "example.com:app".into(), database: String::new() };
        let cases = [
            (Key::root("Profile", 2), "Profile/2"),
            (Key::root("Profile", "2"), "Profile/'2'"),
            (Key::root("Profile", i64::MIN), "Profile/-9223372036854775808"),
            (Key::root("o'clock", "it's"), "'o''clock'/'it''s'"),
            (Key::root("", ""), "''/''"),
            (Key::root("7up", Id::Unset), "'7up'/?"),
            (Key::root("A", 1).in_namespace("tenant-a"), "{tenant-a}A/1"),
            (Key::root("A", 1).in_namespace("project=x"), "{'project=x'}A/1"),
            (Key::root("P", 2).in_namespace("n").in_database(other), "{project=other,database=db,namespace=n}P/2"),
            (Key::root("P", 2).in_database(bare), "{project=example.com:app}P/2"),
            (
                Key::new(Database::Own, String::new(), vec![element("Account", 7), element("Order/x", "a/b")]).unwrap(),
                "Account/7/'Order/x'/'a/b'",
            ),
        ];
        for (key, text) in cases {
            assert_eq!(key.to_string(), text);
            assert_eq!(text.parse(), Ok(key));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "A",
            "A/",
            "A/1/",
            "/1",
            "A/01",
            "A/+1",
            "A/-0",
            "'A'/1",
            "{}A/1",
            "{''}A/1",
            "{'n'}A/1",
            "A/?/B/1",
            "A/1 ",
            "A/'x",
            "A/99999999999999999999",
            "{project=p,namespace=n,database=d}A/1",
            "{project=p,database=''}A/1",
            "7/1",
            "A/-",
            "{n A/1",
        ] {
            assert!(text.parse::<Key>().is_err(), "{text} was accepted");
        }
    }
}
