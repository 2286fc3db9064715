use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Arrays("Arrays") {
        embedded("embedded"): Value;
        half_indexed("half_indexed"): Value;
        meanings("meanings"): Value;
        nulls("nulls"): Value;
        one("one"): List<i64>;
        unindexed("unindexed"): Value;
    }
}
