//! Values as expressions, one function a construct.

use gaebar_runtime::model::{Data, Double, Embedded, Properties, Value};
use proc_macro2::{Literal, Span};
use sha2::{Digest as _, Sha256};
use syn::punctuated::Punctuated;
use syn::{
    Expr, ExprArray, ExprCall, ExprLit, ExprMacro, ExprPath, ExprReference, ExprTuple, ExprUnary, Ident, Lit, Macro, Path,
    PathSegment, Token,
};

use super::{INLINE_BLOB, Sidecar, bytes_literal, one_line_literal, string_literal};
use crate::names::hex;
use crate::schema::has_literal;

/// Writes expressions, and gathers the blobs that stand in files of their own.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) sidecars: Vec<Sidecar>,
    /// Literals, calls, references and pairs written so far: what rustc's memory grows with.
    pub(super) expressions: usize,
    /// Whether a text of several lines is escaped to stand on one.
    one_line: bool,
}

impl Values {
    /// A writer that never breaks a line.
    pub(super) fn one_line() -> Self {
        Self { one_line: true, ..Self::default() }
    }

    fn text(&self, text: &str) -> Expr {
        if self.one_line { verbatim(&one_line_literal(text)) } else { string(text) }
    }

    /// The data alone, as it stands in a field: `"text"`, `Key("A/1")`, `&[1, 2]`.
    pub(super) fn literal(&mut self, data: &Data) -> Expr {
        self.expressions += 2;
        match data {
            Data::Null => path(&["Null"]),
            Data::Boolean(value) => boolean(*value),
            Data::Integer(value) => integer(*value),
            Data::Double(value) => double(*value),
            Data::Timestamp(time) => call(&["Time"], [string(&time.to_string())]),
            Data::Key(key) => call(&["Key"], [string(&key.to_string())]),
            Data::String(text) => self.text(text),
            Data::Blob(bytes) => call(&["Blob"], [self.blob(bytes)]),
            Data::GeoPoint(point) => call(&["Geo"], [double(point.latitude()), double(point.longitude())]),
            Data::Entity(Embedded { properties, .. }) => call(&["Embedded"], [self.properties(properties)]),
            Data::Array(items) => slice(items.iter().map(|item| self.literal(&item.data))),
        }
    }

    /// The value with its own type and flags: `Value::Unindexed(&Value::Str("text"))`.
    pub(super) fn value(&mut self, value: &Value) -> Expr {
        let mut expr = self.typed(&value.data);
        self.expressions += 2;
        if value.meaning != 0 {
            self.expressions += 3;
            expr = call(&["Value", "Meaning"], [integer(value.meaning.into()), reference(expr)]);
        }
        if value.exclude_from_indexes {
            self.expressions += 2;
            expr = call(&["Value", "Unindexed"], [reference(expr)]);
        }
        expr
    }

    fn typed(&mut self, data: &Data) -> Expr {
        match data {
            Data::Null => path(&["Value", "Null"]),
            Data::Boolean(value) => call(&["Value", "Bool"], [boolean(*value)]),
            Data::Integer(value) => call(&["Value", "Int"], [integer(*value)]),
            Data::Double(value) if has_literal(*value) => call(&["Value", "Double"], [double(*value)]),
            Data::Double(Double(value)) => call(&["Value", "Bits"], [bits(*value)]),
            Data::Timestamp(time) => call(&["Value", "Time"], [string(&time.to_string())]),
            Data::Key(key) => call(&["Value", "Key"], [string(&key.to_string())]),
            Data::String(text) => call(&["Value", "Str"], [self.text(text)]),
            Data::Blob(bytes) => call(&["Value", "Blob"], [self.blob(bytes)]),
            Data::GeoPoint(point) if has_literal(point.latitude()) && has_literal(point.longitude()) => {
                call(&["Value", "Geo"], [double(point.latitude()), double(point.longitude())])
            }
            Data::GeoPoint(point) => call(&["Value", "GeoBits"], [bits(point.latitude().0), bits(point.longitude().0)]),
            Data::Entity(Embedded { key: None, properties }) => call(&["Value", "Entity"], [self.properties(properties)]),
            Data::Entity(Embedded { key: Some(key), properties }) => {
                call(&["Value", "Keyed"], [string(&key.to_string()), self.properties(properties)])
            }
            Data::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.value(item)).collect();
                call(&["Value", "List"], [slice(items)])
            }
        }
    }

    fn properties(&mut self, properties: &Properties) -> Expr {
        self.expressions += 2 * properties.len();
        let pairs: Vec<_> = properties.iter().map(|(name, value)| pair(name, self.value(value))).collect();
        slice(pairs)
    }

    /// `b"…"`, or `include_bytes!("blobs/…")` for more than a person would read.
    fn blob(&mut self, bytes: &[u8]) -> Expr {
        if bytes.len() <= INLINE_BLOB {
            return verbatim(&bytes_literal(bytes));
        }
        let sha256 = hex(&Sha256::digest(bytes));
        let file = Literal::string(&format!("blobs/{sha256}"));
        self.sidecars.push(Sidecar { sha256, bytes: bytes.to_vec() });
        Expr::Macro(ExprMacro {
            attrs: Vec::new(),
            mac: Macro {
                path: path_of(&["include_bytes"]),
                bang_token: Token![!](Span::call_site()),
                delimiter: syn::MacroDelimiter::Paren(syn::token::Paren::default()),
                tokens: proc_macro2::TokenTree::Literal(file).into(),
            },
        })
    }
}

