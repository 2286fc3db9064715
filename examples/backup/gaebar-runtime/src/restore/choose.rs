//! Which rows are restored, and into which namespaces.

use std::collections::{BTreeMap, HashSet};

use crate::model::{Data, Database, Embedded, Entity, Id, Key, Properties, Value, keys_mut};

/// Whether a kind is one of Gaebar's own, which hold how far its work on a store is. They are of that store alone: no backup takes them, no
/// comparison looks at them, and no restore writes or deletes them.
pub fn is_own_kind(kind: &str) -> bool {
    kind.starts_with("_Gaebar")
}

/// Which rows are restored. Conditions that are left out hold for every row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Only these kinds.
    pub kinds: Option<Vec<String>>,
    /// All kinds but these.
    pub exclude_kinds: Vec<String>,
    /// Only these namespaces; the default one is the empty string.
    pub namespaces: Option<Vec<String>>,
    /// Only entities with these keys, or below those of `under`.
    pub keys: Vec<Key>,
    /// Only entities of these groups: the ones with these keys, and all that have them as ancestors.
    pub under: Vec<Key>,
    /// Also what chosen entities refer to, and what that refers to, whatever the other conditions say.
    pub with_references: bool,
}

impl Choice {
    /// Whether every row is chosen.
    pub fn is_everything(&self) -> bool {
        *self == Self { with_references: self.with_references, ..Self::default() }
    }

    /// Whether entities of a kind are chosen.
    pub fn includes_kind(&self, kind: &str) -> bool {
        is_among(self.kinds.as_ref(), kind) && self.exclude_kinds.iter().all(|excluded| excluded != kind)
    }

    /// Whether entities of a namespace are chosen.
    pub fn includes_namespace(&self, namespace: &str) -> bool {
        is_among(self.namespaces.as_ref(), namespace)
    }

    /// Whether an entity is chosen by its key.
    pub fn includes(&self, key: &Key) -> bool {
        self.includes_kind(key.kind())
            && self.includes_namespace(key.namespace())
            && ((self.keys.is_empty() && self.under.is_empty())
                || self.keys.contains(key)
                || self.under.iter().any(|ancestor| is_under(ancestor, key)))
    }
}

fn is_among(names: Option<&Vec<String>>, name: &str) -> bool {
    names.is_none_or(|names| names.iter().any(|chosen| chosen == name))
}

/// Whether a key is an ancestor's own, or below it.
pub(super) fn is_under(ancestor: &Key, key: &Key) -> bool {
    ancestor.database() == key.database() && ancestor.namespace() == key.namespace() && key.path().starts_with(ancestor.path())
}

/// Into which namespaces entities go. References follow: one to an entity of a namespace that is mapped points to where that goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Namespaces {
    /// The ones that they were in.
    #[default]
    Same,
    /// All into one.
    Into(String),
    /// Those that are named into others, the rest stays.
    Map(BTreeMap<String, String>),
}

impl Namespaces {
    /// Where entities of a namespace go.
    pub fn of<'a>(&'a self, namespace: &'a str) -> &'a str {
        match self {
            Self::Same => namespace,
            Self::Into(target) => target,
            Self::Map(targets) => targets.get(namespace).map_or(namespace, String::as_str),
        }
    }

    /// An entity where it goes.
    pub fn entity(&self, mut entity: Entity) -> Entity {
        if *self == Self::Same {
            return entity;
        }
        keys_mut(&mut entity.properties, &mut |key| {
            if *key.database() == Database::Own {
                *key = key.clone().in_namespace(self.of(key.namespace()));
            }
        });
        let namespace = self.of(entity.key().namespace()).to_owned();
        entity.in_namespace(namespace)
    }
}

/// The keys of this database that an entity's properties refer to, at any depth.
pub(super) fn references<'a>(properties: &'a Properties, found: &mut HashSet<&'a Key>) {
    for value in properties.values() {
        references_of(value, found);
    }
}

fn references_of<'a>(value: &'a Value, found: &mut HashSet<&'a Key>) {
    match &value.data {
        Data::Key(key) if *key.database() == Database::Own && key.last().id != Id::Unset => _ = found.insert(key),
        Data::Array(items) => items.iter().for_each(|item| references_of(item, found)),
        Data::Entity(Embedded { properties, .. }) => references(properties, found),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    #[test]
    fn conditions_are_met_together_and_a_group_begins_with_its_ancestor() {
        let choice = Choice { kinds: Some(vec!["A".into(), "B".into()]), exclude_kinds: vec!["B".into()], ..Choice::default() };
        assert!(choice.includes(&key("A/1")) && !choice.includes(&key("B/1")) && !choice.includes(&key("C/1")));
        let choice = Choice { namespaces: Some(vec![String::new()]), ..Choice::default() };
        assert!(choice.includes(&key("A/1")) && !choice.includes(&key("{n}A/1")));
        let choice = Choice { keys: vec![key("A/9")], under: vec![key("{n}A/1")], ..Choice::default() };
        for chosen in ["A/9", "{n}A/1", "{n}A/1/B/2", "{n}A/1/B/2/C/'x'"] {
            assert!(choice.includes(&key(chosen)), "{chosen}");
        }
        for other in ["A/1", "A/1/B/2", "{n}A/12", "{n}B/1/A/1", "A/9/B/1"] {
            assert!(!choice.includes(&key(other)), "{other}");
        }
    }

    #[test]
    fn references_at_any_depth_follow_their_namespaces() {
        let inner = Embedded { key: Some(key("{a}I/1")), properties: Properties::from([("r".to_owned(), key("{a}R/1").into())]) };
        let properties = Properties::from([
            ("own".to_owned(), key("{a}R/2").into()),
            ("list".to_owned(), Value::from(vec![Value::from(key("{b}R/3")), Value::from(inner).unindexed()])),
            ("elsewhere".to_owned(), key("{project=p,namespace=a}R/4").into()),
        ]);
        let entity = Entity::new(key("{a}E/1"), properties).unwrap();
        let mapped = Namespaces::Map([("a".to_owned(), "x".to_owned())].into()).entity(entity.clone());
        let text = format!("{mapped:?}");
        assert_eq!(*mapped.key(), key("{x}E/1"));
        assert_eq!(mapped.properties["own"], key("{x}R/2").into());
        assert_eq!(mapped.properties["elsewhere"], entity.properties["elsewhere"]);
        assert!(text.contains("\"x\"") && text.contains("\"b\""), "{text}");
        let Data::Array(items) = &mapped.properties["list"].data else { panic!("an array stays one") };
        let Data::Entity(inner) = &items[1].data else { panic!("an embedded entity stays one") };
        assert_eq!((inner.key.as_ref(), &inner.properties["r"]), (Some(&key("{x}I/1")), &key("{x}R/1").into()));
        assert!(items[1].exclude_from_indexes);
        let into = Namespaces::Into(String::new()).entity(entity);
        assert_eq!(*into.key(), key("E/1"));
    }
}
