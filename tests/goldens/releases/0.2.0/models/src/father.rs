use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Father("Father") {
        name("name"): &'static str;
    }
}
