use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Tree("Tree") {
        first_leaf("first_leaf"): Key;
        height_m("height_m"): f64;
    }
}
