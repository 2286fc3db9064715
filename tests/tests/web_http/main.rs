//! The Gaebar page over HTTP: every address, bad input, and attacks.

mod guard;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use gaebar_gen::web::{Access, Settings, Token, router};
use gaebar_runtime::model::{Entity, Key, Properties, Value};
use gaebar_runtime::store::{SqliteStore, Store as _};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::http::{Answer, Connection, get, post, resolve};
use gaebar_tests::serve::{Serving, TOKEN, with_backup};
use gaebar_tests::terminal::check;
use gaebar_tests::tree::files;

/// The most that a page weighs.
const HEAVIEST: usize = 60_000;

/// A browser: it keeps its cookie.
struct Browser {
    address: SocketAddr,
    cookie: String,
    login: Answer,
}

impl Browser {
    fn new(address: SocketAddr) -> Self {
        let login = get(address, "/login").send();
        let cookie = login.cookie();
        Self { address, cookie, login }
    }

    fn logged_in(address: SocketAddr) -> Self {
        let mut browser = Self::new(address);
        let answer = browser.log_in(TOKEN, "");
        assert_eq!(answer.status, 303, "{}", answer.body);
        browser.cookie = answer.cookie();
        browser
    }

    fn log_in(&self, token: &str, next: &str) -> Answer {
        let form = format!("form-token={}&token={token}&next={next}", self.login.field("form-token"));
        post(self.address, "/login", &form).with("Cookie", &self.cookie).send()
    }

    fn get(&self, path: &str) -> Answer {
        get(self.address, path).with("Cookie", &self.cookie).send()
    }

    /// Sends the form of a page.
    fn post(&self, page: &str, path: &str, more: &str) -> Answer {
        let form = format!("form-token={}{more}", self.get(page).field("form-token"));
        post(self.address, path, &form).with("Cookie", &self.cookie).send()
    }
}

/// A router in this process, served until the test binary ends.
fn mounted(app: Router) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await })
    });
    address
}

/// Follows every link from the first page on; returns the pages by their paths.
fn crawl(address: SocketAddr, first: &str) -> BTreeMap<String, Answer> {
    let mut pages = BTreeMap::new();
    let mut left = BTreeSet::from([first.to_owned()]);
    while let Some(path) = left.pop_first() {
        let answer = get(address, &path).send();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.body.len() < HEAVIEST, "{path} weighs {}", answer.body.len());
        for link in answer.links() {
            assert!(!link.starts_with('/') && !link.contains("://"), "{path} has the link {link}, which is not relative");
            let to = resolve(&path, &link);
            assert!(to.starts_with(first), "{path} leads to {to}, out of {first}");
            if !pages.contains_key(&to) && to != path {
                left.insert(to);
            }
        }
        pages.insert(path, answer);
    }
    pages
}

#[test]
fn every_page_is_linked_to_and_light_wherever_the_router_is_mounted() {
    let folder = folder("web-crawl");
    with_backup(&folder);
    let settings = || Settings::new(folder.join("backups"), Access::Elsewhere);
    let served = Serving::start(&folder, None, &[]);
    let alone = crawl(served.address, "/");
    for path in [
        "/backups/production",
        "/backups/production/kinds/profile",
        "/backups/production/kinds/profile/profile_0/shard_0.rs",
        "/backups/production/entity?key=Profile%2F2",
    ] {
        assert!(alone.contains_key(path), "nothing leads to {path}: {:#?}", alone.keys());
    }
    let apps = [
        ("/gaebar", Router::new().nest_service("/gaebar", router(settings()))),
        ("/gaebar", Router::new().nest("/gaebar", router(settings()))),
        ("/admin/backup", Router::new().nest_service("/admin/backup", router(settings()))),
    ];
    for (mount, app) in apps {
        let address = mounted(app);
        let pages = crawl(address, mount);
        let below =
            pages.keys().map(|path| path.strip_prefix(mount).unwrap()).map(|path| if path.is_empty() { "/" } else { path });
        assert_eq!(below.collect::<Vec<_>>(), alone.keys().map(String::as_str).collect::<Vec<_>>());
        let cookie = pages[mount].header("set-cookie");
        assert!(cookie.contains(&format!("; Path={mount}; ")), "{cookie}");
    }
}

