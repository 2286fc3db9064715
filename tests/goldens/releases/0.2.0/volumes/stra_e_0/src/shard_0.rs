use gaebar_runtime::rows::*;
use release_models::StraE;

pub static ROWS: Rows<StraE> = &[
    (1, row_1),
];

pub fn row_1() -> StraE {
    StraE {
        key: Key("'Straße'/'Zoë'"),
        gr__e: 178,
        p_: "ゾーイ",
        ..StraE::BASE
    }
}
