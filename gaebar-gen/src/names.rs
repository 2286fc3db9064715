//! Names for files, crates, structs and fields, made of kinds, properties and folders.
//!
//! Those are hostile input: any text at all. What comes out is plain ASCII, short, no keyword, and unique among its
//! neighbours even where case is ignored. Names are given in the order of the originals, so they are deterministic.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gaebar_runtime::rows::RESERVED;
use ra_ap_parser::{Edition, SyntaxKind};
use sha2::{Digest as _, Sha256};

/// The longest name before a suffix is added. Some file systems end at 255 bytes, and people much earlier.
const LONGEST: usize = 48;

/// So many digits of the original's hash make a name unique, or more.
const LEAST_PIECE: usize = 8;
/// Keywords that releases before 0.3.0 took for names.
const LATER_KEYWORDS: [&str; 1] = ["gen"];

/// Names already given, with case ignored.
#[derive(Debug, Default)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// Takes a name that was given before.
    pub fn reserve(&mut self, name: &str) {
        self.0.insert(name.to_ascii_lowercase());
    }

    /// A file, module and volume name for a kind: `[a-z0-9_]`, beginning with a letter.
    pub fn file(&mut self, kind: &str) -> String {
        self.unique(&plain_file(kind), kind)
    }

    /// A struct's name for a kind: the kind itself where it looks like one.
    pub fn structure(&mut self, kind: &str) -> String {
        self.unique(&plain_structure(kind), kind)
    }

    /// A field's name for a property: the property itself where it is an identifier (raw if a keyword).
    pub fn field(&mut self, property: &str) -> String {
        raw(&self.unique(&plain_field(property), property))
    }

    /// `name`, or if it is taken, `name` with a piece of the original's hash behind it.
    fn unique(&mut self, name: &str, original: &str) -> String {
        let digest = hex(&Sha256::digest(original.as_bytes()));
        let candidates =
            std::iter::once(name.to_owned()).chain((LEAST_PIECE..=digest.len()).map(|end| format!("{name}_{}", &digest[..end])));
        // Were even the whole hash taken, the originals would be the same.
        let mut last = name.to_owned();
        for candidate in candidates {
            if self.0.insert(candidate.to_ascii_lowercase()) {
                return candidate;
            }
            last = candidate;
        }
        last
    }
}

/// The name of a kind's files before it is made unique.
pub fn plain_file(kind: &str) -> String {
    let name = shorten(&words(kind).join("_").to_ascii_lowercase());
    match name.as_bytes().first() {
        Some(first) if first.is_ascii_alphabetic() && !is_reserved_file(&name) => name,
        Some(_) => format!("kind_{name}"),
        None => "kind".to_owned(),
    }
}

/// The name of a kind's struct before it is made unique.
pub fn plain_structure(kind: &str) -> String {
    let name = if is_identifier(kind) && kind.as_bytes()[0].is_ascii_uppercase() {
        kind.to_owned()
    } else {
        words(kind).iter().map(|word| capitalised(word)).collect()
    };
    let name = shorten(&name);
    match name.as_bytes().first() {
        Some(first) if first.is_ascii_alphabetic() && !RESERVED.contains(&name.as_str()) => name,
        _ => format!("Kind{name}"),
    }
}

/// The name of a property's field before it is made unique, and [`raw`].
pub fn plain_field(property: &str) -> String {
    let name: String = property.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let name = shorten(&name);
    let name = match name.as_bytes().first() {
        Some(first) if !first.is_ascii_digit() && name.bytes().any(|byte| byte != b'_') => name,
        _ => format!("p_{name}"),
    };
    // `key` and `other` are fields of every row; these keywords can't be raw.
    match name.as_str() {
        "key" | "other" | "self" | "Self" | "super" | "crate" => format!("{name}_"),
        _ => name,
    }
}

/// A name as code: a raw identifier where it is a keyword.
pub fn raw(name: &str) -> String {
    if is_keyword(name) { format!("r#{name}") } else { name.to_owned() }
}

