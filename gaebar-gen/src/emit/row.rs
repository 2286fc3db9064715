//! An entity as a function.

use gaebar_runtime::model::{Entity, Value};

use super::Sidecar;
use super::layout::{Break, Group, NEXT};
use super::value::Values;
use crate::schema::{Fit, Kind, Type, fit};

/// A row as source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `pub fn row_N() -> Kind { … }` and a newline.
    pub text: String,
    /// Blobs it includes.
    pub sidecars: Vec<Sidecar>,
    /// About how many expressions it is made of.
    pub expressions: usize,
    /// Whether a property stands in `other`.
    pub has_exceptions: bool,
}

/// The function that recreates an entity.
pub fn row(kind: &Kind, number: u32, entity: &Entity) -> Row {
    let structure = &kind.structure;
    let mut values = Values::default();
    values.out.open(Group::Struct);
    values.out.word(structure);
    values.out.word(" {");
    values.out.brk(NEXT);
    field(&mut values, "key", |values| values.key(entity.key()));
    // What does not fit a field; without a value it is word that there is none.
    let mut other: Vec<(&str, Option<&Value>)> = Vec::new();
    for declared in &kind.fields {
        let Some(value) = entity.properties.get(&declared.property) else {
            if let Type::Bare(_) = declared.ty {
                other.push((&declared.property, None));
            }
            continue;
        };
        match fit(value, declared) {
            Fit::Bare => field(&mut values, &declared.name, |values| values.literal(&value.data)),
            Fit::Is => field(&mut values, &declared.name, |values| values.call("Is", |values| values.literal(&value.data))),
            Fit::Null => field(&mut values, &declared.name, |values| values.out.word("Null")),
            Fit::Value => field(&mut values, &declared.name, |values| values.value(value)),
            Fit::No => other.push((&declared.property, Some(value))),
        }
    }
    let undeclared = entity.properties.iter().filter(|(property, _)| kind.field(property).is_none());
    other.extend(undeclared.map(|(property, value)| (property.as_str(), Some(value))));
    let has_exceptions = !other.is_empty();
    if has_exceptions {
        other.sort_unstable_by_key(|(property, _)| *property);
        field(&mut values, "other", |values| {
            values.slice(other, |values, (property, value)| {
                values.pair(property, |values| match value {
                    Some(value) => values.value(value),
                    None => values.out.word("Value::Absent"),
                });
            });
        });
    }
    values.out.word("..");
    values.out.word(structure);
    values.out.word("::BASE");
    values.out.brk(Break { outside: true, ..NEXT });
    values.out.close();
    values.out.word("}");
    let mut text = format!("pub fn row_{number}() -> {structure} {{\n");
    values.out.write(&mut text, 1);
    text.push_str("\n}\n");
    Row { text, sidecars: values.sidecars, expressions: values.expressions, has_exceptions }
}

fn field(values: &mut Values, name: &str, value: impl FnOnce(&mut Values)) {
    values.out.word(name);
    values.out.word(": ");
    value(values);
    values.out.word(",");
    values.out.brk(NEXT);
}
