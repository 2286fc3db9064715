//! Who gets through to the page, and who does not.

use std::fs;

use axum::Router;
use gaebar_gen::secret::Secret;
use gaebar_gen::web::{Access, Settings, router};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::http::{Request, get, post, resolve};
use gaebar_tests::serve::{Serving, TOKEN, with_backup};

use super::{Browser, mounted};

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
        "127.0.0.1:8734.evil.com",
        "127.0.0.1:evil.com",
        "[::1]evil",
        "[::1].evil.com",
        "[fe80::1%25eth0]",
        "localhost:-1",
        "localhost:+80",
        "localhost:0",
        "localhost:65536",
        "localhost:",
        "localhost.",
        "localhost evil",
        "localhost,evil.com",
        "localhost/",
        "localhost?x",
        "127.1",
        "0x7f000001",
        "user@localhost",
        "backups.example.com:443x",
        "",
    ] {
        let answer = ask(host);
        assert!([400, 421].contains(&answer.status) && !answer.body.contains("<h1>Backups"), "{host}: {answer:?}");
    }
    assert_eq!(get(address, "/").without("Host").send().status, 400);
    let two = get(address, "/").and("Host", "evil.example").send();
    assert!([400, 421].contains(&two.status), "{two:?}");
    for path in ["http://evil.example/", "http://127.0.0.1:1.evil.com/", "http://localhost:-1/"] {
        let whole = get(address, path).send();
        assert!([400, 421].contains(&whole.status), "{path}: {whole:?}");
    }
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
        ("a page of a host that is none", send(&form).with("Origin", &format!("http://{address}.evil.com"))),
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
