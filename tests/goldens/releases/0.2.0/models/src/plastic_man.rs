use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct PlasticMan("PlasticMan") {
        best_friend("best_friend"): Key;
        elasticity("elasticity"): f64;
        friends("friends"): List<Key>;
        goggles("goggles"): bool;
        hideouts("hideouts"): List<Geo>;
        last_shape("last_shape"): Embedded;
        length_cm("length_cm"): i64;
        mixed("mixed"): Value;
        motto("motto"): &'static str;
        weakness("weakness"): Value;
    }
}
