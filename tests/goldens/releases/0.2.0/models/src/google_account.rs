use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct GoogleAccount("GoogleAccount") {
        profile("profile"): Key;
        user("user"): Embedded, meaning 20;
    }
}
