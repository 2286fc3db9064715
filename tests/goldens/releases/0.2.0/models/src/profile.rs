use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Profile("Profile") {
        friends("friends"): List<Key>;
        full_name("full_name"): &'static str;
        in_relationship_with("in_relationship_with"): Prop<Key>;
        joined("joined"): Time;
    }
}
