//! A shard's head: what stands above its rows.

use std::fmt::Write as _;

use crate::schema::Kind;

/// A whole shard: its table, one line a row, then the rows with a blank line before each.
pub fn shard<'a>(kind: &Kind, models_crate: &str, rows: impl IntoIterator<Item = (u32, &'a str)>) -> String {
    let (mut table, mut functions) = (String::new(), String::new());
    for (number, text) in rows {
        // Writing to a String can't fail.
        let _ = writeln!(table, "    ({number}, row_{number}),");
        functions.push('\n');
        functions.push_str(text);
    }
    let structure = &kind.structure;
    format!(
        "use gaebar_runtime::rows::*;\nuse {models_crate}::{structure};\n\npub static ROWS: Rows<{structure}> = &[\n{table}];\n{functions}"
    )
}
