//! Literals of texts and bytes: exact, and safe to look at.

use std::fmt::Write as _;

use gaebar_runtime::visible::is_hidden;
use memchr::{memchr, memchr_iter};

/// The words of items that git's hunk headers for Rust look for. A text with such a line is escaped whole: it would pass
/// for code in `git log -L` and in every diff.
const ITEM_WORDS: &[&str] = &["struct", "enum", "union", "mod", "trait", "fn", "impl", "macro_rules!"];
/// What may stand before them, beside `pub`.
const MODIFIERS: &[&str] = &["async", "const", "unsafe", "extern"];

/// The literal of a text: raw with real newlines where it has several lines and nothing to escape.
pub fn string_literal(text: &str) -> String {
    let mut out = String::new();
    string(&mut out, text);
    out
}

/// The literal of a text on one line, whatever is in it.
pub fn one_line_literal(text: &str) -> String {
    let mut out = String::new();
    one_line(&mut out, text);
    out
}

/// Writes what [`string_literal`] gives.
pub(super) fn string(out: &mut String, text: &str) {
    if memchr(b'\n', text.as_bytes()).is_some() && !hides(text) && !lines(text).any(looks_like_item) {
        raw(out, text);
    } else {
        one_line(out, text);
    }
}

/// Writes what [`one_line_literal`] gives.
pub(super) fn one_line(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    let mut rest = text;
    loop {
        // Most of most texts stands as it is.
        let plain = run(rest.as_bytes(), |byte| is_plain(byte) && byte != b'"' && byte != b'\\');
        let (as_it_is, after) = rest.split_at(plain);
        out.push_str(as_it_is);
        let Some(c) = after.chars().next() else { break };
        rest = &after[c.len_utf8()..];
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            c if is_hidden(c) => {
                // Writing to a String can't fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The literal of bytes.
pub fn bytes_literal(literal: &[u8]) -> String {
    let mut out = String::new();
    bytes(&mut out, literal);
    out
}

/// Writes what [`bytes_literal`] gives.
pub(super) fn bytes(out: &mut String, bytes: &[u8]) {
    out.reserve(bytes.len() * 2 + 3);
    out.push_str("b\"");
    for byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x20..=0x7e => out.push(char::from(*byte)),
            byte => {
                // Writing to a String can't fail.
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
}

fn raw(out: &mut String, text: &str) {
    // One `#` more than the longest run of them behind a quote.
    let hashes = text.split('"').skip(1).map(|rest| rest.bytes().take_while(|byte| *byte == b'#').count() + 1).max().unwrap_or(0);
    let fence = "#".repeat(hashes);
    // Writing to a String can't fail.
    let _ = write!(out, "r{fence}\"{text}\"{fence}");
}

/// Whether something in a text would be hidden, line ends aside.
fn hides(text: &str) -> bool {
    let mut rest = text;
    loop {
        rest = &rest[run(rest.as_bytes(), |byte| is_plain(byte) || byte == b'\n')..];
        let Some(c) = rest.chars().next() else { return false };
        if is_hidden(c) {
            return true;
        }
        rest = &rest[c.len_utf8()..];
    }
}

/// How many bytes from the first on belong together. Whole blocks are looked at in one go, which the processor does at once.
fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    let whole = blocks.iter().take_while(|block| block.iter().fold(true, |all, byte| all & belongs(*byte))).count() * 32;
    whole + bytes[whole..].iter().take_while(|byte| belongs(**byte)).count()
}

/// Whether a byte is a character of ASCII that shows.
fn is_plain(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte)
}

/// The lines of a text in which nothing hides, no carriage return either.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let ends = memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
    ends.scan(0, |from, end| Some(&text[std::mem::replace(from, end + 1)..end]))
}

fn looks_like_item(line: &str) -> bool {
    const BETWEEN_WORDS: [char; 6] = [' ', '\t', '<', '(', ')', '"'];
    let line = line.trim_start_matches(BETWEEN_WORDS);
    // Most lines don't begin with a letter that any of the words begins with.
    if !line.bytes().next().is_some_and(|first| b"pseumtfiac".contains(&first)) {
        return false;
    }
    let mut words = line.split(BETWEEN_WORDS).filter(|word| !word.is_empty());
    match words.next() {
        Some("pub") => true,
        Some(word) if MODIFIERS.contains(&word) => words.any(|word| ITEM_WORDS.contains(&word)),
        Some(word) => ITEM_WORDS.contains(&word),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use syn::{LitByteStr, LitStr};

    use super::*;
    use crate::reader::unquoted;

    #[test]
    fn literals_show_what_is_there() {
        for (text, literal) in [
            ("plain 'text'", r#""plain 'text'""#),
            ("a \"quote\" and \\", r#""a \"quote\" and \\""#),
            ("two\nlines", "r\"two\nlines\""),
            ("two\n\"#lines\"", "r##\"two\n\"#lines\"\"##"),
            ("cr\r\n", r#""cr\r\n""#),
            ("left \u{202e}right", r#""left \u{202e}right""#),
            ("a\n\u{feff}b", r#""a\n\u{feff}b""#),
            ("}\npub fn row_2() {", r#""}\npub fn row_2() {""#),
            ("x\n  mod y", r#""x\n  mod y""#),
            ("mod x\ny\n", r#""mod x\ny\n""#),
            ("\nx\n\nmod", "\"\\nx\\n\\nmod\""),
            ("\nx\n\n", "r\"\nx\n\n\""),
            ("tab\tnul\0", r#""tab\tnul\0""#),
            ("größe 🦀 日本", "\"größe 🦀 日本\""),
            ("\u{1_fffe}", "\"\\u{1fffe}\""),
        ] {
            assert_eq!(string_literal(text), literal);
        }
    }

    #[test]
    fn every_word_of_an_item_is_found() {
        for word in ITEM_WORDS.iter().chain(&["pub"]) {
            assert!(looks_like_item(&format!("  ({word} x")), "{word}");
        }
        for word in MODIFIERS {
            assert!(looks_like_item(&format!("{word} fn x")) && !looks_like_item(&format!("{word} x")), "{word}");
        }
    }

    proptest! {
        #[test]
        fn rustc_reads_the_same_text(text in any::<String>()) {
            let literal: LitStr = syn::parse_str(&string_literal(&text)).unwrap();
            prop_assert_eq!(literal.value(), text.as_str());
            prop_assert_eq!(unquoted(&string_literal(&text)), Some(text));
        }

        #[test]
        fn rustc_reads_the_same_lines(text in "[a-z\"#\\\\\n ]{0,40}") {
            let literal: LitStr = syn::parse_str(&string_literal(&text)).unwrap();
            prop_assert_eq!(literal.value(), text.as_str());
            prop_assert_eq!(unquoted(&string_literal(&text)), Some(text));
        }

        #[test]
        fn rustc_reads_the_same_bytes(bytes in any::<Vec<u8>>()) {
            let literal: LitByteStr = syn::parse_str(&bytes_literal(&bytes)).unwrap();
            prop_assert_eq!(literal.value(), bytes);
        }
    }
}
