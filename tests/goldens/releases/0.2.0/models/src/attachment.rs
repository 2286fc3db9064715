use gaebar_runtime::rows::*;

gaebar_runtime::kind! {
    pub struct Attachment("Attachment") {
        content("content"): Blob, excluded;
        empty("empty"): Blob;
        every_byte("every_byte"): Blob;
        file_name("file_name"): &'static str;
    }
}
