//! A shard in parts that fit a page, with its colours as HTML.

use std::fmt::Write as _;

use gaebar_runtime::visible::{is_hidden, visible};
use maud::{Escaper, Markup, PreEscaped};

use super::find::number;
use super::tokens::{Class, Token, Tokens};
use crate::emit::ROW;
use crate::reader::unquoted;

/// Bytes of HTML that a part comes to at the most.
const MOST_PART: usize = 40_000;
/// Bytes of text that stay together. A row that is larger than a part is cut between such pieces.
const MOST_PIECE: usize = 2_000;

/// A part of a text: whole rows, or a piece of one that is too large.
#[derive(Debug)]
pub(super) struct Part {
    /// The number of its first line.
    pub(super) line: usize,
    /// Line ends in it.
    lines: usize,
    /// Whether it ends in the middle of a line.
    is_cut: bool,
    /// The first row that it has something of, and the last.
    pub(super) rows: Option<(u32, u32)>,
    html: String,
}

impl Part {
    fn at(line: usize) -> Self {
        Self { line, lines: 0, is_cut: false, rows: None, html: String::new() }
    }

    /// Whether it has something of a row.
    pub(super) fn has(&self, row: u32) -> bool {
        self.rows.is_some_and(|(first, last)| (first..=last).contains(&row))
    }

    /// Its text with colours.
    pub(super) fn code(&self) -> Markup {
        PreEscaped(self.html.clone())
    }

    /// The numbers of its lines, one below the other.
    pub(super) fn line_numbers(&self) -> String {
        (self.line..self.line + self.lines + usize::from(self.is_cut)).fold(String::new(), |mut out, line| {
            // Writing to a String can't fail.
            let _ = writeln!(out, "{line}");
            out
        })
    }
}

/// Divides a text whose first line has this number into parts, between rows where that is possible. `link` gives the address of the
/// entity with a key.
pub(super) fn parts(text: &str, first_line: usize, link: &dyn Fn(&str) -> String) -> Vec<Part> {
    let (mut parts, mut part) = (Vec::new(), Part::at(first_line));
    let mut close = |part: &mut Part| {
        let next = Part::at(part.line + part.lines);
        parts.push(std::mem::replace(part, next));
    };
    for section in sections(text) {
        let row = section.starts_with(ROW.trim_start()).then(|| number(section));
        let pieces: Vec<_> = pieces(section, row, link).collect();
        let size: usize = pieces.iter().map(|(html, _)| html.len()).sum();
        if !part.html.is_empty() && part.html.len() + size > MOST_PART {
            close(&mut part);
        }
        for (html, text) in pieces {
            if !part.html.is_empty() && part.html.len() + html.len() > MOST_PART {
                close(&mut part);
            }
            part.html.push_str(&html);
            part.lines += text.matches('\n').count();
            part.is_cut = !text.ends_with('\n');
            if let Some(row) = row {
                part.rows = Some((part.rows.map_or(row, |(first, _)| first), row));
            }
        }
    }
    close(&mut part);
    parts
}

/// What stands above the rows, and each row with the empty line behind it.
fn sections(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let end = text.find(ROW).map_or(text.len(), |at| at + 1);
        let (section, rest) = text.split_at_checked(end).filter(|(section, _)| !section.is_empty())?;
        text = rest;
        Some(section)
    })
}

