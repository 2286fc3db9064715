use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct GrandFather("GrandFather") {
        name("name"): &'static str;
    }
}
