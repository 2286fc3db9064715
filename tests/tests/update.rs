//! The next backup is a small, true diff of the one before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gaebar_gen::seed::{self, Headline};
use gaebar_runtime::model::{Data, Entity, Key, Properties, Value};
use gaebar_runtime::store::{SqliteStore, Store};
use gaebar_tests::command::{event, folder, gaebar, run};
use gaebar_tests::compare::{assert_equal, everything};
use gaebar_tests::tree::files;

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
        SqliteStore::open_or_create(&self.folder.join("store.db")).unwrap().upsert(std::slice::from_ref(&entity)).unwrap();
        self.entities.insert(entity.key().to_string(), entity);
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
        self.check();
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

/// The changes in shards alone, and that manifests changed in a few lines.
fn shards(diff: &BTreeMap<String, (u64, u64)>) -> Vec<(u64, u64)> {
    let (manifests, others): (Vec<_>, Vec<_>) = diff.iter().partition(|(file, _)| file.starts_with("backup/kinds/"));
    for (file, (added, removed)) in manifests {
        assert!(*added <= 6 && *removed <= 6, "{file} changed in {added} and {removed} lines");
    }
    assert!(others.iter().all(|(file, _)| file.contains("/src/shard_")), "{others:?}");
    others.into_iter().map(|(_, counts)| *counts).collect()
}

