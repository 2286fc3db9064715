//! A kind's declaration.

use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Ident, Lifetime, Result, Token};

use super::grammar::{braces, end, meaning, parens, parse, text, word};
use super::{GrammarError, difference};
use crate::emit;
use crate::schema::{Field, Kind, NO_FLAGS, Scalar, Shape, Type};

/// Reads the declaration of a kind from its file `models/src/<file>.rs`.
pub fn kind(file: &str, source: &str) -> std::result::Result<Kind, GrammarError> {
    let kind = parse(source, |input| declaration(file, input))?;
    match difference(source, &emit::kind(&kind), 1) {
        None => Ok(kind),
        Some(error) => Err(error),
    }
}

fn declaration(file: &str, input: ParseStream) -> Result<Kind> {
    input.parse::<Token![use]>()?;
    for part in ["gaebar_runtime", "rows"] {
        word(input, &[part])?;
        input.parse::<Token![::]>()?;
    }
    input.parse::<Token![*]>()?;
    input.parse::<Token![;]>()?;
    word(input, &["gaebar_runtime"])?;
    input.parse::<Token![::]>()?;
    word(input, &["kind"])?;
    input.parse::<Token![!]>()?;
    let kind = braces(input, |input| {
        input.parse::<Token![pub]>()?;
        input.parse::<Token![struct]>()?;
        let structure: Ident = input.parse()?;
        let name = parens(input, text)?;
        let fields = braces(input, |input| {
            let mut fields = Vec::new();
            while !input.is_empty() {
                fields.push(field(input)?);
            }
            Ok(fields)
        })?;
        Ok(Kind { name, structure: structure.to_string(), file: file.to_owned(), fields })
    })?;
    end(input)?;
    Ok(kind)
}

fn field(input: ParseStream) -> Result<Field> {
    let name = input.call(Ident::parse_any)?.to_string();
    let property = parens(input, text)?;
    input.parse::<Token![:]>()?;
    let ty = ty(input)?;
    let mut flags = NO_FLAGS;
    while input.peek(Token![,]) {
        input.parse::<Token![,]>()?;
        if word(input, &["excluded", "meaning"])? == "excluded" {
            flags.exclude_from_indexes = true;
        } else {
            flags.meaning = meaning(input)?;
        }
    }
    input.parse::<Token![;]>()?;
    Ok(Field { property, name, ty, flags })
}

fn ty(input: ParseStream) -> Result<Type> {
    if input.peek(Ident) && (input.fork().call(|fork| word(fork, &["Prop"])).is_ok()) {
        word(input, &["Prop"])?;
        return Ok(Type::Prop(angles(input, shape)?));
    }
    if input.fork().call(|fork| word(fork, &["Value"])).is_ok() {
        word(input, &["Value"])?;
        return Ok(Type::Value);
    }
    Ok(Type::Bare(shape(input)?))
}

fn shape(input: ParseStream) -> Result<Shape> {
    if input.fork().call(|fork| word(fork, &["List"])).is_ok() {
        word(input, &["List"])?;
        return Ok(Shape::List(angles(input, scalar)?));
    }
    Ok(Shape::One(scalar(input)?))
}

fn scalar(input: ParseStream) -> Result<Scalar> {
    if input.parse::<Option<Token![&]>>()?.is_some() {
        input.parse::<Lifetime>()?;
        word(input, &["str"])?;
        return Ok(Scalar::String);
    }
    Ok(match word(input, &["&'static str", "bool", "i64", "f64", "Time", "Key", "Blob", "Geo", "Embedded"])?.as_str() {
        "bool" => Scalar::Boolean,
        "i64" => Scalar::Integer,
        "f64" => Scalar::Double,
        "Time" => Scalar::Time,
        "Key" => Scalar::Key,
        "Blob" => Scalar::Blob,
        "Geo" => Scalar::Geo,
        _ => Scalar::Embedded,
    })
}

fn angles<T>(input: ParseStream, inside: impl FnOnce(ParseStream) -> Result<T>) -> Result<T> {
    input.parse::<Token![<]>()?;
    let value = inside(input)?;
    input.parse::<Token![>]>()?;
    Ok(value)
}
