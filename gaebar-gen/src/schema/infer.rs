//! Which properties of a kind become fields, and of which type, from all of its entities.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gaebar_runtime::model::Entity;
use gaebar_runtime::rows::Flags;
use serde::{Deserialize, Serialize};

use super::fit::{Fit, Signature, fit_signature, signature};
use super::{MOST_FIELDS, NO_FLAGS, Shape, Type};

/// The most property names that are counted at once, so that a kind with a new name in each entity stays in memory.
const MOST_NAMES: usize = 1 << 16;
/// The most different signatures that are told apart in one property; the others count as odd.
const MOST_SIGNATURES: usize = 32;

/// Counts what the entities of one kind have. Feed it in key order: past [`MOST_NAMES`] the order matters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Inference {
    rows: u64,
    properties: BTreeMap<String, Counts>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Counts {
    present: u64,
    #[serde(with = "pairs")]
    signatures: BTreeMap<Signature, u64>,
}

/// A map as a list: JSON has texts alone for keys.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Signature;

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<Signature, u64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Signature, u64>, D::Error> {
        Vec::deserialize(deserializer).map(|pairs: Vec<_>| pairs.into_iter().collect())
    }
}

impl Inference {
    /// Takes one more entity into account.
    pub fn add(&mut self, entity: &Entity) {
        self.rows += 1;
        for (name, value) in &entity.properties {
            if !self.properties.contains_key(name) {
                self.forget_rare_names();
                self.properties.insert(name.clone(), Counts::default());
            }
            if let Some(counts) = self.properties.get_mut(name) {
                counts.present += 1;
                let mut signature = signature(value);
                if counts.signatures.len() >= MOST_SIGNATURES && !counts.signatures.contains_key(&signature) {
                    signature = Signature::Odd;
                }
                *counts.signatures.entry(signature).or_default() += 1;
            }
        }
    }

    /// Makes room by leaving out the names seen least. One that every entity has is never among them, so "every row
    /// has it" stays exact.
    fn forget_rare_names(&mut self) {
        let mut least = 1;
        while self.properties.len() >= MOST_NAMES {
            self.properties.retain(|_, counts| counts.present > least);
            least *= 2;
        }
    }

    /// The fields: the commonest properties, sorted by name.
    pub fn fields(&self) -> Vec<(String, Type, Flags)> {
        let mut properties: Vec<_> = self.properties.iter().collect();
        // Stable: of two equally common properties the one first by name stays in front.
        properties.sort_by_key(|(_, counts)| Reverse(counts.present));
        properties.truncate(MOST_FIELDS);
        properties.sort_unstable_by_key(|(name, _)| *name);
        properties
            .into_iter()
            .map(|(name, counts)| {
                let (ty, flags) = counts.field(self.rows);
                (name.clone(), ty, flags)
            })
            .collect()
    }

    /// In how many rows a property stands in `other`, if it has this field or none.
    pub fn others(&self, property: &str, field: Option<(Type, Flags)>) -> u64 {
        let counts = self.properties.get(property);
        let present = counts.map_or(0, |counts| counts.present);
        let Some((ty, flags)) = field else { return present };
        let absent = if matches!(ty, Type::Bare(_)) { self.rows - present } else { 0 };
        absent + present - counts.map_or(0, |counts| counts.fitting(ty, flags))
    }

    /// How many entities there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

impl Counts {
    fn count(&self, signature: Signature) -> u64 {
        self.signatures.get(&signature).copied().unwrap_or_default()
    }

    /// How many of the values fit a field.
    fn fitting(&self, ty: Type, flags: Flags) -> u64 {
        let fits = |signature: Signature| fit_signature(signature, ty, flags) != Fit::No;
        self.signatures.iter().filter(|(signature, _)| fits(**signature)).map(|(_, count)| count).sum()
    }