#[test]
fn every_answer_has_the_headers_that_keep_others_out() {
    let folder = folder("web-headers");
    with_backup(&folder);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let browser = Browser::logged_in(served.address);
    let foreign = get(served.address, "/").with("Host", "evil.example").send();
    for answer in [
        browser.get("/"),
        browser.get("/assets/script.js"),
        browser.get("/nowhere"),
        get(served.address, "/").send(),
        get(served.address, "/").with("Authorization", "Bearer wrong").send(),
        foreign,
    ] {
        let content = answer.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(content.contains(part), "{answer:?}");
        }
        assert!(!content.contains("unsafe") && answer.header("x-content-type-options") == "nosniff", "{answer:?}");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert!(!answer.body.contains("style=") && !answer.body.contains("onclick"), "{answer:?}");
    }
    assert_eq!(browser.get("/").header("cache-control"), "no-store");
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let folder = folder("web-missing");
    with_backup(&folder);
    let address = Serving::start(&folder, None, &[]);
    for (path, status, part) in [
        ("/nowhere", 404, "There is no page at this address"),
        ("/backups/none", 404, "There is no backup &quot;none&quot;"),
        ("/backups/production?page=9", 404, "There is no page &quot;9&quot; of 1"),
        ("/backups/production?page=-1", 404, "There is no page"),
        ("/backups/production/kinds/none", 404, "no kind in a file"),
        ("/backups/production/kinds/profile/profile_0/shard_7.rs", 404, "has no shard"),
        ("/backups/production/kinds/profile/profile_0/lib.rs", 404, "has no shard"),
        ("/backups/production/kinds/profile/profile_0/shard_0.rs?row=99", 404, "has no row"),
        ("/backups/production/kinds/profile/profile_0/shard_0.rs?row=x", 404, "has no row"),
        ("/backups/production/entity", 400, "is no key"),
        ("/backups/production/entity?key=Profile", 400, "Write it as rows do"),
        ("/backups/production/entity?key=%ff%00", 400, "is no key"),
        ("/backups/production/diff", 404, "No store is called"),
        ("/backups/production/diff?store=sqlite:same.db", 404, "No store is called"),
        ("/backups/%ff", 400, ""),
        ("/jobs/x", 404, "There is no job &quot;x&quot;"),
        ("/jobs/-1", 404, "There is no job &quot;-1&quot;"),
        ("/jobs/7", 404, "there is no job 7"),
        ("/assets/style.scss", 404, "There is no such file"),
    ] {
        let answer = get(address.address, path).send();
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains(part), "{path}: {}", answer.body);
    }
    let nobody = get(address.address, "/backups/production/entity?key=Profile/999").send();
    assert!(nobody.status == 200 && nobody.body.contains("has no entity with this key"), "{}", nobody.body);
    // Programs are told in plain text.
    let plain = get(address.address, "/nowhere").without("Accept").send();
    assert!(plain.status == 404 && plain.body.starts_with("There is no page") && !plain.body.contains('<'), "{plain:?}");
    let browser = Browser::new(address.address);
    for path in ["/jobs/x/step", "/jobs/x/cancel", "/jobs/99999999999999999999/step"] {
        let answer = browser.post("/backups/production", path, "");
        assert!(answer.status == 404 && answer.body.contains("There is no job &quot;"), "{path}: {answer:?}");
    }
    for path in ["/jobs/7/step", "/jobs/7/cancel"] {
        let answer = browser.post("/backups/production", path, "");
        assert!(answer.status == 404 && answer.body.contains("there is no job 7"), "{path}: {answer:?}");
    }
    let api = get(address.address, "/api/jobs/x").send();
    assert!(api.status == 404 && api.body.contains("There is no job \\\"x\\\"."), "{api:?}");
    let wrong = get(address.address, "/").method("DELETE").send();
    assert!(wrong.status == 403 || wrong.status == 405, "{wrong:?}");
    // Without a token there is nothing by which a program could be told from a page of somebody else's.
    let program = post(address.address, "/api/jobs", "do=backup&store=from&backup=x").without("Accept").send();
    assert!(program.status == 403 && program.body.contains("GAEBAR_TOKEN or a file (--token-file"), "{program:?}");
}

