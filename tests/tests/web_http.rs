//! The Gaebar page over HTTP: every address, bad input, and attacks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use gaebar_gen::secret::Secret;
use gaebar_gen::web::{Access, Settings, Token, router};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::http::{Answer, Request, get, post, resolve};
use gaebar_tests::serve::{Serving, TOKEN, with_backup};
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
fn without_the_token_nothing_is_shown_and_it_is_told_to_nobody() {
    let folder = folder("web-token");
    with_backup(&folder);
    fs::write(folder.join("token"), format!("{TOKEN}\n")).unwrap();
    let served = Serving::start(&folder, None, &["--token-file", "token"]);
    let address = served.address;
    let mut answers = Vec::new();
    for path in ["/", "/backups/production", "/backups/none", "/nowhere"] {
        let answer = get(address, path).send();
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").contains("login?next="), "{answer:?}");
        answers.push(answer);
        for other in [&format!("Basic {TOKEN}"), TOKEN, "Bearer"] {
            let answer = get(address, path).with("Authorization", other).send();
            assert_eq!(answer.status, 303, "{path}: {answer:?}");
            answers.push(answer);
        }
        for wrong in ["Bearer wrong", "Bearer  x", &format!("bearer {}", &TOKEN[1..]), &format!("Bearer {TOKEN}x")] {
            let answer = get(address, path).with("Authorization", wrong).send();
            // Ten wrong ones, and no more.
            assert!([401, 429].contains(&answer.status), "{path}: {answer:?}");
            answers.push(answer);
        }
    }
    assert!(answers.iter().all(|answer| !answer.body.contains("production")), "{answers:?}");

    let served = Serving::start(&folder, None, &["--token-file", "token"]);
    let address = served.address;
    assert_eq!(get(address, "/").with("Authorization", &format!("Bearer {TOKEN}")).send().status, 200);
    assert_ne!(get(address, &format!("/?token={TOKEN}")).send().status, 200, "a token in an address is none");
    let browser = Browser::new(address);
    let wrong = browser.log_in("wrong", "");
    assert!(wrong.status == 401 && wrong.body.contains("This is not Gaebar’s token"), "{wrong:?}");
    let right = browser.log_in(TOKEN, "backups%2Fproduction");
    assert_eq!((right.status, resolve("/login", right.header("location")).as_str()), (303, "/backups/production"));
    let cookie = right.header("set-cookie");
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_ne!(right.cookie(), browser.cookie, "an id from before the login is not one after it");
    assert_eq!(get(address, "/").with("Cookie", &browser.cookie).send().status, 303);
    let https = post(address, "/login", &format!("form-token={}&token={TOKEN}", browser.login.field("form-token")));
    let https = https.with("Cookie", &browser.cookie).with("Origin", &format!("https://{address}")).send();
    assert!(https.header("set-cookie").contains("; Secure"), "{https:?}");

    let browser = Browser::logged_in(address);
    let pages: Vec<_> = ["/", "/backups/production"].into_iter().map(|path| browser.get(path)).collect();
    assert!(pages.iter().all(|page| page.status == 200 && !page.body.contains(TOKEN)));
    let out = browser.post("/", "/logout", "");
    assert!(out.status == 303 && out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    assert_eq!(browser.get("/").status, 303, "the session has ended");
    assert!(!served.log().contains(TOKEN), "{}", served.log());
    answers.extend([wrong, right, out]);
    assert!(answers.iter().all(|answer| !format!("{answer:?}").contains(TOKEN)));
}

#[test]
fn whoever_has_the_same_token_or_secret_knows_the_same_sessions_and_forms() {
    let folder = folder("web-instances");
    with_backup(&folder);
    // A proxy gives both one name; cookies would tell ports apart.
    let ask = |request: Request, cookie: &str| request.with("Host", "localhost").with("Cookie", cookie).send();
    let to = "/backups/production/diff?store=same";
    let start = |token| Serving::start(&folder, token, &[]);
    let log_in = |served: &Serving| {
        let login = ask(get(served.address, "/login"), "");
        let form = format!("form-token={}&token={TOKEN}", login.field("form-token"));
        ask(post(served.address, "/login", &form), &login.cookie()).cookie()
    };
    let (mut one, other, another_token) = (start(Some(TOKEN)), start(Some(TOKEN)), start(Some("another-token-altogether")));
    let login = ask(get(one.address, "/login"), "");
    let form = format!("form-token={}&token={TOKEN}", login.field("form-token"));
    assert_eq!(ask(post(other.address, "/login", &form), &login.cookie()).status, 303, "a login that was begun at the other");
    let cookie = log_in(&one);
    let form = format!("form-token={}", ask(get(one.address, "/backups/production"), &cookie).field("form-token"));
    one.signal("-KILL");
    let one = start(Some(TOKEN));
    for (served, name) in [(&one, "started anew"), (&other, "another instance")] {
        assert_eq!(ask(get(served.address, "/"), &cookie).status, 200, "{name}");
        assert_eq!(ask(post(served.address, to, &form), &cookie).status, 303, "{name}");
    }
    assert_eq!(ask(get(another_token.address, "/"), &cookie).status, 303, "it asks for its own token");
    assert_eq!(ask(post(another_token.address, to, &form), &cookie).status, 403);
    // Who logs out is out, where that was said.
    assert_eq!(ask(post(one.address, "/logout", &form), &cookie).status, 303);
    assert_eq!(ask(get(one.address, "/"), &cookie).status, 303);
    assert_eq!(ask(post(one.address, to, &form), &cookie).status, 403);

    // Without a token, the user's own secret outlives the server.
    let mut served = start(None);
    let page = ask(get(served.address, "/backups/production"), "");
    served.signal("-KILL");
    let served = start(None);
    let form = format!("form-token={}", page.field("form-token"));
    assert_eq!(ask(post(served.address, to, &form), &page.cookie()).status, 303);

    // An application's instances know each other's forms by its secret, and without one they do not.
    let instance = |secret: Option<Secret>| {
        let stores = [("same".to_owned(), format!("sqlite:{}", folder.join("same.db").display()).parse().unwrap())].into();
        let settings = Settings { secret, stores, ..Settings::new(folder.join("backups"), Access::Elsewhere) };
        mounted(router(settings))
    };
    for (secret, status) in [(Some(Secret::new([7; 32])), 303), (None, 403)] {
        let [one, other] = [(); 2].map(|()| instance(secret.clone()));
        let page = ask(get(one, "/backups/production"), "");
        let form = format!("form-token={}", page.field("form-token"));
        assert_eq!(ask(post(other, to, &form), &page.cookie()).status, status);
    }
}

#[test]
fn a_confirmed_restore_goes_on_after_a_kill_where_there_is_no_token() {
    let folder = folder("web-confirmed");
    with_backup(&folder);
    let start = || Serving::start(&folder, None, &["--rows-per-step", "8"]);
    let mut served = start();
    let browser = Browser::new(served.address);
    let job = browser.post("/backups/production", "/jobs", "&do=restore&backup=production&target=other&confirm=yes");
    let job = resolve("/jobs", job.header("location"));
    let state = |browser: &Browser| {
        let page = browser.get(&job);
        page.body.split("role=\"status\"").nth(1).and_then(|rest| rest.split(['<', '>']).nth(1)).unwrap().to_owned()
    };
    while state(&browser) != "Restoring." {
        assert_eq!(browser.post(&job, &format!("{job}/step"), "").status, 303);
    }
    served.signal("-KILL");
    let served = start();
    let browser = Browser::new(served.address);
    while !state(&browser).starts_with("Restored") {
        assert_eq!(state(&browser), "Restoring.", "nobody is asked again");
        assert_eq!(browser.post(&job, &format!("{job}/step"), "").status, 303);
    }
}

#[test]
fn after_logging_in_nobody_is_sent_to_another_host() {
    let folder = folder("web-redirect");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    for next in
        ["https:%2F%2Fevil.example", "%2F%2Fevil.example", "%5C%5Cevil.example", "a%0D%0ALocation:%20evil", "javascript:alert(1)"]
    {
        let answer = Browser::new(served.address).log_in(TOKEN, next);
        let to = answer.header("location");
        assert!(to.starts_with("./") && !to.contains('\\') && !to.starts_with(".//"), "{next}: {answer:?}");
    }
}

#[test]
fn beyond_this_machine_there_is_no_page_without_a_good_token() {
    let folder = folder("web-listen");
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let (_, error) = run(gaebar(&folder, &["serve", "--listen", listen]).env_remove("GAEBAR_TOKEN"), 1);
        assert!(error.contains("can be reached from other machines: that needs a token"), "{error}");
    }
    for (token, part) in [("tiny", "is too short"), ("", "is too short"), ("with blanks in it, and long", "has blanks")] {
        let (_, error) = run(gaebar(&folder, &["serve"]).env("GAEBAR_TOKEN", token), 1);
        assert!(error.contains(part) && (token.is_empty() || !error.contains(token)), "{error}");
    }
    let (_, error) = run(gaebar(&folder, &["serve", "--token-file", "none"]).env_remove("GAEBAR_TOKEN"), 1);
    assert!(error.contains("could not read none"), "{error}");
    let taken = Serving::start(&folder, None, &[]);
    let (_, error) = run(gaebar(&folder, &["serve", "--listen", &taken.address.to_string()]).env_remove("GAEBAR_TOKEN"), 1);
    assert!(error.contains("--listen takes another address"), "{error}");
}

