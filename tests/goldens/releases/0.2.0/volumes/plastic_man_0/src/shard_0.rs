use gaebar_runtime::rows::*;
use release_models::PlasticMan;

pub static ROWS: Rows<PlasticMan> = &[
    (1, row_1),
];

pub fn row_1() -> PlasticMan {
    PlasticMan {
        key: Key("PlasticMan/1"),
        best_friend: Key("Profile/'stephalicious'"),
        elasticity: 0.98,
        friends: &[Key("Profile/1"), Key("Profile/2")],
        goggles: true,
        hideouts: &[Geo(51.5007, -0.1246), Geo(-33.8568, 151.2153)],
        last_shape: Embedded(
            &[
                ("name", Value::Str("a kite")),
                ("seen_by", Value::Key("Profile/1")),
                (
                    "witnesses",
                    Value::List(
                        &[Value::Key("Profile/2"), Value::Key("Profile/'stephalicious'")],
                    ),
                ),
            ],
        ),
        length_cm: 188,
        mixed: Value::List(
            &[
                Value::Key("Profile/2"),
                Value::Str("a string"),
                Value::Int(3),
                Value::Null,
            ],
        ),
        motto: "Bend, never break",
        weakness: Value::Null,
        ..PlasticMan::BASE
    }
}
