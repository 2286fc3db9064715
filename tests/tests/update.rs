//! The next backup is a small, true diff of the one before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use gaebar_gen::fingerprint::Fingerprint;
use gaebar_gen::manifest::KindManifest;
use gaebar_gen::seed::{self, Headline};
use gaebar_gen::templates::{Packages, volume_library};
use gaebar_runtime::model::{Data, Entity, Key, Properties, Value};
use gaebar_runtime::store::{SqliteStore, Store};
use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::compare::{assert_equal, everything};
use gaebar_tests::tree::{assert_same_backup, files, timeless};

/// A store, and its backup in a git repository.
struct Repo {
    folder: PathBuf,
    entities: BTreeMap<String, Entity>,
}

impl Repo {
    fn new(test: &str, entities: Vec<Entity>) -> Self {
        let folder = folder(test);
        SqliteStore::open_or_create(&folder.join("store.db")).unwrap().upsert(&entities).unwrap();
        let entities = entities.into_iter().map(|entity| (entity.key().to_string(), entity)).collect();
        let repo = Self { folder, entities };
        repo.backup();
        repo.git(&["init", "--quiet"]);
        repo.git(&["config", "user.name", "Reviewer"]);
        repo.git(&["config", "user.email", "reviewer@example.com"]);
        repo.commit();
        repo
    }

    fn backup(&self) -> serde_json::Value {
        event(&mut gaebar(&self.folder, &["backup", "sqlite:store.db", "backup"]))
    }

    fn git(&self, arguments: &[&str]) -> String {
        run(Command::new("git").current_dir(&self.folder).args(arguments), 0).0
    }

    fn commit(&self) {
        self.git(&["add", "backup"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "a backup"]);
    }

    /// Changes an entity in the store.
    fn change(&mut self, key: &str, change: impl FnOnce(&mut Properties)) {
        let entity = self.entities.get_mut(key).unwrap_or_else(|| panic!("there is no {key}"));
        change(&mut entity.properties);
        let entity = entity.clone();
        self.put(entity);
    }

    fn put(&mut self, entity: Entity) {
        self.put_all([entity]);
    }

    fn put_all(&mut self, entities: impl IntoIterator<Item = Entity>) {
        let entities: Vec<_> = entities.into_iter().collect();
        SqliteStore::open_or_create(&self.folder.join("store.db")).unwrap().upsert(&entities).unwrap();
        self.entities.extend(entities.into_iter().map(|entity| (entity.key().to_string(), entity)));
    }

    fn delete(&mut self, key: &str) {
        let store = rusqlite::Connection::open(self.folder.join("store.db")).unwrap();
        assert_eq!(store.execute("DELETE FROM entities WHERE key_text = ?", [key]).unwrap(), 1);
        self.entities.remove(key);
    }

    /// Backs up again. Returns the lines added and removed in each file, and commits.
    fn diff(&self) -> BTreeMap<String, (u64, u64)> {
        let done = self.backup();
        assert_eq!(done["updated"], true);
        self.git(&["add", "backup"]);
        let numstat = self.git(&["diff", "--cached", "--numstat", "--no-renames"]);
        let diff = numstat.lines().map(|line| {
            let parts: Vec<_> = line.split('\t').collect();
            (parts[2].to_owned(), (parts[0].parse().unwrap(), parts[1].parse().unwrap()))
        });
        let diff = diff.collect();
        self.commit();
        diff
    }

    /// What is there is a backup of what the store holds.
    fn check(&self) {
        run(&mut gaebar(&self.folder, &["verify", "backup"]), 0);
        let _ = fs::remove_file(self.folder.join("restored.db"));
        run(&mut gaebar(&self.folder, &["restore", "backup", "--to", "sqlite:restored.db", "--interpret"]), 0);
        let open = |name: &str| SqliteStore::open(&self.folder.join(name)).unwrap();
        assert_equal(&open("store.db"), &open("restored.db"), &everything(), self.entities.len());
    }
}

