use gaebar_runtime::rows::*;
use release_models::App2Thing;

pub static ROWS: Rows<App2Thing> = &[
    (1, row_1),
];

pub fn row_1() -> App2Thing {
    App2Thing {
        key: Key("app2_Thing/1"),
        name: "A thing of the second application",
        owner: Key("Profile/2"),
        sibling: Key("app2_Thing/'another'"),
        ..App2Thing::BASE
    }
}
