//! A mirror on the page deletes what one on the command line does.

use std::path::Path;

use gaebar_runtime::model::{Entity, Key, Properties};
use gaebar_runtime::store::{Scan, SqliteStore, Store as _, View};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::http::get;
use gaebar_tests::program::{Program, id};
use gaebar_tests::serve::{Serving, TOKEN};
use serde_json::json;

use super::STORES;

fn change(folder: &Path, store: &str, put: &[&str], delete: &[&str]) {
    let store = SqliteStore::open_or_create(&folder.join(store)).unwrap();
    let keys = |texts: &[&str]| texts.iter().map(|text| text.parse::<Key>().unwrap()).collect::<Vec<_>>();
    let entities = keys(put).into_iter().map(|key| Entity::new(key, Properties::new()).unwrap());
    store.upsert(&entities.collect::<Vec<_>>()).unwrap();
    store.delete(&keys(delete).iter().collect::<Vec<_>>()).unwrap();
}

/// All keys of a store.
fn keys(folder: &Path, store: &str) -> String {
    let store = SqliteStore::open(&folder.join(store)).unwrap();
    let snapshot = store.snapshot(View::Now).unwrap();
    let mut keys = Vec::new();
    for namespace in snapshot.namespaces().unwrap() {
        for kind in snapshot.kinds(&namespace).unwrap() {
            let scan = Scan { namespace: namespace.clone(), kind, from: None, to: None };
            keys.extend(snapshot.page(&scan, None, 1_000).unwrap().entities.iter().map(|entity| entity.key().to_string()));
        }
    }
    keys.sort_unstable();
    keys.join(" ")
}

#[test]
fn what_production_lost_is_deleted_on_the_page_too() {
    let folder = folder("jobs-mirror");
    std::fs::write(folder.join("gaebar.toml"), STORES).unwrap();
    let lost: Vec<_> = (1..=90).map(|id| format!("Session/{id}")).chain(["{gone}User/2".to_owned()]).collect();
    let lost: Vec<_> = lost.iter().map(String::as_str).collect();
    change(&folder, "from.db", &[&lost[..], &["User/1"]].concat(), &[]);
    let back_up =
        |arguments: &[&str]| run(&mut gaebar(&folder, &[&["backup", "from", "backups/nightly"], arguments].concat()), 0);
    back_up(&[]);
    change(&folder, "from.db", &[], &lost);
    back_up(&[]);
    change(&folder, "to.db", &[&lost[..], &["{strange}User/3", "Draft/1", "_GaebarState/1"]].concat(), &[]);

    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let program = Program(&served);
    let job = id(&program.begin("do=restore&backup=nightly&target=to&mirror=yes"));
    let planned = program.steps(job, "confirming").pop().unwrap();
    let plan = &planned["work"]["plan"];
    assert_eq!((&plan["Session"]["delete"], &plan["User"]["delete"]), (&json!(90), &json!(2)), "{plan}");
    assert_eq!(planned["work"]["others"]["cover"]["only_there"], json!({"Draft": true}));
    let page = get(served.address, &format!("/jobs/{job}")).with("Authorization", &format!("Bearer {TOKEN}")).send();
    assert!(page.body.contains("kinds that the backup has never had") && page.body.contains("Draft"), "{page:?}");
    program.step(job, "confirm=yes");
    let done = program.steps(job, "done").pop().unwrap();
    assert_eq!(done["work"]["deleted"], 92);
    assert_eq!(keys(&folder, "to.db"), "Draft/1 User/1 _GaebarState/1");

    // A backup that is empty by now is mirrored, too.
    change(&folder, "from.db", &[], &["User/1"]);
    back_up(&["--allow-empty"]);
    let job = id(&program.begin("do=restore&backup=nightly&target=to&mirror=yes&confirm=yes"));
    let done = program.steps(job, "done").pop().unwrap();
    assert_eq!(done["work"]["deleted"], 1);
    assert_eq!(keys(&folder, "to.db"), "Draft/1 _GaebarState/1");
}
