//! The headline set: rows of 14 kinds, as a small social shop of some years would have them.
//!
//! A row depends on its kind and its number within the kind alone, and the kinds take turns by their shares. So a
//! larger set begins with all the rows of a smaller one, in the same order.

use gaebar_runtime::model::{Database, Entity, Id, Key, PathElement, Timestamp};

use super::dice::Dice;
use super::{SeedError, people, shop, writing};

/// The rows of the largest datastore that the Gaebar of 2008 was ever run on.
pub const HEADLINE_ROWS: u64 = 18_969;

/// The shares of all kinds add up to this.
const WHOLE: u64 = 1000;

/// A kind of the headline set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Who someone is to others.
    Profile,
    /// How someone signs in; named.
    Account,
    /// A visit; named.
    Session,
    /// An article.
    Post,
    /// What someone says about a post; its child.
    Comment,
    /// What someone feels about a post.
    Reaction,
    /// A picture's data, without the picture.
    Photo,
    /// What someone bought; the child of an account.
    Order,
    /// One thing of an order; its child.
    OrderLine,
    /// A letter to one or more others.
    Message,
    /// A word for posts; named.
    Tag,
    /// What happened, with the state before and after.
    AuditEvent,
    /// A page of the site; a few of another namespace.
    Page,
    /// A switch of the site; named, a few of two other namespaces.
    Setting,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::Profile,
        Self::Account,
        Self::Session,
        Self::Post,
        Self::Comment,
        Self::Reaction,
        Self::Photo,
        Self::Order,
        Self::OrderLine,
        Self::Message,
        Self::Tag,
        Self::AuditEvent,
        Self::Page,
        Self::Setting,
    ];

    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Profile => "Profile",
            Self::Account => "Account",
            Self::Session => "Session",
            Self::Post => "Post",
            Self::Comment => "Comment",
            Self::Reaction => "Reaction",
            Self::Photo => "Photo",
            Self::Order => "Order",
            Self::OrderLine => "OrderLine",
            Self::Message => "Message",
            Self::Tag => "Tag",
            Self::AuditEvent => "AuditEvent",
            Self::Page => "Page",
            Self::Setting => "Setting",
        }
    }

    /// How many of 1,000 rows are of this kind.
    pub fn share(self) -> u64 {
        match self {
            Self::Profile | Self::Account => 60,
            Self::Session | Self::Photo | Self::Order => 50,
            Self::Post => 120,
            Self::Comment => 180,
            Self::OrderLine => 110,
            Self::Message => 90,
            Self::Tag => 10,
            Self::Reaction | Self::AuditEvent => 80,
            Self::Page | Self::Setting => 30,
        }
    }

    fn position(self) -> u64 {
        self as u64
    }
}

/// The headline set, row by row. Memory is bounded by a row.
#[derive(Debug, Clone)]
pub struct Headline {
    left: u64,
    /// Rows of each kind so far.
    made: [u64; 14],
    /// How much each kind is owed: its share is added every turn, and a turn costs the whole.
    owed: [i64; 14],
}

impl Headline {
    /// A set of as many rows as asked for. [`HEADLINE_ROWS`] is the usual number.
    pub fn new(rows: u64) -> Self {
        Self { left: rows, made: [0; 14], owed: [0; 14] }
    }

    /// The rows of each kind in a set of this size, without making them.
    pub fn counts(rows: u64) -> [(Kind, u64); 14] {
        let mut set = Self::new(rows);
        while set.turn().is_some() {}
        Kind::ALL.map(|kind| (kind, set.made[kind as usize]))
    }

    /// The kind of the next row and its number within the kind, from 0.
    fn turn(&mut self) -> Option<(Kind, u64)> {
        self.left = self.left.checked_sub(1)?;
        for kind in Kind::ALL {
            self.owed[kind as usize] += kind.share().cast_signed();
        }
        let kind = Kind::ALL.into_iter().rev().max_by_key(|kind| self.owed[*kind as usize])?;
        self.owed[kind as usize] -= WHOLE.cast_signed();
        let number = self.made[kind as usize];
        self.made[kind as usize] += 1;
        Some((kind, number))
    }
}

impl Iterator for Headline {
    type Item = Result<Entity, SeedError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.turn().map(|(kind, number)| Row::new(kind, number).entity())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::try_from(self.left).unwrap_or(usize::MAX), usize::try_from(self.left).ok())
    }
}

