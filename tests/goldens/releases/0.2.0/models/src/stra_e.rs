use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct StraE("Straße") {
        gr__e("größe"): i64;
        p_("名前"): &'static str;
    }
}
