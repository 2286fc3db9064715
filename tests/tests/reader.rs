//! The reader is the generator's inverse, and refuses everything else.

use std::collections::BTreeMap;
use std::sync::Mutex;

use gaebar_gen::emit::{self, Sidecar};
use gaebar_gen::reader::{self, Blobs, GrammarError, ReadRow};
use gaebar_gen::schema::{Inference, Kind, name_kinds};
use gaebar_runtime::model::{Entity, Key, Properties};
use gaebar_tests::strategy;
use proptest::prelude::*;

#[derive(Default)]
struct Sidecars(Mutex<BTreeMap<String, Vec<u8>>>);

impl Blobs for Sidecars {
    fn blob(&self, sha256: &str) -> Result<Vec<u8>, String> {
        self.0.lock().unwrap().get(sha256).cloned().ok_or_else(|| format!("there is no blob {sha256:?}"))
    }
}

struct Code {
    kind: Kind,
    text: String,
    blobs: Sidecars,
}

/// The code of entities of one kind.
fn code(entities: &[Entity]) -> Code {
    let mut inference = Inference::default();
    for entity in entities {
        inference.add(entity);
    }
    let kind = name_kinds([(entities[0].kind().to_owned(), inference.fields())], []).remove(0);
    let rows: Vec<_> = (1..).zip(entities).map(|(number, entity)| (number, emit::row(&kind, number, entity))).collect();
    let blobs = Sidecars::default();
    for Sidecar { sha256, bytes } in rows.iter().flat_map(|(_, row)| &row.sidecars) {
        blobs.0.lock().unwrap().insert(sha256.clone(), bytes.clone());
    }
    let text = emit::shard(&kind, "x_models", rows.iter().map(|(number, row)| (*number, row.text.as_str())));
    Code { kind, text, blobs }
}

fn read(code: &Code, text: &str) -> Result<Vec<ReadRow>, Vec<GrammarError>> {
    reader::shard(&code.kind, "x_models", text, &code.blobs)
}

fn by_kind(entities: Vec<Entity>) -> Vec<Vec<Entity>> {
    let mut kinds: BTreeMap<String, Vec<Entity>> = BTreeMap::new();
    for entity in entities {
        kinds.entry(entity.kind().to_owned()).or_default().push(entity);
    }
    kinds.into_values().collect()
}

#[test]
fn what_was_written_reads_back_bit_for_bit() {
    let mut entities = strategy::entities(400);
    entities.extend(gaebar_gen::seed::suite().unwrap());
    entities.extend(gaebar_gen::seed::Headline::new(200).map(Result::unwrap));
    for entities in by_kind(entities) {
        let code = code(&entities);
        assert_eq!(reader::kind(&code.kind.file, &emit::kind(&code.kind)).as_ref(), Ok(&code.kind));
        let rows = read(&code, &code.text).unwrap_or_else(|errors| panic!("{}\n{errors:#?}", code.text));
        // The quick reader reads all that is written, and the two agree.
        let quick = reader::quick(&code.kind, "x_models", &code.text, &code.blobs);
        assert_eq!(quick.as_ref(), Some(&rows));
        assert_eq!(reader::thorough(&code.kind, "x_models", &code.text, &code.blobs).as_ref(), Ok(&rows));
        let read: Vec<_> = rows.iter().map(|row| &row.entity).collect();
        assert_eq!(read, entities.iter().collect::<Vec<_>>());
        let lines: Vec<_> = code.text.lines().collect();
        assert!(
            rows.iter().all(|row| lines[row.line - 1] == format!("pub fn row_{}() -> {} {{", row.number, code.kind.structure))
        );
    }
}

fn small() -> Code {
    let entity =
        |id: i64, text: &str| Entity::new(Key::root("Note", id), Properties::from([("text".to_owned(), text.into())])).unwrap();
    code(&[entity(1, "one"), entity(2, "two"), entity(3, "three")])
}