/// Whether this or an earlier release may have named a kind's files so. Which of its names a kind has depends on its neighbours.
pub fn may_be_file(kind: &str, name: &str) -> bool {
    let plain = plain_file(kind);
    let earlier = plain.strip_prefix("kind_").filter(|name| LATER_KEYWORDS.contains(name));
    is_given(&plain, kind, name) || earlier.is_some_and(|earlier| is_given(earlier, kind, name))
}

/// Whether this or an earlier release may have named a kind's struct so.
pub fn may_be_structure(kind: &str, name: &str) -> bool {
    is_given(&plain_structure(kind), kind, name)
}

/// Whether this or an earlier release may have named a property's field so.
pub fn may_be_field(property: &str, name: &str) -> bool {
    let plain = plain_field(property);
    if is_keyword(&plain) && name == plain {
        return LATER_KEYWORDS.contains(&name);
    }
    is_given(&plain, property, name) || name == raw(&plain)
}

/// Whether [`Names::unique`] makes a name of a plain one.
fn is_given(plain: &str, original: &str, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(plain) else { return false };
    let is_piece = |piece: &str| piece.len() >= LEAST_PIECE && hex(&Sha256::digest(original.as_bytes())).starts_with(piece);
    rest.is_empty() || rest.strip_prefix('_').is_some_and(is_piece)
}

/// A backup's name from its folder's: `[a-z0-9-]`, beginning with a letter, and the name of no crate in `crates`.
pub fn backup_name(folder: &str, crates: &BTreeSet<String>) -> String {
    let name = shorten(&words(folder).join("-").to_ascii_lowercase());
    let crate_name = name.replace('-', "_");
    let taken = crates.contains(&name) || is_reserved_crate(&crate_name);
    match name.as_bytes().first() {
        Some(first) if first.is_ascii_alphabetic() && !taken => name,
        Some(_) => format!("backup-{name}"),
        None => "backup".to_owned(),
    }
}

/// Whether [`backup_name`] may have made a name, here or in an earlier release, whose backups depended on other crates.
pub fn may_be_backup(name: &str) -> bool {
    let is_plain = |name: &str| !name.is_empty() && shorten(&words(name).join("-").to_ascii_lowercase()) == name;
    let begins_with_a_letter = name.starts_with(|first: char| first.is_ascii_lowercase());
    let is_free = !is_reserved_crate(&name.replace('-', "_")) || LATER_KEYWORDS.contains(&name);
    begins_with_a_letter && is_free && (is_plain(name) || name.strip_prefix("backup-").is_some_and(is_plain))
}

/// Names that mean something to rustc, or that each backup has for a part of its own.
fn is_reserved_crate(name: &str) -> bool {
    is_keyword(name) || ["std", "core", "alloc", "test", "proc_macro", "gaebar_runtime"].contains(&name)
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String can't fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// `GreetingCard`, `greeting_card` and `greeting card` are two words each.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous = ' ';
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && (previous.is_ascii_lowercase() || previous.is_ascii_digit()))
        {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c);
        }
        previous = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn capitalised(word: &str) -> String {
    word.char_indices().map(|(at, c)| if at == 0 { c.to_ascii_uppercase() } else { c }).collect()
}

fn shorten(name: &str) -> String {
    // All ASCII by now.
    name.chars().take(LONGEST).collect::<String>().trim_end_matches(['_', '-']).to_owned()
}

