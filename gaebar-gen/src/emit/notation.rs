//! A value on one line, in the notation of rows, for people to compare.

use gaebar_runtime::model::Value;

use super::value::Values;
use crate::schema::have_literals;

/// A property before and after, as a row has it: in its field if both could stand there, and else as in the row's `other`.
pub fn notations(before: Option<&Value>, after: Option<&Value>) -> [Option<String>; 2] {
    let write = if have_literals(before.into_iter().chain(after)) { literal } else { notation };
    [before.map(write), after.map(write)]
}

/// The value as it would stand in a field, on one line.
fn literal(value: &Value) -> String {
    let mut values = Values::one_line();
    values.literal(&value.data);
    values.out.on_one_line()
}

/// The value as it would stand in a row's `other`, on one line.
pub fn notation(value: &Value) -> String {
    let mut values = Values::one_line();
    values.value(value);
    values.out.on_one_line()
}

#[cfg(test)]
mod tests {
    use gaebar_runtime::model::{Data, Embedded, Key, Properties};

    use super::*;

    #[test]
    fn values_stand_on_one_line_as_in_rows() {
        let embedded = Embedded { key: None, properties: Properties::from([("a b".to_owned(), Value::from(-1))]) };
        for (value, text) in [
            (Value::from("two\nlines"), "Value::Str(\"two\\nlines\")"),
            (Value::from(f64::NEG_INFINITY).unindexed(), "Value::Unindexed(&Value::Double(f64::NEG_INFINITY))"),
            (Value::from(vec![Value::from(true), Value::new(Data::Null)]), "Value::List(&[Value::Bool(true), Value::Null])"),
            (Value::from(Key::root("A", "b")).meaning(3), "Value::Meaning(3, &Value::Key(\"A/'b'\"))"),
            (Value::from(embedded), "Value::Entity(&[(\"a b\", Value::Int(-1))])"),
        ] {
            assert_eq!(notation(&value), text);
        }
        assert!(notation(&Value::from(vec![0_u8; 5000])).starts_with("Value::Blob(include_bytes!(\"blobs/"));
    }

    #[test]
    fn two_values_stand_as_in_a_field_if_that_tells_them_apart() {
        let (text, key) = (Value::from("two\nlines"), Value::from(Key::root("A", "b")));
        let list = Value::from(vec![Value::from(1).unindexed()]);
        for (before, after, told) in [
            (Some(&text), Some(&key), [Some("\"two\\nlines\""), Some("Key(\"A/'b'\")")]),
            (Some(&text), None, [Some("\"two\\nlines\""), None]),
            (Some(&1.into()), Some(&1.0.into()), [Some("1"), Some("1.0")]),
            (Some(&Data::Null.into()), Some(&true.into()), [Some("Null"), Some("true")]),
            (Some(&list), Some(&Value::from(Vec::<Value>::new())), [Some("&[1]"), Some("&[]")]),
            (
                Some(&text),
                Some(&text.clone().unindexed()),
                [Some("Value::Str(\"two\\nlines\")"), Some("Value::Unindexed(&Value::Str(\"two\\nlines\"))")],
            ),
            (
                Some(&1.into()),
                Some(&Value::from(vec![Value::from(1), Value::from("x")])),
                [Some("Value::Int(1)"), Some("Value::List(&[Value::Int(1), Value::Str(\"x\")])")],
            ),
        ] {
            assert_eq!(notations(before, after).each_ref().map(Option::as_deref), told);
        }
    }
}