#[test]
fn no_path_of_a_request_reaches_a_file_that_no_manifest_lists() {
    let folder = folder("web-paths");
    with_backup(&folder);
    fs::write(folder.join("secret.txt"), "the secret").unwrap();
    fs::create_dir_all(folder.join("backups/.hidden")).unwrap();
    fs::copy(folder.join("backups/production/manifest.json"), folder.join("backups/.hidden/manifest.json")).unwrap();
    let served = Serving::start(&folder, None, &[]);
    for path in [
        "/backups/..",
        "/backups/%2e%2e",
        "/backups/.",
        "/backups/.hidden",
        "/backups/production%2f..%2fproduction",
        "/backups/%2fetc",
        "/backups/production%00",
        "/backups/production/kinds/..%2f..%2fmanifest",
        "/backups/production/kinds/profile/..%2f..%2f..%2f../secret.txt",
        "/backups/production/kinds/profile/profile_0/..%2f..%2f..%2f..%2f..%2fsecret.txt",
        "/backups/production/kinds/profile/crab_0/shard_0.rs",
        "/backups/production/kinds/profile/..%2fvolumes%2fprofile_0/shard_0.rs",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/%2fetc%2fpasswd",
        "//etc/passwd",
        "/../../secret.txt",
    ] {
        let answer = get(served.address, path).send();
        assert!([400, 404].contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
        assert!(!answer.body.contains("the secret") && !answer.body.contains("root:"), "{path}: {}", answer.body);
    }
    #[cfg(unix)]
    for (link, target) in [("profile_0/src/shard_0.rs", "secret.txt"), ("crab_0/src", "."), ("leaf_0", ".")] {
        let link = folder.join("backups/production/volumes").join(link);
        let _ = fs::remove_dir_all(&link);
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(folder.join(target), &link).unwrap();
    }
    fs::write(folder.join("shard_0.rs"), "the secret").unwrap();
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("src/shard_0.rs"), "the secret").unwrap();
    for kind in ["profile", "crab", "leaf"] {
        let answer = get(served.address, &format!("/backups/production/kinds/{kind}/{kind}_0/shard_0.rs")).send();
        assert!(answer.status == 404 && answer.body.contains("is a link"), "{kind}: {answer:?}");
    }
}

#[test]
fn hostile_names_and_edits_are_text_and_nothing_else() {
    let folder = folder("web-hostile");
    with_backup(&folder);
    let name = "<img src=x onerror=alert(1)>&amp; \"'";
    fs::rename(folder.join("backups/production"), folder.join("backups").join(name)).unwrap();
    let shard = folder.join("backups").join(name).join("volumes/profile_0/src/shard_0.rs");
    let edited =
        fs::read_to_string(&shard).unwrap().replace("Narcissus", "</code></pre><script>alert(1)</script>\u{202e}\r\u{1b}[31m");
    fs::write(&shard, edited).unwrap();
    let settings = fs::read_to_string(folder.join("gaebar.toml")).unwrap();
    fs::write(folder.join("gaebar.toml"), settings + "\"left\\u202eright\" = \"sqlite:x\\u202ey.db\"\n").unwrap();
    let served = Serving::start(&folder, None, &[]);
    for (path, page) in crawl(served.address, "/") {
        assert_eq!(check(&page.body), Ok(()), "{path}");
        if page.header("content-type").starts_with("text/html") {
            assert!(!page.body.contains("<img") && !page.body.contains("<script>"), "{path}: {}", page.body);
        }
    }
    fs::create_dir_all(folder.join("backups/a\u{202e}b\u{9b}")).unwrap();
    fs::write(folder.join("backups/a\u{202e}b\u{9b}/manifest.json"), "{\"format\":1,\"name\":\"b\",\"\\u001b[2K\\u009b\":1}")
        .unwrap();
    let page = get(served.address, "/").send().body;
    assert!(page.contains("<option value=\"left&#x202e;right\">left\\u{202e}right</option>"), "{page}");
    assert!(page.contains("a\\u{202e}b\\u{9b}") && page.contains("\\u{1b}[2K\\u{9b}"), "{page}");
    // Programs lose nothing, and write nothing to a terminal that they don't show.
    let job = format!(
        "form-token={}&do=backup&backup=new&store=left%E2%80%AEright",
        get(served.address, "/").send().field("form-token")
    );
    let problems = [
        get(served.address, "/backups/a%E2%80%AEb%C2%9B"),
        get(served.address, "/backups/%1B%5B2K%C2%9B%E2%80%AE"),
        get(served.address, "/backups/none/entity?key=%1B%C2%9B"),
        get(served.address, "/api/jobs/%1B%C2%9B"),
        get(served.address, "/api/backups/a%E2%80%AEb%C2%9B/files"),
        post(served.address, "/api/jobs", &job),
        post(served.address, "/jobs", &job),
    ];
    for problem in problems {
        let answer = problem.clone().with("Accept", "*/*").send();
        assert_eq!(check(&answer.body), Ok(()), "{problem:?}");
    }
    let answer = get(served.address, "/api/jobs/%1B%C2%9B%E2%80%AE").with("Accept", "*/*").send();
    let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(problem["what"], "There is no job \"\\u{1b}\\u{9b}\\u{202e}\".", "{answer:?}");
    let page = get(
        served.address,
        &resolve(
            "/",
            "backups/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%26amp%3B%20%22%27/kinds/profile/profile_0/shard_0.rs",
        ),
    )
    .send();
    assert!(
        page.body.contains("&lt;/code&gt;&lt;/pre&gt;&lt;script&gt;") && page.body.contains("<mark>\\u{202e}</mark>"),
        "{}",
        page.body
    );
    assert!(page.body.contains("edited since it was backed up"));
    assert_eq!(get(served.address, "/backups/%3Cscript%3E").send().status, 404);
}

