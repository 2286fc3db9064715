//! App Engine's own messages, as its third API declares them: `Reference` and `EntityProto`, which use groups.
//!
//! Whatever is in them has to be a field that they have, once where it can be only once, so that other bytes are not taken for one.

use crate::proto::Home;

/// What an `EntityProto` holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found<'a> {
    /// The databases that its key and its references name.
    pub(super) homes: Vec<Home>,
    /// Its texts and bytes.
    pub(super) strings: Vec<&'a [u8]>,
}

/// The database that a `Reference` names.
pub(super) fn reference(bytes: &[u8]) -> Option<Home> {
    let mut reference = Reference::default();
    let mut reader = Reader(bytes);
    while !reader.is_at_end() {
        match reader.field()? {
            Field { number: 14, wire: Wire::Bytes(path) } if !reference.has_path => {
                elements(path)?;
                reference.has_path = true;
            }
            field => reference.take(&field)?,
        }
    }
    reference.home().filter(|_| reference.has_path)
}

/// The database of an application and its database's id, if both look like that.
pub(super) fn home(app: &[u8], database: &[u8]) -> Option<Home> {
    let name = |bytes: &[u8], others: &[u8]| {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || others.contains(byte);
        Some(str::from_utf8(bytes).ok()?.to_owned()).filter(|name| name.len() <= 120 && name.bytes().all(|byte| is_plain(&byte)))
    };
    let app = name(app, b"-._:~")?;
    // `s~`, `e~` and the like say where an application runs.
    let project = app.split_once('~').map_or(app.as_str(), |(_, project)| project);
    let database = name(database, b"-()")?;
    let database = if database == "(default)" { String::new() } else { database };
    Some(Home { project: project.to_owned(), database }).filter(|home| !home.project.is_empty())
}

/// An `EntityProto`, if it names an application or holds texts or bytes.
pub(super) fn entity(bytes: &[u8]) -> Option<Found<'_>> {
    let mut found = Found::default();
    let mut reader = Reader(bytes);
    while !reader.is_at_end() {
        let Field { number, wire } = reader.field()?;
        match (number, wire) {
            // The key of an entity inside another may be incomplete, or say nothing at all.
            (13, Wire::Bytes(key)) => key_of_entity(key, &mut found)?,
            (14 | 15, Wire::Bytes(bytes)) => property(bytes, &mut found)?,
            // The group, the kind, the owner, and the rank.
            (16, Wire::Bytes(group)) => elements(group).or_else(|| group.is_empty().then_some(()))?,
            (4 | 18, Wire::Varint) | (5 | 17, Wire::Bytes(_)) => {}
            _ => return None,
        }
    }
    Some(found)
}

fn key_of_entity(bytes: &[u8], found: &mut Found) -> Option<()> {
    let mut reference = Reference::default();
    let mut reader = Reader(bytes);
    while !reader.is_at_end() {
        match reader.field()? {
            Field { number: 14, wire: Wire::Bytes(path) } => elements(path).or_else(|| path.is_empty().then_some(()))?,
            field => reference.take(&field)?,
        }
    }
    found.homes.extend(reference.home());
    Some(())
}

/// The fields of a `Reference` beside its path, which a `ReferenceValue` has, too.
#[derive(Default)]
struct Reference<'a> {
    app: Option<&'a [u8]>,
    namespace: Option<&'a [u8]>,
    database: Option<&'a [u8]>,
    has_path: bool,
}

impl<'a> Reference<'a> {
    fn take(&mut self, field: &Field<'a>) -> Option<()> {
        let Wire::Bytes(bytes) = field.wire else { return None };
        let place = match field.number {
            13 => &mut self.app,
            20 => &mut self.namespace,
            23 => &mut self.database,
            _ => return None,
        };
        str::from_utf8(bytes).ok()?;
        place.replace(bytes).is_none().then_some(())
    }

    fn home(&self) -> Option<Home> {
        home(self.app?, self.database.unwrap_or_default())
    }
}

