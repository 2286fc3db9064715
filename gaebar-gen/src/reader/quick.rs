//! The same grammar in one pass over the text, without tokens or a tree.
//!
//! It takes layout, order and spelling on trust: what it reads is written again and compared with the text, byte for byte, so that all it
//! can do wrong is to fail. Then the reader that stands on syn tells what is wrong, and where.

use gaebar_runtime::model::{Data, Double, Embedded, Entity, GeoPoint, Key, Properties, Value};
use gaebar_runtime::rows::Flags;

use memchr::{memchr_iter, memmem};

use super::DEEPEST;
use super::row::on;
use super::shard::{Blobs, ReadRow};
use crate::emit::{self, ROW};
use crate::schema::{Field, Kind, Scalar, Shape, Type};

/// The rows of a shard, if it is exactly what the generator writes; what is wrong with it otherwise, [`thorough`](super::thorough) says.
pub fn quick(kind: &Kind, models_crate: &str, text: &str, blobs: &dyn Blobs) -> Option<Vec<ReadRow>> {
    quick_rows(kind, models_crate, text, blobs).ok()
}

/// The same, or else the line where the first row begins that is not so; 1 if the head is not.
pub(super) fn quick_rows(kind: &Kind, models_crate: &str, text: &str, blobs: &dyn Blobs) -> Result<Vec<ReadRow>, usize> {
    let mut rows = Vec::new();
    let mut line = 1;
    let mut from = 0;
    let sources = emit::rows(text);
    let begin = sources.first().map_or(text.len(), |(first, _)| first - 1);
    for (start, source) in sources {
        line += memchr_iter(b'\n', &text.as_bytes()[from..start]).count();
        from = start;
        let mut cursor = Cursor { text: source, at: ROW.len() - 1, depth: 0 };
        let (number, entity) = cursor.row(kind, blobs).ok_or(line)?;
        let emitted = emit::row(kind, number, &entity).text;
        if emitted != source {
            return Err(line);
        }
        rows.push(ReadRow { number, line, entity, text: emitted });
    }
    let head = emit::head(kind, models_crate, rows.iter().map(|row| row.number));
    if text[..begin] == head { Ok(rows) } else { Err(1) }
}

/// The text of a string literal as Gaebar writes it. Unlike syn, it keeps nothing of the literal on the thread.
pub fn unquoted(literal: &str) -> Option<String> {
    let mut cursor = Cursor { text: literal, at: 0, depth: 0 };
    cursor.string().filter(|_| cursor.rest().is_empty())
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// How many brackets are open.
    depth: usize,
}

impl<'a> Cursor<'a> {
    /// What follows `pub fn row_`.
    fn row(&mut self, kind: &Kind, blobs: &dyn Blobs) -> Option<(u32, Entity)> {
        let number = self.run(|byte| byte.is_ascii_digit()).parse().ok()?;
        self.eat("() -> ")?;
        self.eat(&kind.structure)?;
        self.eat("{")?;
        self.eat(&kind.structure)?;
        self.eat("{")?;
        self.eat("key:")?;
        let key = self.key_literal()?;
        let mut properties = Properties::new();
        let mut fields = kind.fields.iter();
        loop {
            self.eat(",")?;
            if self.eat("..").is_some() {
                break;
            }
            let name = self.word();
            self.eat(":")?;
            // Fields come in order; `other` is no field's name.
            match fields.find(|field| field.name == name) {
                Some(field) => {
                    let value = self.field(field, blobs)?;
                    properties.insert(field.property.clone(), value);
                }
                None if name == "other" => {
                    for (name, value) in self.slice(|cursor| cursor.other(blobs))? {
                        match value {
                            Some(value) => properties.insert(name, value),
                            None => properties.remove(&name),
                        };
                    }
                }
                None => return None,
            }
        }
        Some((number, Entity::new(key, properties).ok().filter(|entity| entity.kind() == kind.name)?))
    }

    fn other(&mut self, blobs: &dyn Blobs) -> Option<(String, Option<Value>)> {
        self.brackets("(", ")", |cursor| {
            let name = cursor.string()?;
            cursor.eat(",")?;
            let is_absent = cursor.eat("Value::Absent").is_some();
            Some((name, if is_absent { None } else { Some(cursor.value(blobs)?) }))
        })
    }

