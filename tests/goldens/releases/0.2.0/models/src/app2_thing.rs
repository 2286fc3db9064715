use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct App2Thing("app2_Thing") {
        name("name"): &'static str;
        owner("owner"): Key;
        sibling("sibling"): Key;
    }
}