/// `("name", value)`.
pub(super) fn pair(name: &str, value: Expr) -> Expr {
    let mut elems = Punctuated::new();
    elems.push(string(name));
    elems.push(value);
    Expr::Tuple(ExprTuple { attrs: Vec::new(), paren_token: syn::token::Paren::default(), elems })
}

/// `&[a, b]`.
pub(super) fn slice(items: impl IntoIterator<Item = Expr>) -> Expr {
    let elems = items.into_iter().collect();
    reference(Expr::Array(ExprArray { attrs: Vec::new(), bracket_token: syn::token::Bracket::default(), elems }))
}

/// `Name(a, b)`.
pub(super) fn call<const N: usize>(function: &[&str], arguments: [Expr; N]) -> Expr {
    Expr::Call(ExprCall {
        attrs: Vec::new(),
        func: Box::new(path(function)),
        paren_token: syn::token::Paren::default(),
        args: arguments.into_iter().collect(),
    })
}

/// `A::B`.
pub(super) fn path(segments: &[&str]) -> Expr {
    Expr::Path(ExprPath { attrs: Vec::new(), qself: None, path: path_of(segments) })
}

pub(super) fn path_of(segments: &[&str]) -> Path {
    Path {
        leading_colon: None,
        segments: segments.iter().map(|segment| PathSegment::from(Ident::new(segment, Span::call_site()))).collect(),
    }
}

/// `"text"`.
pub(super) fn string(text: &str) -> Expr {
    verbatim(&string_literal(text))
}

fn reference(expr: Expr) -> Expr {
    Expr::Reference(ExprReference {
        attrs: Vec::new(),
        and_token: Token![&](Span::call_site()),
        mutability: None,
        expr: Box::new(expr),
    })
}

fn boolean(value: bool) -> Expr {
    literal(Lit::Bool(syn::LitBool::new(value, Span::call_site())))
}

fn integer(value: i64) -> Expr {
    negated(value < 0, literal(Lit::Verbatim(Literal::u64_unsuffixed(value.unsigned_abs()))))
}

/// The shortest literal that reads back to the same bits.
fn double(Double(value): Double) -> Expr {
    let magnitude = if value.is_nan() {
        path(&["f64", "NAN"])
    } else if value.is_infinite() {
        path(&["f64", "INFINITY"])
    } else {
        verbatim(&format!("{:?}", value.abs()))
    };
    // `f64::NAN` has no sign; `-f64::INFINITY` is spelled by its own name.
    match value {
        f64::NEG_INFINITY => path(&["f64", "NEG_INFINITY"]),
        _ => negated(value.is_sign_negative() && !value.is_nan(), magnitude),
    }
}

fn bits(value: f64) -> Expr {
    verbatim(&format!("0x{:016x}", value.to_bits()))
}

fn negated(negative: bool, expr: Expr) -> Expr {
    if negative {
        Expr::Unary(ExprUnary { attrs: Vec::new(), op: syn::UnOp::Neg(Token![-](Span::call_site())), expr: Box::new(expr) })
    } else {
        expr
    }
}

fn literal(lit: Lit) -> Expr {
    Expr::Lit(ExprLit { attrs: Vec::new(), lit })
}

/// A literal by its text.
#[allow(clippy::expect_used)] // the callers above write literals; a property test parses them all
fn verbatim(text: &str) -> Expr {
    literal(Lit::Verbatim(text.parse().expect("the text is a literal")))
}
