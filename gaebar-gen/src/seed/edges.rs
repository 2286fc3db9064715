//! What the suite of 2008 never covered: names, numbers, times, texts and nestings at the edge of what is allowed.

use gaebar_runtime::model::{Data, Embedded, Entity, Id, Key, PathElement, Value};

use super::dice::Dice;
use super::{Draft, SeedError, geo, key, list, null, text, time};

/// The entities.
pub(super) fn edges() -> Result<Vec<Entity>, SeedError> {
    let mut entities = lookalikes()?;
    entities.extend(names()?);
    entities.extend(references()?);
    entities.extend(namespaces()?);
    entities.extend(documents()?);
    entities.push(attachment()?);
    entities.push(arrays()?);
    entities.push(nesting()?);
    entities.push(numbers()?);
    entities.push(moments()?);
    entities.push(Draft::new().entity(key("Nothing/1")?)?);
    Ok(entities)
}

/// Names that could be taken for the id of `Profile/2`. One has no `in_relationship_with`, one a null.
fn lookalikes() -> Result<Vec<Entity>, SeedError> {
    Ok(vec![
        Draft::new()
            .set("friends", Vec::<Value>::new())
            .set("full_name", "Not Aral")
            .set("joined", time("2009-01-01T00:00:00Z")?)
            .entity(key("Profile/'2'")?)?,
        Draft::new()
            .set("friends", list([key("Profile/'2'")?, key("Profile/2")?]))
            .set("full_name", "Not Aral Either")
            .set("in_relationship_with", null())
            .set("joined", time("2009-01-02T00:00:00Z")?)
            .entity(key("Profile/'id2'")?)?,
    ])
}

/// Kinds, key names and property names that are no identifiers, or are Rust's own words.
fn names() -> Result<Vec<Entity>, SeedError> {
    Ok(vec![
        Draft::new().set("größe", 178_i64).set("名前", "ゾーイ").entity(Key::root("Straße", "Zoë"))?,
        Draft::new()
            .set("said", "It's \"twelve\" o'clock \\ 'sharp'")
            .set("it's", true)
            .entity(Key::root("o'clock", "the \"twelfth\" o'clock / 'noon'"))?,
        Draft::new().set("mood", "🙂🙃").set("🎈", 99_i64).entity(Key::root("🦀 Crab", "🦀/🦞"))?,
        Draft::new()
            .set("fn", "fn")
            .set("self", "self")
            .set("Self", "Self")
            .set("key", "no key")
            .set("other", "no list")
            .set("a b", 1_i64)
            .set("a_b", 2_i64)
            .set("a-b", 3_i64)
            .set("2nd", "second")
            .entity(Key::root("type", "crate::super"))?,
        // The same file name where case is ignored.
        Draft::new().set("case", "upper").entity(Key::root("Type", 1))?,
        Draft::new().set("what", "no path").entity(Key::root("../up", "../../etc"))?,
    ])
}

/// To what is not there, and from a child to a parent that comes after it.
fn references() -> Result<Vec<Entity>, SeedError> {
    Ok(vec![
        Draft::new()
            .set("to", key("Profile/404")?)
            .set("copies_to", list([key("Profile/1")?, key("Gone/'forever'/Profile/404")?]))
            .set("text", "Return to sender")
            .entity(key("Letter/1")?)?,
        Draft::new().set("colour", "green").set("tree", key("Tree/'oak'")?).entity(key("Tree/'oak'/Leaf/1")?)?,
        Draft::new().set("height_m", 21.5).set("first_leaf", key("Tree/'oak'/Leaf/1")?).entity(key("Tree/'oak'")?)?,
        // Ids as today's servers give them out, and the largest there is.
        Draft::new().set("colour", "red").entity(key("Tree/5629499534213120/Leaf/9223372036854775807")?)?,
    ])
}

