//! Rows are laid out as prettyplease lays them out, whatever is in them.

use gaebar_gen::emit;
use gaebar_gen::schema::{Inference, Kind, name_kinds};
use gaebar_runtime::model::{Data, Double, Embedded, Entity, GeoPoint, Key, Properties, Value};
use gaebar_tests::strategy;
use proc_macro2::Literal;
use syn::{Expr, Item, Lit, Stmt};

/// What prettyplease makes of a row.
fn pretty(text: &str) -> String {
    let mut file = syn::parse_file(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    for item in &mut file.items {
        let Item::Fn(function) = item else { panic!("{text}") };
        let [Stmt::Expr(body, None)] = &mut function.block.stmts[..] else { panic!("{text}") };
        without_plain_integers(body);
    }
    prettyplease::unparse(&file)
}

/// prettyplease fills lines with integers that it knows as such; in rows each has a line of its own, since a reviewer wants to see which
/// of them changed.
fn without_plain_integers(expr: &mut Expr) {
    match expr {
        Expr::Struct(literal) => literal.fields.iter_mut().for_each(|field| without_plain_integers(&mut field.expr)),
        Expr::Call(call) => call.args.iter_mut().for_each(without_plain_integers),
        Expr::Tuple(tuple) => tuple.elems.iter_mut().for_each(without_plain_integers),
        Expr::Array(array) => array.elems.iter_mut().for_each(without_plain_integers),
        Expr::Reference(reference) => without_plain_integers(&mut reference.expr),
        Expr::Unary(unary) => without_plain_integers(&mut unary.expr),
        Expr::Lit(literal) => {
            if let Lit::Int(integer) = &literal.lit {
                literal.lit = Lit::Verbatim(integer.to_string().parse::<Literal>().unwrap());
            }
        }
        _ => {}
    }
}

fn kind(entities: &[Entity]) -> Kind {
    let mut inference = Inference::default();
    entities.iter().for_each(|entity| inference.add(entity));
    name_kinds([(entities[0].kind().to_owned(), inference.fields())], []).remove(0)
}

fn check(entities: &[Entity]) -> usize {
    let kind = kind(entities);
    // Rows that fit the struct, and rows all of whose properties are in `other`.
    for kind in [&Kind { fields: Vec::new(), ..kind.clone() }, &kind] {
        for (number, entity) in (1..).zip(entities) {
            let text = emit::row(kind, number, entity).text;
            assert_eq!(text, pretty(&text));
        }
    }
    2 * entities.len()
}

#[test]
fn every_shape_of_value_is_laid_out_as_prettyplease_would() {
    let mut entities = strategy::entities(600);
    entities.extend(gaebar_gen::seed::suite().unwrap());
    entities.extend(gaebar_gen::seed::Headline::new(400).map(Result::unwrap));
    entities.sort_by(|a, b| a.kind().cmp(b.kind()));
    let rows: usize = entities.chunk_by(|a, b| a.kind() == b.kind()).map(check).sum();
    assert!(rows > 2_000, "{rows}");
}

/// Always the same numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn length(&mut self) -> usize {
        let most = [4, 30, 90, 200][usize::try_from(self.roll(4)).unwrap()];
        usize::try_from(self.roll(most)).unwrap()
    }

    fn text(&mut self) -> String {
        let pattern = ["x", "é", "a\nb", "日"][usize::try_from(self.roll(4)).unwrap()];
        pattern.chars().cycle().take(self.length()).collect()
    }

    fn value(&mut self, depth: u64) -> Value {
        let data = match self.roll(if depth == 0 { 9 } else { 13 }) {
            0 => Data::Null,
            1 => Data::Boolean(self.roll(2) == 0),
            2 => Data::Integer(i64::try_from(self.roll(1 << 30)).unwrap() - (1 << 29)),
            3 => Data::Double(Double(
                [0.0, -0.5, f64::NAN, f64::NEG_INFINITY, 1e300, -1e-7][usize::try_from(self.roll(6)).unwrap()],
            )),
            4 => Data::Key(Key::root("K", "k".repeat(self.length().max(1)))),
            5 => Data::Blob(vec![b'b'; self.length()]),
            6 => Data::GeoPoint(GeoPoint::new(1.5, -0.25)),
            7 => Data::Array((0..self.length() / 3).map(|_| Value::from(self.roll(3) == 0)).collect()),
            8 => Data::String(self.text()),
            9 | 10 => Data::Array(
                (0..self.roll(5)).map(|_| self.value(depth - 1)).filter(|item| !matches!(item.data, Data::Array(_))).collect(),
            ),
            11 => Data::Blob(vec![7; 5_000]),
            _ => {
                let properties =
                    (0..self.roll(4)).map(|at| (format!("{}{at}", "p".repeat(self.length())), self.value(depth - 1)));
                Data::Entity(Embedded { key: None, properties: properties.collect() })
            }
        };
        let is_array = matches!(data, Data::Array(_));
        let mut value = Value::new(data);
        if !is_array && self.roll(4) == 0 {
            value = value.unindexed();
        }
        if !is_array && self.roll(6) == 0 {
            value = value.meaning(8);
        }
        value
    }
}

/// Groups break where what follows them does not fit either, at every width around the margin.
#[test]
fn every_width_is_laid_out_as_prettyplease_would() {
    let mut dice = Dice(7);
    for kind in ["K", "Kind", "AKindWithAVeryLongNameThatLeavesLittleRoomForWhatFollowsOnTheLineThatItBegins"] {
        for _ in 0..40 {
            let entities = (0..10).map(|_| {
                let key = "k".repeat(dice.length().max(1));
                let properties = (0..dice.roll(6)).map(|at| (format!("{}{at}", "q".repeat(dice.length() / 4)), dice.value(3)));
                let properties: Properties = properties.collect();
                Entity::new(Key::root(kind, key), properties).unwrap()
            });
            check(&entities.collect::<Vec<_>>());
        }
    }
    // The shortest rows stand on one line.
    for length in 1..40 {
        check(&[Entity::new(Key::root("K", "k".repeat(length)), Properties::new()).unwrap()]);
        check(&[Entity::new(Key::root("K", 1), Properties::from([("p".to_owned(), "v".repeat(length).into())])).unwrap()]);
    }
    for length in 0..120 {
        let lists = [vec![Value::from(true); length], vec![Value::from(12); length / 3]];
        let properties = |list: &Vec<Value>| Properties::from([("list".to_owned(), Value::from(list.clone()))]);
        check(&lists.map(|list| Entity::new(Key::root("K", 1), properties(&list)).unwrap()));
    }
}