/// Waits until a comparison has ended.
fn ended(browser: &Browser, path: &str) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let page = browser.get(path);
        if !page.body.contains("data-reload") {
            return page;
        }
        assert!(Instant::now() < deadline, "{}", page.body);
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_backup_is_compared_with_stores_by_entity_and_property() {
    let folder = folder("web-diff");
    with_backup(&folder);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let browser = Browser::logged_in(served.address);
    let compare = |store: &str| {
        let path = format!("/backups/production/diff?store={store}");
        let begun = browser.post("/backups/production", &path, "");
        assert_eq!((begun.status, resolve(&path, begun.header("location"))), (303, path.clone()));
        ended(&browser, &path)
    };
    let same = compare("same");
    assert!(same.body.contains("no difference"), "{}", same.body);
    let other = compare("other");
    for part in [
        "3 differ",
        "only in the backup",
        "only in the store",
        "Visitor/7",
        "PlasticMan/1",
        "&lt;b&gt;name&lt;/b&gt;",
        "<code>&quot;&lt;/code&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;</code>",
        "<code>&quot;Aral Balkan&quot;</code>",
    ] {
        assert!(other.body.contains(part), "{part} is missing: {}", other.body);
    }
    assert!(!other.body.contains("<script>") && other.body.len() < HEAVIEST);
    let missing = compare("missing");
    assert!(missing.body.contains("could not be opened") && missing.body.contains("compare again"), "{}", missing.body);
    assert!(!folder.join("missing.db").exists(), "a comparison creates no store");
}

#[test]
fn a_comparison_that_takes_too_long_is_given_up_with_a_word() {
    let folder = folder("web-slow");
    with_backup(&folder);
    let mut settings = Settings::new(folder.join("backups"), Access::Token(Token::new(TOKEN, "the test").unwrap()));
    settings.stores.insert("same".to_owned(), format!("sqlite:{}", folder.join("same.db").display()).parse().unwrap());
    settings.comparison = Duration::ZERO;
    let address = mounted(router(settings));
    let browser = Browser::logged_in(address);
    let path = "/backups/production/diff?store=same";
    assert_eq!(browser.post("/backups/production", path, "").status, 303);
    let page = ended(&browser, path);
    assert!(page.body.contains("was given up") && page.body.contains("on the command line"), "{}", page.body);
}

