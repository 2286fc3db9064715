use gaebar_runtime::rows::*;
use release_models::Up;

pub static ROWS: Rows<Up> = &[
    (1, row_1),
];

pub fn row_1() -> Up {
    Up {
        key: Key("'../up'/'../../etc'"),
        what: "no path",
        ..Up::BASE
    }
}
