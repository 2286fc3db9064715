use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct AllOtherTypes("AllOtherTypes") {
        blob("blob"): Blob, excluded;
        blob_key("blob_key"): &'static str, meaning 17;
        boolean("boolean"): bool;
        byte_string("byte_string"): Blob, excluded, meaning 16;
        category("category"): &'static str, meaning 1;
        compressed("compressed"): Blob, excluded, meaning 22;
        date("date"): Time;
        datetime("datetime"): Time;
        email("email"): &'static str, meaning 8;
        empty_list("empty_list"): Value;
        float("float"): f64;
        geo_point("geo_point"): Geo;
        im("im"): &'static str, meaning 10;
        integer("integer"): i64;
        key_list("key_list"): List<Key>;
        link("link"): &'static str, meaning 2;
        list("list"): Value;
        null("null"): Value;
        phone_number("phone_number"): &'static str, meaning 11;
        postal_address("postal_address"): &'static str, meaning 12;
        rating("rating"): i64, meaning 13;
        reference("reference"): Key;
        string("string"): &'static str;
        string_list("string_list"): List<&'static str>;
        text("text"): &'static str, excluded, meaning 15;
        text_list("text_list"): List<&'static str>, excluded, meaning 15;
        time("time"): Time;
        user("user"): Embedded, meaning 20;
    }
}
