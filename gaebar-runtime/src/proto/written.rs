//! The messages that entities are written as.
//!
//! They are those of `google.datastore.v1`, field by field, but for one thing: prost leaves out a number that equals the default of its
//! field, and `-0.0` equals `0.0`. Servers, and Google's own clients, tell the two apart. So the degrees of a [`LatLng`] are optional
//! here, and left out only where every bit is zero. No other number of an entity can be a negative zero that gets lost: a value's own
//! double stands in a `oneof`, and the rest are integers.

use std::collections::BTreeMap;

use bytes::Bytes;
use googleapis_tonic_google_datastore_v1::google::datastore::v1 as pb;

/// `google.datastore.v1.Entity`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entity {
    /// The key; an embedded entity may do without.
    #[prost(message, optional, tag = "1")]
    pub key: Option<pb::Key>,
    /// The properties by name.
    #[prost(btree_map = "string, message", tag = "3")]
    pub properties: BTreeMap<String, Value>,
}

/// `google.datastore.v1.Value`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    /// The `meaning`, 0 for none.
    #[prost(int32, tag = "14")]
    pub meaning: i32,
    /// Whether the value is left out of all indexes.
    #[prost(bool, tag = "19")]
    pub exclude_from_indexes: bool,
    /// The data, which is always set.
    #[prost(oneof = "ValueType", tags = "1, 2, 3, 5, 6, 8, 9, 10, 11, 17, 18")]
    pub value_type: Option<ValueType>,
}

/// The data of a [`Value`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ValueType {
    /// A boolean.
    #[prost(bool, tag = "1")]
    Boolean(bool),
    /// An integer.
    #[prost(int64, tag = "2")]
    Integer(i64),
    /// A double.
    #[prost(double, tag = "3")]
    Double(f64),
    /// A key.
    #[prost(message, tag = "5")]
    Key(pb::Key),
    /// An embedded entity.
    #[prost(message, tag = "6")]
    Entity(Entity),
    /// A point on Earth.
    #[prost(message, tag = "8")]
    GeoPoint(LatLng),
    /// A list.
    #[prost(message, tag = "9")]
    Array(Array),
    /// A point in time.
    #[prost(message, tag = "10")]
    Timestamp(prost_types::Timestamp),
    /// Null.
    #[prost(enumeration = "prost_types::NullValue", tag = "11")]
    Null(i32),
    /// A text.
    #[prost(string, tag = "17")]
    String(String),
    /// Bytes.
    #[prost(bytes = "bytes", tag = "18")]
    Blob(Bytes),
}

/// `google.datastore.v1.ArrayValue`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Array {
    /// The items.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

/// `google.type.LatLng`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct LatLng {
    /// Degrees north; none is `0.0`.
    #[prost(double, optional, tag = "1")]
    pub latitude: Option<f64>,
    /// Degrees east; none is `0.0`.
    #[prost(double, optional, tag = "2")]
    pub longitude: Option<f64>,
}

impl LatLng {
    /// The message of a point.
    pub(super) fn new(latitude: f64, longitude: f64) -> Self {
        let unless_zero = |degrees: f64| Some(degrees).filter(|degrees| degrees.to_bits() != 0);
        Self { latitude: unless_zero(latitude), longitude: unless_zero(longitude) }
    }
}

/// `google.datastore.v1.Mutation`, as far as it is used.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Mutation {
    /// What is done.
    #[prost(oneof = "Operation", tags = "4, 5, 6, 7")]
    pub operation: Option<Operation>,
}

/// What a [`Mutation`] does.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Operation {
    /// Creates an entity.
    #[prost(message, tag = "4")]
    Insert(Entity),
    /// Replaces an entity.
    #[prost(message, tag = "5")]
    Update(Entity),
    /// Creates or replaces an entity.
    #[prost(message, tag = "6")]
    Upsert(Entity),
    /// Deletes an entity, if there is one.
    #[prost(message, tag = "7")]
    Delete(pb::Key),
}

