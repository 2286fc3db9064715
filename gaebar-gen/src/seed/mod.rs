//! Sample data: entities to back up where there is no datastore of one's own.
//!
//! - [`suite`]: a few entities that hold everything a Datastore can hold.
//! - [`Headline`]: as many rows as asked for, of the kinds and sizes of a small social shop.
//!
//! Both Google emulators store all of it and give it back unchanged. What either of them changes or refuses stays
//! out: times below a microsecond, an index exclusion on an array, indexed texts over 1,500 bytes, id 0, the
//! meanings 23 (Firestore refuses it on a geo point) and 16 on an indexed blob (it is dropped), indexed properties
//! inside a user value (meaning 20), and arrays in which an indexed item follows an excluded one (reordered). Namespaces
//! keep to `[A-Za-z0-9._-]`.

mod dice;
mod edges;
mod headline;
mod people;
mod prose;
mod shop;
mod suite;
mod words;
mod writing;

use gaebar_runtime::model::{
    Data, Embedded, Entity, EntityError, GeoPoint, Key, KeyError, KeyTextError, Properties, Timestamp, TimestampError, Value,
};
use thiserror::Error;

pub use headline::{HEADLINE_ROWS, Headline, Kind};
pub use suite::suite;

/// Why sample data could not be made. Only an edit of these modules can bring it about.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SeedError {
    /// A key is misspelled.
    #[error(transparent)]
    KeyText(#[from] KeyTextError),
    /// A key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A time is misspelled or out of range.
    #[error(transparent)]
    Time(#[from] TimestampError),
    /// A key is no entity's key.
    #[error(transparent)]
    Entity(#[from] EntityError),
}

/// Properties while they are put together.
#[derive(Debug, Default)]
struct Draft(Properties);

impl Draft {
    fn new() -> Self {
        Self::default()
    }

    fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves the property out where there is no value.
    fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Sets null where there is no value.
    fn nullable(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        self.set(name, value.map_or_else(null, Into::into))
    }

    fn entity(self, key: Key) -> Result<Entity, SeedError> {
        Ok(Entity::new(key, self.0)?)
    }

    /// The properties as an embedded entity without a key.
    fn embedded(self) -> Value {
        Embedded { key: None, properties: self.0 }.into()
    }
}

fn null() -> Value {
    Value::new(Data::Null)
}

fn key(text: &str) -> Result<Key, SeedError> {
    Ok(text.parse()?)
}

fn time(text: &str) -> Result<Timestamp, SeedError> {
    Ok(text.parse()?)
}

/// A long text as App Engine's `db.Text` left it.
fn text(text: impl Into<String>) -> Value {
    Value::from(text.into()).meaning(15).unindexed()
}

fn geo(latitude: f64, longitude: f64) -> Value {
    Value::new(Data::GeoPoint(GeoPoint::new(latitude, longitude)))
}

fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Value {
    items.into_iter().map(Into::into).collect::<Vec<Value>>().into()
}

/// An App Engine user. Emulators drop the meaning unless the properties inside are out of the indexes.
fn user(email: &str, id: &str) -> Value {
    let domain = email.rsplit('@').next().unwrap_or_default();
    Draft::new()
        .set("auth_domain", Value::from(domain).unindexed())
        .set("email", Value::from(email).unindexed())
        .set("user_id", Value::from(id).unindexed())
        .embedded()
        .meaning(20)
}

#[cfg(test)]
mod tests {
    use gaebar_runtime::proto;

    use super::*;

    /// What a Datastore would refuse, or an emulator change.
    pub(super) fn assert_storable(entity: &Entity) {
        let bytes = proto::encode(entity);
        assert_eq!(proto::decode(&bytes).as_ref(), Ok(entity));
        let namespace = entity.key().namespace();
        assert!(namespace.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)), "{namespace}");
        assert!(bytes.len() < 1 << 20, "{} has {} bytes", entity.key(), bytes.len());
        for (name, value) in &entity.properties {
            assert_value_storable(&format!("{name} of {}", entity.key()), value, true);
        }
    }

    fn assert_value_storable(what: &str, value: &Value, may_be_array: bool) {
        let indexed = !value.exclude_from_indexes;
        match &value.data {
            Data::Array(items) => {
                assert!(may_be_array, "{what} is an array inside an array");
                assert!(indexed && value.meaning == 0, "{what} is an array with flags");
                assert!(items.is_sorted_by_key(|item| item.exclude_from_indexes), "{what} would be reordered");
                for item in items {
                    assert_value_storable(what, item, false);
                }
            }
            Data::String(text) => assert!(!indexed || text.len() <= 1500, "{what} is too long to index"),
            Data::Blob(bytes) => {
                assert!(!indexed || bytes.len() <= 1500, "{what} is too long to index");
                assert!(!indexed || value.meaning != 16, "{what} would lose its meaning");
            }
            Data::Timestamp(time) => assert_eq!(*time, time.to_micros(), "{what} would be cut"),
            Data::GeoPoint(point) => {
                assert!(point.latitude().0.abs() <= 90.0 && point.longitude().0.abs() <= 180.0, "{what} is not on Earth");
                assert_eq!(value.meaning, 0, "{what} would be refused");
            }
            Data::Double(double) => {
                let double = double.0;
                assert!(!double.is_nan() || double.to_bits() == f64::NAN.to_bits(), "{what} would be made canonical");
            }
            Data::Entity(embedded) => {
                for (name, inner) in &embedded.properties {
                    assert!(value.meaning != 20 || inner.exclude_from_indexes, "{what} would lose its meaning");
                    assert_value_storable(&format!("{name} in {what}"), inner, true);
                }
            }
            Data::Null | Data::Boolean(_) | Data::Integer(_) | Data::Key(_) => {}
        }
    }

    #[test]
    fn absent_and_null_stay_apart() {
        let none: Option<i64> = None;
        let draft = Draft::new().maybe("absent", none).nullable("null", none);
        assert_eq!(draft.0, Properties::from([("null".to_owned(), null())]));
    }
}
