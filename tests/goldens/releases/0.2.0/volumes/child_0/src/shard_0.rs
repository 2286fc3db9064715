use gaebar_runtime::rows::*;
use release_models::Child;

pub static ROWS: Rows<Child> = &[
    (1, row_1),
];

pub fn row_1() -> Child {
    Child {
        key: Key("GrandFather/1/Father/1/Child/1"),
        name: "Cecily",
        ..Child::BASE
    }
}
