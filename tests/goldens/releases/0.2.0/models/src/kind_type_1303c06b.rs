use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Type_1303c06b("type") {
        p_2nd("2nd"): &'static str;
        Self_("Self"): &'static str;
        a_b("a b"): i64;
        a_b_d44362d6("a-b"): i64;
        a_b_648fa9b3("a_b"): i64;
        r#fn("fn"): &'static str;
        key_("key"): &'static str;
        other_("other"): &'static str;
        self__06c604b3("self"): &'static str;
    }
}
