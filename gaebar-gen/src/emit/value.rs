//! Values as expressions, one function a construct.

use std::fmt::{Display, Write as _};

use gaebar_runtime::model::{Data, Double, Embedded, Properties, Value};
use sha2::{Digest as _, Sha256};

use super::layout::{Break, FIRST, Group, LAST, Layout, NEXT};
use super::{INLINE_BLOB, Sidecar, text};
use crate::names::hex;
use crate::schema::has_literal;

/// Writes expressions, and gathers the blobs that stand in files of their own.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) out: Layout,
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

    /// The data alone, as it stands in a field: `"text"`, `Key("A/1")`, `&[1, 2]`.
    pub(super) fn literal(&mut self, data: &Data) {
        self.expressions += 2;
        match data {
            Data::Null => self.out.word("Null"),
            Data::Boolean(value) => self.plain(value),
            Data::Integer(value) => self.plain(value),
            Data::Double(value) => self.double(*value),
            Data::Timestamp(time) => self.call("Time", |values| values.quoted(time)),
            Data::Key(key) => self.key(key),
            Data::String(text) => self.string(text),
            Data::Blob(bytes) => self.call("Blob", |values| values.blob(bytes)),
            Data::GeoPoint(point) => self.call("Geo", |values| {
                values.double(point.latitude());
                values.comma();
                values.double(point.longitude());
            }),
            Data::Entity(Embedded { properties, .. }) => self.call("Embedded", |values| values.properties(properties)),
            Data::Array(items) if !items.is_empty() && items.iter().all(|item| matches!(item.data, Data::Boolean(_))) => {
                self.filled(items, |values, item| values.literal(&item.data));
            }
            Data::Array(items) => self.slice(items, |values, item| values.literal(&item.data)),
        }
    }

    /// The value with its own type and flags: `Value::Unindexed(&Value::Str("text"))`.
    pub(super) fn value(&mut self, value: &Value) {
        self.expressions += 2;
        if value.exclude_from_indexes {
            self.expressions += 2;
            return self.call("Value::Unindexed", |values| {
                values.out.word("&");
                values.meant(value);
            });
        }
        self.meant(value);
    }

    /// The value with its meaning, if it has one.
    fn meant(&mut self, value: &Value) {
        if value.meaning == 0 {
            return self.typed(&value.data);
        }
        self.expressions += 3;
        self.call("Value::Meaning", |values| {
            values.plain(value.meaning);
            values.comma();
            values.out.word("&");
            values.typed(&value.data);
        });
    }

    fn typed(&mut self, data: &Data) {
        match data {
            Data::Null => self.out.word("Value::Null"),
            Data::Boolean(value) => self.call("Value::Bool", |values| values.plain(value)),
            Data::Integer(value) => self.call("Value::Int", |values| values.plain(value)),
            Data::Double(value) if has_literal(*value) => self.call("Value::Double", |values| values.double(*value)),
            Data::Double(value) => self.call("Value::Bits", |values| values.bits(*value)),
            Data::Timestamp(time) => self.call("Value::Time", |values| values.quoted(time)),
            Data::Key(key) => self.call("Value::Key", |values| values.string(&key.to_string())),
            Data::String(text) => self.call("Value::Str", |values| values.string(text)),
            Data::Blob(bytes) => self.call("Value::Blob", |values| values.blob(bytes)),
            Data::GeoPoint(point) => {
                let has_literals = has_literal(point.latitude()) && has_literal(point.longitude());
                let (name, degrees) = if has_literals {
                    ("Value::Geo", Self::double as fn(&mut Self, Double))
                } else {
                    ("Value::GeoBits", Self::bits as _)
                };
                self.call(name, |values| {
                    degrees(values, point.latitude());
                    values.comma();
                    degrees(values, point.longitude());
                });
            }
            Data::Entity(Embedded { key: None, properties }) => {
                self.call("Value::Entity", |values| values.properties(properties));
            }
            Data::Entity(Embedded { key: Some(key), properties }) => self.call("Value::Keyed", |values| {
                values.string(&key.to_string());
                values.comma();
                values.properties(properties);
            }),
            Data::Array(items) => self.call("Value::List", |values| values.slice(items, Self::value)),
        }
    }

    fn properties(&mut self, properties: &Properties) {
        self.expressions += 2 * properties.len();
        self.slice(properties, |values, (name, value)| values.pair(name, |values| values.value(value)));
    }

    /// `b"…"`, or `include_bytes!("blobs/…")` for more than a person would read.
    fn blob(&mut self, bytes: &[u8]) {
        if bytes.len() <= INLINE_BLOB {
            return text::bytes(self.out.text(), bytes);
        }
        let sha256 = hex(&Sha256::digest(bytes));
        // A macro's arguments get no comma at their end.
        self.brackets("include_bytes!(", Break { comma: false, ..LAST }, ")", |values| {
            text::one_line(values.out.text(), &format!("blobs/{sha256}"));
        });
        self.sidecars.push(Sidecar { sha256, bytes: bytes.to_vec() });
    }

    /// `Key("Profile/1")`.
    pub(super) fn key(&mut self, key: &gaebar_runtime::model::Key) {
        self.call("Key", |values| values.string(&key.to_string()));
    }

    /// `("name", value)`.
    pub(super) fn pair(&mut self, name: &str, value: impl FnOnce(&mut Self)) {
        self.call("", |values| {
            values.string(name);
            values.comma();
            value(values);
        });
    }

    /// `&[a, b]`.
    pub(super) fn slice<T>(&mut self, items: impl IntoIterator<Item = T>, item: impl FnMut(&mut Self, T)) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return self.out.word("&[]");
        }
        self.brackets("&[", LAST, "]", |values| values.list(items, item));
    }

    /// The same with as many items on a line as fit.
    fn filled<T>(&mut self, items: impl IntoIterator<Item = T>, item: impl FnMut(&mut Self, T)) {
        self.out.word("&");
        self.out.open(Group::List);
        self.out.word("[");
        self.out.brk(FIRST);
        self.out.open(Group::Fill);
        self.list(items, item);
        self.out.close();
        self.out.brk(LAST);
        self.out.word("]");
        self.out.close();
    }

    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Self, T)) {
        for (at, next) in items.into_iter().enumerate() {
            if at > 0 {
                self.comma();
            }
            item(self, next);
        }
    }

    /// `name(a, b)`.
    pub(super) fn call(&mut self, name: &str, arguments: impl FnOnce(&mut Self)) {
        self.out.word(name);
        self.brackets("(", LAST, ")", arguments);
    }

    fn brackets(&mut self, open: &str, last: Break, close: &str, inside: impl FnOnce(&mut Self)) {
        self.out.word(open);
        self.out.open(Group::List);
        self.out.brk(FIRST);
        inside(self);
        self.out.brk(last);
        self.out.close();
        self.out.word(close);
    }

    fn comma(&mut self) {
        self.out.word(",");
        self.out.brk(NEXT);
    }

    fn string(&mut self, string: &str) {
        if self.one_line {
            text::one_line(self.out.text(), string);
        } else {
            text::string(self.out.text(), string);
        }
    }

    /// What has nothing in it that would be escaped.
    fn quoted(&mut self, value: impl Display) {
        self.plain(format_args!("\"{value}\""));
    }

    fn plain(&mut self, value: impl Display) {
        // Writing to a String can't fail.
        let _ = write!(self.out.text(), "{value}");
    }

    /// The shortest literal that reads back to the same bits.
    fn double(&mut self, Double(value): Double) {
        if value.is_nan() {
            self.out.word("f64::NAN");
        } else if value.is_infinite() {
            self.out.word(if value > 0.0 { "f64::INFINITY" } else { "f64::NEG_INFINITY" });
        } else {
            self.plain(format_args!("{value:?}"));
        }
    }

    fn bits(&mut self, Double(value): Double) {
        self.plain(format_args!("0x{:016x}", value.to_bits()));
    }
}