/// A `Path`: one element at least, each a group of a kind and an id or a name.
fn elements(path: &[u8]) -> Option<()> {
    let mut reader = Reader(path);
    let mut any = None;
    while !reader.is_at_end() {
        match reader.field()? {
            Field { number: 1, wire: Wire::Start } => element(&mut reader, 1, [2, 3, 4])?,
            _ => return None,
        }
        any = Some(());
    }
    any
}

/// The rest of an element's group; `numbers` are those of the kind, the id and the name.
fn element(reader: &mut Reader, group: u64, numbers: [u64; 3]) -> Option<()> {
    let (mut has_kind, mut has_id) = (false, false);
    loop {
        match reader.field()? {
            Field { number, wire: Wire::End } if number == group => return has_kind.then_some(()),
            Field { number, wire: Wire::Bytes(kind) } if number == numbers[0] && !has_kind && !kind.is_empty() => {
                str::from_utf8(kind).ok()?;
                has_kind = true;
            }
            Field { number, wire: Wire::Varint } if number == numbers[1] && !has_id => has_id = true,
            Field { number, wire: Wire::Bytes(name) } if number == numbers[2] && !has_id => {
                str::from_utf8(name).ok()?;
                has_id = true;
            }
            _ => return None,
        }
    }
}

fn property<'a>(bytes: &'a [u8], found: &mut Found<'a>) -> Option<()> {
    let (mut has_name, mut has_value) = (false, false);
    let mut reader = Reader(bytes);
    while !reader.is_at_end() {
        let Field { number, wire } = reader.field()?;
        match (number, wire) {
            (3, Wire::Bytes(name)) if !has_name => {
                str::from_utf8(name).ok()?;
                has_name = true;
            }
            (5, Wire::Bytes(bytes)) if !has_value => {
                value(bytes, found)?;
                has_value = true;
            }
            // The meaning, whether there are several, and what search and derived properties say.
            (1 | 4 | 6 | 7 | 8 | 10 | 11, Wire::Varint) | (2 | 9, Wire::Bytes(_)) => {}
            _ => return None,
        }
    }
    (has_name && has_value).then_some(())
}

fn value<'a>(bytes: &'a [u8], found: &mut Found<'a>) -> Option<()> {
    let mut reader = Reader(bytes);
    while !reader.is_at_end() {
        let Field { number, wire } = reader.field()?;
        match (number, wire) {
            (1 | 2, Wire::Varint) | (4, Wire::Fixed64) => {}
            (3, Wire::Bytes(string)) => found.strings.push(string),
            (group @ (5 | 8), Wire::Start) => point_or_user(&mut reader, group)?,
            (12, Wire::Start) => reference_value(&mut reader, found)?,
            _ => return None,
        }
    }
    Some(())
}

fn point_or_user(reader: &mut Reader, group: u64) -> Option<()> {
    loop {
        match (group, reader.field()?) {
            (_, Field { number, wire: Wire::End }) if number == group => return Some(()),
            (5, Field { number: 6 | 7, wire: Wire::Fixed64 })
            | (8, Field { number: 9 | 10 | 11 | 18 | 19 | 21 | 22, wire: Wire::Bytes(_) | Wire::Varint }) => {}
            _ => return None,
        }
    }
}

fn reference_value(reader: &mut Reader, found: &mut Found) -> Option<()> {
    let mut reference = Reference::default();
    loop {
        match reader.field()? {
            Field { number: 12, wire: Wire::End } => {
                found.homes.extend(reference.home());
                return Some(());
            }
            Field { number: 14, wire: Wire::Start } => element(reader, 14, [15, 16, 17])?,
            field => reference.take(&field)?,
        }
    }
}

/// A field of a message, or one end of a group.
struct Field<'a> {
    number: u64,
    wire: Wire<'a>,
}

/// What stands on the wire. What numbers are does not matter here.
enum Wire<'a> {
    Varint,
    Fixed64,
    Bytes(&'a [u8]),
    Start,
    End,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next field.
    fn field(&mut self) -> Option<Field<'a>> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => {
                self.varint()?;
                Wire::Varint
            }
            1 => {
                self.take(8)?;
                Wire::Fixed64
            }
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            3 => Wire::Start,
            4 => Wire::End,
            _ => return None,
        };
        Some(Field { number: tag >> 3, wire })
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
}
