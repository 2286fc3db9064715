//! App Engine keys that stand inside texts and bytes, where restoring can't make them keys of the target.
//!
//! | form | written by |
//! |---|---|
//! | a `Reference`, as base64 for URLs | `key.urlsafe()` of ndb, `str(key)` of db, `KeyFactory.keyToString`, `to_legacy_urlsafe` |
//! | a `Reference` as bytes | `key.serialized()` |
//! | an `EntityProto`, maybe compressed | `LocalStructuredProperty` of ndb on Python 2 |
//! | a `google.datastore.v1.Entity`, maybe compressed | the same on Python 3 |
//!
//! Each of them has to parse to its last byte and to name an application, so that ordinary text and images are taken for none. A key in
//! base64 may stand within a longer text, such as JSON. Other formats, such as pickles, are not looked into.

mod inflate;
mod legacy;
mod token;

use googleapis_tonic_google_datastore_v1::google::datastore::v1 as pb;
use prost::Message as _;

use crate::model::{Data, Embedded, Entity, Id, Key, Properties, Value};
use crate::proto::{Home, written};

/// Entities as bytes inside entities as bytes, at most.
const DEEPEST: usize = 4;
/// The most bytes that compressed ones are inflated to.
const MOST_INFLATED: usize = 4 << 20;

/// Calls `each` for each hidden key of an entity, with the property that it stands in (none for the entity's own key) and the database
/// that it names.
pub(super) fn find<'a>(entity: &'a Entity, each: &mut dyn FnMut(Option<&'a str>, Home)) {
    names(entity.key(), &mut |home| each(None, home));
    for (name, value) in &entity.properties {
        in_value(value, &mut |home| each(Some(name), home));
    }
}

/// What hears of the databases that are named.
type Each<'a> = dyn FnMut(Home) + 'a;

fn in_value(value: &Value, each: &mut Each) {
    match &value.data {
        Data::String(text) => in_text(text.as_bytes(), each),
        Data::Blob(bytes) => in_bytes(bytes, 0, each),
        Data::Key(key) => names(key, each),
        Data::Array(items) => items.iter().for_each(|item| in_value(item, each)),
        Data::Entity(Embedded { key, properties }) => {
            if let Some(key) = key {
                names(key, each);
            }
            in_properties(properties, each);
        }
        _ => {}
    }
}

fn in_properties(properties: &Properties, each: &mut Each) {
    for value in properties.values() {
        in_value(value, each);
    }
}

/// The names of a key's path.
fn names(key: &Key, each: &mut Each) {
    for element in key.path() {
        if let Id::Name(name) = &element.id {
            in_text(name.as_bytes(), each);
        }
    }
}

fn in_text(text: &[u8], each: &mut Each) {
    for token in token::candidates(text) {
        if let Some(home) = token::decode(token).as_deref().and_then(legacy::reference) {
            each(home);
        }
    }
}

fn in_bytes(bytes: &[u8], depth: usize, each: &mut Each) {
    in_messages(bytes, depth, each);
    in_text(bytes, each);
}

/// Keys of messages, and of what they hold that is no plain text: that has been looked through as a part of the whole.
fn in_messages(bytes: &[u8], depth: usize, each: &mut Each) {
    if depth >= DEEPEST {
        return;
    }
    match bytes {
        [0x78, ..] => {
            if let Some(inflated) = inflate::zlib(bytes, MOST_INFLATED) {
                in_bytes(&inflated, depth + 1, each);
            }
        }
        // The first fields that a `google.datastore.v1.Entity` can have: its key, its properties.
        [0x0a | 0x1a, ..] => {
            // What has fields that such a message does not have gets shorter on the way.
            if let Some(entity) = written::Entity::decode(bytes).ok().filter(|entity| entity.encoded_len() == bytes.len()) {
                in_entity(&entity, depth, each);
            }
        }
        _ => {
            if let Some(home) = legacy::reference(bytes) {
                each(home);
            } else if let Some(legacy::Found { homes, strings }) = legacy::entity(bytes) {
                homes.into_iter().for_each(&mut *each);
                for string in strings {
                    in_messages(string, depth + 1, each);
                }
            }
        }
    }
}

