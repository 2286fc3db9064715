//! Keys as bytes that sort as Datastore sorts keys: by namespace, then path; ids before names, ancestors
//! before descendants, texts by their UTF-8 bytes.
//!
//! A text is its bytes, each 0 written `00 ff`, then `00 01`. A numeric id is `01` and its eight bytes, big-endian
//! with the sign bit flipped; a name is `02` and its text. So no key's bytes are a prefix of a sibling's, and an
//! ancestor's bytes are a prefix of its descendants'.

use thiserror::Error;

use super::{Database, Id, Key, KeyError, PathElement};

const NUMBER: u8 = 1;
const NAME: u8 = 2;

/// Why bytes are no key, or a key has no place in the order.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OrderError {
    /// The bytes are cut short, or were never written by [`order_key`].
    #[error("the key's bytes are damaged at byte {0}")]
    Damaged(usize),
    /// The parts make no key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The bytes of a complete key of the store's own database. The namespace comes first.
pub fn order_key(key: &Key) -> Vec<u8> {
    let mut out = order_namespace(key.namespace());
    push_path(&mut out, key.path());
    out
}

/// The bytes that the keys of a namespace begin with; those of the path follow.
pub fn order_namespace(namespace: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    push_text(&mut out, namespace);
    out
}

/// The bytes of a key's path alone.
pub fn order_path(path: &[PathElement]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    push_path(&mut out, path);
    out
}

/// The key that [`order_key`] wrote.
pub fn parse_order_key(bytes: &[u8]) -> Result<Key, OrderError> {
    let mut cursor = Cursor { bytes, at: 0 };
    let namespace = cursor.text()?;
    Ok(Key::new(Database::Own, namespace, cursor.path()?)?)
}

/// The path that [`order_path`] wrote.
pub fn parse_order_path(bytes: &[u8]) -> Result<Vec<PathElement>, OrderError> {
    Cursor { bytes, at: 0 }.path()
}

fn push_path(out: &mut Vec<u8>, path: &[PathElement]) {
    for PathElement { kind, id } in path {
        push_text(out, kind);
        match id {
            // An incomplete key has no place among entities; it sorts before all of its kind.
            Id::Unset => {}
            Id::Number(number) => {
                out.push(NUMBER);
                out.extend_from_slice(&(number.cast_unsigned() ^ (1 << 63)).to_be_bytes());
            }
            Id::Name(name) => {
                out.push(NAME);
                push_text(out, name);
            }
        }
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    for (i, part) in text.as_bytes().split(|byte| *byte == 0).enumerate() {
        if i > 0 {
            out.extend_from_slice(&[0, 0xff]);
        }
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&[0, 1]);
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn path(&mut self) -> Result<Vec<PathElement>, OrderError> {
        let mut path = Vec::new();
        while self.at < self.bytes.len() {
            let kind = self.text()?;
            let id = match self.byte()? {
                NUMBER => {
                    let mut number = [0; 8];
                    for byte in &mut number {
                        *byte = self.byte()?;
                    }
                    Id::Number((u64::from_be_bytes(number) ^ (1 << 63)).cast_signed())
                }
                NAME => Id::Name(self.text()?),
                _ => return Err(OrderError::Damaged(self.at)),
            };
            path.push(PathElement { kind, id });
        }
        Ok(path)
    }

    fn text(&mut self) -> Result<String, OrderError> {
        let start = self.at;
        let mut out = Vec::new();
        loop {
            match self.byte()? {
                0 => match self.byte()? {
                    1 => return String::from_utf8(out).map_err(|_| OrderError::Damaged(start)),
                    0xff => out.push(0),
                    _ => return Err(OrderError::Damaged(self.at)),
                },
                byte => out.push(byte),
            }
        }
    }

    fn byte(&mut self) -> Result<u8, OrderError> {
        let byte = self.bytes.get(self.at).copied().ok_or(OrderError::Damaged(self.at))?;
        self.at += 1;
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sort_as_datastore_sorts_and_read_back() {
        let account = Key::root("Account", 7);
        let keys = [
            Key::root("A", i64::MIN),
            Key::root("A", -1),
            Key::root("A", 1),
            Key::root("A", 1).child("B", 1).unwrap(),
            Key::root("A", 2),
            Key::root("A", 256),
            Key::root("A", ""),
            Key::root("A", "\0"),
            Key::root("A", "\0a"),
            Key::root("A", "a"),
            Key::root("A", "a").child("A", 1).unwrap(),
            Key::root("A", "a\0"),
            Key::root("A", "ab"),
            Key::root("A\0", 1),
            Key::root("AA", 1),
            account.clone(),
            account.child("Order", "x").unwrap(),
            Key::root("A", 1).in_namespace("n"),
        ];
        let bytes: Vec<_> = keys.iter().map(order_key).collect();
        assert!(bytes.is_sorted());
        for (key, bytes) in keys.iter().zip(&bytes) {
            assert_eq!(parse_order_key(bytes).as_ref(), Ok(key));
            for cut in 0..bytes.len() {
                assert_ne!(parse_order_key(&bytes[..cut]).as_ref(), Ok(key));
            }
        }
    }
}
