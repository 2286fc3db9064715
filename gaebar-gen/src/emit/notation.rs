//! A value on one line, in the notation of rows, for people to compare.

use gaebar_runtime::model::Value;
use syn::{Expr, ExprArray, ExprCall, ExprLit, ExprMacro, ExprPath, ExprReference, ExprTuple, ExprUnary};

use super::value::Values;

/// The value as it would stand in a row's `other`, on one line.
pub fn notation(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, &Values::one_line().value(value));
    out
}

/// Writes the expressions that [`Values`] makes; there are no others.
fn write(out: &mut String, expr: &Expr) {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => out.push_str(&quote::ToTokens::to_token_stream(lit).to_string()),
        Expr::Path(ExprPath { path, .. }) => {
            let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            out.push_str(&segments.join("::"));
        }
        Expr::Call(ExprCall { func, args, .. }) => {
            write(out, func);
            list(out, '(', args.iter(), ')');
        }
        Expr::Tuple(ExprTuple { elems, .. }) => list(out, '(', elems.iter(), ')'),
        Expr::Array(ExprArray { elems, .. }) => list(out, '[', elems.iter(), ']'),
        Expr::Reference(ExprReference { expr, .. }) => {
            out.push('&');
            write(out, expr);
        }
        Expr::Unary(ExprUnary { expr, .. }) => {
            out.push('-');
            write(out, expr);
        }
        Expr::Macro(ExprMacro { mac, .. }) => {
            out.push_str("include_bytes!(");
            out.push_str(&mac.tokens.to_string());
            out.push(')');
        }
        _ => {}
    }
}

fn list<'a>(out: &mut String, open: char, items: impl Iterator<Item = &'a Expr>, close: char) {
    out.push(open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write(out, item);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use gaebar_runtime::model::{Data, Embedded, Key, Properties};

    use super::*;

    #[test]
    fn values_stand_on_one_line_as_in_rows() {
        let embedded = Embedded { key: None, properties: Properties::from([("a b".to_owned(), Value::from(-1))]) };
        for (value, text) in [
            (Value::from("two\nlines"), "Value::Str(\"two\\nlines\")"),
            (Value::from(f64::NEG_INFINITY).unindexed(), "Value::Unindexed(&Value::Double(f64::NEG_INFINITY))"),
            (Value::from(vec![Value::from(true), Value::new(Data::Null)]), "Value::List(&[Value::Bool(true), Value::Null])"),
            (Value::from(Key::root("A", "b")).meaning(3), "Value::Meaning(3, &Value::Key(\"A/'b'\"))"),
            (Value::from(embedded), "Value::Entity(&[(\"a b\", Value::Int(-1))])"),
        ] {
            assert_eq!(notation(&value), text);
        }
        assert!(notation(&Value::from(vec![0_u8; 5000])).starts_with("Value::Blob(include_bytes!(\"blobs/"));
    }
}
