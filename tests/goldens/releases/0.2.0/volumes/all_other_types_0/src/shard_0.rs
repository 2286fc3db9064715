use gaebar_runtime::rows::*;
use release_models::AllOtherTypes;

pub static ROWS: Rows<AllOtherTypes> = &[
    (1, row_1),
];

pub fn row_1() -> AllOtherTypes {
    AllOtherTypes {
        key: Key("AllOtherTypes/1"),
        blob: Blob(b"\x00\x01\x7f\x80\xff and some text"),
        blob_key: "AMIfv95sample-blob-key_0123456789",
        boolean: true,
        byte_string: Blob(b"short \xf0\x0f bytes"),
        category: "travel",
        compressed: Blob(
            b"x\xdas\xcdI,.\xc9LV(I\xad(\xd1QH\xcb\xcfIIMQ(\xceM\xcc\xc9\xb1R(.)J-I\xce\xd0\xa1\x0b#/\xb1@\x0f\x00F\xd23D",
        ),
        date: Time("2008-12-20T00:00:00Z"),
        datetime: Time("2008-12-20T10:00:00.654321Z"),
        email: "someone@example.com",
        empty_list: Value::List(&[]),
        float: 3.25,
        geo_point: Geo(50.8225, -0.1372),
        im: "xmpp someone@chat.example.com",
        integer: 42,
        key_list: &[
            Key("Profile/1"),
            Key("Profile/'stephalicious'"),
            Key("GrandFather/1/Father/1/Child/1"),
        ],
        link: "http://example.com/a?b=c&d=%20#e",
        list: Value::List(
            &[
                Value::Int(7),
                Value::Str("seven"),
                Value::Double(7.5),
                Value::Bool(true),
                Value::Time("2007-07-07T07:07:07Z"),
            ],
        ),
        null: Value::Null,
        phone_number: "+44 1273 496 0123",
        postal_address: "1 Sample Street, Brighton BN1 0AA, United Kingdom",
        rating: 97,
        reference: Key("Profile/2"),
        string: "A string of at most 1,500 bytes.",
        string_list: &["one", "two", "two", "three"],
        text: r"Line 1 of a text that is too long for an index.
Line 2 of a text that is too long for an index.
Line 3 of a text that is too long for an index.
Line 4 of a text that is too long for an index.
Line 5 of a text that is too long for an index.
Line 6 of a text that is too long for an index.
Line 7 of a text that is too long for an index.
Line 8 of a text that is too long for an index.
Line 9 of a text that is too long for an index.
Line 10 of a text that is too long for an index.
Line 11 of a text that is too long for an index.
Line 12 of a text that is too long for an index.
Line 13 of a text that is too long for an index.
Line 14 of a text that is too long for an index.
Line 15 of a text that is too long for an index.
Line 16 of a text that is too long for an index.
Line 17 of a text that is too long for an index.
Line 18 of a text that is too long for an index.
Line 19 of a text that is too long for an index.
Line 20 of a text that is too long for an index.
Line 21 of a text that is too long for an index.
Line 22 of a text that is too long for an index.
Line 23 of a text that is too long for an index.
Line 24 of a text that is too long for an index.
Line 25 of a text that is too long for an index.
Line 26 of a text that is too long for an index.
Line 27 of a text that is too long for an index.
Line 28 of a text that is too long for an index.
Line 29 of a text that is too long for an index.
Line 30 of a text that is too long for an index.
Line 31 of a text that is too long for an index.
Line 32 of a text that is too long for an index.
Line 33 of a text that is too long for an index.
Line 34 of a text that is too long for an index.
Line 35 of a text that is too long for an index.
Line 36 of a text that is too long for an index.
Line 37 of a text that is too long for an index.
Line 38 of a text that is too long for an index.
Line 39 of a text that is too long for an index.
Line 40 of a text that is too long for an index.
",
        text_list: &["A first text.", r"A second one,
of two lines.", ""],
        time: Time("1970-01-01T10:00:00.654321Z"),
        user: Embedded(
            &[
                ("auth_domain", Value::Unindexed(&Value::Str("example.com"))),
                ("email", Value::Unindexed(&Value::Str("someone@example.com"))),
                ("user_id", Value::Unindexed(&Value::Str("101480000000000000001"))),
            ],
        ),
        ..AllOtherTypes::BASE
    }
}
