//! The fuzzer's corpus, on every run: what it found once, and an input of each sort. `cargo fuzz` goes on from there.

use std::fs;
use std::path::PathBuf;

use gaebar_gen::emit;
use gaebar_gen::schema::{Inference, name_kinds};
use gaebar_runtime::model::Entity;
use gaebar_tests::command::workspace;
use gaebar_tests::fuzz;

fn corpus(target: &str) -> PathBuf {
    workspace().join("tests/fuzz/corpus").join(target)
}

/// A kind and a shard of each kind of the suite.
fn seeds() -> Vec<(String, String)> {
    let entities = gaebar_gen::seed::suite().unwrap();
    let mut kinds: std::collections::BTreeMap<&str, Vec<&Entity>> = std::collections::BTreeMap::new();
    for entity in &entities {
        kinds.entry(entity.kind()).or_default().push(entity);
    }
    let seed = |(name, entities): (&str, Vec<&Entity>)| {
        let mut inference = Inference::default();
        entities.iter().for_each(|entity| inference.add(entity));
        let mut kind = name_kinds([(name.to_owned(), inference.fields())], []).remove(0);
        "fuzzed".clone_into(&mut kind.file);
        let rows: Vec<_> = (1..).zip(entities).map(|(number, entity)| (number, emit::row(&kind, number, entity).text)).collect();
        let shard = emit::shard(&kind, "x_models", rows.iter().map(|(number, text)| (*number, text.as_str())));
        (kind.structure.clone(), format!("{}{}{shard}", emit::kind(&kind), fuzz::SEPARATOR))
    };
    kinds.into_iter().map(seed).collect()
}

#[test]
fn the_corpus_holds() {
    if std::env::var_os("GAEBAR_UPDATE").is_some() {
        for (name, text) in seeds() {
            fs::create_dir_all(corpus("shard")).unwrap();
            fs::write(corpus("shard").join(name), text).unwrap();
        }
    }
    let mut inputs = 0;
    for (target, run) in
        [("shard", fuzz::shard as fn(&[u8])), ("manifest", fuzz::manifest as fn(&[u8])), ("key", fuzz::key as fn(&[u8]))]
    {
        for entry in fs::read_dir(corpus(target)).unwrap() {
            run(&fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
    }
    assert!(inputs > 20, "{inputs}");
}

/// The fuzzer begins where everything is accepted, or it would stay outside.
#[test]
fn seeds_are_accepted() {
    for (name, text) in seeds() {
        let (model, shard) = text.split_once(fuzz::SEPARATOR).unwrap();
        let kind = gaebar_gen::reader::kind("fuzzed", model).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!shard.is_empty() && !kind.name.is_empty());
        fuzz::shard(text.as_bytes());
    }
}