/// Small pieces of a section, as HTML and as text.
fn pieces<'a>(
    section: &'a str,
    row: Option<u32>,
    link: &'a dyn Fn(&str) -> String,
) -> impl Iterator<Item = (String, &'a str)> + 'a {
    let name = row.map(|row| format!("row_{row}"));
    let mut named = false;
    Tokens::new(section).flat_map(move |token| {
        let (open, close) = match token.class {
            Class::Plain if !named && name.as_deref() == Some(token.text) => {
                named = true;
                (format!("<span class=\"row\" id=\"{}\">", token.text), "</span>")
            }
            Class::Plain => (String::new(), ""),
            Class::Key => (key_link(token, link), "</a>"),
            Class::Keyword => ("<span class=\"k\">".to_owned(), "</span>"),
            Class::Type => ("<span class=\"t\">".to_owned(), "</span>"),
            Class::Text => ("<span class=\"s\">".to_owned(), "</span>"),
            Class::Number => ("<span class=\"n\">".to_owned(), "</span>"),
            Class::Comment => ("<span class=\"c\">".to_owned(), "</span>"),
        };
        chunks(token.text).map(move |text| (format!("{open}{}{close}", escaped(text)), text))
    })
}

/// The beginning of a link to the entity with a key, which stands there as a literal.
fn key_link(token: Token, link: &dyn Fn(&str) -> String) -> String {
    let key = unquoted(token.text).unwrap_or_default();
    let mut out = String::from("<a class=\"key\" href=\"");
    // Writing to a String can't fail.
    let _ = Escaper::new(&mut out).write_str(&link(&key));
    out.push_str("\">");
    out
}

/// A text in chunks that stay together.
fn chunks(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let mut end = text.len().min(MOST_PIECE);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (chunk, rest) = text.split_at_checked(end).filter(|(chunk, _)| !chunk.is_empty())?;
        text = rest;
        Some(chunk)
    })
}

/// A text as HTML. What Gaebar would have escaped is marked, so that nothing hides or turns around what stands beside it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let is_odd = |c: char| c != '\n' && is_hidden(c);
    for run in text.split_inclusive(is_odd) {
        let (plain, odd) = match run.chars().next_back().filter(|c| is_odd(*c)) {
            Some(odd) => (run.strip_suffix(odd).unwrap_or(run), Some(odd)),
            None => (run, None),
        };
        // Writing to a String can't fail.
        let _ = Escaper::new(&mut out).write_str(plain);
        if let Some(odd) = odd {
            let _ = write!(out, "<mark>{}</mark>", visible(&odd.to_string()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The text that a browser shows.
    fn shown(parts: &[Part]) -> String {
        let html: String = parts.iter().map(|part| part.html.as_str()).collect();
        let text: String = html
            .split('<')
            .enumerate()
            .map(|(at, piece)| piece.split_once('>').filter(|_| at > 0).map_or(piece, |(_, text)| text))
            .collect();
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
    }

    fn divided(text: &str) -> Vec<Part> {
        parts(text, 1, &|key| format!("entity?key={key}"))
    }

    #[test]
    fn every_shard_is_shown_byte_for_byte() {
        let volumes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/backup/volumes");
        for volume in fs::read_dir(volumes).unwrap() {
            let text = fs::read_to_string(volume.unwrap().path().join("src/shard_0.rs")).unwrap();
            let parts = divided(&text);
            assert_eq!(shown(&parts), text);
            assert_eq!(parts.iter().map(|part| part.lines).sum::<usize>(), text.lines().count());
        }
    }

    #[test]
    fn parts_are_small_and_begin_with_rows_unless_a_row_is_larger() {
        let row = |number: u32, text: &str| {
            format!("\npub fn row_{number}() -> A {{\n    A {{ key: Key(\"A/{number}\"), t: r\"{text}\" }}\n}}\n")
        };
        let text = (1..=40).map(|number| row(number, &"<x>\n".repeat(800))).collect::<String>() + &row(41, &"ü&".repeat(60_000));
        let parts = divided(&text);
        assert_eq!(shown(&parts), text);
        assert!(parts.iter().all(|part| part.html.len() <= MOST_PART && !part.html.is_empty()));
        let of = |row| parts.iter().filter(|part| part.has(row)).count();
        assert!((1..=40).all(|row| of(row) == 1) && of(41) > 5 && of(42) == 0);
        assert!(parts.iter().zip(parts.iter().skip(1)).all(|(part, next)| part.line + part.lines == next.line));
    }

    #[test]
    fn hostile_text_is_no_markup_and_hides_nothing() {
        let parts = divided("// </code><script>alert(1)</script>\r\u{202e}\u{202e}x\nKey(\"\\\"><b>\")");
        assert!(!parts[0].html.contains("<script") && !parts[0].html.contains("<b>"), "{}", parts[0].html);
        assert!(parts[0].html.contains("<mark>\\u{d}</mark><mark>\\u{202e}</mark><mark>\\u{202e}</mark>x"), "{}", parts[0].html);
    }
}
