//! The functional suite: every type of App Engine's `db` API as Cloud Datastore holds it, references, an Expando
//! and ancestors, as the Gaebar of 2008 tested them; then, from [`edges`], what it never covered.

use gaebar_runtime::model::{Data, Entity, Value};

use super::{Draft, SeedError, edges, geo, key, list, null, text, time, user};

/// What App Engine's `ndb` wrote for a compressed text: a zlib stream of "Elastic text, folded small: stretch, … snap."
const COMPRESSED: &[u8] =
    b"x\xdas\xcdI,.\xc9LV(I\xad(\xd1QH\xcb\xcfIIMQ(\xceM\xcc\xc9\xb1R(.)J-I\xce\xd0\xa1\x0b#/\xb1@\x0f\x00F\xd23D";

/// The entities of the functional suite. A child comes before its parent once, on purpose.
pub fn suite() -> Result<Vec<Entity>, SeedError> {
    let mut entities = profiles()?;
    entities.extend(accounts()?);
    entities.push(all_other_types()?);
    entities.push(plastic_man()?);
    entities.extend(family()?);
    entities.push(second_application()?);
    entities.extend(edges::edges()?);
    Ok(entities)
}

/// One with a key name, two with ids. `in_relationship_with` refers to the kind itself, in `Profile/1` to the entity
/// itself.
fn profiles() -> Result<Vec<Entity>, SeedError> {
    Ok(vec![
        Draft::new()
            .set("friends", list([key("Profile/2")?]))
            .set("full_name", "Stephanie")
            .set("in_relationship_with", key("Profile/2")?)
            .set("joined", time("2008-12-20T09:30:00Z")?)
            .entity(key("Profile/'stephalicious'")?)?,
        Draft::new()
            .set("friends", list([key("Profile/2")?, key("Profile/'stephalicious'")?]))
            .set("full_name", "Narcissus of Thespiae")
            .set("in_relationship_with", key("Profile/1")?)
            .set("joined", time("2008-12-19T23:59:59.999999Z")?)
            .entity(key("Profile/1")?)?,
        Draft::new()
            .set("friends", list([key("Profile/'stephalicious'")?, key("Profile/1")?]))
            .set("full_name", "Aral Balkan")
            .set("in_relationship_with", key("Profile/'stephalicious'")?)
            .set("joined", time("2008-12-20T10:00:00.123456Z")?)
            .entity(key("Profile/2")?)?,
    ])
}

/// A user value, and a reference that every row has.
fn accounts() -> Result<Vec<Entity>, SeedError> {
    Ok(vec![
        Draft::new()
            .set("profile", key("Profile/'stephalicious'")?)
            .set("user", user("stephanie@example.com", "101481234567890123456"))
            .entity(key("GoogleAccount/1")?)?,
        Draft::new()
            .set("profile", key("Profile/2")?)
            .set("user", user("aral@example.com", "101487654321098765432"))
            .entity(key("GoogleAccount/2")?)?,
    ])
}

/// One property a type of the `db` API, named after it.
fn all_other_types() -> Result<Entity, SeedError> {
    Draft::new()
        .set("blob", Value::from(b"\x00\x01\x7f\x80\xff and some text".to_vec()).unindexed())
        .set("blob_key", Value::from("AMIfv95sample-blob-key_0123456789").meaning(17))
        .set("boolean", true)
        // Indexed, the emulators drop its meaning.
        .set("byte_string", Value::from(b"short \xf0\x0f bytes".to_vec()).meaning(16).unindexed())
        .set("category", Value::from("travel").meaning(1))
        .set("compressed", Value::from(COMPRESSED.to_vec()).meaning(22).unindexed())
        .set("date", time("2008-12-20T00:00:00Z")?)
        .set("datetime", time("2008-12-20T10:00:00.654321Z")?)
        .set("email", Value::from("someone@example.com").meaning(8))
        .set("empty_list", Vec::<Value>::new())
        .set("float", 3.25)
        // Without its meaning 23, which Firestore refuses.
        .set("geo_point", geo(50.8225, -0.1372))
        .set("im", Value::from("xmpp someone@chat.example.com").meaning(10))
        .set("integer", 42_i64)
        .set("key_list", list([key("Profile/1")?, key("Profile/'stephalicious'")?, key("GrandFather/1/Father/1/Child/1")?]))
        .set("link", Value::from("http://example.com/a?b=c&d=%20#e").meaning(2))
        .set("list", list([Value::from(7_i64), "seven".into(), 7.5.into(), true.into(), time("2007-07-07T07:07:07Z")?.into()]))
        .set("null", null())
        .set("phone_number", Value::from("+44 1273 496 0123").meaning(11))
        .set("postal_address", Value::from("1 Sample Street, Brighton BN1 0AA, United Kingdom").meaning(12))
        .set("rating", Value::from(97_i64).meaning(13))
        .set("reference", key("Profile/2")?)
        .set("string", "A string of at most 1,500 bytes.")
        .set("string_list", list(["one", "two", "two", "three"]))
        .set("text", text(long_text()))
        .set("text_list", list([text("A first text."), text("A second one,\nof two lines."), text("")]))
        .set("time", time("1970-01-01T10:00:00.654321Z")?)
        .set("user", user("someone@example.com", "101480000000000000001"))
        .entity(key("AllOtherTypes/1")?)
}

