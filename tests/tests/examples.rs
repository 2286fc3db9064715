//! The examples that mount Gaebar's page, as they are built and started.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use gaebar_runtime::model::{Data, Key};
use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_tests::command::{folder, run};
use gaebar_tests::example::Example;
use gaebar_tests::http::{get, post, resolve};
use gaebar_tests::needs::programs;
use gaebar_tests::serve::{TOKEN, with_backup};
use serde_json::Value;

/// `admin:correct-horse`, as a browser sends it.
const ADMIN: &str = "Basic YWRtaW46Y29ycmVjdC1ob3JzZQ==";

#[test]
fn an_application_mounts_the_page_behind_its_own_login_and_brings_backups_along() {
    let app = Example::start("guestbook", &folder("example-guestbook"), ("GUESTBOOK_PASSWORD", "correct-horse"));
    let signed = post(app.address, "/sign", "name=%3CAda%3E&text=Hello").send();
    assert_eq!(signed.status, 303, "{signed:?}");
    let book = get(app.address, "/").send();
    assert!(book.body.contains("&lt;Ada&gt;") && book.body.contains("Welcome!"), "{}", book.body);

    for wrong in [get(app.address, "/admin/backup"), get(app.address, "/admin/backup/").with("Authorization", "Basic eA==")] {
        let refused = wrong.send();
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Basic realm=\"guestbook\""));
    }
    let open = |path: &str| {
        let page = get(app.address, path).with("Authorization", ADMIN).send();
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert!(page.body.len() < 60_000);
        page
    };
    let follow = |from: &str, part: &str| {
        let link = open(from).links().into_iter().find(|link| link.contains(part));
        resolve(from, &link.unwrap_or_else(|| panic!("{from} has no link to {part}")))
    };
    // Its own data, in a backup that it made.
    let backup = follow("/admin/backup", "backups/guestbook");
    let kind = follow(&backup, "kinds/greeting");
    let shard = follow(&kind, "shard_0.rs");
    assert!(open(&shard).body.contains("Welcome!"));
    // And what was compiled into it: one of this version, one of the first.
    for name in ["backup", "release"] {
        let linked = follow("/admin/backup", &format!("linked/{name}"));
        let rows = open(&follow(&linked, "rows?kind=Profile"));
        assert!(rows.body.contains("<h3>Profile/2 <span class=\"tag\">row_2</span></h3>"), "{}", rows.body);
        assert!(rows.body.contains("Aral Balkan"), "{}", rows.body);
        for link in open(&linked).links().into_iter().filter(|link| link.contains("/rows?")) {
            open(&resolve(&linked, &link));
        }
    }
    for missing in [
        "linked/nothing",
        "linked/nothing/rows?kind=Profile",
        "linked/backup/rows?kind=Missing",
        "linked/backup/rows",
        "linked/backup?page=9",
        "linked/backup?page=x",
        "linked/backup/rows?kind=Profile&page=0",
    ] {
        let missing = get(app.address, &format!("/admin/backup/{missing}")).with("Authorization", ADMIN).send();
        assert_eq!(missing.status, 404, "{}", missing.body);
    }
}