/// A row in the making: what is known of it before its properties are.
#[derive(Debug)]
pub(super) struct Row {
    kind: Kind,
    /// Its number within the kind, from 0.
    pub(super) number: u64,
    /// Its own.
    pub(super) dice: Dice,
}

impl Row {
    fn new(kind: Kind, number: u64) -> Self {
        Self { kind, number, dice: Dice::new(kind.position(), number) }
    }

    fn entity(mut self) -> Result<Entity, SeedError> {
        let draft = match self.kind {
            Kind::Profile => people::profile(&mut self),
            Kind::Account => people::account(&mut self),
            Kind::Session => people::session(&mut self),
            Kind::Message => people::message(&mut self),
            Kind::Setting => people::setting(&mut self),
            Kind::Post => writing::post(&mut self),
            Kind::Comment => writing::comment(&mut self),
            Kind::Reaction => writing::reaction(&mut self),
            Kind::Photo => writing::photo(&mut self),
            Kind::Tag => writing::tag(&mut self),
            Kind::Page => writing::page(&mut self),
            Kind::Order => shop::order(&mut self),
            Kind::OrderLine => shop::order_line(&mut self),
            Kind::AuditEvent => shop::audit_event(&mut self),
        }?;
        draft.entity(key(self.kind, self.number)?)
    }

    /// When the row was made. All kinds share ten years' worth of time in the set of the usual size.
    pub(super) fn born(&mut self) -> Result<Timestamp, SeedError> {
        let turn = self.number * WHOLE / self.kind.share();
        // 2008-12-20T10:00:00Z and a row every four and a half hours, give or take.
        let seconds = 1_229_767_200 + turn.cast_signed() * 16_200 + self.dice.integer(0, 16_000);
        Ok(Timestamp::new(seconds, self.dice.between(0, 999_999) * 1000)?)
    }

    /// A time up to `days` days after another, to the second.
    pub(super) fn after(&mut self, time: Timestamp, days: u32) -> Result<Timestamp, SeedError> {
        Ok(Timestamp::new(time.seconds() + self.dice.integer(1, days * 86_400), 0)?)
    }

    /// The key of some row of a kind that stands before this one in the set.
    pub(super) fn some(&mut self, kind: Kind) -> Result<Key, SeedError> {
        let number = self.dice.below(before(self.kind, self.number, kind));
        key(kind, number)
    }

    /// The keys of `first` to `last` of them.
    pub(super) fn several(&mut self, kind: Kind, first: usize, last: usize) -> Result<Vec<Key>, SeedError> {
        (0..self.dice.size(first, last)).map(|_| self.some(kind)).collect()
    }
}

/// How many rows of `other` certainly stand before row `number` of `kind`, but at least one: the first few rows may
/// refer to one that is still to come.
fn before(kind: Kind, number: u64, other: Kind) -> u64 {
    // Turns are fair to within two rows.
    (number * other.share() / kind.share()).saturating_sub(2).max(1)
}

/// The key of a row. Ascends with the row's number in each namespace.
fn key(kind: Kind, number: u64) -> Result<Key, SeedError> {
    let namespace = match (kind, number % 20) {
        (Kind::Page | Kind::Setting, 7) => "north",
        (Kind::Setting, 11 | 12) => "south",
        _ => "",
    };
    Ok(Key::new(Database::Own, namespace.to_owned(), path(kind, number))?)
}