#[test]
fn a_new_backup_is_seen_and_a_damaged_one_is_named() {
    let folder = folder("web-changes");
    with_backup(&folder);
    let served = Serving::start(&folder, None, &[]);
    let list = || get(served.address, "/").send().body;
    assert!(list().contains("<dd>39</dd>"), "{}", list());
    run(&mut gaebar(&folder, &["backup", "sqlite:other.db", "backups/production"]), 0);
    assert!(list().contains("<dd>25</dd>"), "the new kind is not seen: {}", list());
    run(&mut gaebar(&folder, &["backup", "sqlite:other.db", "backups/second"]), 0);
    assert!(list().contains("second"));
    fs::write(folder.join("backups/second/kinds/profile.json"), "{}").unwrap();
    assert!(list().contains("This backup can’t be read.") && list().contains("production"), "{}", list());
    let page = get(served.address, "/backups/second").send();
    assert!(page.status == 500 && page.body.contains("gaebar verify"), "{}", page.body);
    fs::remove_dir_all(folder.join("backups")).unwrap();
    assert!(list().contains("There are none in"), "{}", list());
}

#[test]
fn it_ends_when_it_is_told_to_even_while_somebody_is_connected() {
    let folder = folder("web-stop");
    for signal in ["-INT", "-TERM"] {
        let mut served = Serving::start(&folder, None, &[]);
        let _idle = std::net::TcpStream::connect(served.address).unwrap();
        assert_eq!(get(served.address, "/").send().status, 200);
        let begun = Instant::now();
        assert!(served.signal(signal).success(), "{}", served.log());
        assert!(begun.elapsed() < Duration::from_secs(15) && served.log().contains("Stopped"), "{}", served.log());
    }
}

#[test]
fn every_page_of_the_headline_set_stays_light() {
    let folder = folder("web-headline");
    run(&mut gaebar(&folder, &["seed", "headline", "--to", "sqlite:from.db"]), 0);
    run(&mut gaebar(&folder, &["backup", "sqlite:from.db", "backups/headline"]), 0);
    let stores = "[stores]\nfrom = \"sqlite:from.db\"\nto = \"sqlite:to.db\"\n[serve]\nrows-per-step = 10000\n";
    fs::write(folder.join("gaebar.toml"), stores).unwrap();
    run(&mut gaebar(&folder, &["seed", "suite", "--to", "sqlite:to.db"]), 0);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let browser = Browser::logged_in(served.address);
    // With the token, one may ask often.
    let open = |path: &str| {
        let page = get(served.address, path).with("Authorization", &format!("Bearer {TOKEN}")).send();
        assert!(page.body.len() < HEAVIEST, "{path} weighs {}", page.body.len());
        page
    };
    for path in ["/", "/backups/headline", "/jobs", "/assets/style.css", "/assets/script.js", "/assets/icon.svg"] {
        assert_eq!(open(path).status, 200, "{path}");
    }
    let kinds: Vec<_> = open("/backups/headline").links().into_iter().filter(|link| link.contains("/kinds/")).collect();
    assert_eq!(kinds.len(), 14, "{kinds:?}");
    for kind in kinds {
        let kind = resolve("/backups/headline", &kind);
        let shard = open(&kind).links().into_iter().find(|link| link.contains("/shard_")).expect("it has a shard");
        let shard = resolve(&kind, &shard);
        let mut shown = 0;
        for page in 1.. {
            let answer = open(&format!("{shard}?page={page}"));
            if answer.status == 404 {
                break;
            }
            shown += answer.body.matches("class=\"row\" id=\"row_").count();
            if let Some(entity) = answer.links().iter().find(|link| page == 1 && link.contains("/entity?")) {
                assert_eq!(open(&resolve(&shard, entity)).status, 200);
            }
        }
        let (volume, file) = shard.rsplit_once('/').and_then(|(way, file)| Some((way.rsplit_once('/')?.1, file))).unwrap();
        let text = fs::read_to_string(folder.join(format!("backups/headline/volumes/{volume}/src/{file}"))).unwrap();
        assert_eq!(shown, text.matches("\npub fn row_").count(), "{shard}");
    }

    let diff = "/backups/headline/diff?store=to";
    assert_eq!(browser.post("/backups/headline", diff, "").status, 303);
    assert!(ended(&browser, diff).body.contains("These are the first"));
    assert!([1, 2].into_iter().all(|page| open(&format!("{diff}&page={page}")).status == 200));
    for (form, last) in
        [("&do=backup&store=from&backup=headline", "done"), ("&do=restore&backup=headline&target=to", "waiting for a word")]
    {
        let begun = browser.post("/backups/headline", "/jobs", form);
        let job = resolve("/jobs", begun.header("location"));
        while !open("/jobs").body.contains(last) {
            assert_eq!(browser.post("/backups/headline", &format!("{job}/step"), "").status, 303);
            assert!(!open(&job).body.contains("role=\"alert\""), "{}", open(&job).body);
        }
    }
}

