//! The few queries that a backup needs, as messages.

use googleapis_tonic_google_datastore_v1::google::datastore::v1 as pb;
use pb::property_filter::Operator;

use super::read::utf16_order;
use crate::model::Key;
use crate::proto::Home;
use crate::store::Scan;

/// The property that stands for an entity's key.
const KEY: &str = "__key__";
/// A property of some entities, here and there by chance; Google's own query splitters use it.
const SCATTER: &str = "__scatter__";

/// All entities of a scan. Servers give them in the order of their keys; asked to, the Datastore emulator sorts them once more.
pub(super) fn scan(home: &Home, scan: &Scan) -> pb::Query {
    let bounds = [(Operator::GreaterThanOrEqual, &scan.from), (Operator::LessThan, &scan.to)];
    let filters: Vec<_> =
        bounds.into_iter().filter_map(|(operator, key)| Some(compare_key(operator, home.key_to_proto(key.as_ref()?)))).collect();
    pb::Query {
        filter: (!filters.is_empty()).then(|| pb::Filter {
            filter_type: Some(pb::filter::FilterType::CompositeFilter(pb::CompositeFilter {
                op: pb::composite_filter::Operator::And.into(),
                filters,
            })),
        }),
        ..of_kind(&scan.kind)
    }
}

/// The keys of a kind, in their order.
pub(super) fn keys(kind: &str) -> pb::Query {
    pb::Query { order: vec![ascending(KEY)], ..keys_only(kind) }
}

/// The keys of some entities of a kind, chosen by chance.
pub(super) fn scattered_keys(kind: &str) -> pb::Query {
    pb::Query { order: vec![ascending(SCATTER)], ..keys_only(kind) }
}

/// Of keys that were chosen by chance, those that divide a kind into `parts` ranges of about the same size.
///
/// `sorted` has them in this program's order. A key that the Datastore emulator sorts elsewhere bounds no range: there
/// the ranges would overlap.
pub(super) fn bounds(sorted: Vec<Key>, parts: usize) -> Vec<Key> {
    let mut usable: Vec<Key> = Vec::with_capacity(sorted.len());
    for key in sorted {
        if usable.last().is_none_or(|last| utf16_order(last) < utf16_order(&key)) {
            usable.push(key);
        }
    }
    let mut bounds: Vec<_> = (1..parts).filter_map(|part| usable.get(part * usable.len() / parts).cloned()).collect();
    bounds.dedup();
    bounds
}

fn keys_only(kind: &str) -> pb::Query {
    pb::Query { projection: vec![pb::Projection { property: Some(property(KEY)) }], ..of_kind(kind) }
}

fn of_kind(kind: &str) -> pb::Query {
    pb::Query { kind: vec![pb::KindExpression { name: kind.to_owned() }], ..pb::Query::default() }
}

fn compare_key(operator: Operator, key: pb::Key) -> pb::Filter {
    let value = pb::Value { value_type: Some(pb::value::ValueType::KeyValue(key)), ..pb::Value::default() };
    pb::Filter {
        filter_type: Some(pb::filter::FilterType::PropertyFilter(pb::PropertyFilter {
            property: Some(property(KEY)),
            op: operator.into(),
            value: Some(value),
        })),
    }
}

fn ascending(name: &str) -> pb::PropertyOrder {
    pb::PropertyOrder { property: Some(property(name)), direction: pb::property_order::Direction::Ascending.into() }
}

fn property(name: &str) -> pb::PropertyReference {
    pb::PropertyReference { name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_divide_evenly() {
        let keys: Vec<_> = (0..100).map(|id| Key::root("A", id + 1)).collect();
        let bounds: Vec<_> = bounds(keys, 4);
        assert_eq!(bounds, [Key::root("A", 26), Key::root("A", 51), Key::root("A", 76)]);
    }

    #[test]
    fn a_key_that_emulators_sort_differently_bounds_nothing() {
        let keys = ["a", "\u{ffee}", "\u{1f600}", "\u{1f601}"].map(|name| Key::root("A", name));
        assert_eq!(bounds(keys.to_vec(), 4), [Key::root("A", "a"), Key::root("A", "\u{ffee}")]);
    }
}