/// The changes in shards alone, and that a manifest changed in a line a changed shard and a few others. Prints a line of the table.
fn shards(what: &str, diff: &BTreeMap<String, (u64, u64)>) -> Vec<(u64, u64)> {
    let (manifests, others): (Vec<_>, Vec<_>) = diff.iter().partition(|(file, _)| file.starts_with("backup/kinds/"));
    assert!(others.iter().all(|(file, _)| file.contains("/src/shard_")), "{others:?}");
    for (file, (added, removed)) in &manifests {
        let kind = file.strip_prefix("backup/kinds/").unwrap().strip_suffix(".json").unwrap();
        let volumes = format!("backup/volumes/{kind}_");
        let changed = others.iter().filter(|(file, _)| file.starts_with(&volumes)).count() as u64;
        assert!(*added <= 5 + changed && *removed <= 5 + changed, "{file} changed in {added} and {removed} lines");
    }
    let sum = |files: &[(&String, &(u64, u64))]| files.iter().fold((0, 0), |sum, (_, of)| (sum.0 + of.0, sum.1 + of.1));
    let (rows, meta) = (sum(&others), sum(&manifests));
    eprintln!(
        "{what:<34} | {:>3} shards: +{} -{} | {} manifests: +{} -{}",
        others.len(),
        rows.0,
        rows.1,
        manifests.len(),
        meta.0,
        meta.1
    );
    others.into_iter().map(|(_, counts)| *counts).collect()
}

/// When each file of a backup was written.
fn times(backup: &Path) -> BTreeMap<String, SystemTime> {
    whole(backup).into_keys().map(|file| (file.clone(), backup.join(file).metadata().unwrap().modified().unwrap())).collect()
}

/// Another value of the same type and flags, which takes one line as the old one does.
fn another(value: &Value) -> Option<Value> {
    let data = match &value.data {
        Data::String(text) if text.len() < 40 && !text.contains('\n') => Data::String(format!("{text}!")),
        Data::Integer(number) => Data::Integer(number ^ 1),
        Data::Boolean(truth) => Data::Boolean(!truth),
        _ => return None,
    };
    Some(Value { data, ..value.clone() })
}

#[test]
fn a_change_of_the_store_is_a_diff_of_its_own_lines_alone() {
    let mut repo = Repo::new("noise", Headline::new(18_969).map(Result::unwrap).collect());
    let backup = repo.folder.join("backup");
    let before = times(&backup);
    assert_eq!(repo.diff(), BTreeMap::new(), "nothing changed, and nothing does: read times neither");
    assert_eq!(times(&backup), before);

    let one = |repo: &mut Repo, key: &str| {
        let (name, value) =
            repo.entities[key].properties.iter().find_map(|(name, value)| Some((name.clone(), another(value)?))).unwrap();
        repo.change(key, |properties| _ = properties.insert(name, value));
    };
    // An entity of each kind, and a property that all of the kind have, so that its field is bare.
    let some_of = |repo: &Repo, kind: &str| repo.entities.values().filter(|entity| entity.kind() == kind).nth(2).unwrap().clone();
    let bare = |repo: &Repo, kind: &str| {
        let all: Vec<_> = repo.entities.values().filter(|entity| entity.kind() == kind).collect();
        let everywhere = |name: &&String| all.iter().all(|entity| entity.properties.contains_key(*name));
        all[0].properties.keys().find(everywhere).unwrap().clone()
    };
    let set = |repo: &mut Repo, kind: &str, name: &str, value: Option<Value>| {
        let key = some_of(repo, kind).key().to_string();
        repo.change(&key, |properties| {
            match value {
                Some(value) => properties.insert(name.to_owned(), value),
                None => properties.remove(name),
            };
        });
    };
    // Each change in a kind of its own.
    let key = some_of(&repo, "Reaction").key().to_string();
    one(&mut repo, &key);
    let key = some_of(&repo, "Comment").key().to_string();
    repo.delete(&key);
    repo.put(Entity::new(Key::root("Post", 1 << 40), Properties::from([("title".to_owned(), "New".into())])).unwrap());
    set(&mut repo, "Photo", "surprise", Some("new".into()));
    set(&mut repo, "Message", "surprise", Some(Data::Null.into()));
    let names = ["Order", "AuditEvent", "Session"].map(|kind| bare(&repo, kind));
    set(&mut repo, "Order", &names[0], Some(Data::Null.into()));
    set(&mut repo, "AuditEvent", &names[1], Some(Value::from(vec![Value::from(1)])));
    set(&mut repo, "Session", &names[2], None);
    let diff = repo.diff();
    let touched: Vec<_> = times(&backup).into_iter().filter(|(file, time)| before[file] != *time).map(|(file, _)| file).collect();
    let changed: Vec<_> = diff.keys().map(|file| file.strip_prefix("backup/").unwrap().to_owned()).collect();
    assert_eq!(touched, changed, "what is unchanged keeps its modification time");
    for (what, kind, is_right) in [
        ("one property changed", "reaction", (|added, removed| (added, removed) == (1, 1)) as fn(u64, u64) -> bool),
        ("one entity deleted", "comment", |added, removed| added == 0 && removed > 5),
        ("one entity inserted", "post", |added, removed| added > 3 && removed == 0),
        ("a property added to one entity", "photo", |added, removed| added <= 3 && removed == 0),
        ("a property added that is null", "message", |added, removed| added <= 3 && removed == 0),
        ("a first null in a bare field", "order", |added, removed| added <= 3 && removed == 1),
        ("another type in a bare field", "audit_event", |added, removed| added <= 3 && removed == 1),
        ("a bare field's first absence", "session", |added, removed| added <= 3 && removed == 1),
    ] {
        let volume = |file: &str| Some(file.strip_prefix("backup/volumes/")?.split_once('/')?.0.rsplit_once('_')?.0.to_owned());
        let own = |file: &str| file.contains(&format!("/{kind}.json")) || volume(file).is_some_and(|of| of == kind);
        let diff: BTreeMap<_, _> =
            diff.iter().filter(|(file, _)| own(file)).map(|(file, lines)| (file.clone(), *lines)).collect();
        let lines = shards(what, &diff);
        assert!(lines.len() == 1 && is_right(lines[0].0, lines[0].1), "{what}: {diff:?}");
    }

    let some = |entity: &Entity| entity.properties.values().any(|value| another(value).is_some());
    let hundredth: Vec<_> =
        repo.entities.values().filter(|entity| some(entity)).map(|entity| entity.key().to_string()).step_by(100).collect();
    for key in &hundredth {
        one(&mut repo, key);
    }
    let lines = shards("1 % of all entities changed", &repo.diff());
    let sum = lines.iter().fold((0, 0), |sum, lines| (sum.0 + lines.0, sum.1 + lines.1));
    assert_eq!(sum, (hundredth.len() as u64, hundredth.len() as u64), "nothing but those rows");
    assert!(hundredth.len() > 180);
    repo.check();
}

