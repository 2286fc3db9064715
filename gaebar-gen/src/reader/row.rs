//! A row: one function, and the entity in it.

use std::collections::BTreeMap;

use gaebar_runtime::model::{Data, Double, Embedded, Entity, GeoPoint, Key, Properties, Timestamp, Value};
use gaebar_runtime::rows::Flags;
use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Ident, LitBool, LitStr, Result, Token};

use super::grammar::{at, bits, braces, bytes, double, end, integer, meaning, parens, slice, text, word};
use super::shard::Blobs;
use crate::schema::{Field, Kind, Scalar, Shape, Type};

/// Reads the values of rows of one kind.
pub(super) struct RowReader<'a> {
    pub(super) kind: &'a Kind,
    pub(super) blobs: &'a dyn Blobs,
}

/// A row and the span of its whole function.
pub(super) struct Found {
    pub(super) number: u32,
    pub(super) entity: Entity,
    pub(super) first_line: usize,
    pub(super) last_line: usize,
}

/// What a row has in place of a property: a value, or word that there is none.
type Override = Option<Value>;

impl RowReader<'_> {
    /// `pub fn row_1() -> Kind { Kind { …, ..Kind::BASE } }`
    pub(super) fn row(&self, input: ParseStream) -> Result<Found> {
        let first_line = input.parse::<Token![pub]>()?.span.start().line;
        input.parse::<Token![fn]>()?;
        let name: Ident = input.parse()?;
        let number = name.to_string().strip_prefix("row_").and_then(|number| number.parse().ok());
        let number =
            number.ok_or_else(|| syn::Error::new(name.span(), format!("found `{name}`, expected `row_` and a number")))?;
        parens(input, |_| Ok(()))?;
        input.parse::<Token![->]>()?;
        word(input, &[&self.kind.structure])?;
        let mut last_line = 0;
        let content;
        let brace = syn::braced!(content in input);
        last_line = last_line.max(brace.span.close().start().line);
        word(&content, &[&self.kind.structure])?;
        let entity = braces(&content, |fields| self.fields(fields))?;
        end(&content)?;
        Ok(Found { number, entity, first_line, last_line })
    }

    fn fields(&self, input: ParseStream) -> Result<Entity> {
        let span = input.span();
        let mut key = None;
        let mut properties = Properties::new();
        let mut other = BTreeMap::new();
        while !input.peek(Token![..]) {
            let name = input.call(Ident::parse_any)?;
            input.parse::<Token![:]>()?;
            match name.to_string().as_str() {
                "key" => key = Some(key_literal(input)?),
                "other" => other = slice(input, |pair| self.other(pair))?.into_iter().collect(),
                name_text => {
                    let field = self.kind.fields.iter().find(|field| field.name == name_text);
                    let field = field
                        .ok_or_else(|| syn::Error::new(name.span(), format!("{} has no field `{name}`", self.kind.structure)))?;
                    properties.insert(field.property.clone(), self.field(input, field)?);
                }
            }
            input.parse::<Token![,]>()?;
        }
        input.parse::<Token![..]>()?;
        word(input, &[&self.kind.structure])?;
        input.parse::<Token![::]>()?;
        word(input, &["BASE"])?;
        for (name, value) in other {
            match value {
                Some(value) => properties.insert(name, value),
                None => properties.remove(&name),
            };
        }
        let key = key.ok_or_else(|| syn::Error::new(span, "the row has no `key`"))?;
        if key.kind() != self.kind.name {
            return Err(syn::Error::new(span, format!("{key} is no key of kind {:?}", self.kind.name)));
        }
        Entity::new(key, properties).map_err(|error| syn::Error::new(span, error.to_string()))
    }

    /// `("name", value)`
    fn other(&self, input: ParseStream) -> Result<(String, Override)> {
        parens(input, |pair| {
            let name = text(pair)?;
            pair.parse::<Token![,]>()?;
            let value = if pair.fork().call(|fork| value_path(fork, &["Absent"])).is_ok() {
                value_path(pair, &["Absent"])?;
                None
            } else {
                Some(self.value(pair)?)
            };
            Ok((name, value))
        })
    }

    fn field(&self, input: ParseStream, field: &Field) -> Result<Value> {
        let flagged = |data| on(field.flags, data);
        match field.ty {
            Type::Value => self.value(input),
            Type::Bare(shape) => self.shaped(input, shape, field.flags),
            Type::Prop(shape) => match word(input, &["Is", "Null"])?.as_str() {
                "Null" => Ok(flagged(Data::Null)),
                _ => parens(input, |inside| self.shaped(inside, shape, field.flags)),
            },
        }
    }

    fn shaped(&self, input: ParseStream, shape: Shape, flags: Flags) -> Result<Value> {
        match shape {
            Shape::One(scalar) => Ok(on(flags, self.scalar(input, scalar)?)),
            Shape::List(scalar) => {
                let items = slice(input, |item| Ok(on(flags, self.scalar(item, scalar)?)))?;
                Ok(Value::new(Data::Array(items)))
            }
        }
    }

    fn scalar(&self, input: ParseStream, scalar: Scalar) -> Result<Data> {
        Ok(match scalar {
            Scalar::Boolean => Data::Boolean(input.parse::<LitBool>()?.value),
            Scalar::Integer => Data::Integer(integer(input)?),
            Scalar::Double => Data::Double(Double(double(input)?)),
            Scalar::String => Data::String(text(input)?),
            Scalar::Time => {
                word(input, &["Time"])?;
                Data::Timestamp(parens(input, time)?)
            }
            Scalar::Key => Data::Key(key_literal(input)?),
            Scalar::Blob => {
                word(input, &["Blob"])?;
                Data::Blob(parens(input, |inside| self.blob(inside))?)
            }
            Scalar::Geo => {
                word(input, &["Geo"])?;
                Data::GeoPoint(parens(input, |inside| geo(inside, double))?)
            }
            Scalar::Embedded => {
                word(input, &["Embedded"])?;
                let properties = parens(input, |inside| self.properties(inside))?;
                Data::Entity(Embedded { key: None, properties })
            }
        })
    }

    /// `Value::Str("text")`. The depth of brackets bounds the recursion.
    fn value(&self, input: ParseStream) -> Result<Value> {
        let variants = [
            "Null",
            "Bool",
            "Int",
            "Double",
            "Bits",
            "Time",
            "Key",
            "Str",
            "Blob",
            "Geo",
            "GeoBits",
            "Entity",
            "Keyed",
            "List",
            "Unindexed",
            "Meaning",
        ];
        let variant = value_path(input, &variants)?;
        if variant == "Null" {
            return Ok(Value::new(Data::Null));
        }
        parens(input, |inside| {
            Ok(Value::new(match variant.as_str() {
                "Bool" => Data::Boolean(inside.parse::<LitBool>()?.value),
                "Int" => Data::Integer(integer(inside)?),
                "Double" => Data::Double(Double(double(inside)?)),
                "Bits" => Data::Double(Double(bits(inside)?)),
                "Time" => Data::Timestamp(time(inside)?),
                "Key" => Data::Key(key(inside)?),
                "Str" => Data::String(text(inside)?),
                "Blob" => Data::Blob(self.blob(inside)?),
                "Geo" => Data::GeoPoint(geo(inside, double)?),
                "GeoBits" => Data::GeoPoint(geo(inside, bits)?),
                "Entity" => Data::Entity(Embedded { key: None, properties: self.properties(inside)? }),
                "Keyed" => {
                    let key = key(inside)?;
                    inside.parse::<Token![,]>()?;
                    Data::Entity(Embedded { key: Some(key), properties: self.properties(inside)? })
                }
                "List" => Data::Array(slice(inside, |item| self.value(item))?),
                "Unindexed" => {
                    inside.parse::<Token![&]>()?;
                    return Ok(self.value(inside)?.unindexed());
                }
                _ => {
                    let meaning = meaning(inside)?;
                    inside.parse::<Token![,]>()?;
                    inside.parse::<Token![&]>()?;
                    return Ok(self.value(inside)?.meaning(meaning));
                }
            }))
        })
    }

    fn properties(&self, input: ParseStream) -> Result<Properties> {
        let pairs = slice(input, |pair| {
            parens(pair, |inside| {
                let name = text(inside)?;
                inside.parse::<Token![,]>()?;
                Ok((name, self.value(inside)?))
            })
        })?;
        Ok(pairs.into_iter().collect())
    }

    /// `b"…"` or `include_bytes!("blobs/…")`
    fn blob(&self, input: ParseStream) -> Result<Vec<u8>> {
        if !input.peek(Ident) {
            return bytes(input);
        }
        word(input, &["include_bytes"])?;
        input.parse::<Token![!]>()?;
        parens(input, |inside| {
            at(inside, |inside| {
                let file: LitStr = inside.parse()?;
                let name = file.value();
                let hash =
                    name.strip_prefix("blobs/").ok_or_else(|| syn::Error::new(file.span(), "expected `blobs/` and a hash"))?;
                Ok(self.blobs.blob(hash))
            })
        })
    }
}

/// Data with the flags that its field declares.
pub(super) fn on(flags: Flags, data: Data) -> Value {
    Value { data, exclude_from_indexes: flags.exclude_from_indexes, meaning: flags.meaning }
}

/// `Value::Variant`
fn value_path(input: ParseStream, variants: &[&str]) -> Result<String> {
    word(input, &["Value"])?;
    input.parse::<Token![::]>()?;
    word(input, variants)
}

/// `Key("Profile/1")`
fn key_literal(input: ParseStream) -> Result<Key> {
    word(input, &["Key"])?;
    parens(input, key)
}

fn key(input: ParseStream) -> Result<Key> {
    at(input, |input| Ok(text(input)?.parse::<Key>()))
}

fn time(input: ParseStream) -> Result<Timestamp> {
    at(input, |input| Ok(text(input)?.parse::<Timestamp>()))
}

fn geo(input: ParseStream, degrees: impl Fn(ParseStream) -> Result<f64>) -> Result<GeoPoint> {
    let latitude = degrees(input)?;
    input.parse::<Token![,]>()?;
    Ok(GeoPoint::new(latitude, degrees(input)?))
}

/// Where something stands, for errors that belong to no token.
pub(super) fn line_of(span: Span) -> usize {
    span.start().line
}
