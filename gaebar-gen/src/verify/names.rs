//! Names that no Gaebar gives: they may be words of the runtime or the language, look like another name, or be of any length.

use std::collections::BTreeSet;

use crate::names::{may_be_field, may_be_file, may_be_structure};
use crate::schema::Kind;

/// What is wrong with the names of a kind's file, struct and fields, if something is.
pub(super) fn misnamed(kind: &Kind) -> Option<String> {
    if !may_be_file(&kind.name, &kind.file) {
        return Some(format!("is the file of kind {:?}, to which no Gaebar gives that name", kind.name));
    }
    if !may_be_structure(&kind.name, &kind.structure) {
        return Some(format!("the struct of kind {:?} is called {:?}, which no Gaebar calls it", kind.name, kind.structure));
    }
    let (mut properties, mut names) = (BTreeSet::new(), BTreeSet::new());
    for field in &kind.fields {
        if !may_be_field(&field.property, &field.name) {
            return Some(format!(
                "the field of property {:?} is called {:?}, which no Gaebar calls it",
                field.property, field.name
            ));
        }
        if !properties.insert(&field.property) {
            return Some(format!("property {:?} has two fields", field.property));
        }
        if !names.insert(field.name.to_ascii_lowercase()) {
            return Some(format!("two fields are called {:?}, where case is ignored", field.name));
        }
    }
    None
}
