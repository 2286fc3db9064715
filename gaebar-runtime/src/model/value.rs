//! Values: data of one of eleven types, an index exclusion and a `meaning`.

use std::collections::BTreeMap;

use super::{Key, Timestamp};

/// Properties by name, in the order of their names. Datastore keeps no order of its own.
pub type Properties = BTreeMap<String, Value>;

/// A property's value, or an item of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// What the value holds.
    pub data: Data,
    /// Whether the value is left out of all indexes. Servers refuse it on an array; its items carry their own.
    pub exclude_from_indexes: bool,
    /// What older client libraries took the value for (15 is a long text, 20 a user). 0 is none.
    pub meaning: i32,
}

impl Value {
    /// An indexed value without a meaning.
    pub fn new(data: Data) -> Self {
        Self { data, exclude_from_indexes: false, meaning: 0 }
    }

    /// The same value, left out of all indexes.
    #[must_use]
    pub fn unindexed(self) -> Self {
        Self { exclude_from_indexes: true, ..self }
    }

    /// The same value with a meaning.
    #[must_use]
    pub fn meaning(self, meaning: i32) -> Self {
        Self { meaning, ..self }
    }
}

impl<T: Into<Data>> From<T> for Value {
    fn from(data: T) -> Self {
        Self::new(data.into())
    }
}

/// What a value holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// The null value.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A signed 64-bit integer.
    Integer(i64),
    /// A double; every bit counts.
    Double(Double),
    /// A point in time. Both emulators cut it to microseconds.
    Timestamp(Timestamp),
    /// A reference to an entity that may or may not exist.
    Key(Key),
    /// A Unicode text, at most 1,500 bytes when indexed.
    String(String),
    /// Bytes, at most 1,500 when indexed.
    Blob(Vec<u8>),
    /// A point on Earth.
    GeoPoint(GeoPoint),
    /// An entity inside a value.
    Entity(Embedded),
    /// A list. Servers refuse a list inside a list.
    Array(Vec<Value>),
}

/// A double that is compared by its bits.
#[derive(Debug, Clone, Copy)]
pub struct Double(pub f64);

impl PartialEq for Double {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Double {}

/// A point on Earth, in degrees; every bit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeoPoint {
    latitude: Double,
    longitude: Double,
}

impl GeoPoint {
    /// A point. Servers take latitudes from -90 to 90, and longitudes from -180 to 180.
    pub fn new(latitude: f64, longitude: f64) -> Self {
        Self { latitude: Double(latitude), longitude: Double(longitude) }
    }

    /// Degrees north.
    pub fn latitude(self) -> Double {
        self.latitude
    }

    /// Degrees east.
    pub fn longitude(self) -> Double {
        self.longitude
    }
}

/// An entity inside a value. It may do without a key, and its key may be incomplete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Embedded {
    /// The key, if it has one.
    pub key: Option<Key>,
    /// The properties.
    pub properties: Properties,
}

/// Calls `each` with every key that properties hold, at any depth: references, and the keys of embedded entities.
pub fn keys_mut(properties: &mut Properties, each: &mut dyn FnMut(&mut Key)) {
    for value in properties.values_mut() {
        keys_of_value(value, each);
    }
}

fn keys_of_value(value: &mut Value, each: &mut dyn FnMut(&mut Key)) {
    match &mut value.data {
        Data::Key(key) => each(key),
        Data::Array(items) => items.iter_mut().for_each(|item| keys_of_value(item, each)),
        Data::Entity(Embedded { key, properties }) => {
            key.iter_mut().for_each(&mut *each);
            keys_mut(properties, each);
        }
        _ => {}
    }
}

impl From<bool> for Data {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Data {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Data {
    fn from(value: f64) -> Self {
        Self::Double(Double(value))
    }
}

impl From<&str> for Data {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Data {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<Vec<u8>> for Data {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

impl From<Key> for Data {
    fn from(value: Key) -> Self {
        Self::Key(value)
    }
}

impl From<Timestamp> for Data {
    fn from(value: Timestamp) -> Self {
        Self::Timestamp(value)
    }
}

impl From<Embedded> for Data {
    fn from(value: Embedded) -> Self {
        Self::Entity(value)
    }
}

impl From<Vec<Value>> for Data {
    fn from(value: Vec<Value>) -> Self {
        Self::Array(value)
    }
}