/// `Profile/2` once more, of another tenant, with keys of both namespaces.
fn namespaces() -> Result<Vec<Entity>, SeedError> {
    Ok(vec![
        Draft::new()
            .set("friends", list([key("{tenant-a}Profile/3")?, key("Profile/2")?]))
            .set("full_name", "The Other Aral")
            .set("in_relationship_with", key("{tenant-a}Profile/3")?)
            .set("joined", time("2012-02-29T12:00:00Z")?)
            .entity(key("{tenant-a}Profile/2")?)?,
    ])
}

/// Texts that are awkward as source code.
fn documents() -> Result<Vec<Entity>, SeedError> {
    let poem = "The backup was written at dawn,\n\
                and every last row was redrawn;\n\
                \n    four spaces, then text,\n\
                no newline comes next";
    let source = "fn main() {\n    println!(\"{}\", r#\"raw \"text\" \\ here\"#);\n}\n\
                  pub fn row_7() -> Profile {\n    unreachable!()\n}\n// */ \"## {{ }} ${x} \"\n";
    let controls = "nul \0, bell \u{7}, tab \t, escape \u{1b}[31mred\u{1b}[0m, delete \u{7f}, next line \u{85}\n\
                    carriage return \r, Windows line end \r\nline separator \u{2028}, paragraph separator \u{2029}\n\
                    right-to-left \u{202e}desrever\u{202c}, isolate \u{2066}inside\u{2069}, zero width \u{200b}, joiner \u{200d}\n\
                    byte order mark \u{feff}, no character \u{fffe} \u{ffff}, last \u{10ffff}, soft hyphen \u{ad}, tag \u{e0041}";
    let document =
        |id: i64, title: &str, body: Value| Draft::new().set("title", title).set("body", body).entity(Key::root("Document", id));
    Ok(vec![
        document(1, "Several lines", text(poem))?,
        document(2, "Source code", text(source))?,
        document(3, "Control and bidi characters", text(controls))?,
        document(4, "Windows line ends", text("first\r\nsecond\r\n"))?,
        document(5, "One long line", text("All on one line, without a single newline. ".repeat(60)))?,
        document(6, "Only newlines \u{202e}and a turn\u{202c}", text("\n\n\n"))?,
        document(7, "", text(""))?,
        // e with an accent as one character and as two: nobody may normalise either.
        document(8, "caf\u{e9} or cafe\u{301}", text("\u{1e9b}\u{323} \u{212b} \u{fb01}"))?,
        // Of the same kind, and indexed.
        document(9, "A short body", "in the index".into())?,
    ])
}

/// More bytes than anyone wants to read.
fn attachment() -> Result<Entity, SeedError> {
    let bytes = Dice::new(10, 240).bytes(10_240);
    Draft::new()
        .set("content", Value::from(bytes).unindexed())
        .set("empty", Vec::<u8>::new())
        .set("every_byte", Value::from((0..=u8::MAX).collect::<Vec<u8>>()))
        .set("file_name", "noise.bin")
        .entity(key("Attachment/1")?)
}

/// Arrays of one item, of unindexed items, and of both sorts. Indexed items come first: the Datastore emulator would
/// put them there.
fn arrays() -> Result<Entity, SeedError> {
    let line = |what: &str, count: i64| Draft::new().set("count", count).set("what", what).embedded();
    Draft::new()
        .set("embedded", list([line("apples", 3), line("pears", 0).unindexed()]))
        .set(
            "half_indexed",
            list([Value::from("in"), 1_i64.into(), Value::from("out").unindexed(), Value::from(2_i64).unindexed()]),
        )
        .set("meanings", list([Value::from("a@example.com").meaning(8), Value::from("http://example.com/").meaning(2)]))
        .set("nulls", list([null(), null()]))
        .set("one", list([1_i64]))
        .set("unindexed", list([Value::from(1_i64).unindexed(), Value::from("two").unindexed(), null().unindexed()]))
        .entity(key("Arrays/1")?)
}