/// More than an indexed string may hold.
fn long_text() -> String {
    let lines = (1..=40).map(|number| format!("Line {number} of a text that is too long for an index.\n"));
    lines.collect()
}

/// An Expando: no two of its properties were ever declared. Keys stand at every depth of it.
fn plastic_man() -> Result<Entity, SeedError> {
    let shape = Draft::new()
        .set("name", "a kite")
        .set("seen_by", key("Profile/1")?)
        .set("witnesses", list([key("Profile/2")?, key("Profile/'stephalicious'")?]));
    Draft::new()
        .set("best_friend", key("Profile/'stephalicious'")?)
        .set("elasticity", 0.98)
        .set("friends", list([key("Profile/1")?, key("Profile/2")?]))
        .set("goggles", true)
        .set("hideouts", list([geo(51.5007, -0.1246), geo(-33.8568, 151.2153)]))
        .set("last_shape", shape.embedded())
        .set("length_cm", 188_i64)
        .set("mixed", list([Data::from(key("Profile/2")?), "a string".into(), 3_i64.into(), Data::Null]))
        .set("motto", "Bend, never break")
        .set("weakness", null())
        .entity(key("PlasticMan/1")?)
}

fn family() -> Result<Vec<Entity>, SeedError> {
    let member = |path: &str, name: &str| Draft::new().set("name", name).entity(key(path)?);
    Ok(vec![
        member("GrandFather/1", "Augustus")?,
        member("GrandFather/1/Father/1", "Bertram")?,
        member("GrandFather/1/Father/1/Child/1", "Cecily")?,
    ])
}

/// The kind of another application that lives in the same datastore.
fn second_application() -> Result<Entity, SeedError> {
    Draft::new()
        .set("name", "A thing of the second application")
        .set("owner", key("Profile/2")?)
        .set("sibling", key("app2_Thing/'another'")?)
        .entity(key("app2_Thing/1")?)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::tests::assert_storable;
    use super::*;

    #[test]
    fn both_emulators_can_hold_it() {
        for entity in suite().unwrap() {
            assert_storable(&entity);
        }
    }

    #[test]
    fn the_original_suite_is_all_there() {
        let entities = suite().unwrap();
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for entity in &entities {
            *kinds.entry(entity.kind()).or_default() += 1;
        }
        for (kind, count) in
            [("GoogleAccount", 2), ("AllOtherTypes", 1), ("PlasticMan", 1), ("GrandFather", 1), ("Father", 1), ("Child", 1)]
        {
            assert_eq!(kinds.get(kind), Some(&count), "{kind}");
        }
        assert!(kinds.keys().any(|kind| kind.starts_with("app2")));

        let all = entities.iter().find(|entity| entity.kind() == "AllOtherTypes").unwrap();
        let meanings: BTreeSet<_> = all.properties.values().map(|value| value.meaning).collect();
        assert_eq!(meanings, BTreeSet::from([0, 1, 2, 8, 10, 11, 12, 13, 15, 16, 17, 20, 22]));
    }

    #[test]
    fn keys_are_unique_and_one_child_comes_first() {
        let entities = suite().unwrap();
        let keys: Vec<_> = entities.iter().map(|entity| entity.key().to_string()).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        let place = |text: &str| keys.iter().position(|key| key == text).unwrap();
        assert!(place("Tree/'oak'/Leaf/1") < place("Tree/'oak'"));
    }
}
