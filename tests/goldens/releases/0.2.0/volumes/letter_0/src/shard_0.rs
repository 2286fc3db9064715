use gaebar_runtime::rows::*;
use release_models::Letter;

pub static ROWS: Rows<Letter> = &[
    (1, row_1),
];

pub fn row_1() -> Letter {
    Letter {
        key: Key("Letter/1"),
        copies_to: &[Key("Profile/1"), Key("Gone/'forever'/Profile/404")],
        text: "Return to sender",
        to: Key("Profile/404"),
        ..Letter::BASE
    }
}
