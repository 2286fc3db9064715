use gaebar_runtime::rows::*;
use release_models::Arrays;

pub static ROWS: Rows<Arrays> = &[
    (1, row_1),
];

pub fn row_1() -> Arrays {
    Arrays {
        key: Key("Arrays/1"),
        embedded: Value::List(
            &[
                Value::Entity(
                    &[("count", Value::Int(3)), ("what", Value::Str("apples"))],
                ),
                Value::Unindexed(
                    &Value::Entity(
                        &[("count", Value::Int(0)), ("what", Value::Str("pears"))],
                    ),
                ),
            ],
        ),
        half_indexed: Value::List(
            &[
                Value::Str("in"),
                Value::Int(1),
                Value::Unindexed(&Value::Str("out")),
                Value::Unindexed(&Value::Int(2)),
            ],
        ),
        meanings: Value::List(
            &[
                Value::Meaning(8, &Value::Str("a@example.com")),
                Value::Meaning(2, &Value::Str("http://example.com/")),
            ],
        ),
        nulls: Value::List(&[Value::Null, Value::Null]),
        one: &[1],
        unindexed: Value::List(
            &[
                Value::Unindexed(&Value::Int(1)),
                Value::Unindexed(&Value::Str("two")),
                Value::Unindexed(&Value::Null),
            ],
        ),
        ..Arrays::BASE
    }
}
