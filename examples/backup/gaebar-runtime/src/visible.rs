//! Text from outside (names, files, what a server says) made visible, for terminals, pages and JSON.

use std::fmt::Write as _;

/// Characters that don't show, or change how the text around them shows. The ranges are fixed here, not taken from a Unicode
/// library, so that the same text gives the same source with every version.
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

/// What lines of a message begin with, behind the first.
const INDENT: &str = "  ";

/// Whether a character does not show, or changes how the text around it shows: controls, bidirectional marks, blanks other than the
/// space. Line ends are hidden too.
#[inline]
pub fn is_hidden(c: char) -> bool {
    let c = u32::from(c);
    // Most characters of most texts.
    if (0x20..0x7f).contains(&c) {
        return false;
    }
    let at = HIDDEN.partition_point(|(_, last)| *last < c);
    HIDDEN.get(at).is_some_and(|(first, _)| *first <= c) || (c & 0xfffe) == 0xfffe
}

/// A name or another piece of text, on one line: hidden characters become `\u{…}`, all others stay.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_visible(&mut out, text);
    out
}

/// A message of one or more lines, for a terminal. Lines after the first are indented, unless all of them are already: so no line end
/// in a name can pass for the beginning of another message.
pub fn message(text: &str) -> String {
    let mut lines = text.trim_end_matches('\n').split('\n');
    let mut out = visible(lines.next().unwrap_or_default());
    let is_indented = lines.clone().all(|line| line.is_empty() || line.starts_with(INDENT));
    for line in lines {
        out.push('\n');
        if !is_indented && !line.is_empty() {
            out.push_str(INDENT);
        }
        push_visible(&mut out, line);
    }
    out
}

fn push_visible(out: &mut String, text: &str) {
    for c in text.chars() {
        if is_hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
}

/// Compact JSON with hidden characters as `\u` escapes. Nothing is lost, since outside of its strings there are none.
pub fn json(text: &str) -> String {
    escape_json(text, is_hidden)
}

/// JSON with some characters of its strings as `\u` escapes.
pub fn escape_json(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String can't fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hidden_ranges_are_in_order() {
        assert!(HIDDEN.is_sorted_by(|a, b| a.1 < b.0) && HIDDEN.iter().all(|(first, last)| first <= last));
    }

    #[test]
    fn what_would_hide_is_escaped_and_nothing_else() {
        for (text, shown) in [
            ("größe 🦀 'a' \"b\" \\", "größe 🦀 'a' \"b\" \\"),
            ("\u{1b}[2K\rVerified\n", "\\u{1b}[2K\\u{d}Verified\\u{a}"),
            ("\u{9b}2K \u{202e} \u{2028} \u{200b}\t", "\\u{9b}2K \\u{202e} \\u{2028} \\u{200b}\\u{9}"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(visible(shown), shown, "what is visible stays");
        }
    }

    #[test]
    fn a_line_end_in_a_name_begins_no_message() {
        assert_eq!(message("a\nVerified b\n\n  c\n"), "a\n  Verified b\n\n    c");
        assert_eq!(message("a\r\nb\u{85}c"), "a\\u{d}\n  b\\u{85}c");
        assert_eq!(message("a:\n  b\n\n    c"), "a:\n  b\n\n    c", "indented already");
    }

    #[test]
    fn json_loses_nothing() {
        assert_eq!(json("\"\u{7f}\u{9b}\u{202e}\u{2028}\u{e0001}é\\n\""), r#""\u007f\u009b\u202e\u2028\udb40\udc01é\n""#);
    }
}