fn is_identifier(text: &str) -> bool {
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a name is a strict or reserved keyword of any edition. (Weak ones, such as `union`, are identifiers.) Releases before 0.3.0
/// took `gen` for none.
fn is_keyword(name: &str) -> bool {
    SyntaxKind::from_keyword(name, Edition::LATEST).is_some()
}

/// Modules and files that mean something to cargo, rustc or an operating system.
fn is_reserved_file(name: &str) -> bool {
    let device = |name: &str| {
        ["con", "prn", "aux", "nul"].contains(&name)
            || (name.len() == 4 && (name.starts_with("com") || name.starts_with("lpt")) && name.as_bytes()[3].is_ascii_digit())
    };
    is_keyword(name) || device(name) || ["lib", "main", "mod", "build", "test", "core", "std", "gaebar_runtime"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_plain_and_unique_where_case_is_ignored() {
        let mut names = Names::default();
        let given: Vec<_> =
            ["Profile", "profile", "PROFILE", "GrandFather", "Gen", "con", "7up", "", "🦀", "../../etc", "a/b", "a.b", "lib"]
                .map(|kind| names.file(kind))
                .into();
        assert_eq!(given[0], "profile");
        assert!(given[1].starts_with("profile_") && given[2].starts_with("profile_"), "{given:?}");
        assert_eq!(given[3], "grand_father");
        assert_eq!(&given[4..8], ["kind_gen", "kind_con", "kind_7up", "kind"]);
        assert!(given[8].starts_with("kind_"));
        assert_eq!(given[9], "etc");
        assert_eq!(given[10], "a_b");
        assert!(given[11].starts_with("a_b_"));
        assert_eq!(given[12], "kind_lib");
        assert!(
            given.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'))
        );
    }

    #[test]
    fn structures_and_fields_are_identifiers() {
        let mut names = Names::default();
        let kinds = ["Profile", "Key", "Self", "app2_Thing", "ROWS", "", "größe", "7", "my kind", "MyKind"];
        let given = kinds.map(|kind| names.structure(kind));
        assert_eq!(given[..6], ["Profile", "KindKey", "KindSelf", "App2Thing", "KindROWS", "Kind"]);
        assert!(given.iter().all(|name| syn::parse_str::<syn::Ident>(name).is_ok()), "{given:?}");

        let mut names = Names::default();
        let properties = ["fullName", "gen", "self", "key", "other", "a.b", "a b", "", "_", "9", "crate", "🦀", "r#gen", "union"];
        let given = properties.map(|property| names.field(property));
        assert_eq!(given[..6], ["fullName", "r#gen", "self_", "key_", "other_", "a_b"]);
        assert!(given.iter().all(|name| syn::parse_str::<syn::Ident>(name).is_ok()), "{given:?}");
        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len());
    }

    #[test]
    fn every_name_that_was_given_is_known_and_no_other() {
        let kinds =
            ["Profile", "profile", "PROFILE", "Key", "i64", "Self", "Type", "Gen", "", "größe", "7", "my kind", "MyKind", "a.b"];
        let (mut files, mut structures, mut fields) = (Names::default(), Names::default(), Names::default());
        for kind in kinds {
            let (file, structure, field) = (files.file(kind), structures.structure(kind), fields.field(kind));
            assert!(may_be_file(kind, &file) && may_be_structure(kind, &structure) && may_be_field(kind, &field), "{kind}");
            for other in kinds.into_iter().filter(|other| plain_field(other) != plain_field(kind)) {
                assert!(!may_be_field(other, &field), "{field} for {other}");
            }
        }
        for (kind, name) in [("Key", "Key"), ("i64", "i64"), ("Note", "Nоte"), ("Note", "Note_"), ("Note", "Note_0123abcd")] {
            assert!(!may_be_structure(kind, name), "{name} for {kind}");
        }
        for (property, name) in
            [("self", "self"), ("key", "key"), ("type", "type"), ("text", "r#text"), ("text", "teхt"), ("a", "r#self")]
        {
            assert!(!may_be_field(property, name), "{name} for {property}");
        }
        assert!(may_be_file("Gen", "gen") && may_be_field("gen", "gen"), "releases before 0.3.0 knew no such keyword");
        for folder in ["production", "My App", "2026-11", "..", "Static", &"x".repeat(60), &"2".repeat(60)] {
            assert!(may_be_backup(&backup_name(folder, &BTreeSet::new())), "{folder}");
        }
        for name in ["", "-", "a--b", "a-", "A", "std", "gaebar-runtime", "static", "a_b", &"x".repeat(60)] {
            assert!(!may_be_backup(name), "{name}");
        }
    }

    #[test]
    fn a_backup_is_named_after_its_folder() {
        let crates = ["bytes".to_owned()].into();
        for (folder, name) in [
            ("production", "production"),
            ("My App", "my-app"),
            ("2026-11", "backup-2026-11"),
            ("..", "backup"),
            ("bytes", "backup-bytes"),
        ] {
            assert_eq!(backup_name(folder, &crates), name);
        }
        assert_eq!(["Static", "gen"].map(|folder| backup_name(folder, &crates)), ["backup-static", "backup-gen"]);
    }
}
