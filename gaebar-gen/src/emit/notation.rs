//! A value on one line, in the notation of rows, for people to compare.

use gaebar_runtime::model::Value;

use super::value::Values;

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
}
