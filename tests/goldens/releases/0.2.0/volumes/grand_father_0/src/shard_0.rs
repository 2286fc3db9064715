use gaebar_runtime::rows::*;
use release_models::GrandFather;

pub static ROWS: Rows<GrandFather> = &[
    (1, row_1),
];

pub fn row_1() -> GrandFather {
    GrandFather {
        key: Key("GrandFather/1"),
        name: "Augustus",
        ..GrandFather::BASE
    }
}
