use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Nesting("Nesting") {
        deep("deep"): Embedded;
        empty("empty"): Embedded;
        incomplete("incomplete"): Value;
        keyed("keyed"): Value;
        list_inside("list_inside"): Embedded;
        points("points"): Embedded;
        unindexed("unindexed"): Embedded, excluded;
    }
}