    fn field(&mut self, field: &Field, blobs: &dyn Blobs) -> Option<Value> {
        match field.ty {
            Type::Value => self.value(blobs),
            Type::Bare(shape) => self.shaped(shape, field.flags, blobs),
            Type::Prop(_) if self.eat("Null").is_some() => Some(on(field.flags, Data::Null)),
            Type::Prop(shape) => {
                self.eat("Is")?;
                self.brackets("(", ")", |cursor| cursor.shaped(shape, field.flags, blobs))
            }
        }
    }

    fn shaped(&mut self, shape: Shape, flags: Flags, blobs: &dyn Blobs) -> Option<Value> {
        Some(match shape {
            Shape::One(scalar) => on(flags, self.scalar(scalar, blobs)?),
            Shape::List(scalar) => {
                let items = self.slice(|cursor| Some(on(flags, cursor.scalar(scalar, blobs)?)))?;
                Value::new(Data::Array(items))
            }
        })
    }

    fn scalar(&mut self, scalar: Scalar, blobs: &dyn Blobs) -> Option<Data> {
        match scalar {
            Scalar::Boolean => self.boolean(),
            Scalar::Integer => self.integer().map(Data::Integer),
            Scalar::Double => self.double(),
            Scalar::String => self.string().map(Data::String),
            Scalar::Time => {
                self.eat("Time")?;
                self.brackets("(", ")", Self::time)
            }
            Scalar::Key => self.key_literal().map(Data::Key),
            Scalar::Blob => {
                self.eat("Blob")?;
                self.brackets("(", ")", |cursor| cursor.blob(blobs))
            }
            Scalar::Geo => {
                self.eat("Geo")?;
                self.brackets("(", ")", |cursor| cursor.geo(Self::double))
            }
            Scalar::Embedded => {
                self.eat("Embedded")?;
                let properties = self.brackets("(", ")", |cursor| cursor.properties(blobs))?;
                Some(Data::Entity(Embedded { key: None, properties }))
            }
        }
    }

    fn value(&mut self, blobs: &dyn Blobs) -> Option<Value> {
        self.eat("Value::")?;
        let variant = self.word();
        if variant == "Null" {
            return Some(Value::new(Data::Null));
        }
        self.brackets("(", ")", |cursor| {
            Some(Value::new(match variant {
                "Bool" => cursor.boolean()?,
                "Int" => Data::Integer(cursor.integer()?),
                "Double" => cursor.double()?,
                "Bits" => cursor.bits()?,
                "Time" => cursor.time()?,
                "Key" => Data::Key(cursor.key()?),
                "Str" => Data::String(cursor.string()?),
                "Blob" => cursor.blob(blobs)?,
                "Geo" => cursor.geo(Self::double)?,
                "GeoBits" => cursor.geo(Self::bits)?,
                "Entity" => Data::Entity(Embedded { key: None, properties: cursor.properties(blobs)? }),
                "Keyed" => {
                    let key = Some(cursor.key()?);
                    cursor.eat(",")?;
                    Data::Entity(Embedded { key, properties: cursor.properties(blobs)? })
                }
                "List" => Data::Array(cursor.slice(|cursor| cursor.value(blobs))?),
                "Unindexed" => {
                    cursor.eat("&")?;
                    return Some(cursor.value(blobs)?.unindexed());
                }
                "Meaning" => {
                    let meaning = i32::try_from(cursor.integer()?).ok()?;
                    cursor.eat(",")?;
                    cursor.eat("&")?;
                    return Some(cursor.value(blobs)?.meaning(meaning));
                }
                _ => return None,
            }))
        })
    }

    fn properties(&mut self, blobs: &dyn Blobs) -> Option<Properties> {
        let pairs = self.slice(|cursor| {
            cursor.brackets("(", ")", |cursor| {
                let name = cursor.string()?;
                cursor.eat(",")?;
                Some((name, cursor.value(blobs)?))
            })
        })?;
        Some(pairs.into_iter().collect())
    }

    fn key_literal(&mut self) -> Option<Key> {
        self.eat("Key")?;
        self.brackets("(", ")", Self::key)
    }

    fn key(&mut self) -> Option<Key> {
        self.string()?.parse().ok()
    }

    fn time(&mut self) -> Option<Data> {
        self.string()?.parse().ok().map(Data::Timestamp)
    }

    fn geo(&mut self, degrees: impl Fn(&mut Self) -> Option<Data>) -> Option<Data> {
        let degree = |cursor: &mut Self| match degrees(cursor)? {
            Data::Double(Double(value)) => Some(value),
            _ => None,
        };
        let latitude = degree(self)?;
        self.eat(",")?;
        Some(Data::GeoPoint(GeoPoint::new(latitude, degree(self)?)))
    }

