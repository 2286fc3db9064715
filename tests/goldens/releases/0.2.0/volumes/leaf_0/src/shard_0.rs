use gaebar_runtime::rows::*;
use release_models::Leaf;

pub static ROWS: Rows<Leaf> = &[
    (1, row_1),
    (2, row_2),
];

pub fn row_1() -> Leaf {
    Leaf {
        key: Key("Tree/5629499534213120/Leaf/9223372036854775807"),
        colour: "red",
        ..Leaf::BASE
    }
}

pub fn row_2() -> Leaf {
    Leaf {
        key: Key("Tree/'oak'/Leaf/1"),
        colour: "green",
        tree: Is(Key("Tree/'oak'")),
        ..Leaf::BASE
    }
}
