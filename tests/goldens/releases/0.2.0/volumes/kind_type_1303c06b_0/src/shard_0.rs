use gaebar_runtime::rows::*;
use release_models::Type_1303c06b;

pub static ROWS: Rows<Type_1303c06b> = &[
    (1, row_1),
];

pub fn row_1() -> Type_1303c06b {
    Type_1303c06b {
        key: Key("type/'crate::super'"),
        p_2nd: "second",
        Self_: "Self",
        a_b: 1,
        a_b_d44362d6: 3,
        a_b_648fa9b3: 2,
        r#fn: "fn",
        key_: "no key",
        other_: "no list",
        self__06c604b3: "self",
        ..Type_1303c06b::BASE
    }
}