fn in_entity(entity: &written::Entity, depth: usize, each: &mut Each) {
    entity.key.iter().for_each(|key| in_key(key, each));
    entity.properties.values().for_each(|value| in_message_value(value, depth, each));
}

fn in_key(key: &pb::Key, each: &mut Each) {
    if let Some(pb::PartitionId { project_id, database_id, .. }) = &key.partition_id
        && let Some(home) = legacy::home(project_id.as_bytes(), database_id.as_bytes())
    {
        each(home);
    }
}

fn in_message_value(value: &written::Value, depth: usize, each: &mut Each) {
    use written::ValueType;
    match &value.value_type {
        Some(ValueType::Key(key)) => in_key(key, each),
        Some(ValueType::Blob(bytes)) => in_messages(bytes, depth + 1, each),
        Some(ValueType::Entity(entity)) => in_entity(entity, depth, each),
        Some(ValueType::Array(array)) => array.values.iter().for_each(|value| in_message_value(value, depth, each)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Written by ndb and db of App Engine, in the application `s~prod`.
    const URLSAFE: &str = "agZzfnByb2RyGQsSB0FjY291bnQYBwwLEgVPcmRlciIBeAw";
    const IN_NAMESPACE: &str = "agZzfnByb2RyFAsSB0FjY291bnQiB2dyw7bDn2UMogEGdGVuYW50";
    const OF_DB: &str = "agZzfnByb2RyBwsSAUEYAQw";
    /// `Key('Account', 7).urlsafe()` of Google's ndb for Python 3, in the project `prod`.
    const WITHOUT_PREFIX: &str = "agRwcm9kcg0LEgdBY2NvdW50GAcM";
    const SERIALIZED: &str = "6a06737e70726f6472190b12074163636f756e7418070c0b12054f726465722201780c";
    /// An entity with a point, a user, a reference, and `URLSAFE` in a text.
    const PLAIN: &str = "721308071a02617420002a09088080e98f8ce1e60272111a02666c20002a0921000000000000f83f720d1a046e616d6520002a031a016e\
         721e08091a02707420002a142b31000000000000f03f3900000000000000c02c720d1a047461677320012a031a0161720d1a0474616773\
         20012a031a0162722f1a02757320002a27434a0d61406578616d706c652e636f6d520b6578616d706c652e636f6d9001009a0103313233\
         44722e1a0377686f20002a25636a06737e70726f64737a074163636f756e7480010774737a054f726465728a01017874647a10080e1a04\
         6465657020002a041a0200017a41080f1a047465787420002a351a337365652061675a7a666e427962325279475173534230466a593239\
         31626e51594277774c45675650636d526c63694942654177";
    /// The same, compressed.
    const COMPRESSED: &str = "789c2b12e66097624a2c5160d0e2e4686878d9dff3f0195391a014535a0e484891010c7ed817f14ab1e425e6a6020599a518f38ae43838\
         a5980a40da44b40d218a3ed85b42180c077440ca4b12d38b151841ca1351b94945fa524ca5c540bdeace5ebc890ea91589b90539a97ac9\
         f9b941dc489c098c0cb318990d8d8c5d8af4a498cb33f2813a5493b3d88aeb0a8af2538aabd81d9393f34bf34a1a18d94b8aab58fd8b52\
         528bba18192b4a52aa0438f8a4585252530b805a58a4981818ab1c39f8816e48ad0039d954cab838355521313daa2a2dcfa932c928a8d2\
         3db038d8c9c02d2bd2c8d230292f30d2a9bcdcc7353d2c203937282739d3d329d5b11c00a5094d8b";
    /// An entity with a key of its own, and nothing else that names the application.
    const KEYED: &str = "6a156a06737e70726f64720b0b1205496e6e657218050c72081a02617420002a0072081a02666c20002a0072101a046e616d6520002a06\
         1a046f6e6c7972081a02707420002a0072081a02757320002a0072091a0377686f20002a007a0a1a046465657020002a007a0a1a047465\
         787420002a0082010b0b1205496e6e657218050c";
    /// An entity without a key and without a reference.
    const NONE: &str = "72081a02617420002a0072081a02666c20002a0072131a046e616d6520002a091a076e6f207265667372081a02707420002a0072081a02\
         757320002a0072091a0377686f20002a007a0a1a046465657020002a007a0a1a047465787420002a00";

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |digit: &u8| u8::try_from(char::from(*digit).to_digit(16).unwrap()).unwrap();
        hex.as_bytes().chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
    }

    /// The projects and databases that are named in a value.
    fn named(value: impl Into<Value>) -> Vec<String> {
        let mut named = Vec::new();
        in_value(&value.into(), &mut |Home { project, database }| named.push(format!("{project}/{database}")));
        named
    }

    #[test]
    fn keys_are_found_in_every_form_that_they_are_written_in() {
        let one = ["prod/"];
        for text in [URLSAFE, IN_NAMESPACE, OF_DB, WITHOUT_PREFIX] {
            for text in
                [text.to_owned(), format!("{{\"k\":\"{text}\"}}"), format!("https://x.example/{text}?a=b"), format!("of_{text}")]
            {
                assert_eq!(named(text.as_str()), one, "{text}");
                assert_eq!(named(text.clone().into_bytes()), one, "{text}");
                assert_eq!(named(Key::root("Index", text.as_str())), one, "{text}");
                let inside = Embedded { key: None, properties: [("p".to_owned(), vec![Value::from(text)].into())].into() };
                assert_eq!(named(inside), one);
            }
        }
        assert_eq!(named(bytes(SERIALIZED)), one);
        assert_eq!(named(bytes(KEYED)), one);
        assert_eq!(named(bytes(PLAIN)), ["prod/", "prod/"]);
        assert_eq!(named(bytes(COMPRESSED)), ["prod/", "prod/"]);
        assert_eq!(named([URLSAFE, " and ", OF_DB].concat()), ["prod/", "prod/"]);
        // Within an application whose id has a domain, and within a named database.
        let path = "720d0b12074163636f756e7418070c";
        assert_eq!(named(bytes(&format!("6a11737e6578616d706c652e636f6d3a617070{path}"))), ["example.com:app/"]);
        assert_eq!(named(bytes(&format!("6a06737e70726f64{path}ba01026462"))), ["prod/db"]);
    }

    #[test]
    fn keys_are_found_in_entities_as_bytes_of_todays_interface() {
        let prod = Home { project: "prod".to_owned(), database: String::new() };
        let point = Data::GeoPoint(crate::model::GeoPoint::new(-0.0, 0.0));
        let properties = [("who".to_owned(), Key::root("Account", 7).into()), ("at".to_owned(), point.into())];
        let entity = Entity::new(Key::root("Inner", 1), properties.into()).unwrap();
        let bytes = prod.entity_to_proto(&entity).encode_to_vec();
        assert_eq!(named(bytes.clone()), ["prod/", "prod/"]);
        // An entity without a project is at home wherever it is.
        assert_eq!(named(crate::proto::encode(&entity)), [""; 0]);
        assert_eq!(named(bytes[..bytes.len() - 1].to_vec()), [""; 0]);
    }

    #[test]
    fn nothing_else_is_taken_for_a_key() {
        let prose =
            "Again and again, ahead-of-time agendas a_god_of_all_things aggravate all-knowing agents; jk lol \n".repeat(50);
        let many: Vec<u8> = (0_u32..200_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let base64: String =
            many.iter().map(|byte| char::from(b"abcdefghijklmnopqrstuvwxyz-_0123"[usize::from(byte % 32)])).collect();
        for none in
            [prose.clone().into_bytes(), many.clone(), base64.into_bytes(), bytes(NONE), Vec::new(), vec![0x6a], vec![0x78, 0x9c]]
        {
            assert_eq!(named(none), [""; 0]);
        }
        assert_eq!(named(prose), [""; 0]);
        // Whatever is missing or damaged makes it something else.
        let whole = bytes(SERIALIZED);
        for end in 0..whole.len() {
            assert_eq!(named(whole[..end].to_vec()), [""; 0], "{end}");
        }
        for more in [&[0_u8][..], b" ", &[0x08, 0x01], &whole] {
            assert_eq!(named([&whole, more].concat()), [""; 0]);
        }
        for end in 0..URLSAFE.len() {
            assert_eq!(named(&URLSAFE[..end]), [""; 0], "{end}");
        }
        for form in [PLAIN, COMPRESSED, KEYED] {
            let whole = bytes(form);
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] = !damaged[at];
                let _ = named(damaged);
            }
        }
    }
}
