use gaebar_runtime::rows::*;
use release_models::Nothing;

pub static ROWS: Rows<Nothing> = &[
    (1, row_1),
];

pub fn row_1() -> Nothing {
    Nothing {
        key: Key("Nothing/1"),
        ..Nothing::BASE
    }
}
