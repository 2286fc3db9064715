use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Type("Type") {
        case("case"): &'static str;
    }
}
