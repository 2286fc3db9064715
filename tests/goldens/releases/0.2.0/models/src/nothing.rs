use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Nothing("Nothing") {
    }
}