    /// The type that most values fit, if at least half do.
    fn field(&self, rows: u64) -> (Type, Flags) {
        let best = self
            .signatures
            .keys()
            .filter_map(|signature| match *signature {
                Signature::Shaped(shape, flags) => {
                    let empty = if matches!(shape, Shape::List(_)) { self.count(Signature::EmptyList) } else { 0 };
                    let nulls = self.count(Signature::Null(flags));
                    Some((self.count(*signature) + empty + nulls, nulls, shape, flags))
                }
                Signature::Null(_) | Signature::EmptyList | Signature::Odd => None,
            })
            // Of equals the first, so that the choice does not depend on anything else.
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        match best {
            Some((fitting, nulls, shape, flags)) if fitting * 2 >= self.present => {
                let everywhere = self.present == rows && nulls == 0;
                (if everywhere { Type::Bare(shape) } else { Type::Prop(shape) }, flags)
            }
            _ => (Type::Value, NO_FLAGS),
        }
    }
}

#[cfg(test)]
mod tests {
    use gaebar_runtime::model::{Data, Key, Properties, Value};

    use super::super::Scalar;
    use super::*;

    fn fields(rows: impl IntoIterator<Item = Vec<(String, Value)>>) -> Vec<(String, Type, Flags)> {
        let mut inference = Inference::default();
        for properties in rows {
            let properties: Properties = properties.into_iter().collect();
            inference.add(&Entity::new(Key::root("K", 1), properties).unwrap());
        }
        inference.fields()
    }

    fn one(values: impl IntoIterator<Item = Option<Value>>) -> (Type, Flags) {
        let rows = values.into_iter().map(|value| value.map(|value| ("p".to_owned(), value)).into_iter().collect());
        let (_, ty, flags) = fields(rows).remove(0);
        (ty, flags)
    }

    #[test]
    fn a_property_is_bare_only_where_every_row_has_such_a_value() {
        let text = || Some(Value::from("x"));
        let string = Shape::One(Scalar::String);
        assert_eq!(one([text(), text()]).0, Type::Bare(string));
        assert_eq!(one([text(), None]).0, Type::Prop(string));
        assert_eq!(one([text(), Some(Data::Null.into())]).0, Type::Prop(string));
        assert_eq!(one([text(), text(), Some(1.into())]).0, Type::Bare(string), "an exception goes to `other`");
        assert_eq!(one([text(), Some(1.into()), Some(true.into())]).0, Type::Value);
        assert_eq!(one([Some(Data::Null.into())]).0, Type::Value);
    }

    #[test]
    fn what_was_counted_can_be_written_down_in_between() {
        let values =
            [Data::Null.into(), 1.into(), "x".into(), Value::from("x").unindexed().meaning(15), Value::new(Data::Array(vec![]))];
        let (mut whole, mut parts) = (Inference::default(), Inference::default());
        for value in values {
            let entity = Entity::new(Key::root("K", 1), [("p".to_owned(), value)].into()).unwrap();
            whole.add(&entity);
            parts.add(&entity);
            parts = serde_json::from_str(&serde_json::to_string(&parts).unwrap()).unwrap();
        }
        assert_eq!(format!("{whole:?}"), format!("{parts:?}"));
    }

    #[test]
    fn flags_are_the_commonest() {
        let long = || Some(Value::from("x").unindexed().meaning(15));
        let expected = Flags { exclude_from_indexes: true, meaning: 15 };
        assert_eq!(one([long(), long(), Some("x".into())]), (Type::Bare(Shape::One(Scalar::String)), expected));
        let list = Value::from(vec![long().unwrap()]);
        let empty = Value::new(Data::Array(vec![]));
        assert_eq!(one([Some(list), Some(empty)]), (Type::Bare(Shape::List(Scalar::String)), expected));
    }

    #[test]
    fn only_the_commonest_properties_are_fields_however_many_names_there_are() {
        let rows = (0..70_000).map(|i| vec![("everywhere".to_owned(), Value::from(i)), (format!("once{i}"), Value::from(i))]);
        let fields = fields(rows);
        assert_eq!(fields.len(), MOST_FIELDS);
        assert_eq!(fields[0].0, "everywhere");
        assert_eq!(fields[0].1, Type::Bare(Shape::One(Scalar::Integer)));
    }
}
