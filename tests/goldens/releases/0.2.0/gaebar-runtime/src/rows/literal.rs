//! What stands in a row: literals of every Datastore type, all of them `Copy` and constant.

/// A key as text, such as `Profile/2`. See [`crate::model::Key`] for its grammar.
#[derive(Debug, Clone, Copy)]
pub struct Key(pub &'static str);

/// A time as text: RFC 3339 in UTC, such as `2008-12-20T10:00:00.123456Z`.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub &'static str);

/// Bytes.
#[derive(Debug, Clone, Copy)]
pub struct Blob(pub &'static [u8]);

/// Degrees north and east.
#[derive(Debug, Clone, Copy)]
pub struct Geo(pub f64, pub f64);

/// An entity without a key inside a value: its properties by name.
#[derive(Debug, Clone, Copy)]
pub struct Embedded(pub &'static [(&'static str, Value)]);

/// An array.
pub type List<T> = &'static [T];

/// A property that some rows do not have, or have as null.
#[derive(Debug, Clone, Copy)]
pub enum Prop<T> {
    /// The row has no such property: its line is left out.
    Absent,
    /// Null.
    Null,
    /// A value.
    Is(T),
}

/// A value of any type with flags of its own.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    /// The row has no such property.
    Absent,
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// A double by its bits: a NaN other than `f64::NAN`.
    Bits(u64),
    /// A time, as in [`Time`].
    Time(&'static str),
    /// A key, as in [`Key`].
    Key(&'static str),
    /// A text.
    Str(&'static str),
    /// Bytes.
    Blob(&'static [u8]),
    /// Degrees north and east.
    Geo(f64, f64),
    /// Degrees north and east by their bits, where one is a NaN other than `f64::NAN`.
    GeoBits(u64, u64),
    /// An embedded entity without a key.
    Entity(&'static [(&'static str, Value)]),
    /// An embedded entity with a key.
    Keyed(&'static str, &'static [(&'static str, Value)]),
    /// An array.
    List(&'static [Value]),
    /// The value inside, left out of all indexes.
    Unindexed(&'static Value),
    /// The value inside, with a `meaning`.
    Meaning(i32, &'static Value),
}

// `f64::NAN` in a backup stands for these very bits.
const _: () = assert!(f64::NAN.to_bits() == 0x7ff8_0000_0000_0000);
