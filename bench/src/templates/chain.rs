//! The obvious way to write entities down as code: owned values, put together by method calls.
#![allow(dead_code)]

use gaebar_runtime::model::{Data, Embedded, Entity, GeoPoint, Key, Properties, Value};

pub struct Row {
    key: Key,
    properties: Properties,
}

pub fn row(key: &str) -> Row {
    Row { key: key.parse().expect("a key"), properties: Properties::new() }
}

impl Row {
    pub fn set(mut self, name: &str, value: Value) -> Self {
        self.properties.insert(name.to_owned(), value);
        self
    }

    pub fn entity(self) -> Entity {
        Entity::new(self.key, self.properties).expect("an entity's key")
    }
}

pub struct Inner {
    key: Option<Key>,
    properties: Properties,
}

pub fn embedded() -> Inner {
    Inner { key: None, properties: Properties::new() }
}

pub fn keyed(key: &str) -> Inner {
    Inner { key: Some(key.parse().expect("a key")), properties: Properties::new() }
}

impl Inner {
    pub fn set(mut self, name: &str, value: Value) -> Self {
        self.properties.insert(name.to_owned(), value);
        self
    }

    pub fn value(self) -> Value {
        Value::from(Embedded { key: self.key, properties: self.properties })
    }
}

pub struct List(Vec<Value>);

pub fn list() -> List {
    List(Vec::new())
}

impl List {
    pub fn item(mut self, value: Value) -> Self {
        self.0.push(value);
        self
    }

    pub fn value(self) -> Value {
        Value::from(self.0)
    }
}

pub fn null() -> Value {
    Value::new(Data::Null)
}

pub fn boolean(value: bool) -> Value {
    Value::from(value)
}

pub fn integer(value: i64) -> Value {
    Value::from(value)
}

pub fn double(bits: u64) -> Value {
    Value::from(f64::from_bits(bits))
}

pub fn time(text: &str) -> Value {
    Value::new(Data::Timestamp(text.parse().expect("a time")))
}

pub fn key(text: &str) -> Value {
    Value::new(Data::Key(text.parse().expect("a key")))
}

pub fn text(text: &str) -> Value {
    Value::from(text)
}

pub fn blob(bytes: &[u8]) -> Value {
    Value::from(bytes.to_vec())
}

pub fn geo(latitude: u64, longitude: u64) -> Value {
    Value::new(Data::GeoPoint(GeoPoint::new(f64::from_bits(latitude), f64::from_bits(longitude))))
}
