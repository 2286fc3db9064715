//! A kind's declaration: its file in the models crate.

use std::fmt::Write as _;

use gaebar_runtime::rows::Flags;

use super::one_line_literal;
use crate::schema::{Field, Kind};

/// The file of a kind: one line a field. A macro's arguments are not prettyplease's to lay out.
pub fn kind(kind: &Kind) -> String {
    let mut out = String::from("use gaebar_runtime::rows::*;\n\ngaebar_runtime::kind! {\n");
    // Writing to a String can't fail.
    let _ = writeln!(out, "    pub struct {}({}) {{", kind.structure, one_line_literal(&kind.name));
    for Field { property, name, ty, flags } in &kind.fields {
        let _ = write!(out, "        {name}({}): {ty}", one_line_literal(property));
        let Flags { exclude_from_indexes, meaning } = flags;
        if *exclude_from_indexes {
            out.push_str(", excluded");
        }
        if *meaning != 0 {
            let _ = write!(out, ", meaning {meaning}");
        }
        out.push_str(";\n");
    }
    out.push_str("    }\n}\n");
    out
}
