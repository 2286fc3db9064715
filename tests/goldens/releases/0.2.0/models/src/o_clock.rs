use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct OClock("o'clock") {
        it_s("it's"): bool;
        said("said"): &'static str;
    }
}