fn path(kind: Kind, number: u64) -> Vec<PathElement> {
    let parent = match kind {
        Kind::Comment => Some(Kind::Post),
        Kind::Order => Some(Kind::Account),
        Kind::OrderLine => Some(Kind::Order),
        _ => None,
    };
    // The last parent there certainly is: children fall to their parents in order.
    let mut path = parent.map(|parent| path(parent, before(kind, number, parent) - 1)).unwrap_or_default();
    let counted = Id::Number((number + 1).cast_signed());
    let id = match kind {
        // Names ascend, too.
        Kind::Account => Id::Name(format!("member-{:07}", number + 1)),
        Kind::Session => Id::Name(format!("{:08x}-{:016x}", number * 7 + 0x1000, Dice::new(99, number).roll())),
        Kind::Tag => Id::Name(format!("t{:06}", number + 1)),
        Kind::Setting => Id::Name(format!("site/{:06}'s", number + 1)),
        // As today's servers give them out.
        Kind::Photo => Id::Number(5_066_549_580_791_808 + (number * 1_048_576).cast_signed()),
        _ => counted,
    };
    path.push(PathElement { kind: kind.name().to_owned(), id });
    path
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use gaebar_runtime::model::{Data, Value, order_key};
    use gaebar_runtime::proto;

    use super::super::tests::assert_storable;
    use super::*;

    fn rows(count: u64) -> impl Iterator<Item = Entity> {
        Headline::new(count).map(|entity| entity.unwrap())
    }

    fn visit(value: &Value, see: &mut impl FnMut(&Value)) {
        see(value);
        match &value.data {
            Data::Array(items) => items.iter().for_each(|item| visit(item, see)),
            Data::Entity(embedded) => embedded.properties.values().for_each(|inner| visit(inner, see)),
            _ => {}
        }
    }

    #[test]
    fn shares_add_up() {
        assert_eq!(Kind::ALL.map(Kind::share).iter().sum::<u64>(), WHOLE);
        for rows in [0, 1, 14, 1000, HEADLINE_ROWS] {
            let counts = Headline::counts(rows);
            assert_eq!(counts.map(|(_, count)| count).iter().sum::<u64>(), rows);
            for (kind, count) in counts {
                assert!(count.abs_diff(rows * kind.share() / WHOLE) <= 2, "{kind:?}");
            }
        }
    }

    #[test]
    fn a_larger_set_begins_with_the_smaller_one() {
        assert!(rows(3000).take(500).eq(rows(500)));
        assert_eq!(rows(0).count(), 0);
    }

    #[test]
    fn rows_never_change() {
        // Of the encoded bytes. A change here makes every backup of the set differ from earlier ones.
        let digest = rows(2000)
            .flat_map(|entity| proto::encode(&entity))
            .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        assert_eq!(format!("{digest:016x}"), "1dc0dd8042ac3fde");
    }

    #[test]
    fn the_usual_set_is_what_it_promises() {
        let mut keys = HashSet::new();
        let mut last: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
        let mut sizes: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut types = HashSet::new();
        let mut dangling = 0;
        for entity in rows(HEADLINE_ROWS) {
            assert_storable(&entity);
            assert!((6..=15).contains(&entity.properties.len()), "{} has {}", entity.key(), entity.properties.len());

            let order = order_key(entity.key());
            let kind = (entity.key().namespace().to_owned(), entity.kind().to_owned());
            if let Some(before) = last.insert(kind, order.clone()) {
                assert!(before < order, "{} is out of order", entity.key());
            }
            let ancestors = entity.key().path().len() - 1;
            for length in 1..=ancestors {
                let path = entity.key().path()[..length].to_vec();
                let parent = Key::new(Database::Own, entity.key().namespace().to_owned(), path).unwrap();
                dangling += u64::from(!keys.contains(&order_key(&parent)));
            }
            for value in entity.properties.values() {
                visit(value, &mut |value| {
                    types.insert(std::mem::discriminant(&value.data));
                    if let Data::Key(key) = &value.data {
                        dangling += u64::from(!keys.contains(&order_key(key)));
                    }
                });
            }
            assert!(keys.insert(order), "{} comes twice", entity.key());

            let size = sizes.entry(entity.kind().to_owned()).or_default();
            size.0 += 1;
            size.1 += proto::encode(&entity).len() as u64;
        }
        assert_eq!(types.len(), 11, "not all types of Datastore are there");
        assert!(dangling < 150, "{dangling} keys lead to no earlier row");
        assert_eq!(sizes.len(), 14);
        for (kind, count) in Headline::counts(HEADLINE_ROWS) {
            let (rows, bytes) = sizes[kind.name()];
            assert_eq!(rows, count);
            println!("{:10} {rows:5} rows, {:6} bytes on average", kind.name(), bytes / rows);
        }
        let bytes = sizes.values().map(|(_, bytes)| bytes).sum::<u64>();
        println!("{} bytes a row, {dangling} keys lead to no earlier row", bytes / HEADLINE_ROWS);
        assert!((3_000..3_500).contains(&(bytes / HEADLINE_ROWS)), "{} bytes a row", bytes / HEADLINE_ROWS);
    }
}
