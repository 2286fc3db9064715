//! Keys: where an entity stands.

use thiserror::Error;

/// A key: a database, a namespace and a path of one or more elements.
///
/// The project and database that are backed up are not in it ([`Database::Own`]), so that a key means the
/// same entity in production and, once restored, in staging.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    database: Database,
    namespace: String,
    path: Vec<PathElement>,
}

/// The database a key belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Database {
    /// That of the store the key was read from, or is written to.
    #[default]
    Own,
    /// Another one. Restoring keeps it.
    Other {
        /// The project's id.
        project: String,
        /// The database's id; empty for the default database.
        database: String,
    },
}

impl Database {
    /// A database without a name of its own or of its project is the store's own: messages have no other word for that.
    fn normalised(self) -> Self {
        match self {
            Self::Other { project, database } if project.is_empty() && database.is_empty() => Self::Own,
            database => database,
        }
    }
}

/// One step of a key's path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathElement {
    /// The kind.
    pub kind: String,
    /// Which one of that kind.
    pub id: Id,
}

/// Which entity of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// A numeric id.
    Number(i64),
    /// A key name.
    Name(String),
    /// Not known yet. Only the last element of an embedded entity's key may be so.
    Unset,
}

/// Why something is no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// A key needs a kind at least.
    #[error("a key needs at least one path element")]
    EmptyPath,
    /// An ancestor has neither a numeric id nor a name.
    #[error("only the last element of a key's path may be without an id or a name")]
    UnsetAncestor,
}

impl Key {
    /// A key from its parts. `path` runs from the root ancestor to the entity itself.
    pub fn new(database: Database, namespace: String, path: Vec<PathElement>) -> Result<Self, KeyError> {
        let (_, ancestors) = path.split_last().ok_or(KeyError::EmptyPath)?;
        if ancestors.iter().any(|element| element.id == Id::Unset) {
            return Err(KeyError::UnsetAncestor);
        }
        Ok(Self { database: database.normalised(), namespace, path })
    }

    /// A root entity's key in the store's own database and default namespace.
    pub fn root(kind: impl Into<String>, id: impl Into<Id>) -> Self {
        Self { database: Database::Own, namespace: String::new(), path: vec![PathElement { kind: kind.into(), id: id.into() }] }
    }

    /// The key of a child of this entity. `None` if this key is itself incomplete.
    pub fn child(&self, kind: impl Into<String>, id: impl Into<Id>) -> Option<Self> {
        self.is_complete().then(|| {
            let mut child = self.clone();
            child.path.push(PathElement { kind: kind.into(), id: id.into() });
            child
        })
    }

    /// The same key in another namespace.
    #[must_use]
    pub fn in_namespace(self, namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), ..self }
    }

    /// The same key in another database.
    #[must_use]
    pub fn in_database(self, database: Database) -> Self {
        Self { database: database.normalised(), ..self }
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The namespace; empty for the default one.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The path, from the root ancestor to the entity itself. Never empty.
    pub fn path(&self) -> &[PathElement] {
        &self.path
    }

    /// The last element of the path: the entity's own kind and id.
    pub fn last(&self) -> &PathElement {
        // The constructors refuse an empty path, and nothing shortens one.
        &self.path[self.path.len() - 1]
    }

    /// The entity's kind.
    pub fn kind(&self) -> &str {
        &self.last().kind
    }

    /// Whether the last element has an id or a name.
    pub fn is_complete(&self) -> bool {
        self.last().id != Id::Unset
    }
}

impl From<i64> for Id {
    fn from(id: i64) -> Self {
        Self::Number(id)
    }
}

impl From<&str> for Id {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for Id {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}
