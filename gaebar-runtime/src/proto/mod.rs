//! The model as `google.datastore.v1` messages and back.
//!
//! One mapping serves the wire, the SQLite store, the spool, and rows that cross from a backup to an application.
//! [`Home`] says which project and database are the store's own. What is written has messages of its own ([`written`]), since the
//! generated ones lose a bit.

pub mod written;

use std::collections::BTreeMap;

use bytes::Bytes;
use googleapis_tonic_google_datastore_v1::google::datastore::v1 as pb;
use googleapis_tonic_google_datastore_v1::google::r#type::LatLng;
use prost::Message as _;
use thiserror::Error;

use crate::model::{
    Data, Database, Double, Embedded, Entity, EntityError, GeoPoint, Id, Key, KeyError, PathElement, Properties, TimestampError,
    Value, keys_mut,
};

/// The project and database that are a store's own. Keys of theirs are [`Database::Own`] in the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Home {
    /// The project's id; empty where a store has none.
    pub project: String,
    /// The database's id; empty for the default database.
    pub database: String,
}

/// Why a message is no entity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtoError {
    /// The bytes are no message.
    #[error("the bytes are no entity: {0}")]
    Decode(#[from] prost::DecodeError),
    /// The message has no key.
    #[error("an entity came without a key")]
    NoKey,
    /// The key is none.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// The key is no entity's key.
    #[error("{0}")]
    Entity(#[from] EntityError),
    /// Something is wrong with a property.
    #[error("property {name:?} of {key}: {problem}")]
    Property {
        /// The entity.
        key: Box<Key>,
        /// The property.
        name: String,
        /// What is wrong.
        problem: ValueError,
    },
}

/// Why a message is no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// The value has no type, or one that this version does not know.
    #[error("a value has no type that this version of Gaebar knows; use a newer one")]
    NoType,
    /// A time is out of range.
    #[error(transparent)]
    Timestamp(#[from] TimestampError),
    /// A key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// An entity as bytes of `google.datastore.v1.Entity`, keys of its own store without a project.
pub fn encode(entity: &Entity) -> Vec<u8> {
    Home::default().entity_to_proto(entity).encode_to_vec()
}

/// How many bytes [`encode`] writes.
pub fn encoded_len(entity: &Entity) -> usize {
    Home::default().entity_to_proto(entity).encoded_len()
}

/// Messages inside messages, at most: prost reads no deeper. An entity 19 levels deep with an array at each level comes to it,
/// which is what servers take; without arrays a level takes three.
pub const DEEPEST: usize = 100;

/// How deep an entity's messages are nested: each property is an entry and a value, each array and each entity in a
/// value one more.
pub fn depth(entity: &Entity) -> usize {
    properties_depth(&entity.properties).max(2)
}

fn properties_depth(properties: &Properties) -> usize {
    properties.values().map(value_depth).max().map_or(0, |depth| depth + 1)
}

fn value_depth(value: &Value) -> usize {
    1 + match &value.data {
        Data::Entity(Embedded { key, properties }) => 1 + properties_depth(properties).max(key.as_ref().map_or(0, |_| 2)),
        Data::Array(items) => 1 + items.iter().map(value_depth).max().unwrap_or_default(),
        Data::Key(_) => 2,
        Data::Timestamp(_) | Data::GeoPoint(_) => 1,
        _ => 0,
    }
}

/// The entity that [`encode`] wrote.
pub fn decode(bytes: &[u8]) -> Result<Entity, ProtoError> {
    Home::default().entity_from_proto(pb::Entity::decode(bytes)?)
}

impl Home {
    /// The message of an entity, as this store writes it.
    pub fn entity_to_proto(&self, entity: &Entity) -> written::Entity {
        written::Entity { key: Some(self.key_to_proto(entity.key())), properties: self.properties_to_proto(&entity.properties) }
    }

    /// The entity of a message that this store answered with.
    pub fn entity_from_proto(&self, entity: pb::Entity) -> Result<Entity, ProtoError> {
        let key = self.key_from_proto(entity.key.ok_or(ProtoError::NoKey)?)?;
        let properties = entity
            .properties
            .into_iter()
            .map(|(name, value)| match self.value_from_proto(value) {
                Ok(value) => Ok((name, value)),
                Err(problem) => Err(ProtoError::Property { key: Box::new(key.clone()), name, problem }),
            })
            .collect::<Result<_, _>>()?;
        Ok(Entity::new(key, properties)?)
    }

    /// The message of a key.
    pub fn key_to_proto(&self, key: &Key) -> pb::Key {
        let (project_id, database_id) = match key.database() {
            Database::Own => (self.project.clone(), self.database.clone()),
            Database::Other { project, database } => (project.clone(), database.clone()),
        };
        pb::Key {
            partition_id: Some(pb::PartitionId { project_id, database_id, namespace_id: key.namespace().to_owned() }),
            path: key
                .path()
                .iter()
                .map(|PathElement { kind, id }| pb::key::PathElement {
                    kind: kind.clone(),
                    id_type: match id {
                        Id::Number(number) => Some(pb::key::path_element::IdType::Id(*number)),
                        Id::Name(name) => Some(pb::key::path_element::IdType::Name(name.clone())),
                        Id::Unset => None,
                    },
                })
                .collect(),
        }
    }

    /// The key of a message. A key without a project is the store's own.
    pub fn key_from_proto(&self, key: pb::Key) -> Result<Key, KeyError> {
        let partition = key.partition_id.unwrap_or_default();
        let database = self.database_of(partition.project_id, partition.database_id);
        let path = key
            .path
            .into_iter()
            .map(|element| PathElement {
                kind: element.kind,
                id: match element.id_type {
                    Some(pb::key::path_element::IdType::Id(number)) => Id::Number(number),
                    Some(pb::key::path_element::IdType::Name(name)) => Id::Name(name),
                    None => Id::Unset,
                },
            })
            .collect();
        Key::new(database, partition.namespace_id, path)
    }

    /// The database that a key names: this store's own if it names that or nothing. A database without a project is one of this project's.
    fn database_of(&self, project: String, database: String) -> Database {
        let project = if project.is_empty() && !database.is_empty() { self.project.clone() } else { project };
        let names_nothing = project.is_empty() && database.is_empty();
        if names_nothing || project == self.project && database == self.database {
            Database::Own
        } else {
            Database::Other { project, database }
        }
    }

    /// Changes an entity to what this store gives back once it was written: keys that name this very database are its own from then on.
    /// Returns how many became so.
    pub fn adopt(&self, entity: &mut Entity) -> u64 {
        let mut adopted = 0;
        keys_mut(&mut entity.properties, &mut |key| {
            if let Database::Other { project, database } = key.database() {
                let held = self.database_of(project.clone(), database.clone());
                adopted += u64::from(held == Database::Own);
                *key = key.clone().in_database(held);
            }
        });
        adopted
    }

    fn properties_to_proto(&self, properties: &Properties) -> BTreeMap<String, written::Value> {
        properties.iter().map(|(name, value)| (name.clone(), self.value_to_proto(value))).collect()
    }

    fn value_to_proto(&self, value: &Value) -> written::Value {
        use written::{Array, LatLng, ValueType};
        let value_type = match &value.data {
            Data::Null => ValueType::Null(0),
            Data::Boolean(value) => ValueType::Boolean(*value),
            Data::Integer(value) => ValueType::Integer(*value),
            Data::Double(Double(value)) => ValueType::Double(*value),
            Data::Timestamp(value) => ValueType::Timestamp((*value).into()),
            Data::Key(key) => ValueType::Key(self.key_to_proto(key)),
            Data::String(value) => ValueType::String(value.clone()),
            Data::Blob(value) => ValueType::Blob(Bytes::copy_from_slice(value)),
            Data::GeoPoint(point) => ValueType::GeoPoint(LatLng::new(point.latitude().0, point.longitude().0)),
            Data::Entity(Embedded { key, properties }) => ValueType::Entity(written::Entity {
                key: key.as_ref().map(|key| self.key_to_proto(key)),
                properties: self.properties_to_proto(properties),
            }),
            Data::Array(values) => {
                ValueType::Array(Array { values: values.iter().map(|value| self.value_to_proto(value)).collect() })
            }
        };
        written::Value { meaning: value.meaning, exclude_from_indexes: value.exclude_from_indexes, value_type: Some(value_type) }
    }

    fn value_from_proto(&self, value: pb::Value) -> Result<Value, ValueError> {
        use pb::value::ValueType;
        let data = match value.value_type.ok_or(ValueError::NoType)? {
            ValueType::NullValue(_) => Data::Null,
            ValueType::BooleanValue(value) => Data::Boolean(value),
            ValueType::IntegerValue(value) => Data::Integer(value),
            ValueType::DoubleValue(value) => Data::Double(Double(value)),
            ValueType::TimestampValue(time) => Data::Timestamp(time.try_into()?),
            ValueType::KeyValue(key) => Data::Key(self.key_from_proto(key)?),
            ValueType::StringValue(value) => Data::String(value),
            ValueType::BlobValue(value) => Data::Blob(value.into()),
            ValueType::GeoPointValue(LatLng { latitude, longitude }) => Data::GeoPoint(GeoPoint::new(latitude, longitude)),
            ValueType::EntityValue(entity) => Data::Entity(Embedded {
                key: entity.key.map(|key| self.key_from_proto(key)).transpose()?,
                properties: entity
                    .properties
                    .into_iter()
                    .map(|(name, value)| Ok((name, self.value_from_proto(value)?)))
                    .collect::<Result<_, ValueError>>()?,
            }),
            ValueType::ArrayValue(array) => {
                Data::Array(array.values.into_iter().map(|value| self.value_from_proto(value)).collect::<Result<_, _>>()?)
            }
        };
        Ok(Value { data, exclude_from_indexes: value.exclude_from_indexes, meaning: value.meaning })
    }
}