#[test]
fn what_is_remembered_of_rows_changes_nothing_but_time() {
    let mut repo = Repo::new("memo", Headline::new(6_000).map(Result::unwrap).chain(seed::suite().unwrap()).collect());
    let [backup, without] = ["backup", "without"].map(|name| repo.folder.join(name));
    let memos = repo.folder.join("cache/rows");
    let update = |repo: &Repo, cache: &str, options: &[&str]| {
        let mut command = gaebar(&repo.folder, &["backup", "sqlite:store.db", "backup"]);
        let done = event(command.args(options).env("GAEBAR_CACHE_DIR", repo.folder.join(cache)));
        // It says which process was at it.
        fs::remove_dir_all(backup.join(".gaebar")).unwrap();
        done
    };
    let both = |repo: &Repo, what: &str, options: &[&str]| {
        fs::rename(&backup, &without).unwrap();
        run(Command::new("cp").args(["-r", "without", "backup"]).current_dir(&repo.folder), 0);
        update(repo, "none", options);
        let _ = fs::remove_dir_all(repo.folder.join("none"));
        fs::rename(&backup, repo.folder.join("made-without")).unwrap();
        fs::rename(&without, &backup).unwrap();
        let done = update(repo, "cache", options);
        eprintln!("{what}");
        assert_same_backup(&backup, &repo.folder.join("made-without"));
        fs::remove_dir_all(repo.folder.join("made-without")).unwrap();
        done
    };
    let keys: Vec<_> = repo.entities.keys().cloned().collect();
    let change = |repo: &mut Repo, every: usize| {
        let all: Vec<_> = keys.iter().step_by(every).filter_map(|key| repo.entities.get(key).cloned()).collect();
        repo.put_all(all.into_iter().filter_map(|mut entity| {
            let (name, value) = entity.properties.iter().find_map(|(name, value)| Some((name.clone(), another(value)?)))?;
            entity.properties.insert(name, value);
            Some(entity)
        }));
    };
    both(&repo, "nothing is remembered yet, and nothing changed", &["--reshape"]);
    change(&mut repo, 50);
    both(&repo, "one in fifty changed", &[]);
    let count = fs::read_dir(&memos).unwrap().count();
    let shards = files(&backup).into_keys().filter(|file| file.contains("/src/shard_")).count();
    assert_eq!(count, shards, "each shard is remembered, and none that is no more");
    for key in keys.iter().step_by(400) {
        repo.delete(key);
    }
    change(&mut repo, 90);
    both(&repo, "some are gone, others changed", &[]);
    // A property that no row had comes to most rows of a kind, which is reshaped then.
    let comments: Vec<_> = repo.entities.values().filter(|entity| entity.kind() == "Comment").cloned().collect();
    let most = comments.len() * 2 / 3;
    repo.put_all(comments.into_iter().take(most).map(|mut entity| {
        entity.properties.insert("mood".to_owned(), "calm".into());
        entity
    }));
    assert_eq!(both(&repo, "many exceptions", &[])["reshaped"], serde_json::json!(["Comment"]));
    change(&mut repo, 3);
    both(&repo, "shards are merged", &["--compact"]);
    // A memo that is damaged, or another's, is none.
    for (at, memo) in fs::read_dir(&memos).unwrap().map(|memo| memo.unwrap().path()).collect::<Vec<_>>().iter().enumerate() {
        let bytes = fs::read(memo).unwrap();
        let half = bytes.len() / 2;
        match at % 3 {
            0 => fs::write(memo, &bytes[..half]).unwrap(),
            1 => fs::write(memo, [&bytes[..half], &[!bytes[half]], &bytes[half + 1..]].concat()).unwrap(),
            _ => {}
        }
    }
    change(&mut repo, 40);
    both(&repo, "memos are damaged", &[]);
    both(&repo, "one namespace alone", &["--namespaces", "tenant-a"]);
    repo.check();
}

