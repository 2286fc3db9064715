use gaebar_runtime::rows::*;
use release_models::Tree;

pub static ROWS: Rows<Tree> = &[
    (1, row_1),
];

pub fn row_1() -> Tree {
    Tree {
        key: Key("Tree/'oak'"),
        first_leaf: Key("Tree/'oak'/Leaf/1"),
        height_m: 21.5,
        ..Tree::BASE
    }
}
