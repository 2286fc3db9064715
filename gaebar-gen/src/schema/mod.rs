//! What the rows of a kind look like: which properties are fields, and of which type.

mod fit;
mod infer;

use std::fmt::{self, Display};

use gaebar_runtime::rows::Flags;
use serde::{Deserialize, Serialize};

pub use fit::{Fit, fit, has_literal, have_literals};
pub use infer::Inference;

use crate::names::Names;

/// The most properties that become fields. Every declared field costs each row of the kind compile time (0.25 CPU ms
/// a row at 8 fields, 1.75 at 200, 7.7 at 1,000); beyond these a row lists what it has in `other`.
pub const MOST_FIELDS: usize = 32;

/// A kind as a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The kind.
    pub name: String,
    /// The struct's name.
    pub structure: String,
    /// The name of its file, module and volumes.
    pub file: String,
    /// Its fields, sorted by property.
    pub fields: Vec<Field>,
}

impl Kind {
    /// The field of a property.
    pub fn field(&self, property: &str) -> Option<&Field> {
        let at = self.fields.binary_search_by(|field| field.property.as_str().cmp(property)).ok()?;
        self.fields.get(at)
    }
}

/// A property that has a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The property's name.
    pub property: String,
    /// The field's name.
    pub name: String,
    /// The field's type.
    pub ty: Type,
    /// What holds for every value in the field. Nothing for [`Type::Value`].
    pub flags: Flags,
}

/// A field's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Every row has such a value.
    Bare(Shape),
    /// Some rows have none, or null.
    Prop(Shape),
    /// Types mix; each value says what it is.
    Value,
}

/// One value, or a list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Shape {
    /// One value.
    One(Scalar),
    /// An array of values of one type, with the same flags.
    List(Scalar),
}

/// The types that have a literal of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scalar {
    /// `true`
    Boolean,
    /// `Blob(b"…")`
    Blob,
    /// `1.0`
    Double,
    /// `Embedded(&[…])`
    Embedded,
    /// `Geo(51.5, -0.1)`
    Geo,
    /// `1`
    Integer,
    /// `Key("Profile/1")`
    Key,
    /// `"text"`
    String,
    /// `Time("2008-12-20T10:00:00Z")`
    Time,
}

/// No flags: an indexed value without a meaning.
pub const NO_FLAGS: Flags = Flags { exclude_from_indexes: false, meaning: 0 };

impl Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "bool",
            Self::Blob => "Blob",
            Self::Double => "f64",
            Self::Embedded => "Embedded",
            Self::Geo => "Geo",
            Self::Integer => "i64",
            Self::Key => "Key",
            Self::String => "&'static str",
            Self::Time => "Time",
        })
    }
}

impl Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(scalar) => scalar.fmt(f),
            Self::List(scalar) => write!(f, "List<{scalar}>"),
        }
    }
}

impl Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(shape) => shape.fmt(f),
            Self::Prop(shape) => write!(f, "Prop<{shape}>"),
            Self::Value => f.write_str("Value"),
        }
    }
}

/// Names new kinds of a backup, given what was inferred of each, beside those that it has. The new ones come sorted by name.
pub fn name_kinds<'a>(
    inferred: impl IntoIterator<Item = (String, Vec<(String, Type, Flags)>)>,
    known: impl IntoIterator<Item = &'a Kind>,
) -> Vec<Kind> {
    let (mut structures, mut files) = (Names::default(), Names::default());
    for kind in known {
        structures.reserve(&kind.structure);
        files.reserve(&kind.file);
    }
    inferred
        .into_iter()
        .map(|(name, properties)| Kind {
            structure: structures.structure(&name),
            file: files.file(&name),
            fields: name_fields(properties),
            name,
        })
        .collect()
}

/// Names the fields of a kind.
pub fn name_fields(properties: Vec<(String, Type, Flags)>) -> Vec<Field> {
    let mut names = Names::default();
    properties.into_iter().map(|(property, ty, flags)| Field { name: names.field(&property), property, ty, flags }).collect()
}