/// An edit of a value is an entity like any other; whatever else is changed is refused, and all errors are told at once.
#[test]
fn edits_within_the_grammar_are_read_and_others_refused() {
    let code = small();
    let edited = read(&code, &code.text.replace("\"two\"", "\"2\"")).unwrap();
    assert_eq!(edited[1].entity.properties["text"], "2".into());
    let without = code.text.replace("    (2, row_2),\n", "");
    let (before, rest) = without.split_once("\npub fn row_2").unwrap();
    let (_, after) = rest.split_once("\n}\n").unwrap();
    assert_eq!(read(&code, &format!("{before}{after}")).unwrap().len(), 2, "a deleted row");

    for (what, from, to) in [
        ("a call", "\"two\"", "steal()"),
        ("a block", "\"two\"", "{ \"two\" }"),
        ("a macro", "\"two\"", "env!(\"HOME\")"),
        ("an include", "\"two\"", "include_str!(\"/etc/passwd\")"),
        ("concatenation", "\"two\"", "concat!(\"t\", \"wo\")"),
        ("unsafe", "pub fn row_2", "pub unsafe fn row_2"),
        ("an attribute", "pub fn row_2", "#[inline]\npub fn row_2"),
        ("an inner attribute", "use gaebar", "#![feature(x)]\nuse gaebar"),
        ("another function", "pub fn row_2", "fn evil() {}\npub fn row_2"),
        ("a module elsewhere", "pub fn row_2", "#[path = \"/tmp/x.rs\"] mod x;\npub fn row_2"),
        ("a constant", "pub fn row_2", "const X: () = panic!();\npub fn row_2"),
        ("another import", "use x_models::Note;", "use x_models::Note;\nuse std::process::*;"),
        ("a comment", "\"two\"", "\"two\" /* what */"),
        ("a doc comment", "pub fn row_2", "/// doc\npub fn row_2"),
        ("another layout", "text: \"two\",", "text:  \"two\","),
        ("a missing table line", "    (2, row_2),\n", ""),
        ("a table line twice", "    (2, row_2),\n", "    (2, row_2),\n    (2, row_2),\n"),
        ("another number in the table", "(2, row_2)", "(7, row_2)"),
        ("an escape that is not ours", "\"two\"", "\"tw\\u{6f}\""),
        ("a raw string without need", "\"two\"", "r\"two\""),
        ("a C string", "\"two\"", "c\"two\""),
        ("a suffix", "\"two\"", "\"two\"suffix"),
        ("a field twice", "text: \"two\",", "text: \"two\",\n        text: \"two\","),
        ("an unknown field", "text: \"two\",", "test: \"two\","),
        ("no base", "text: \"two\",\n        ..Note::BASE", "text: \"two\""),
        ("another base", "text: \"two\",\n        ..Note::BASE", "text: \"two\",\n        ..Note::OTHER"),
        ("a row of another kind", "Key(\"Note/2\")", "Key(\"Mote/2\")"),
        ("another spelling of a key", "Key(\"Note/2\")", "Key(\"Note/02\")"),
        ("an incomplete key", "Key(\"Note/2\")", "Key(\"Note/?\")"),
        ("a key of another project", "Key(\"Note/2\")", "Key(\"{project=p}Note/2\")"),
        ("CRLF", "\n", "\r\n"),
        ("a BOM", "use gaebar", "\u{feff}use gaebar"),
        ("a shebang", "use gaebar", "#!/bin/sh\nuse gaebar"),
        ("a row number twice", "row_3", "row_2"),
        ("a statement", "    Note {\n        key: Key(\"Note/2\")", "    return Note {\n        key: Key(\"Note/2\")"),
        ("a parameter", "row_2()", "row_2(x: u8)"),
        ("a generic", "row_2()", "row_2<T>()"),
    ] {
        let changed = code.text.replace(from, to);
        assert_ne!(changed, code.text, "{what}: nothing was changed");
        let errors = read(&code, &changed).expect_err(what);
        assert!(errors.iter().all(|error| error.line > 0 && error.column > 0 && !error.problem.is_empty()), "{what}: {errors:?}");
    }

    let errors = read(&code, &code.text.replace("text: \"one\"", "text: 1").replace("text: \"three\"", "text: f()")).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].to_string().contains("expected string literal, found `1,`"), "{errors:?}");
}

#[test]
fn depth_is_an_error_and_no_overflow() {
    let code = small();
    for nest in ["(", "[", "{", "&[", "Value::Unindexed(&", "-", "&", "!", "\"", "/*", "'", "r#\""] {
        let text = code.text.replace("\"two\"", &nest.repeat(100_000));
        assert!(read(&code, &text).is_err(), "{nest}");
        let closed: String = nest
            .chars()
            .rev()
            .map(|c| match c {
                '(' => ')',
                '[' => ']',
                '{' => '}',
                c => c,
            })
            .collect();
        let text = code.text.replace("\"two\"", &format!("{}{}", nest.repeat(100_000), closed.repeat(100_000)));
        assert!(read(&code, &text).is_err(), "{nest}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is accepted is always what would be written: anything else about a text is an error, and never a panic.
    #[test]
    fn arbitrary_changes_are_refused_or_read_as_other_rows(at in any::<prop::sample::Index>(), with in "\\PC{0,4}|[\\x00-\\x20]|[a-z&\"(){}]{1,3}", length in 0_usize..6) {
        let code = small();
        let places: Vec<_> = code.text.char_indices().map(|(place, _)| place).collect();
        let start = places[at.index(places.len())];
        let end = code.text[start..].char_indices().map(|(place, _)| start + place).nth(length).unwrap_or(code.text.len());
        let changed = format!("{}{with}{}", &code.text[..start], &code.text[end..]);
        if let Ok(rows) = read(&code, &changed) {
            let again = emit::shard(&code.kind, "x_models", rows.iter().map(|row| (row.number, row.text.as_str())));
            prop_assert_eq!(again, changed);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let code = small();
        let _ = read(&code, &text);
        let _ = reader::kind("note", &text);
    }
}
