use gaebar_runtime::rows::*;
use release_models::OClock;

pub static ROWS: Rows<OClock> = &[
    (1, row_1),
];

pub fn row_1() -> OClock {
    OClock {
        key: Key("'o''clock'/'the \"twelfth\" o''clock / ''noon'''"),
        it_s: true,
        said: "It's \"twelve\" o'clock \\ 'sharp'",
        ..OClock::BASE
    }
}