/// `google.datastore.v1.CommitRequest`, as far as it is used.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CommitRequest {
    /// Whether it is a transaction.
    #[prost(enumeration = "pb::commit_request::Mode", tag = "5")]
    pub mode: i32,
    /// What is done.
    #[prost(message, repeated, tag = "6")]
    pub mutations: Vec<Mutation>,
    /// The project.
    #[prost(string, tag = "8")]
    pub project_id: String,
    /// The database; empty for the default one.
    #[prost(string, tag = "9")]
    pub database_id: String,
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::model::{self, Data, Database, Embedded, GeoPoint, Id, Key, Timestamp};
    use crate::proto::{Home, decode, encode};

    /// An entity of every type, with all that a message can leave out.
    fn everything(points: &[(f64, f64)]) -> model::Entity {
        let other = Database::Other { project: "o".to_owned(), database: "d".to_owned() };
        let key = Key::root("K", "n").in_namespace("x").in_database(other);
        let embedded = |key| Data::Entity(Embedded { key, properties: [(String::new(), Data::Null.into())].into() });
        let values = [
            Data::Null,
            false.into(),
            0.into(),
            (-0.0).into(),
            f64::from_bits(0xfff0_0000_0000_0001).into(),
            Timestamp::new(0, 0).unwrap().into(),
            Timestamp::new(-1, 1).unwrap().into(),
            key.clone().into(),
            "".into(),
            Data::Blob(Vec::new()),
            embedded(None),
            embedded(Some(Key::root("", Id::Unset))),
            Embedded::default().into(),
            Data::Array(vec![]),
            Data::Array(vec![model::Value::from(0).unindexed(), model::Value::from("").meaning(-1)]),
        ];
        let points = points.iter().map(|(latitude, longitude)| Data::GeoPoint(GeoPoint::new(*latitude, *longitude)));
        let properties = values.into_iter().chain(points).enumerate().map(|(n, data)| (n.to_string(), data.into()));
        model::Entity::new(Key::root("E", 1), properties.collect()).unwrap()
    }

    #[test]
    fn messages_are_those_that_google_declares() {
        let entity = everything(&[(0.0, 0.0), (0.0, -1.5), (90.0, f64::NAN)]);
        let bytes = encode(&entity);
        // Read and written by the generated types, nothing is lost, and nothing is in another order.
        assert_eq!(pb::Entity::decode(bytes.as_slice()).unwrap().encode_to_vec(), bytes);
        let home = Home { project: "p".to_owned(), database: "d".to_owned() };
        let written = home.entity_to_proto(&entity);
        let operations = [
            Operation::Insert(written.clone()),
            Operation::Update(written.clone()),
            Operation::Upsert(written),
            Operation::Delete(home.key_to_proto(entity.key())),
        ];
        let request = CommitRequest {
            mode: pb::commit_request::Mode::NonTransactional.into(),
            mutations: operations.map(|operation| Mutation { operation: Some(operation) }).to_vec(),
            project_id: "p".to_owned(),
            database_id: "d".to_owned(),
        };
        let bytes = request.encode_to_vec();
        let read = pb::CommitRequest::decode(bytes.as_slice()).unwrap();
        assert_eq!((read.mutations.len(), read.encode_to_vec()), (4, bytes));
        assert!(read.mutations.iter().all(|mutation| mutation.operation.is_some()));
    }

    #[test]
    fn every_bit_of_a_geo_point_is_kept() {
        let degrees = [0.0, -0.0, 1.0, f64::NAN, -f64::NAN, f64::from_bits(0x7ff0_0000_0000_0001), f64::NEG_INFINITY];
        let points: Vec<_> = degrees.iter().flat_map(|one| degrees.iter().map(move |other| (*one, *other))).collect();
        let entity = everything(&points);
        assert_eq!(decode(&encode(&entity)).as_ref(), Ok(&entity));
    }
}
