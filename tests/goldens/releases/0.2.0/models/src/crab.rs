use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Crab("🦀 Crab") {
        mood("mood"): &'static str;
        p_("🎈"): i64;
    }
}
