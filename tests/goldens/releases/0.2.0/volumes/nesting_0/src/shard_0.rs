use gaebar_runtime::rows::*;
use release_models::Nesting;

pub static ROWS: Rows<Nesting> = &[
    (1, row_1),
];

pub fn row_1() -> Nesting {
    Nesting {
        key: Key("Nesting/1"),
        deep: Embedded(
            &[
                (
                    "inside",
                    Value::Entity(
                        &[
                            (
                                "inside",
                                Value::Entity(
                                    &[
                                        (
                                            "inside",
                                            Value::Entity(
                                                &[
                                                    (
                                                        "inside",
                                                        Value::Entity(
                                                            &[
                                                                (
                                                                    "inside",
                                                                    Value::Entity(
                                                                        &[
                                                                            (
                                                                                "inside",
                                                                                Value::Entity(
                                                                                    &[
                                                                                        (
                                                                                            "inside",
                                                                                            Value::Entity(
                                                                                                &[
                                                                                                    (
                                                                                                        "inside",
                                                                                                        Value::Entity(
                                                                                                            &[
                                                                                                                (
                                                                                                                    "inside",
                                                                                                                    Value::Entity(
                                                                                                                        &[
                                                                                                                            (
                                                                                                                                "inside",
                                                                                                                                Value::Entity(
                                                                                                                                    &[
                                                                                                                                        (
                                                                                                                                            "inside",
                                                                                                                                            Value::Entity(
                                                                                                                                                &[
                                                                                                                                                    (
                                                                                                                                                        "inside",
                                                                                                                                                        Value::Entity(
                                                                                                                                                            &[
                                                                                                                                                                (
                                                                                                                                                                    "inside",
                                                                                                                                                                    Value::Entity(
                                                                                                                                                                        &[
                                                                                                                                                                            (
                                                                                                                                                                                "inside",
                                                                                                                                                                                Value::Entity(
                                                                                                                                                                                    &[
                                                                                                                                                                                        (
                                                                                                                                                                                            "inside",
                                                                                                                                                                                            Value::Entity(
                                                                                                                                                                                                &[
                                                                                                                                                                                                    (
                                                                                                                                                                                                        "inside",
                                                                                                                                                                                                        Value::Entity(
                                                                                                                                                                                                            &[
                                                                                                                                                                                                                (
                                                                                                                                                                                                                    "inside",
                                                                                                                                                                                                                    Value::Entity(
                                                                                                                                                                                                                        &[
                                                                                                                                                                                                                            (
                                                                                                                                                                                                                                "inside",
                                                                                                                                                                                                                                Value::Entity(
                                                                                                                                                                                                                                    &[
                                                                                                                                                                                                                                        (
                                                                                                                                                                                                                                            "inside",
                                                                                                                                                                                                                                            Value::Entity(&[("bottom", Value::Key("Profile/2"))]),
                                                                                                                                                                                                                                        ),
                                                                                                                                                                                                                                        ("level", Value::Int(19)),
                                                                                                                                                                                                                                    ],
                                                                                                                                                                                                                                ),
                                                                                                                                                                                                                            ),
                                                                                                                                                                                                                            ("level", Value::Int(18)),
                                                                                                                                                                                                                        ],
                                                                                                                                                                                                                    ),
                                                                                                                                                                                                                ),
                                                                                                                                                                                                                ("level", Value::Int(17)),
                                                                                                                                                                                                            ],
                                                                                                                                                                                                        ),
                                                                                                                                                                                                    ),
                                                                                                                                                                                                    ("level", Value::Int(16)),
                                                                                                                                                                                                ],
                                                                                                                                                                                            ),
                                                                                                                                                                                        ),
                                                                                                                                                                                        ("level", Value::Int(15)),
                                                                                                                                                                                    ],
                                                                                                                                                                                ),
                                                                                                                                                                            ),
                                                                                                                                                                            ("level", Value::Int(14)),
                                                                                                                                                                        ],
                                                                                                                                                                    ),
                                                                                                                                                                ),
                                                                                                                                                                ("level", Value::Int(13)),
                                                                                                                                                            ],
                                                                                                                                                        ),
                                                                                                                                                    ),
                                                                                                                                                    ("level", Value::Int(12)),
                                                                                                                                                ],
                                                                                                                                            ),
                                                                                                                                        ),
                                                                                                                                        ("level", Value::Int(11)),
                                                                                                                                    ],
                                                                                                                                ),
                                                                                                                            ),
                                                                                                                            ("level", Value::Int(10)),
                                                                                                                        ],
                                                                                                                    ),
                                                                                                                ),
                                                                                                                ("level", Value::Int(9)),
                                                                                                            ],
                                                                                                        ),
                                                                                                    ),
                                                                                                    ("level", Value::Int(8)),
                                                                                                ],
                                                                                            ),
                                                                                        ),
                                                                                        ("level", Value::Int(7)),
                                                                                    ],
                                                                                ),
                                                                            ),
                                                                            ("level", Value::Int(6)),
                                                                        ],
                                                                    ),
                                                                ),
                                                                ("level", Value::Int(5)),
                                                            ],
                                                        ),
                                                    ),
                                                    ("level", Value::Int(4)),
                                                ],
                                            ),
                                        ),
                                        ("level", Value::Int(3)),
                                    ],
                                ),
                            ),
                            ("level", Value::Int(2)),
                        ],
                    ),
                ),
                ("level", Value::Int(1)),
            ],
        ),
        empty: Embedded(&[]),
        incomplete: Value::Keyed(
            "{tenant-a}Profile/2/Draft/?",
            &[("name", Value::Str("no id yet"))],
        ),
        keyed: Value::Keyed(
            "Profile/2/Address/'home'",
            &[("street", Value::Str("1 Sample Street"))],
        ),
        list_inside: Embedded(
            &[("items", Value::List(&[Value::Int(1), Value::Int(2)]))],
        ),
        points: Embedded(
            &[
                ("at", Value::Geo(90.0, -180.0)),
                ("null_island", Value::Geo(0.0, 0.0)),
                ("opposite", Value::Geo(-90.0, 180.0)),
            ],
        ),
        unindexed: Embedded(&[("a", Value::Unindexed(&Value::Int(1)))]),
        ..Nesting::BASE
    }
}
