//! Literals of texts and bytes: exact, and safe to look at.

use std::fmt::Write as _;

use memchr::{memchr, memchr_iter};

/// Characters that are escaped because they don't show, or change how what stands around them shows. The ranges are
/// fixed here, not taken from a Unicode library, so that the same text gives the same source with every version.
const HIDDEN: &[(u32, u32)] = &[
    (0x00, 0x1f),          // controls
    (0x7f, 0xa0),          // delete, more controls, no-break space
    (0xad, 0xad),          // soft hyphen
    (0x034f, 0x034f),      // combining grapheme joiner
    (0x0600, 0x0605),      // Arabic number signs
    (0x061c, 0x061c),      // Arabic letter mark
    (0x06dd, 0x06dd),      // Arabic end of ayah
    (0x070f, 0x070f),      // Syriac abbreviation mark
    (0x0890, 0x0891),      // Arabic pound and piastre marks
    (0x08e2, 0x08e2),      // Arabic disputed end of ayah
    (0x115f, 0x1160),      // Hangul fillers
    (0x1680, 0x1680),      // Ogham space
    (0x17b4, 0x17b5),      // Khmer inherent vowels
    (0x180b, 0x180f),      // Mongolian selectors
    (0x2000, 0x200f),      // spaces, joiners, direction marks
    (0x2028, 0x202f),      // line and paragraph separators, bidi embeddings
    (0x205f, 0x206f),      // invisible operators, bidi isolates
    (0x2800, 0x2800),      // blank Braille pattern
    (0x3000, 0x3000),      // ideographic space
    (0x3164, 0x3164),      // Hangul filler
    (0xe000, 0xf8ff),      // private use
    (0xfdd0, 0xfdef),      // non-characters
    (0xfe00, 0xfe0f),      // variation selectors
    (0xfeff, 0xfeff),      // byte order mark
    (0xffa0, 0xffa0),      // half-width Hangul filler
    (0xfff0, 0xfffb),      // interlinear annotations
    (0xfffe, 0xffff),      // non-characters
    (0x1_10bd, 0x1_10bd),  // Kaithi number sign
    (0x1_10cd, 0x1_10cd),  // Kaithi number sign above
    (0x1_3430, 0x1_343f),  // hieroglyph controls
    (0x1_bca0, 0x1_bca3),  // shorthand controls
    (0x1_d173, 0x1_d17a),  // musical controls
    (0xe_0000, 0x10_ffff), // tags, more selectors, private use
];

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

/// A text as it may be shown to people: what hides is escaped, and nothing else.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
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

/// Whether a character does not show, or changes how what stands around it shows. Gaebar writes none.
pub fn is_hidden(c: char) -> bool {
    let c = u32::from(c);
    // Most characters of most texts.
    if (0x20..0x7f).contains(&c) {
        return false;
    }
    let at = HIDDEN.partition_point(|(_, last)| *last < c);
    HIDDEN.get(at).is_some_and(|(first, _)| *first <= c) || (c & 0xfffe) == 0xfffe
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

    #[test]
    fn the_hidden_ranges_are_in_order() {
        assert!(HIDDEN.is_sorted_by(|a, b| a.1 < b.0) && HIDDEN.iter().all(|(first, last)| first <= last));
    }

    proptest! {
        #[test]
        fn rustc_reads_the_same_text(text in any::<String>()) {
            let literal: LitStr = syn::parse_str(&string_literal(&text)).unwrap();
            prop_assert_eq!(literal.value(), text);
        }

        #[test]
        fn rustc_reads_the_same_lines(text in "[a-z\"#\\\\\n ]{0,40}") {
            let literal: LitStr = syn::parse_str(&string_literal(&text)).unwrap();
            prop_assert_eq!(literal.value(), text);
        }

        #[test]
        fn rustc_reads_the_same_bytes(bytes in any::<Vec<u8>>()) {
            let literal: LitByteStr = syn::parse_str(&bytes_literal(&bytes)).unwrap();
            prop_assert_eq!(literal.value(), bytes);
        }
    }
}
