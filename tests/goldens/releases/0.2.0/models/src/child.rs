use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Child("Child") {
        name("name"): &'static str;
    }
}
