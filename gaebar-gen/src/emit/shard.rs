//! A shard's head: what stands above its rows.

use std::fmt::Write as _;

use memchr::memmem;

use crate::schema::Kind;

/// What each row of a shard begins with. No line of a text in a row does: such a text is escaped.
pub const ROW: &str = "\npub fn row_";

/// A whole shard: its table, one line a row, then the rows with a blank line before each.
pub fn shard<'a>(kind: &Kind, models_crate: &str, rows: impl IntoIterator<Item = (u32, &'a str), IntoIter: Clone>) -> String {
    let rows = rows.into_iter();
    let mut out = head(kind, models_crate, rows.clone().map(|(number, _)| number));
    for (_, text) in rows {
        out.push('\n');
        out.push_str(text);
    }
    out
}

/// What stands above a shard's rows.
pub fn head(kind: &Kind, models_crate: &str, numbers: impl IntoIterator<Item = u32>) -> String {
    let structure = &kind.structure;
    let mut out =
        format!("use gaebar_runtime::rows::*;\nuse {models_crate}::{structure};\n\npub static ROWS: Rows<{structure}> = &[\n");
    for number in numbers {
        // Writing to a String can't fail.
        let _ = writeln!(out, "    ({number}, row_{number}),");
    }
    out.push_str("];\n");
    out
}

/// The rows of a shard: where each begins, and its text.
pub fn rows(shard: &str) -> Vec<(usize, &str)> {
    let starts: Vec<_> = memmem::find_iter(shard.as_bytes(), ROW).map(|blank_line| blank_line + 1).collect();
    // A blank line stands between two.
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([shard.len()]);
    starts.iter().zip(ends).map(|(start, end)| (*start, &shard[*start..end])).collect()
}