/// Whatever a folder of backups has in it.
#[test]
fn other_things_among_the_backups_are_passed_over() {
    let folder = folder("web-others");
    fs::create_dir_all(folder.join("backups/notes")).unwrap();
    fs::write(folder.join("backups/readme.txt"), "").unwrap();
    let settings = Settings::new(Path::new(&folder).join("backups"), Access::Elsewhere);
    let page = get(mounted(router(settings)), "/").send();
    assert!(page.status == 200 && page.body.contains("There are none in"), "{}", page.body);
}

#[cfg(target_os = "linux")]
#[test]
fn the_list_of_many_backups_reads_few_of_them_again() {
    let folder = folder("web-many");
    with_backup(&folder);
    let manifests: Vec<_> =
        files(&folder.join("backups/production")).into_iter().filter(|(file, _)| file.ends_with(".json")).collect();
    for copy in 0..110 {
        for (file, bytes) in &manifests {
            let place = folder.join(format!("backups/copy-{copy}")).join(file);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, bytes).unwrap();
        }
    }
    let served = Serving::start(&folder, None, &[]);
    let read = || {
        let before = served.bytes_read();
        assert_eq!(get(served.address, "/").send().status, 200);
        served.bytes_read() - before
    };
    let (first, second) = (read(), read());
    assert!(second < first / 2, "{first} bytes, and then {second}");
}

/// The memory that a server may keep of 8,000 requests, in kB.
#[cfg(target_os = "linux")]
const MOST_KEPT: u64 = 20_000;

#[cfg(target_os = "linux")]
#[test]
fn ten_thousand_requests_leave_no_memory_behind() {
    let folder = folder("web-memory");
    let store = SqliteStore::open_or_create(&folder.join("store.db")).unwrap();
    // One entity that all others refer to.
    let of = |kind: &str, id: i64| {
        let hub = Value::new(gaebar_runtime::model::Data::Key(Key::root("Hub", 1)));
        Entity::new(Key::root(kind, id), Properties::from([("hub".to_owned(), hub)])).unwrap()
    };
    let rows = (1..=150).flat_map(|id| ["Left", "Right"].map(|kind| of(kind, id)));
    store.upsert(&rows.chain([of("Hub", 1)]).collect::<Vec<_>>()).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:store.db", "backups/hub"]), 0);
    fs::write(folder.join("gaebar.toml"), "[stores]\nstore = \"sqlite:store.db\"\n").unwrap();
    let served = Serving::start(&folder, None, &[]);
    let pages = [
        ("/", 200),
        ("/backups/hub", 200),
        ("/backups/hub/entity?key=Hub/1", 200),
        ("/backups/hub/kinds/left", 200),
        ("/backups/hub/kinds/left/left_0/shard_0.rs", 200),
        ("/backups/hub/entity?key=Hub/1", 200),
        ("/backups/hub/kinds/right/right_0/shard_0.rs?row=150", 200),
        ("/backups/hub/entity?key=Left/7", 200),
        ("/backups/hub/entity?key=Nothing/1", 200),
        ("/backups/hub/diff?store=store", 200),
        ("/api/backups", 200),
        ("/api/backups/hub/files/kinds/left.json", 200),
        ("/jobs", 200),
        ("/backups/none", 404),
        ("/backups/hub/entity?key=(", 400),
        ("/assets/style.css", 200),
    ];
    let ask = |requests: usize| {
        thread::scope(|scope| {
            for worker in 0..4 {
                scope.spawn(move || {
                    let mut connection = Connection::new(served.address);
                    for at in (worker..requests).step_by(4) {
                        let (path, status) = pages[at / 4 % pages.len()];
                        assert_eq!(connection.get(path).0, status, "{path}");
                    }
                });
            }
        });
        served.memory()
    };
    let (before, after) = (ask(2_000), ask(8_000));
    assert!(after < before + MOST_KEPT, "{before} kB grew to {after} kB");
}
