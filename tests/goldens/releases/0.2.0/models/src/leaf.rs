use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Leaf("Leaf") {
        colour("colour"): &'static str;
        tree("tree"): Prop<Key>;
    }
}