/// Embedded entities with a key, with a key that has no id yet, empty, and twenty deep.
fn nesting() -> Result<Entity, SeedError> {
    let embedded = |key: Option<Key>, draft: Draft| Value::from(Embedded { key, properties: draft.0 });
    let mut deep = Draft::new().set("bottom", key("Profile/2")?).embedded();
    for level in (1..20_i64).rev() {
        deep = Draft::new().set("inside", deep).set("level", level).embedded();
    }
    let point = Draft::new().set("at", geo(90.0, -180.0)).set("opposite", geo(-90.0, 180.0)).set("null_island", geo(0.0, 0.0));
    let new_child = Key::root("Profile", 2).in_namespace("tenant-a");
    let path = [new_child.path(), &[PathElement { kind: "Draft".to_owned(), id: Id::Unset }]].concat();
    let incomplete = Key::new(new_child.database().clone(), new_child.namespace().to_owned(), path)?;
    Draft::new()
        .set("deep", deep)
        .set("empty", Draft::new().embedded())
        .set("incomplete", embedded(Some(incomplete), Draft::new().set("name", "no id yet")))
        .set("keyed", embedded(Some(key("Profile/2/Address/'home'")?), Draft::new().set("street", "1 Sample Street")))
        .set("list_inside", Draft::new().set("items", list([1_i64, 2])).embedded())
        .set("points", point.embedded())
        .set("unindexed", Draft::new().set("a", Value::from(1_i64).unindexed()).embedded().unindexed())
        .entity(key("Nesting/1")?)
}

fn numbers() -> Result<Entity, SeedError> {
    Draft::new()
        .set("doubles", list([f64::NAN, f64::NEG_INFINITY, -0.0, 0.0, f64::from_bits(1), 0.1]))
        .set("half", Value::from(0.5).unindexed())
        .set("infinity", f64::INFINITY)
        .set("integers", list([i64::MIN, -1, 0, 1, i64::MAX]))
        .set("largest_double", f64::MAX)
        .set("largest_integer", i64::MAX)
        .set("largest_subnormal", f64::from_bits(0x000f_ffff_ffff_ffff))
        .set("minus_infinity", f64::NEG_INFINITY)
        .set("minus_zero", -0.0)
        // The one that both emulators keep.
        .set("nan", f64::NAN)
        .set("past_exact_integers", 9_007_199_254_740_993_i64)
        .set("smallest_integer", i64::MIN)
        .set("smallest_subnormal", f64::from_bits(1))
        .set("third", 1.0 / 3.0)
        .set("whole_double", 1e21)
        .set("zero", 0.0)
        .entity(key("Numbers/1")?)
}

/// To the microsecond: emulators cut off the rest.
fn moments() -> Result<Entity, SeedError> {
    Draft::new()
        .set("before_1970", time("1969-12-31T23:59:59.999999Z")?)
        .set("epoch", time("1970-01-01T00:00:00Z")?)
        .set("first", time("0001-01-01T00:00:00Z")?)
        .set("just_after_first", time("0001-01-01T00:00:00.000001Z")?)
        .set("last", time("9999-12-31T23:59:59.999999Z")?)
        .set("leap_day", Value::from(time("2000-02-29T23:59:59.500Z")?).unindexed())
        .set("list", list([time("1582-10-15T00:00:00Z")?, time("2038-01-19T03:14:08Z")?]))
        .set("two", Data::Array(vec![time("2008-12-20T10:00:00.000100Z")?.into(), null()]))
        .entity(key("Moments/1")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_and_the_names_like_it_stay_apart() {
        let keys: Vec<_> = edges().unwrap().iter().map(|entity| entity.key().to_string()).collect();
        for key in ["Profile/'2'", "Profile/'id2'", "{tenant-a}Profile/2", "'Straße'/'Zoë'"] {
            assert!(keys.iter().any(|other| other == key), "{key} is missing");
        }
    }

    #[test]
    fn a_large_blob_and_an_empty_entity_are_there() {
        let entities = edges().unwrap();
        assert!(entities.iter().any(|entity| entity.properties.is_empty()));
        let large = |value: &Value| matches!(&value.data, Data::Blob(bytes) if bytes.len() > 10_000);
        assert!(entities.iter().any(|entity| entity.properties.values().any(large)));
    }
}
