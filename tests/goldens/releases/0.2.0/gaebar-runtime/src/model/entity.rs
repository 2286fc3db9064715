//! Entities: a complete key and properties.

use thiserror::Error;

use super::{Database, Key, Properties};

/// An entity of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    key: Key,
    /// The properties.
    pub properties: Properties,
}

/// Why a key is no entity's key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EntityError {
    /// The key has neither a numeric id nor a name.
    #[error("the key {0} is incomplete: an entity needs a numeric id or a name")]
    Incomplete(Key),
    /// The key is that of another database.
    #[error("the key {0} belongs to another project or database")]
    Foreign(Key),
}

impl Entity {
    /// An entity. Its key must be complete and of the store's own database.
    pub fn new(key: Key, properties: Properties) -> Result<Self, EntityError> {
        if !key.is_complete() {
            Err(EntityError::Incomplete(key))
        } else if *key.database() != Database::Own {
            Err(EntityError::Foreign(key))
        } else {
            Ok(Self { key, properties })
        }
    }

    /// The key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The same entity in another namespace. What it refers to stays.
    #[must_use]
    pub fn in_namespace(self, namespace: impl Into<String>) -> Self {
        Self { key: self.key.in_namespace(namespace), ..self }
    }

    /// The entity's kind.
    pub fn kind(&self) -> &str {
        self.key.kind()
    }
}