#[test]
fn a_backup_that_is_compiled_in_is_restored_by_pressing_restore() {
    let folder = folder("example-restore");
    let app = Example::start("guestbook", &folder, ("GUESTBOOK_PASSWORD", "correct-horse"));
    let page = "/admin/backup/linked/release";
    let seen = get(app.address, page).with("Authorization", ADMIN).send();
    assert!(seen.body.contains("name=\"linked\" value=\"release\"") && seen.body.contains("Show the plan"), "{}", seen.body);
    let (cookie, token) = (seen.cookie(), seen.field("form-token"));
    let send = |path: &str, form: &str| {
        let form = format!("{form}&form-token={token}");
        post(app.address, path, &form).with("Authorization", ADMIN).with("Cookie", &cookie).send()
    };
    // Both are restored into the application's own store, which stays open.
    for name in ["release", "backup"] {
        let begun = send("/admin/backup/jobs", &format!("do=restore&linked={name}&target=guestbook&on_conflict=overwrite"));
        assert_eq!(begun.status, 303, "{begun:?}");
        let job = resolve("/admin/backup/jobs", begun.header("location")).replace("/backup/", "/backup/api/");
        let step = |form: &str| -> Value {
            let answer = send(&format!("{job}/step"), form);
            assert_eq!(answer.status, 200, "{answer:?}");
            serde_json::from_str(&answer.body).unwrap()
        };
        let planned = step("");
        assert_eq!((&planned["stage"], &planned["work"]["from"]), (&"confirming".into(), &"linked".into()), "{planned}");
        assert_eq!(step("confirm=yes")["stage"], "done");
    }
    let store = SqliteStore::open(&folder.join("guestbook.db")).unwrap();
    let restored = store.lookup(&[&Key::root("Profile", 2), &Key::root("Greeting", 1)]).unwrap();
    let names = restored.iter().flat_map(|entity| entity.properties.values()).filter(|value| match &value.data {
        Data::String(text) => text == "Aral Balkan" || text == "Welcome!",
        _ => false,
    });
    assert_eq!(names.count(), 2, "{restored:?}");
    assert!(get(app.address, "/").send().body.contains("Welcome!"));

    for (form, part) in [
        ("do=restore&linked=nothing&target=guestbook", "There is no backup &quot;nothing&quot; in this program"),
        ("do=restore&linked=release&backup=guestbook&target=guestbook", "Name one of them"),
    ] {
        let refused = send("/admin/backup/jobs", form);
        assert!([400, 422].contains(&refused.status) && refused.body.contains(part), "{refused:?}");
    }
}

#[test]
fn a_host_of_plain_hyper_and_tower_mounts_the_page_behind_gaebars_token() {
    let folder = folder("example-hyper");
    with_backup(&folder);
    let host = Example::start("mounted-in-hyper", &folder.join("backups"), ("GAEBAR_TOKEN", TOKEN));
    assert_eq!(host.path, "/gaebar");
    assert_eq!(get(host.address, "/").send().body, "A server of its own. Its backups are at /gaebar.\n");
    assert_eq!(get(host.address, "/gaebars").send().status, 404);
    let login = get(host.address, "/gaebar").send();
    assert_eq!((login.status, resolve("/gaebar", login.header("location")).as_str()), (303, "/gaebar/login?next="), "{login:?}");
    let open = |path: &str| get(host.address, path).with("Authorization", &format!("Bearer {TOKEN}")).send();
    assert!(open("/gaebar").body.contains("production"));
    let link = open("/gaebar").links().into_iter().find(|link| link.contains("production")).unwrap();
    let backup = open(&resolve("/gaebar", &link));
    assert!(backup.status == 200 && backup.body.contains("PlasticMan"), "{}", backup.body);
    // Whoever guesses is told apart from others.
    let guess = |last: u8| {
        let guess = get(host.address, "/gaebar").with("Authorization", "Bearer a-guess");
        guess.from([127, 0, 0, last].into()).send().status
    };
    assert!((0..10).all(|_| guess(2) == 401));
    assert_eq!([guess(2), guess(3)], [429, 401]);
}

/// Files and sockets that a host may have open at once.
const SOCKETS: usize = 24;

#[test]
fn a_host_of_plain_hyper_and_tower_goes_on_when_there_are_no_more_sockets() {
    if !programs(&["prlimit"]) {
        return;
    }
    let host = Example::start("mounted-in-hyper", &folder("example-sockets"), ("GAEBAR_TOKEN", TOKEN));
    run(Command::new("prlimit").args([&format!("--nofile={SOCKETS}"), "--pid", &host.process().to_string()]), 0);
    let taken: Vec<_> = (0..2 * SOCKETS).map(|_| TcpStream::connect(host.address).unwrap()).collect();
    while fs::read_dir(format!("/proc/{}/fd", host.process())).unwrap().count() < SOCKETS {}
    drop(taken);
    assert_eq!(get(host.address, "/").send().status, 200);
}
