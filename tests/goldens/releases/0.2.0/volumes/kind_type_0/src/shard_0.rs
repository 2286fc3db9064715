use gaebar_runtime::rows::*;
use release_models::Type;

pub static ROWS: Rows<Type> = &[
    (1, row_1),
];

pub fn row_1() -> Type {
    Type {
        key: Key("Type/1"),
        case: "upper",
        ..Type::BASE
    }
}