    fn boolean(&mut self) -> Option<Data> {
        match self.word() {
            "true" => Some(Data::Boolean(true)),
            "false" => Some(Data::Boolean(false)),
            _ => None,
        }
    }

    fn integer(&mut self) -> Option<i64> {
        self.number().parse().ok()
    }

    fn double(&mut self) -> Option<Data> {
        let value = if self.eat("f64::").is_some() {
            match self.word() {
                "NAN" => f64::NAN,
                "INFINITY" => f64::INFINITY,
                "NEG_INFINITY" => f64::NEG_INFINITY,
                _ => return None,
            }
        } else {
            self.number().parse().ok()?
        };
        Some(Data::Double(Double(value)))
    }

    fn bits(&mut self) -> Option<Data> {
        self.eat("0x")?;
        let bits = u64::from_str_radix(self.run(|byte| byte.is_ascii_hexdigit()), 16).ok()?;
        Some(Data::Double(Double(f64::from_bits(bits))))
    }

    fn blob(&mut self, blobs: &dyn Blobs) -> Option<Data> {
        if self.eat("include_bytes!").is_some() {
            let file = self.brackets("(", ")", Self::string)?;
            return blobs.blob(file.strip_prefix("blobs/")?).ok().map(Data::Blob);
        }
        self.eat("b\"")?;
        let mut out = Vec::new();
        loop {
            out.extend_from_slice(self.run(|byte| byte != b'"' && byte != b'\\').as_bytes());
            if self.eat_here("\"").is_some() {
                return Some(Data::Blob(out));
            }
            self.eat_here("\\")?;
            if self.eat_here("x").is_some() {
                let digits = self.text.get(self.at..self.at + 2)?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
                self.at += 2;
            } else {
                out.push(u8::try_from(self.escape()?).ok()?);
            }
        }
    }

    /// `"text"`, plain or raw.
    fn string(&mut self) -> Option<String> {
        if self.eat("r").is_some() {
            let hashes = self.run(|byte| byte == b'#').len();
            self.eat_here("\"")?;
            let close = format!("\"{}", "#".repeat(hashes));
            let length = memmem::find(self.rest().as_bytes(), close.as_bytes())?;
            let text = self.rest()[..length].to_owned();
            self.at += length + close.len();
            return Some(text);
        }
        self.eat("\"")?;
        let mut out = String::new();
        loop {
            out.push_str(self.run(|byte| byte != b'"' && byte != b'\\'));
            if self.eat_here("\"").is_some() {
                return Some(out);
            }
            self.eat_here("\\")?;
            if self.eat_here("u{").is_some() {
                let digits = self.run(|byte| byte.is_ascii_hexdigit());
                out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                self.eat_here("}")?;
            } else {
                out.push(self.escape()?);
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Option<char> {
        let escaped = match self.rest().bytes().next()? {
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'0' => '\0',
            b'"' => '"',
            b'\\' => '\\',
            _ => return None,
        };
        self.at += 1;
        Some(escaped)
    }

    /// `&[a, b]`.
    fn slice<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.eat("&")?;
        self.brackets("[", "]", |cursor| {
            let mut items = Vec::new();
            while cursor.peek() != Some(b']') {
                items.push(item(cursor)?);
                if cursor.peek() != Some(b']') {
                    cursor.eat(",")?;
                }
            }
            Some(items)
        })
    }

    /// Brackets, and all of what is between them; there may be a comma before the last.
    fn brackets<T>(&mut self, open: &str, close: &str, inside: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.eat(open)?;
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let value = inside(self)?;
        let _ = self.eat(",");
        self.depth -= 1;
        self.eat(close)?;
        Some(value)
    }

    fn word(&mut self) -> &'a str {
        self.skip_blanks();
        self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'#')
    }

    fn number(&mut self) -> &'a str {
        self.skip_blanks();
        self.run(|byte| byte.is_ascii_digit() || b"-+.e".contains(&byte))
    }

    fn peek(&mut self) -> Option<u8> {
        self.skip_blanks();
        self.rest().bytes().next()
    }

    /// Takes these characters, after any blanks.
    fn eat(&mut self, expected: &str) -> Option<()> {
        self.skip_blanks();
        self.eat_here(expected)
    }

    fn eat_here(&mut self, expected: &str) -> Option<()> {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found.then_some(())
    }

    fn skip_blanks(&mut self) {
        self.run(|byte| byte == b' ' || byte == b'\n');
    }

    /// The bytes from here on that belong together. They end at an ASCII byte, so that no character is cut in two.
    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !belongs(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
}
