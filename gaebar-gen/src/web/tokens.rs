//! The tokens of a shard's text: for its colours, and to tell a key from a text that looks like one.
//!
//! Any text has tokens, and all of them in a row are the text: what was edited is shown as well.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Blanks, brackets, commas, fields.
    Plain,
    /// A word of the language.
    Keyword,
    /// A type, or a constructor.
    Type,
    /// The literal of a text or of bytes.
    Text,
    /// The literal of a key.
    Key,
    /// A number.
    Number,
    /// A comment. Gaebar writes none.
    Comment,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) class: Class,
    pub(super) text: &'a str,
}

const KEYWORDS: &[&str] = &["as", "const", "false", "fn", "mod", "pub", "static", "true", "use"];

/// The tokens of a text.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    rest: &'a str,
    /// How much of `Key(` was just seen.
    key: Expected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Nothing,
    Bracket,
    Literal,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, key: Expected::Nothing }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let first = self.rest.chars().next()?;
        let (mut class, length) = token(self.rest, first);
        // There is a character, and every token has one.
        let (text, rest) = self.rest.split_at_checked(length.max(first.len_utf8())).unwrap_or((self.rest, ""));
        self.rest = rest;
        if class == Class::Text && self.key == Expected::Literal {
            class = Class::Key;
        }
        self.key = match (self.key, class) {
            (_, Class::Type) if text == "Key" => Expected::Bracket,
            (Expected::Bracket, Class::Plain) if text.trim_end() == "(" => Expected::Literal,
            _ => Expected::Nothing,
        };
        Some(Token { class, text })
    }
}

/// The class and the length of the token that a text begins with.
fn token(text: &str, first: char) -> (Class, usize) {
    if let Some(length) = literal(text) {
        return (Class::Text, length);
    }
    let while_in = |is_part: fn(char) -> bool| text.find(|c| !is_part(c)).unwrap_or(text.len());
    match first {
        'a'..='z' | 'A'..='Z' | '_' => {
            let length = while_in(|c| c.is_ascii_alphanumeric() || c == '_');
            let class = match text.get(..length) {
                Some(word) if KEYWORDS.contains(&word) => Class::Keyword,
                _ if first.is_ascii_uppercase() => Class::Type,
                _ => Class::Plain,
            };
            (class, length)
        }
        '0'..='9' => (Class::Number, while_in(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')),
        '/' if text.starts_with("//") => (Class::Comment, text.find('\n').unwrap_or(text.len())),
        '/' => (Class::Plain, 1),
        _ => (Class::Plain, while_in(|c| !(c.is_ascii_alphanumeric() || c == '_' || c == '"' || c == '/'))),
    }
}

/// The length of the literal of a text or of bytes that a text begins with; to the end, if it is never closed.
fn literal(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let inside = rest.get(hashes..)?.strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let before = text.len() - inside.len();
        return Some(inside.find(&end).map_or(text.len(), |at| before + at + end.len()));
    }
    let inside = text.strip_prefix('b').unwrap_or(text).strip_prefix('"')?;
    let before = text.len() - inside.len();
    let mut escaped = false;
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    Some(end.map_or(text.len(), |at| before + at + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_row_has_the_tokens_that_rustc_would_see() {
        let row =
            "pub fn row_1() -> A {\n    A { key: Key(\"A/1\"), n: -1.5, s: r#\"Key(\"B/2\")\"#, b: b\"\\\"\", ..A::BASE }\n}\n";
        let of = |class| Tokens::new(row).filter(|token| token.class == class).map(|token| token.text).collect::<Vec<_>>();
        assert_eq!(of(Class::Keyword), ["pub", "fn"]);
        assert_eq!(of(Class::Key), ["\"A/1\""]);
        assert_eq!(of(Class::Text), ["r#\"Key(\"B/2\")\"#", "b\"\\\"\""]);
        assert_eq!(of(Class::Number), ["1.5"]);
        assert_eq!(of(Class::Type), ["A", "A", "Key", "A", "BASE"]);
    }

    #[test]
    fn a_key_on_a_line_of_its_own_is_a_key_and_the_own_key_of_an_embedded_entity_is_none() {
        let classes =
            |text| Tokens::new(text).map(|token| token.class).filter(|class| *class != Class::Plain).collect::<Vec<_>>();
        assert_eq!(classes("Key(\n    \"A/1\",\n)"), [Class::Type, Class::Key]);
        assert_eq!(classes("Value::Key(\"A/1\")"), [Class::Type, Class::Type, Class::Key]);
        assert_eq!(classes("Value::Keyed(\"A/1\", &[])"), [Class::Type, Class::Type, Class::Text]);
    }

    proptest! {
        #[test]
        fn all_tokens_are_the_text(text in any::<String>()) {
            let tokens: String = Tokens::new(&text).map(|token| token.text).collect();
            prop_assert_eq!(tokens, text);
        }

        #[test]
        fn all_tokens_are_the_text_of_quotes_and_comments(text in "[rb#\"\\\\/Key( \na1-]{0,30}") {
            let tokens: String = Tokens::new(&text).map(|token| token.text).collect();
            prop_assert_eq!(tokens, text);
        }
    }
}
