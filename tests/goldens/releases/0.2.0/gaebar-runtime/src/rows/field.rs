//! From literals to the model.

use std::collections::BTreeMap;

use thiserror::Error;

use super::literal::{Blob, Embedded, Geo, Key, Prop, Time, Value};
use crate::model::{self, Data, Double, EntityError, GeoPoint, KeyTextError, TimestampError};

/// Why a row is no entity. Only an edited row can be none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RowError {
    /// A key is misspelled.
    #[error(transparent)]
    Key(#[from] KeyTextError),
    /// A time is misspelled.
    #[error(transparent)]
    Time(#[from] TimestampError),
    /// The row's key is no entity's key.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// `Value::Absent` stands inside an array or an embedded entity.
    #[error("`Value::Absent` can only be a row's own property")]
    AbsentInside,
}

/// What a kind says of a property of all its rows: how values are indexed, and their `meaning` (0 is none).
/// For a [`List`](super::List) it holds for the items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flags {
    /// Whether values are left out of all indexes.
    pub exclude_from_indexes: bool,
    /// The `meaning`, 0 for none.
    pub meaning: i32,
}

impl Flags {
    fn on(self, data: Data) -> model::Value {
        model::Value { data, exclude_from_indexes: self.exclude_from_indexes, meaning: self.meaning }
    }
}

/// The type of a field of a row.
pub trait Field: Copy {
    /// What a row has that says nothing of this property.
    const BASE: Self;

    /// The property's value. `None`: the row has no such property.
    fn value(self, flags: Flags) -> Result<Option<model::Value>, RowError>;
}

/// The type of a field that holds one value, or of a list's items.
pub trait Item: Copy {
    /// The placeholder in `BASE` of a field that every row sets.
    const BASE: Self;

    /// The value without its flags.
    fn data(self) -> Result<Data, RowError>;
}

/// Implements [`Item`], and with it [`Field`], for the types that stand bare in a row.
macro_rules! items {
    ($($ty:ty, $base:expr, $self:ident => $data:expr;)*) => {$(
        impl Item for $ty {
            const BASE: Self = $base;

            fn data($self) -> Result<Data, RowError> {
                $data
            }
        }

        impl Field for $ty {
            const BASE: Self = <Self as Item>::BASE;

            fn value(self, flags: Flags) -> Result<Option<model::Value>, RowError> {
                Ok(Some(flags.on(self.data()?)))
            }
        }
    )*};
}

items! {
    bool, false, self => Ok(Data::Boolean(self));
    i64, 0, self => Ok(Data::Integer(self));
    f64, 0.0, self => Ok(Data::Double(Double(self)));
    &'static str, "", self => Ok(Data::String(self.to_owned()));
    Time, Time(""), self => Ok(Data::Timestamp(self.0.parse()?));
    Key, Key(""), self => Ok(Data::Key(self.0.parse()?));
    Blob, Blob(b""), self => Ok(Data::Blob(self.0.to_vec()));
    Geo, Geo(0.0, 0.0), self => Ok(geo(self.0, self.1));
    Embedded, Embedded(&[]), self => embedded(None, self.0);
}

impl<T: Item> Field for &'static [T] {
    const BASE: Self = &[];

    fn value(self, flags: Flags) -> Result<Option<model::Value>, RowError> {
        let items: Result<_, RowError> = self.iter().map(|item| Ok(flags.on(item.data()?))).collect();
        Ok(Some(Data::Array(items?).into()))
    }
}

impl<T: Field> Field for Prop<T> {
    const BASE: Self = Self::Absent;

    fn value(self, flags: Flags) -> Result<Option<model::Value>, RowError> {
        match self {
            Self::Absent => Ok(None),
            Self::Null => Ok(Some(flags.on(Data::Null))),
            Self::Is(value) => value.value(flags),
        }
    }
}

impl Field for Value {
    const BASE: Self = Self::Absent;

    /// Such a value carries its own flags; the kind's are not for it.
    fn value(self, _: Flags) -> Result<Option<model::Value>, RowError> {
        if matches!(self, Self::Absent) {
            return Ok(None);
        }
        value(self).map(Some)
    }
}

fn value(literal: Value) -> Result<model::Value, RowError> {
    let data = match literal {
        Value::Absent => return Err(RowError::AbsentInside),
        Value::Unindexed(inner) => return Ok(value(*inner)?.unindexed()),
        Value::Meaning(meaning, inner) => return Ok(value(*inner)?.meaning(meaning)),
        Value::Null => Data::Null,
        Value::Bool(value) => Data::Boolean(value),
        Value::Int(value) => Data::Integer(value),
        Value::Double(value) => Data::Double(Double(value)),
        Value::Bits(bits) => Data::Double(Double(f64::from_bits(bits))),
        Value::Time(text) => Data::Timestamp(text.parse()?),
        Value::Key(text) => Data::Key(text.parse()?),
        Value::Str(text) => Data::String(text.to_owned()),
        Value::Blob(bytes) => Data::Blob(bytes.to_vec()),
        Value::Geo(latitude, longitude) => geo(latitude, longitude),
        Value::GeoBits(latitude, longitude) => geo(f64::from_bits(latitude), f64::from_bits(longitude)),
        Value::Entity(properties) => embedded(None, properties)?,
        Value::Keyed(key, properties) => embedded(Some(key.parse()?), properties)?,
        Value::List(items) => Data::Array(items.iter().map(|item| value(*item)).collect::<Result<_, _>>()?),
    };
    Ok(data.into())
}

fn geo(latitude: f64, longitude: f64) -> Data {
    Data::GeoPoint(GeoPoint::new(latitude, longitude))
}

fn embedded(key: Option<model::Key>, properties: &[(&str, Value)]) -> Result<Data, RowError> {
    let properties: Result<BTreeMap<_, _>, RowError> =
        properties.iter().map(|(name, literal)| Ok(((*name).to_owned(), value(*literal)?))).collect();
    Ok(Data::Entity(model::Embedded { key, properties: properties? }))
}

/// The entity of a row: its fields, then what stands in `other`, which overrides a field of the same name.
pub fn entity(
    key: Key,
    fields: impl IntoIterator<Item = (&'static str, Result<Option<model::Value>, RowError>)>,
    other: &[(&str, Value)],
) -> Result<model::Entity, RowError> {
    let mut properties = BTreeMap::new();
    for (name, value) in fields {
        // An overridden field holds its placeholder, which need not be a value (`Key("")`).
        if other.iter().all(|(overridden, _)| *overridden != name)
            && let Some(value) = value?
        {
            properties.insert(name.to_owned(), value);
        }
    }
    let unused = Flags { exclude_from_indexes: false, meaning: 0 };
    for (name, literal) in other {
        if let Some(value) = Field::value(*literal, unused)? {
            properties.insert((*name).to_owned(), value);
        }
    }
    Ok(model::Entity::new(key.0.parse()?, properties)?)
}
