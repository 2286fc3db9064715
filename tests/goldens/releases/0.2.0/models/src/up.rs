use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Up("../up") {
        what("what"): &'static str;
    }
}
