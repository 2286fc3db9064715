//! Whether a value can stand in a field.

use gaebar_runtime::model::{Data, Double, Embedded, Value};
use gaebar_runtime::rows::Flags;
use serde::{Deserialize, Serialize};

use super::{Field, Scalar, Shape, Type};

/// What a value needs of the field that it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Signature {
    /// Null, in a field with these flags.
    Null(#[serde(with = "FlagsAs")] Flags),
    /// The empty array fits every list.
    EmptyList,
    /// A value of this shape, in a field with these flags.
    Shaped(Shape, #[serde(with = "FlagsAs")] Flags),
    /// No field but one of type `Value`.
    Odd,
}

/// Flags as they are written down.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Flags")]
struct FlagsAs {
    exclude_from_indexes: bool,
    meaning: i32,
}

/// How a value stands in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// As the bare literal.
    Bare,
    /// As `Is(…)`.
    Is,
    /// As `Null`.
    Null,
    /// With its own type and flags.
    Value,
    /// Not at all: it goes to `other`.
    No,
}

/// What a value needs.
pub(super) fn signature(value: &Value) -> Signature {
    let flags = Flags { exclude_from_indexes: value.exclude_from_indexes, meaning: value.meaning };
    match &value.data {
        Data::Null => Signature::Null(flags),
        Data::Array(_) if flags != super::NO_FLAGS => Signature::Odd,
        Data::Array(items) => list_signature(items),
        _ => scalar(value).map_or(Signature::Odd, |scalar| Signature::Shaped(Shape::One(scalar), flags)),
    }
}

fn list_signature(items: &[Value]) -> Signature {
    let Some(first) = items.first() else {
        return Signature::EmptyList;
    };
    let need = |item: &Value| {
        let flags = Flags { exclude_from_indexes: item.exclude_from_indexes, meaning: item.meaning };
        scalar(item).map(|scalar| (scalar, flags))
    };
    match need(first) {
        Some((scalar, flags)) if items.iter().all(|item| need(item) == Some((scalar, flags))) => {
            Signature::Shaped(Shape::List(scalar), flags)
        }
        _ => Signature::Odd,
    }
}

fn scalar(value: &Value) -> Option<Scalar> {
    Some(match &value.data {
        Data::Boolean(_) => Scalar::Boolean,
        Data::Integer(_) => Scalar::Integer,
        Data::Double(double) => return has_literal(*double).then_some(Scalar::Double),
        Data::Timestamp(_) => Scalar::Time,
        Data::Key(_) => Scalar::Key,
        Data::String(_) => Scalar::String,
        Data::Blob(_) => Scalar::Blob,
        Data::GeoPoint(point) => {
            return (has_literal(point.latitude()) && has_literal(point.longitude())).then_some(Scalar::Geo);
        }
        Data::Entity(Embedded { key: None, .. }) => Scalar::Embedded,
        Data::Entity(_) | Data::Null | Data::Array(_) => return None,
    })
}

/// Whether values of a property are told apart as literals alone: each has one, and their flags are the same.
pub fn have_literals<'a>(values: impl IntoIterator<Item = &'a Value>) -> bool {
    let mut of_all = None;
    values.into_iter().map(signature).all(|signature| match signature {
        Signature::Null(flags) | Signature::Shaped(_, flags) => *of_all.get_or_insert(flags) == flags,
        Signature::EmptyList => true,
        Signature::Odd => false,
    })
}

/// Whether a double can be written as a constant: all but the NaNs that are not `f64::NAN`.
pub fn has_literal(Double(value): Double) -> bool {
    !value.is_nan() || value.to_bits() == f64::NAN.to_bits()
}

/// How a value stands in a field.
pub fn fit(value: &Value, field: &Field) -> Fit {
    match field.ty {
        Type::Value => Fit::Value,
        _ => fit_signature(signature(value), field.ty, field.flags),
    }
}

/// How a value with a signature stands in a field with this type and these flags.
pub(super) fn fit_signature(signature: Signature, ty: Type, field_flags: Flags) -> Fit {
    let (shape, inside) = match ty {
        Type::Value => return Fit::Value,
        Type::Bare(shape) => (shape, Fit::Bare),
        Type::Prop(shape) => (shape, Fit::Is),
    };
    match signature {
        Signature::Shaped(own, flags) if own == shape && flags == field_flags => inside,
        Signature::EmptyList if matches!(shape, Shape::List(_)) => inside,
        Signature::Null(flags) if inside == Fit::Is && flags == field_flags => Fit::Null,
        _ => Fit::No,
    }
}