#[test]
fn numbers_are_never_used_again() {
    let mut repo = Repo::new("numbers", seed::suite().unwrap());
    let number = |repo: &Repo, key: &str| -> u32 {
        let (text, _) = run(&mut gaebar(&repo.folder, &["show", "backup", key]), 0);
        text.split("pub fn row_").nth(1).unwrap().split('(').next().unwrap().parse().unwrap()
    };
    // A row comes back under a new number.
    let last = number(&repo, "{tenant-a}Profile/2");
    let first = repo.entities["Profile/2"].clone();
    repo.delete("Profile/2");
    repo.diff();
    repo.put(first);
    repo.diff();
    assert!(number(&repo, "Profile/2") > last);
    assert_eq!(number(&repo, "{tenant-a}Profile/2"), last);

    // A whole kind goes; its numbers are remembered, and its struct.
    repo.delete("PlasticMan/1");
    let diff = repo.diff();
    assert!(diff.keys().any(|file| file.contains("volumes/plastic_man_0")), "{diff:?}");
    repo.check();
    repo.put(Entity::new(Key::root("PlasticMan", 1), Properties::new()).unwrap());
    repo.diff();
    assert_eq!(number(&repo, "PlasticMan/1"), 2);
    assert!(fs::read_to_string(repo.folder.join("backup/models/src/plastic_man.rs")).unwrap().contains("motto"));
    repo.check();
}

#[test]
fn git_tells_when_a_property_changed_and_the_history_of_an_entity() {
    let mut repo = Repo::new("blame", seed::suite().unwrap());
    repo.change("Profile/2", |properties| _ = properties.insert("full_name".to_owned(), "Aral B.".into()));
    repo.diff();
    let shard = "backup/volumes/profile_0/src/shard_0.rs";
    let blame = repo.git(&["blame", "--line-porcelain", shard]);
    let author_of = |line: &str| {
        blame.split("\n\t").zip(blame.split("\n\t").skip(1)).find(|(_, text)| text.starts_with(line)).unwrap().0.to_owned()
    };
    let head = repo.git(&["rev-parse", "HEAD"]);
    assert!(author_of("        full_name: \"Aral B.\"").contains(head.trim()));
    let history = repo.git(&[
        "-c",
        "core.attributesFile=backup/.gitattributes",
        "log",
        "-L",
        &format!(":row_2\\b:{shard}"),
        "--format=commit %h",
    ]);
    assert_eq!(history.matches("commit ").count(), 2, "{history}");
    let diff = repo.git(&["diff", "HEAD~1", "HEAD", "--unified=0", "--", shard]);
    assert!(diff.contains("@@ pub fn row_2() -> Profile {"), "the hunk header shows the row: {diff}");
}

