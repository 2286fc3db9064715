use gaebar_runtime::rows::*;
use release_models::Document;

pub static ROWS: Rows<Document> = &[
    (1, row_1),
    (2, row_2),
    (3, row_3),
    (4, row_4),
    (5, row_5),
    (6, row_6),
    (7, row_7),
    (8, row_8),
    (9, row_9),
];

pub fn row_1() -> Document {
    Document {
        key: Key("Document/1"),
        body: r"The backup was written at dawn,
and every last row was redrawn;

    four spaces, then text,
no newline comes next",
        title: "Several lines",
        ..Document::BASE
    }
}

pub fn row_2() -> Document {
    Document {
        key: Key("Document/2"),
        body: "fn main() {\n    println!(\"{}\", r#\"raw \"text\" \\ here\"#);\n}\npub fn row_7() -> Profile {\n    unreachable!()\n}\n// */ \"## {{ }} ${x} \"\n",
        title: "Source code",
        ..Document::BASE
    }
}

pub fn row_3() -> Document {
    Document {
        key: Key("Document/3"),
        body: "nul \0, bell \u{7}, tab \t, escape \u{1b}[31mred\u{1b}[0m, delete \u{7f}, next line \u{85}\ncarriage return \r, Windows line end \r\nline separator \u{2028}, paragraph separator \u{2029}\nright-to-left \u{202e}desrever\u{202c}, isolate \u{2066}inside\u{2069}, zero width \u{200b}, joiner \u{200d}\nbyte order mark \u{feff}, no character \u{fffe} \u{ffff}, last \u{10ffff}, soft hyphen \u{ad}, tag \u{e0041}",
        title: "Control and bidi characters",
        ..Document::BASE
    }
}

pub fn row_4() -> Document {
    Document {
        key: Key("Document/4"),
        body: "first\r\nsecond\r\n",
        title: "Windows line ends",
        ..Document::BASE
    }
}

pub fn row_5() -> Document {
    Document {
        key: Key("Document/5"),
        body: "All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. All on one line, without a single newline. ",
        title: "One long line",
        ..Document::BASE
    }
}

pub fn row_6() -> Document {
    Document {
        key: Key("Document/6"),
        body: r"


",
        title: "Only newlines \u{202e}and a turn\u{202c}",
        ..Document::BASE
    }
}

pub fn row_7() -> Document {
    Document {
        key: Key("Document/7"),
        body: "",
        title: "",
        ..Document::BASE
    }
}

pub fn row_8() -> Document {
    Document {
        key: Key("Document/8"),
        body: "ẛ̣ Å ﬁ",
        title: "café or café",
        ..Document::BASE
    }
}

pub fn row_9() -> Document {
    Document {
        key: Key("Document/9"),
        title: "A short body",
        other: &[("body", Value::Str("in the index"))],
        ..Document::BASE
    }
}
