use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Letter("Letter") {
        copies_to("copies_to"): List<Key>;
        text("text"): &'static str;
        to("to"): Key;
    }
}
