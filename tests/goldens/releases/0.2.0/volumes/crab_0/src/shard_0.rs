use gaebar_runtime::rows::*;
use release_models::Crab;

pub static ROWS: Rows<Crab> = &[
    (1, row_1),
];

pub fn row_1() -> Crab {
    Crab {
        key: Key("'🦀 Crab'/'🦀/🦞'"),
        mood: "🙂🙃",
        p_: 99,
        ..Crab::BASE
    }
}