#[test]
fn a_name_that_is_made_to_lead_here_is_refused() {
    let folder = folder("web-hosts");
    let served = Serving::start(&folder, None, &["--host", "backups.example.com"]);
    let (address, port) = (served.address, served.address.port());
    let ask = |host: &str| get(address, "/").with("Host", host).send();
    for host in
        [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}"), "Backups.Example.com".to_owned()]
    {
        assert_eq!(ask(&host).status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
        "evil.example@localhost",
        "backups.example.com.evil",
    ] {
        let answer = ask(host);
        assert!([400, 421].contains(&answer.status) && !answer.body.contains("<h1>Backups"), "{host}: {answer:?}");
    }
    assert_eq!(get(address, "/").without("Host").send().status, 400);
    let two = get(address, "/").and("Host", "evil.example").send();
    assert!([400, 421].contains(&two.status), "{two:?}");
    let whole = get(address, "http://evil.example/").send();
    assert!([400, 421].contains(&whole.status), "{whole:?}");
}

#[test]
fn a_form_of_somebody_elses_changes_nothing() {
    let folder = folder("web-forged");
    with_backup(&folder);
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let address = served.address;
    let (browser, other) = (Browser::logged_in(address), Browser::logged_in(address));
    let to = "/backups/production/diff?store=same";
    let own = browser.get("/backups/production").field("form-token");
    let others = other.get("/backups/production").field("form-token");
    let send = |form: &str| post(address, to, form).with("Cookie", &browser.cookie);
    let form = format!("form-token={own}");
    for (what, request) in [
        ("no token", send("")),
        ("another browser's token", send(&format!("form-token={others}"))),
        ("a token that is cut", send(&form[..form.len() - 1])),
        ("a page of another host", send(&form).with("Origin", "http://evil.example")),
        ("a page of another port", send(&form).with("Origin", "http://127.0.0.1:1")),
        ("a page whose origin is hidden", send(&form).with("Origin", "null")),
        ("another site", send(&form).with("Sec-Fetch-Site", "cross-site")),
        ("another host of the site", send(&form).with("Sec-Fetch-Site", "same-site")),
        ("no cookie", send(&form).without("Cookie")),
    ] {
        let answer = request.send();
        assert_eq!(answer.status, 403, "{what}: {}", answer.body);
        let state = browser.get(to);
        assert!(state.body.contains(">Compare<"), "{what} began a comparison: {}", state.body);
    }
    let own = send(&form).with("Origin", &format!("http://{address}")).with("Sec-Fetch-Site", "same-origin").send();
    assert_eq!(own.status, 303, "{own:?}");
    assert_eq!(send(&form).without("Origin").send().status, 303, "no origin at all is told by who is no browser");

    // Where an application's own layer asks who it is, forms are as safe.
    let app = mounted(Router::new().nest_service("/gaebar", router(Settings::new(folder.join("backups"), Access::Elsewhere))));
    let to = "/gaebar/backups/production/diff?store=same";
    let page = get(app, "/gaebar/backups/production").send();
    assert_eq!(post(app, to, "").with("Cookie", &page.cookie()).send().status, 403);
    assert_eq!(post(app, to, "").with("Authorization", "Basic eDp5").send().status, 403);
    // And a program with Gaebar's token needs none.
    let bearer = post(address, "/backups/production/diff?store=other", "").with("Authorization", &format!("Bearer {TOKEN}"));
    assert_eq!(bearer.send().status, 303);
}

#[test]
fn who_asks_too_often_or_sends_too_much_has_to_wait() {
    let folder = folder("web-limits");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let browser = Browser::new(served.address);
    let long = browser.log_in(&"x".repeat(20_000), "");
    assert_eq!(long.status, 413, "{long:?}");
    let wrong: Vec<_> = (0..12).map(|_| browser.log_in("wrong-wrong-wrong-wrong", "").status).collect();
    assert!(wrong.iter().filter(|status| **status == 401).count() == 10 && wrong.ends_with(&[429, 429]), "{wrong:?}");
    assert_eq!(browser.log_in("wrong-wrong-wrong-wrong", "").header("retry-after"), "60");
    // Whoever has the right one gets in all the same: the others may have the same address.
    assert_eq!(get(served.address, "/").with("Authorization", &format!("Bearer {TOKEN}")).send().status, 200);
    let logged_in = Browser::logged_in(served.address);

    let refused = |request: &Request| (0..1_300).filter(|_| request.send().status == 429).count();
    let asset = get(served.address, "/assets/icon.svg");
    let strangers = refused(&asset);
    assert!((100..=1_299).contains(&strangers), "{strangers} of 1,300 requests were refused");
    assert_eq!(asset.send().status, 429);
    // A backup takes thousands of steps, and has to be cancelled at any time.
    let bearer = format!("Bearer {TOKEN}");
    for own in [asset.clone().with("Cookie", &logged_in.cookie), asset.with("Authorization", &bearer)] {
        assert_eq!(refused(&own), 0);
    }
    let open = Serving::start(&folder, None, &[]);
    assert_eq!(refused(&get(open.address, "/assets/icon.svg")), 0, "everybody may use it");
}

#[test]
fn guesses_from_many_addresses_are_slow_and_lock_nobody_out() {
    let folder = folder("web-guesses");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let ask = |last: u8, token: &str| {
        get(served.address, "/").with("Authorization", &format!("Bearer {token}")).from([127, 0, 0, last].into()).send().status
    };
    for address in 2..12 {
        assert!((0..10).all(|_| ask(address, "a-guess") == 401), "127.0.0.{address}");
    }
    assert_eq!(ask(12, "a-guess"), 429, "a hundred are enough, wherever the next comes from");
    assert_eq!([ask(2, TOKEN), ask(13, TOKEN)], [200, 200]);
}

#[test]
fn a_proxys_own_password_and_somebody_elses_guesses_lock_nobody_out() {
    let folder = folder("web-proxy");
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let address = served.address;
    // A proxy in front asks for a password, and hands it on with everything.
    let behind = |path: &str| get(address, path).with("Authorization", "Basic Z2FlYmFyOnNlY3JldA==");
    for _ in 0..20 {
        assert_eq!(behind("/").send().status, 303, "a person gets to the login");
        assert_eq!(behind("/api/jobs").send().status, 401, "a program is told");
    }
    let browser = Browser::logged_in(address);
    let with_session = |request: Request| request.with("Cookie", &browser.cookie).send().status;
    for _ in 0..20 {
        assert_eq!(with_session(behind("/")), 200);
        // One of a proxy that gives each visitor a token.
        assert_eq!(with_session(get(address, "/").with("Authorization", "Bearer of-the-proxy")), 200);
    }
    assert_eq!(Browser::new(address).log_in(TOKEN, "").status, 303, "none of these was a guess");

    for guess in 0..12 {
        let answer = get(address, "/").with("Authorization", &format!("Bearer guess-{guess}")).send();
        assert_eq!(answer.status, if guess < 10 { 401 } else { 429 });
    }
    assert_eq!(Browser::new(address).log_in(TOKEN, "").status, 303, "who has the token is not kept out");
    assert_eq!(with_session(behind("/")), 200, "who was logged in stays so");
    assert_eq!(with_session(get(address, "/").with("Authorization", "Bearer of-the-proxy")), 200);
    let forged = post(address, "/logout", "").with("Authorization", "Bearer of-the-proxy");
    assert_eq!(with_session(forged), 403, "a wrong token is no form token");
    assert_eq!(browser.post("/", "/logout", "").status, 303);
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
    let served = Serving::start(&folder, None, &[]);
    for (path, page) in crawl(served.address, "/") {
        if page.header("content-type").starts_with("text/html") {
            assert!(!page.body.contains("<img") && !page.body.contains("<script>"), "{path}: {}", page.body);
            assert!(!page.body.contains(['\u{202e}', '\r', '\u{1b}']), "{path} hides something");
        }
    }
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
fn restoring_over_a_store_ends_no_session() {
    let folder = folder("web-session");
    with_backup(&folder);
    // The only store that this Gaebar keeps anything of its own in.
    let settings = fs::read_to_string(folder.join("gaebar.toml")).unwrap();
    fs::write(folder.join("gaebar.toml"), format!("{settings}[state]\nstore = \"other\"\n")).unwrap();
    let served = Serving::start(&folder, Some(TOKEN), &[]);
    let browser = Browser::logged_in(served.address);
    let restore = "&do=restore&backup=production&target=other&mirror=yes&confirm=yes";
    let job = resolve("/jobs", browser.post("/backups/production", "/jobs", restore).header("location"));
    while !browser.get(&job).body.contains("Restored: ") {
        assert_eq!(browser.post(&job, &format!("{job}/step"), "").status, 303);
    }
    run(&mut gaebar(&folder, &["diff", "backups/production", "sqlite:other.db", "--kinds", "Profile,PlasticMan"]), 0);
    assert_eq!(browser.get("/").status, 200);
    // And even once there is nothing of the store any more.
    drop(served);
    fs::remove_file(folder.join("other.db")).unwrap();
    let served = Serving::start_at(&folder, &browser.address.to_string(), Some(TOKEN), &[]);
    assert_eq!(get(served.address, "/").with("Cookie", &browser.cookie).send().status, 200);
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
