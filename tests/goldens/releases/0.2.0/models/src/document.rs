use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Document("Document") {
        body("body"): &'static str, excluded, meaning 15;
        title("title"): &'static str;
    }
}