#[test]
fn a_change_of_the_store_is_a_diff_of_its_own_lines_alone() {
    let mut entities: Vec<Entity> = Headline::new(1200).map(Result::unwrap).collect();
    entities.extend(
        seed::suite().unwrap().into_iter().filter(|entity| entity.kind() == "PlasticMan" || entity.kind() == "GoogleAccount"),
    );
    let mut repo = Repo::new("noise", entities);
    assert_eq!(repo.diff(), BTreeMap::new(), "nothing changed, and nothing does: read times neither");

    repo.change("PlasticMan/1", |properties| _ = properties.insert("motto".to_owned(), "Bend".into()));
    assert_eq!(shards(&repo.diff()), [(1, 1)], "one property");

    repo.delete("Reaction/7");
    let lines = shards(&repo.diff());
    assert!(
        lines.len() == 1 && lines[0].0 == 0 && lines[0].1 > 5,
        "one entity deleted: its function and its line of the table: {lines:?}"
    );

    repo.put(Entity::new(Key::root("Reaction", 1_000_000), Properties::from([("kind".to_owned(), "like".into())])).unwrap());
    let lines = shards(&repo.diff());
    assert!(lines.len() == 1 && lines[0].0 > 3 && lines[0].1 == 0, "one entity inserted: {lines:?}");

    for (what, value) in
        [("added", Value::from("new")), ("null", Data::Null.into()), ("another type", Value::from(7).unindexed())]
    {
        repo.change("Reaction/9", |properties| _ = properties.insert("surprise".to_owned(), value));
        let lines = shards(&repo.diff());
        assert!(lines.len() == 1 && lines[0].0 <= 3 && lines[0].1 <= 3, "a property that is {what}: {lines:?}");
    }
    let bare = repo.entities["Reaction/11"].properties.keys().next().unwrap().clone();
    repo.change("Reaction/11", |properties| _ = properties.insert(bare.clone(), Data::Null.into()));
    let lines = shards(&repo.diff());
    assert!(lines.len() == 1 && lines[0].0 <= 3 && lines[0].1 <= 3, "a first null: {lines:?}");
    repo.change("Reaction/12", |properties| _ = properties.remove(&bare));
    let lines = shards(&repo.diff());
    assert!(lines.len() == 1 && lines[0].0 <= 3 && lines[0].1 <= 3, "a first that is absent: {lines:?}");

    // A row comes back under a new number: its old one is never used again.
    let number = |repo: &Repo, key: &str| -> u32 {
        let (text, _) = run(&mut gaebar(&repo.folder, &["show", "backup", key]), 0);
        text.split("pub fn row_").nth(1).unwrap().split('(').next().unwrap().parse().unwrap()
    };
    let last = number(&repo, "Reaction/1000000");
    repo.put(Entity::new(Key::root("Reaction", 7), Properties::new()).unwrap());
    repo.diff();
    assert_eq!(number(&repo, "Reaction/7"), last + 1);
    assert_eq!(number(&repo, "Reaction/1000000"), last);

    // A whole kind goes; its numbers are remembered.
    repo.delete("PlasticMan/1");
    let diff = repo.diff();
    assert!(diff.keys().any(|file| file.contains("volumes/plastic_man_0")), "{diff:?}");
    repo.put(Entity::new(Key::root("PlasticMan", 1), Properties::new()).unwrap());
    repo.diff();
    assert_eq!(number(&repo, "PlasticMan/1"), 2);
    assert!(
        fs::read_to_string(repo.folder.join("backup/models/src/plastic_man.rs")).unwrap().contains("motto"),
        "its struct stays"
    );
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

#[test]
fn shards_grow_split_and_shrink_and_reshaping_is_asked_for() {
    let note =
        |id: i64, text: &str| Entity::new(Key::root("Note", id), Properties::from([("text".to_owned(), text.into())])).unwrap();
    let mut repo = Repo::new("sizes", (1..=50).map(|id| note(id, "short")).collect());
    let backup = |repo: &Repo, more: &[&str]| {
        let arguments = [&["backup", "sqlite:store.db", "backup", "--shard-size", "4000"][..], more].concat();
        event(&mut gaebar(&repo.folder, &arguments))["kinds"]["Note"]["shards"].as_u64().unwrap()
    };
    // Made with the usual size: one shard, which now is far past the size asked for.
    assert_eq!(backup(&repo, &[]), 1);
    repo.change("Note/3", |properties| _ = properties.insert("text".to_owned(), "longer".repeat(200).into()));
    assert!(backup(&repo, &[]) > 1, "a shard past 1.5 times its size splits at its tail");
    repo.check();
    for id in 1..=50 {
        repo.change(&format!("Note/{id}"), |properties| _ = properties.insert("extra".to_owned(), id.into()));
    }
    let model = || fs::read_to_string(repo.folder.join("backup/models/src/note.rs")).unwrap();
    backup(&repo, &[]);
    assert!(!model().contains("extra"), "the struct is sticky");
    repo.check();
    backup(&repo, &["--reshape"]);
    assert!(model().contains("extra(\"extra\"): i64"));
    repo.check();
}

/// Killed at any time, what is there is the old backup or the new one, whole.
#[test]
fn an_update_that_is_killed_leaves_the_old_backup_or_the_new_one() {
    let mut repo = Repo::new("killed-update", Headline::new(400).map(Result::unwrap).collect());
    let whole = |backup: &Path| -> BTreeMap<String, Vec<u8>> {
        files(backup).into_iter().filter(|(file, _)| !file.starts_with(".gaebar/")).collect()
    };
    let backup = repo.folder.join("backup");
    let old = whole(&backup);
    let keys: Vec<_> = repo.entities.keys().cloned().collect();
    for key in keys.iter().step_by(3) {
        repo.change(key, |properties| _ = properties.insert("changed".to_owned(), true.into()));
    }
    for key in keys.iter().step_by(10) {
        repo.delete(key);
    }
    let copy = repo.folder.join("copy");
    copy_tree(&backup, &copy);
    repo.backup();
    let new_rows = |backup: &Path| -> BTreeMap<String, Vec<u8>> {
        whole(backup).into_iter().filter(|(file, _)| !file.starts_with("kinds/")).collect()
    };
    let new = new_rows(&backup);
    // As long as an update takes, and a bit, in 60 steps.
    fs::remove_dir_all(&backup).unwrap();
    copy_tree(&copy, &backup);
    let begun = std::time::Instant::now();
    repo.backup();
    let step = begun.elapsed() / 50;
    let (mut were_old, mut were_new) = (0, 0);
    for delay in (0..60).map(|number| step * number) {
        fs::remove_dir_all(&backup).unwrap();
        copy_tree(&copy, &backup);
        let mut child =
            gaebar(&repo.folder, &["backup", "sqlite:store.db", "backup"]).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        run(&mut gaebar(&repo.folder, &["verify", "backup"]), 0);
        if whole(&backup) == old {
            were_old += 1;
        } else {
            assert!(new_rows(&backup) == new, "after {delay:?} the backup is neither the old one nor the new one");
            were_new += 1;
        }
    }
    eprintln!("killed 60 times: {were_old} old, {were_new} new");
    assert!(were_old > 0 && were_new > 0, "{were_old} old, {were_new} new: the kills came too early or too late");
    repo.backup();
    repo.check();
}

fn copy_tree(from: &Path, to: &Path) {
    for (file, bytes) in files(from) {
        let path = to.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
