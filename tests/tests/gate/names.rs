//! Structs, fields and files have the names that the generator gives them, and no others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gaebar_gen::emit;
use gaebar_gen::fingerprint::{Fingerprint, digest};
use gaebar_gen::manifest::{BackupManifest, KindManifest, MANIFEST, Origin};
use gaebar_gen::names::Names;
use gaebar_gen::releases::Foundation;
use gaebar_gen::schema::{Inference, Kind, name_kinds};
use gaebar_gen::templates::{self, Packages, TOOL_FILES, Templates};
use gaebar_runtime::model::{Entity, Key, Properties};
use gaebar_runtime::restore::{Coverage, Extent};
use gaebar_tests::command::folder;

use super::verify;

/// What a generator would write whose names are others: the whole backup, with every hash as it should be.
fn write(folder: &Path, backup: &str, kind_name: &str, properties: &[&str], change: &dyn Fn(&mut Kind)) {
    let properties = properties.iter().map(|name| ((*name).to_owned(), "one".into())).collect::<Properties>();
    let entity = Entity::new(Key::root(kind_name, 1), properties).unwrap();
    let mut inference = Inference::default();
    inference.add(&entity);
    let mut kind = name_kinds([(kind_name.to_owned(), inference.fields())], []).remove(0);
    change(&mut kind);
    let (models, volume) = (templates::crate_name(backup, "models"), format!("{}_0", kind.file));
    let row = emit::row(&kind, 1, &entity).text;
    let shard = emit::shard(&kind, &models, [(1, row.as_str())]);
    let own = [
        (format!("models/src/{}.rs", kind.file), emit::kind(&kind)),
        (format!("volumes/{volume}/Cargo.toml"), Packages::of_backup(backup).volume(&volume)),
        (format!("volumes/{volume}/src/lib.rs"), templates::volume_library(&models, &kind.structure, &["shard_0".to_owned()])),
        (format!("volumes/{volume}/src/shard_0.rs"), shard),
    ];
    let fingerprint = |file: &str, text: &str| {
        if file.contains("/shard_") {
            Fingerprint::of_shard(text.as_bytes(), emit::rows(text).into_iter().map(|(_, row)| digest(row)))
        } else {
            Fingerprint::of(text.as_bytes())
        }
    };
    let files: BTreeMap<_, _> = own.iter().map(|(file, text)| (file.clone(), fingerprint(file, text))).collect();
    let origin = Origin {
        source: "sqlite:x.db".to_owned(),
        read_time: "2026-11-27T10:00:00Z".to_owned(),
        consistent: true,
        namespaces: Extent::Unknown,
    };
    let coverage = Coverage { kinds: [(kind.name.clone(), Extent::Unknown)].into(), ..Coverage::default() };
    let manifest = KindManifest::new(&kind.name, &origin, 1, 2, files);
    let foundation = Foundation::present();
    let mut all = Templates { name: backup, volumes: &[volume].into(), coverage: Some(&coverage), foundation }.files();
    all.extend(own.map(|(file, text)| (file, text.into_bytes())));
    let texts = [
        (MANIFEST.to_owned(), BackupManifest::new(backup, &coverage).to_text()),
        (KindManifest::path(&kind.file), manifest.to_text()),
        (templates::MODELS_LIBRARY.to_owned(), templates::models_library([(kind.file.as_str(), kind.structure.as_str())])),
    ];
    all.extend(texts.map(|(file, text)| (file, text.into_bytes())));
    all.extend(TOOL_FILES.map(|(file, text)| (file.to_owned(), text.as_bytes().to_vec())));
    let _ = fs::remove_dir_all(folder.join("backup"));
    for (file, bytes) in all {
        let path = folder.join("backup").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn names_that_no_gaebar_gives_are_refused() {
    let folder = folder("gate-names");
    let as_given = |_: &mut Kind| {};
    for kind in ["Note", "Key", "i64", "my kind", "größe", "🦀", "Type"] {
        write(&folder, "backup", kind, &["text", "self", "key", "type", "größe"], &as_given);
        let (code, said) = verify(&folder);
        assert_eq!(code, 0, "{kind}: {said}");
    }
    type Change = Box<dyn Fn(&mut Kind)>;
    let structure = |name: &str| -> Change {
        let name = name.to_owned();
        Box::new(move |kind| kind.structure.clone_from(&name))
    };
    let field = |name: &str| -> Change {
        let name = name.to_owned();
        Box::new(move |kind| kind.fields[0].name.clone_from(&name))
    };
    let file = |name: &str| -> Change {
        let name = name.to_owned();
        Box::new(move |kind| kind.file.clone_from(&name))
    };
    let long = "N".repeat(5_000);
    let changes = [
        ("is called", structure("Key")),
        ("is called", structure("i64")),
        ("is called", structure("Prop")),
        ("is called", structure("Nоte")),
        ("is called", structure("note")),
        ("is called", structure(&long)),
        ("is called", structure("Note_0123abcd")),
        ("is called", field("teхt")),
        ("is called", field("r#text")),
        ("is called", field("text_")),
        ("is called", field("other")),
        ("is called", field(&long.to_lowercase())),
        ("two fields", Box::new(|kind: &mut Kind| kind.fields.push(kind.fields[0].clone()))),
        ("is the file of kind", file("core")),
        ("is the file of kind", file("nul")),
        ("is the file of kind", file("note_")),
        ("is the file of kind", file(&"n".repeat(200))),
    ];
    for (at, (part, change)) in changes.iter().enumerate() {
        write(&folder, "backup", "Note", &["text"], change);
        let (code, said) = verify(&folder);
        assert!(code == 1 && said.contains(part), "change {at}: {said}");
    }
    write(&folder, "backup", "Note", &["self"], &*field("self"));
    assert_eq!(verify(&folder).0, 1);
    // With a piece of the original's hash, a name is one that a neighbour has made necessary.
    let mut names = Names::default();
    names.reserve("Note");
    let distinct = names.structure("Note");
    assert!(distinct.starts_with("Note_"), "{distinct}");
    write(&folder, "backup", "Note", &["text"], &*structure(&distinct));
    let (code, said) = verify(&folder);
    assert_eq!(code, 0, "{said}");
    for (name, code) in [("std", 1), ("gaebar-runtime", 1), ("a--b", 1), (long.to_lowercase().as_str(), 1), ("backup-2026", 0)] {
        write(&folder, name, "Note", &["text"], &as_given);
        assert_eq!(verify(&folder).0, code, "{name}");
    }
}