#[test]
fn what_is_not_selected_stays_as_it_is() {
    let mut repo = Repo::new("selected", seed::suite().unwrap());
    repo.change("Profile/2", |properties| _ = properties.insert("full_name".to_owned(), "Changed".into()));
    repo.change("{tenant-a}Profile/2", |properties| _ = properties.insert("full_name".to_owned(), "Changed".into()));
    repo.change("Letter/1", |properties| _ = properties.insert("text".to_owned(), "Changed".into()));
    let arguments = ["backup", "sqlite:store.db", "backup", "--kinds", "Profile", "--namespaces", "tenant-a"];
    let done = event(&mut gaebar(&repo.folder, &arguments));
    assert_eq!(done["kinds"]["Profile"]["rows"], 6, "rows of other namespaces stay");
    run(&mut gaebar(&repo.folder, &["verify", "backup"]), 0);
    let (text, _) = run(&mut gaebar(&repo.folder, &["diff", "backup", "sqlite:store.db"]), 3);
    let keys: Vec<_> = text.lines().filter(|line| line.starts_with(['~', '+', '-'])).collect();
    assert_eq!(keys, ["~ Letter/1", "~ Profile/2"]);
}

#[test]
fn edits_are_replaced_by_what_the_store_holds_and_a_users_files_stay() {
    let repo = Repo::new("edited", seed::suite().unwrap());
    let shard = repo.folder.join("backup/volumes/letter_0/src/shard_0.rs");
    let good = fs::read_to_string(&shard).unwrap();
    fs::write(&shard, good.replace("Return to sender", "Edited")).unwrap();
    fs::write(repo.folder.join("backup/NOTES.md"), "mine").unwrap();
    fs::write(repo.folder.join("backup/.gitignore"), "my own\n").unwrap();
    let (_, said) = run(&mut gaebar(&repo.folder, &["backup", "sqlite:store.db", "backup"]), 0);
    assert!(said.contains("replaced an edit: volumes/letter_0/src/shard_0.rs"), "{said}");
    assert_eq!(fs::read_to_string(&shard).unwrap(), good);
    assert_eq!(fs::read_to_string(repo.folder.join("backup/NOTES.md")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(repo.folder.join("backup/.gitignore")).unwrap(), "my own\n");
    // A damaged backup is not updated over.
    fs::write(&shard, good.replace("Return", "\" + f() + \"")).unwrap();
    let (_, error) = run(&mut gaebar(&repo.folder, &["backup", "sqlite:store.db", "backup"]), 1);
    assert!(error.contains("refused") && error.contains("name another folder"), "{error}");
}

/// A store of so many notes, and its backup.
fn notes(test: &str, count: i64) -> Repo {
    let note =
        |id: i64, text: &str| Entity::new(Key::root("Note", id), Properties::from([("text".to_owned(), text.into())])).unwrap();
    Repo::new(test, (1..=count).map(|id| note(id, "short")).collect())
}

/// Backs up in shards of 4,000 bytes.
fn backup_notes(repo: &Repo, more: &[&str]) -> serde_json::Value {
    event(&mut gaebar(&repo.folder, &[&["backup", "sqlite:store.db", "backup", "--shard-size", "4000"][..], more].concat()))
}

/// What somebody edited is replaced by what is read, or told, and never passes as backed up.
#[test]
fn edits_that_an_update_would_keep_stop_it() {
    let repo = Repo::new("kept-edits", seed::suite().unwrap());
    let shard = repo.folder.join("backup/volumes/profile_0/src/shard_0.rs");
    let good = fs::read_to_string(&shard).unwrap();
    fs::write(&shard, good.replace("Aral Balkan", "Somebody Else")).unwrap();
    let update = |more: &[&'static str]| [&["backup", "sqlite:store.db", "backup"][..], more].concat();
    let (_, error) = run(&mut gaebar(&repo.folder, &update(&["--namespaces", "tenant-a"])), 1);
    assert!(error.contains("were edited") && error.contains("Profile/2"), "{error}");
    let (_, said) = run(&mut gaebar(&repo.folder, &update(&["--kinds", "Letter"])), 0);
    assert!(!said.contains("replaced an edit"), "{said}");
    let (said, _) = run(&mut gaebar(&repo.folder, &["verify", "backup"]), 3);
    assert!(said.contains("Profile/2"), "the edit is still one: {said}");
    let (_, said) = run(&mut gaebar(&repo.folder, &update(&[])), 0);
    assert!(said.contains("replaced an edit") && fs::read_to_string(&shard).unwrap() == good, "{said}");
}

#[test]
fn an_update_mends_what_is_missing_or_damaged_and_replaces_nothing_of_the_users() {
    let mut entities = seed::suite().unwrap();
    let blob = |id: i64| {
        let properties = Properties::from([("blob".to_owned(), Value::from(vec![u8::try_from(id).unwrap(); 3_000]).unindexed())]);
        Entity::new(Key::root("Blob", id), properties).unwrap()
    };
    entities.extend([blob(1), blob(2)]);
    let repo = Repo::new("mended", entities);
    let backup = repo.folder.join("backup");
    let good = whole(&backup);
    let a_blob = good.keys().find(|file| file.starts_with("volumes/blob_0/src/blobs/")).unwrap().clone();
    for damage in
        ["volumes/letter_0/Cargo.toml", "volumes/letter_0/src/lib.rs", "src/main.rs", "models/src/lib.rs", ".gitattributes"]
    {
        for text in [None, Some("damaged\n")] {
            match text {
                None => fs::remove_file(backup.join(damage)).unwrap(),
                // What a user made of git's files is the user's.
                Some(_) if damage.starts_with(".git") => continue,
                Some(text) => fs::write(backup.join(damage), text).unwrap(),
            }
            if damage == "models/src/lib.rs" && text.is_none() {
                // Which kinds there should be is not known without it.
                run(&mut gaebar(&repo.folder, &["merge", "backup"]), 0);
            }
            repo.backup();
            run(&mut gaebar(&repo.folder, &["verify", "backup"]), 0);
            assert!(whole(&backup) == good, "{damage}");
        }
    }
    // A row and its blob are deleted by hand, and come back.
    let shard = backup.join("volumes/blob_0/src/shard_0.rs");
    let text = fs::read_to_string(&shard).unwrap();
    let of_blob = if text.find(a_blob.rsplit('/').next().unwrap()) < text.find("pub fn row_2") { 1 } else { 2 };
    let without = text.replace(&format!("    ({of_blob}, row_{of_blob}),\n"), "");
    let (before, rest) = without.split_once(&format!("\npub fn row_{of_blob}")).unwrap();
    fs::write(&shard, format!("{before}{}", rest.split_once("\n}\n").unwrap().1)).unwrap();
    fs::write(backup.join(&a_blob), "changed").unwrap();
    run(&mut gaebar(&repo.folder, &["verify", "backup"]), 1);
    fs::remove_file(backup.join(&a_blob)).unwrap();
    repo.backup();
    repo.check();

    // A file of the user's where a new kind would go.
    let mut repo = repo;
    fs::create_dir_all(backup.join("volumes/mine_0/src")).unwrap();
    fs::write(backup.join("volumes/mine_0/src/lib.txt"), "mine").unwrap();
    fs::write(backup.join("kinds/mine.json.orig"), "mine").unwrap();
    fs::create_dir_all(backup.join("models/src")).unwrap();
    fs::write(backup.join("volumes/mine_0/Cargo.toml"), "mine").unwrap();
    repo.put(Entity::new(Key::root("Mine", 1), Properties::new()).unwrap());
    let (_, error) = run(&mut gaebar(&repo.folder, &["backup", "sqlite:store.db", "backup"]), 1);
    assert!(error.contains("volumes/mine_0/Cargo.toml is in the way"), "{error}");
    assert_eq!(fs::read_to_string(backup.join("volumes/mine_0/Cargo.toml")).unwrap(), "mine");
}

#[test]
fn the_wrong_store_is_noticed() {
    let repo = Repo::new("wrong-store", seed::suite().unwrap());
    SqliteStore::open_or_create(&repo.folder.join("empty.db")).unwrap();
    let (_, error) = run(&mut gaebar(&repo.folder, &["backup", "sqlite:empty.db", "backup"]), 1);
    assert!(error.contains("which would all go") && error.contains("--allow-empty"), "{error}");
    repo.check();
    let (_, said) = run(&mut gaebar(&repo.folder, &["backup", "sqlite:empty.db", "backup", "--allow-empty"]), 0);
    assert!(said.contains("the backup was taken from sqlite:store.db before"), "{said}");
    run(&mut gaebar(&repo.folder, &["verify", "backup"]), 0);
    // A kind whose manifest is lost is missed, also where only rows are read.
    repo.git(&["checkout", "--quiet", "--", "backup"]);
    let library = repo.folder.join("backup/models/src/lib.rs");
    let text = fs::read_to_string(&library).unwrap().replace("mod letter;\n", "").replace("pub use letter::Letter;\n", "");
    fs::write(&library, text).unwrap();
    fs::remove_file(repo.folder.join("backup/kinds/letter.json")).unwrap();
    let (_, error) = run(&mut gaebar(&repo.folder, &["restore", "backup", "--interpret", "--to", "sqlite:part.db"]), 1);
    assert!(error.contains("models/src/letter.rs: is in no manifest"), "{error}");
}

#[test]
fn shards_split_when_they_grow_and_merge_on_request_when_nearly_empty() {
    let mut repo = notes("sizes", 50);
    let shards = |done: serde_json::Value| done["kinds"]["Note"]["shards"].as_u64().unwrap();
    // Made with the usual size: one shard, which now is far past the size asked for.
    let lines = repo.diff();
    assert!(lines.is_empty());
    repo.change("Note/3", |properties| _ = properties.insert("text".to_owned(), "longer".repeat(200).into()));
    let many = shards(backup_notes(&repo, &[]));
    assert!(many > 1, "a shard past 1.5 times its size splits at its tail");
    repo.check();
    for id in (1..=50).filter(|id| id % 10 != 0) {
        repo.delete(&format!("Note/{id}"));
    }
    assert_eq!(shards(backup_notes(&repo, &[])), many, "nearly empty shards stay");
    assert_eq!(shards(backup_notes(&repo, &["--compact"])), 1, "unless merging is asked for");
    repo.check();
}

/// Earlier versions have put more rows into a volume than this one.
#[test]
fn a_volume_with_many_rows_stays_as_it_is() {
    let repo = notes("large-volume", 2_200);
    let backup = repo.folder.join("backup");
    let mut manifests = KindManifest::read_all(&backup).unwrap();
    let KindManifest { kind, rows, next_row, files, .. } = &manifests[0];
    let mut together = files.clone();
    let mut modules = Vec::new();
    for volume in ["note_0", "note_1", "note_2"] {
        for (file, fingerprint) in files.iter().filter(|(file, _)| file.starts_with(&format!("volumes/{volume}/"))) {
            together.remove(file);
            if let Some(shard) = file.rsplit('/').next().unwrap().strip_suffix(".rs").filter(|name| *name != "lib") {
                let moved = format!("volumes/note_0/src/{shard}.rs");
                fs::rename(backup.join(file), backup.join(&moved)).unwrap();
                together.insert(moved, fingerprint.clone());
                modules.push(shard.to_owned());
            }
        }
    }
    assert_eq!(modules, ["shard_0", "shard_1", "shard_2"]);
    let files = [
        ("volumes/note_0/Cargo.toml", Packages::of_backup("backup").volume("note_0")),
        ("volumes/note_0/src/lib.rs", volume_library("backup_models", "Note", &modules)),
    ];
    for (file, text) in files {
        fs::write(backup.join(file), &text).unwrap();
        together.insert(file.to_owned(), Fingerprint::of(text.as_bytes()));
    }
    for gone in ["note_1", "note_2"] {
        fs::remove_dir_all(backup.join("volumes").join(gone)).unwrap();
    }
    let manifest = KindManifest::new(kind, &manifests[0].origin(), *rows, *next_row, together);
    fs::write(backup.join(&manifests[0].path), manifest.to_text()).unwrap();
    run(&mut gaebar(&repo.folder, &["merge", "backup"]), 0);
    run(&mut gaebar(&repo.folder, &["verify", "backup"]), 0);
    let before = timeless(&backup);
    run(&mut gaebar(&repo.folder, &["backup", "sqlite:store.db", "backup"]), 0);
    let mut now = timeless(&backup);
    now.retain(|file, text| !file.starts_with(".gaebar/") && before.get(file) != Some(text));
    assert!(now.is_empty(), "changed: {:?}", now.keys());
    manifests = KindManifest::read_all(&backup).unwrap();
    assert_eq!((manifests.len(), manifests[0].shards().count()), (1, 3));
}

#[test]
fn a_kind_is_reshaped_on_request_or_when_half_of_its_rows_do_not_fit() {
    let mut repo = notes("reshaped", 1_200);
    let model = |repo: &Repo| fs::read_to_string(repo.folder.join("backup/models/src/note.rs")).unwrap();
    let add = |repo: &mut Repo, ids: std::ops::RangeInclusive<i64>, name: &str| {
        for id in ids {
            repo.change(&format!("Note/{id}"), |properties| _ = properties.insert(name.to_owned(), id.into()));
        }
    };
    add(&mut repo, 1..=600, "extra");
    assert_eq!(backup_notes(&repo, &[])["reshaped"], serde_json::json!([]));
    assert!(!model(&repo).contains("extra"), "the struct is sticky");
    repo.check();
    add(&mut repo, 601..=601, "extra");
    let (_, said) = run(&mut gaebar(&repo.folder, &["backup", "sqlite:store.db", "backup"]), 0);
    assert!(said.contains("reshaped: kind \"Note\""), "{said}");
    assert!(model(&repo).contains("extra(\"extra\"): Prop<i64>"));
    repo.check();
    add(&mut repo, 1..=1, "rare");
    assert_eq!(backup_notes(&repo, &["--reshape"])["reshaped"], serde_json::json!(["Note"]));
    assert!(model(&repo).contains("rare"));
    repo.check();
}

/// Killed at each operation on files, one after the other, what is there is the old backup or the new one, whole.
#[cfg(target_os = "linux")]
#[test]
fn an_update_killed_at_any_operation_on_files_leaves_the_old_backup_or_the_new_one() {
    let Some(strace) = gaebar_tests::needs::strace() else { return };
    let mut repo = notes("killed-anywhere", 50);
    repo.put(Entity::new(Key::root("Gone", 1), Properties::new()).unwrap());
    repo.backup();
    repo.delete("Gone/1");
    repo.change("Note/3", |properties| _ = properties.insert("text".to_owned(), "changed".into()));
    repo.put(Entity::new(Key::root("New", 1), Properties::from([("b".to_owned(), vec![7_u8; 3000].into())])).unwrap());
    let backup = repo.folder.join("backup");
    fs::write(backup.join("NOTES.md"), "mine").unwrap();
    let copy = repo.folder.join("copy");
    copy_tree(&backup, &copy);
    let timeless =
        |backup: &Path| whole(backup).into_iter().filter(|(file, _)| !file.starts_with("kinds/")).collect::<BTreeMap<_, _>>();
    let old = whole(&backup);
    repo.backup();
    let new = timeless(&backup);
    let (mut were_old, mut were_new) = (0, 0);
    for calls in ["/rename", "/unlink,/rmdir", "/mkdir", "/sync", "/write"] {
        for at in 1.. {
            fs::remove_dir_all(&backup).unwrap();
            copy_tree(&copy, &backup);
            let arguments = gaebar(&repo.folder, &["backup", "sqlite:store.db", "backup"]);
            let mut command = Command::new(strace);
            command.current_dir(&repo.folder).args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
            command.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={at}")]);
            command.arg(arguments.get_program()).args(arguments.get_args());
            // A thread's calls are counted for itself; so there are few threads.
            command.env("RAYON_NUM_THREADS", "1");
            let status = command.stderr(std::process::Stdio::null()).status().unwrap();
            run(&mut gaebar(&repo.folder, &["verify", "backup"]), 0);
            if whole(&backup) == old {
                were_old += 1;
            } else {
                assert!(timeless(&backup) == new, "killed at {calls} {at}, the backup is neither the old one nor the new one");
                were_new += 1;
            }
            if status.success() {
                break;
            }
        }
    }
    eprintln!("killed at {} operations: {were_old} old, {were_new} new", were_old + were_new);
    assert!(were_old > 30 && were_new > 30, "{were_old} old, {were_new} new");
}

/// A backup's files without Gaebar's own.
fn whole(backup: &Path) -> BTreeMap<String, Vec<u8>> {
    files(backup).into_iter().filter(|(file, _)| !file.starts_with(".gaebar/")).collect()
}

fn copy_tree(from: &Path, to: &Path) {
    for (file, bytes) in files(from) {
        let path = to.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
