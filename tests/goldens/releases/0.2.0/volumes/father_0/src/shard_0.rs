use gaebar_runtime::rows::*;
use release_models::Father;

pub static ROWS: Rows<Father> = &[
    (1, row_1),
];

pub fn row_1() -> Father {
    Father {
        key: Key("GrandFather/1/Father/1"),
        name: "Bertram",
        ..Father::BASE
    }
}
