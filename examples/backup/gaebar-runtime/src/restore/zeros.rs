//! The Datastore emulator (2.3.1) takes `0.0` and `-0.0` for the same, and ignores a write that changes nothing else: the entity stays as it
//! was. Written with another property first, and then as it is to be, it is stored.

use std::collections::HashMap;

use super::batches::look_up;
use crate::model::{Data, Double, Embedded, Entity, GeoPoint, Key, Properties, Value};
use crate::store::{Realm, Store, StoreError};

/// The property that an entity has between the two writes, unless it has such a one itself.
const PASSING: &str = "GaebarPassing";

/// Of entities that a target was given, writes those again that differ there by the signs of zeros alone. Returns what the target has then.
pub(super) fn settle(store: &dyn Store, entities: &[Entity]) -> Result<HashMap<Key, Entity>, StoreError> {
    let there = look_up(store, entities)?;
    let stuck =
        |entity: &&Entity| there.get(entity.key()).is_some_and(|there| there != *entity && differs_by_signs(entity, there));
    let stuck: Vec<Entity> = entities.iter().filter(stuck).cloned().collect();
    // Elsewhere, such a difference is a change that somebody made meanwhile.
    if stuck.is_empty() || !matches!(store.place().realm, Realm::Emulator(_)) {
        return Ok(there);
    }
    let mut passing = stuck.clone();
    for entity in &mut passing {
        entity.properties.insert(PASSING.to_owned(), Data::Null.into());
    }
    store.upsert(&passing)?;
    store.upsert(&stuck)?;
    look_up(store, entities)
}

fn differs_by_signs(one: &Entity, other: &Entity) -> bool {
    let [one, other] = [one, other].map(|entity| {
        let mut properties = entity.properties.clone();
        unsign(&mut properties);
        properties
    });
    one == other
}

fn unsign(properties: &mut Properties) {
    properties.values_mut().for_each(unsign_value);
}

fn unsign_value(value: &mut Value) {
    match &mut value.data {
        Data::Double(Double(double)) if *double == 0.0 => *double = 0.0,
        Data::GeoPoint(point) => {
            let [latitude, longitude] =
                [point.latitude(), point.longitude()].map(|Double(degrees)| if degrees == 0.0 { 0.0 } else { degrees });
            *point = GeoPoint::new(latitude, longitude);
        }
        Data::Array(items) => items.iter_mut().for_each(unsign_value),
        Data::Entity(Embedded { properties, .. }) => unsign(properties),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(double: f64, degrees: f64) -> Entity {
        let point = Value::from(Data::GeoPoint(GeoPoint::new(degrees, 1.0)));
        let inner = Embedded { key: None, properties: [("list".to_owned(), vec![Value::from(double), point].into())].into() };
        Entity::new(Key::root("A", 1), [("inner".to_owned(), inner.into())].into()).unwrap()
    }

    #[test]
    fn only_signs_of_zeros_are_passed_over() {
        assert_ne!(entity(0.0, 0.0), entity(-0.0, 0.0));
        for same in [entity(-0.0, 0.0), entity(0.0, -0.0), entity(-0.0, -0.0), entity(0.0, 0.0)] {
            assert!(differs_by_signs(&entity(0.0, 0.0), &same));
        }
        for other in [entity(f64::MIN_POSITIVE, 0.0), entity(0.0, 1e-300), entity(f64::NAN, 0.0)] {
            assert!(!differs_by_signs(&entity(0.0, 0.0), &other));
        }
    }
}
