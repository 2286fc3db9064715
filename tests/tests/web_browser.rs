//! The Gaebar page in a real browser. Pictures of every page are kept in `target/gaebar-tests/screenshots`; `.ci/run` hands them on.

use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gaebar_gen::private::Private;
use gaebar_runtime::cli::thousands;
use gaebar_tests::browser::Browser;
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::emulator::{Emulator, Flavour};
use gaebar_tests::example::Example;
use gaebar_tests::proxy::{Proxy, Raw, answer};
use gaebar_tests::serve::{Serving, TOKEN, with_backup};
use thirtyfour::Key;

const PAGES: [(&str, &str); 9] = [
    ("backups", "/"),
    ("backup", "/backups/production"),
    ("kind", "/backups/production/kinds/nesting"),
    ("shard", "/backups/production/kinds/profile/profile_0/shard_0.rs"),
    ("shard-wide", "/backups/production/kinds/nesting/nesting_0/shard_0.rs"),
    ("entity", "/backups/production/entity?key=Profile/2"),
    ("jobs", "/jobs"),
    ("job-problem", "/jobs/1"),
    ("problem", "/backups/none"),
];

/// A server with a backup, and a browser in front of it.
fn start(test: &str, token: Option<&str>) -> Option<(PathBuf, Serving, Browser)> {
    let folder = folder(test);
    with_backup(&folder);
    let served = Serving::start(&folder, token, &[]);
    let browser = Browser::start(served.address)?;
    Some((folder, served, browser))
}

#[test]
fn a_person_logs_in_after_a_wrong_token_and_finds_a_row() {
    let Some((_, _served, browser)) = start("browser-login", Some(TOKEN)) else { return };
    browser.open("/backups/production");
    assert!(browser.path().starts_with("/login"), "{}", browser.path());
    assert_eq!(browser.script("return document.activeElement.id"), "token", "one can type at once");
    browser.type_into("#token", "not the token at all");
    browser.press(Key::Enter);
    browser.wait_for("[role=alert]");
    assert!(browser.text("[role=alert]").contains("This is not Gaebar’s token"));
    browser.picture("login-wrong");
    // Chromium tells of the answer's status.
    assert!(browser.errors().iter().all(|error| error.contains("401")));
    browser.type_into("#token", TOKEN);
    browser.click("main button");
    browser.wait_for("table.chart");
    assert_eq!(browser.path(), "/backups/production", "one gets where one wanted to go");

    browser.follow("Profile");
    browser.follow("volumes/profile_0/src/shard_0.rs");
    let file =
        std::fs::read_to_string(folder_of("browser-login").join("backups/production/volumes/profile_0/src/shard_0.rs")).unwrap();
    assert_eq!(browser.script("return document.querySelector('.code code').textContent"), file.as_str());
    assert_eq!(browser.script("return document.cookie"), "", "scripts see no cookie");
    browser.follow("\"Profile/2\"");
    browser.wait_for("ul.keys");
    assert_eq!(browser.text("h1"), "Profile/2");
    browser.follow("AllOtherTypes/1");
    browser.wait_for(".code");
    assert!(browser.path().ends_with("?row=1") && browser.text("span.row:target") == "row_1");
    assert_eq!(browser.errors(), [""; 0]);
    browser.click("header form button");
    browser.wait_for("#token");
    browser.open("/");
    assert!(browser.path().starts_with("/login"), "one is logged out");
}

fn folder_of(test: &str) -> PathBuf {
    gaebar_tests::command::binary().parent().unwrap().parent().unwrap().join("gaebar-tests").join(test)
}

#[test]
fn a_comparison_shows_how_far_it_is_and_then_what_differs() {
    let Some((_, _served, browser)) = start("browser-diff", None) else { return };
    browser.open("/backups/production");
    browser.script("[...document.querySelectorAll('.stores button')].find((button) => button.textContent == 'other').click()");
    // The script looks again until it is done, and puts it in where it was.
    browser.wait_for("article.difference");
    assert!(browser.text("main").contains("3 differ"), "{}", browser.text("main"));
    assert_eq!(browser.script("return document.querySelectorAll('article.difference').length"), 3);
    assert!(browser.text("main").contains("</code><script>alert(1)</script>"), "it is shown as it is");
    browser.picture("diff");
    browser.screen(1100, 900, true);
    browser.picture("diff-dark");
    browser.screen(360, 740, false);
    assert_eq!(browser.script("return document.documentElement.scrollWidth <= innerWidth"), true);
    browser.picture("diff-phone");
    assert_eq!(browser.errors(), [""; 0]);
    is_accessible(&browser, &browser.path());
}

/// Begins to back up the first of the stores, which is not there.
fn fail_to_back_up(browser: &Browser) {
    back_up(browser, "another");
    browser.wait_for("#job .problem");
    assert!(browser.text("[role=status]").starts_with("The last step failed."), "{}", browser.text("main"));
}

/// Pictures of a page in the light, in the dark, and on a phone, where nothing must be cut off.
fn is_readable(browser: &Browser, name: &str, path: &str) {
    browser.screen(1100, 900, false);
    browser.open(path);
    let background = || browser.script("return getComputedStyle(document.body).backgroundColor");
    let light = background();
    browser.picture(name);
    browser.screen(1100, 900, true);
    assert_ne!(background(), light, "{path} is as light in the dark");
    browser.picture(&format!("{name}-dark"));
    browser.screen(360, 740, false);
    let wide = "return [...document.querySelectorAll('main *')].filter((element) => !element.closest('.code, .scroll') && \
                element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.outerHTML)";
    assert_eq!(browser.script(wide), serde_json::json!([]), "{path} is wider than a phone");
    assert_eq!(browser.script("return document.documentElement.scrollWidth <= innerWidth"), true, "{path} scrolls sideways");
    browser.picture(&format!("{name}-phone"));
    let errors = browser.errors();
    assert!(errors.iter().all(|error| name == "problem" && error.contains("404")), "{path}: {errors:?}");
}

#[test]
fn pages_are_readable_in_the_dark_and_on_a_phone() {
    let Some((_, _served, browser)) = start("browser-looks", None) else { return };
    fail_to_back_up(&browser);
    for (name, path) in PAGES {
        is_readable(&browser, name, path);
    }
}

/// What a keyboard and a screen reader need of a page.
fn is_accessible(browser: &Browser, path: &str) {
    browser.open(path);
    for (what, script) in [
        ("one heading of the first level", "return document.querySelectorAll('h1').length == 1"),
        ("landmarks", "return ['header', 'main', 'footer', 'nav[aria-label]'].every((one) => document.querySelector(one))"),
        ("a language and a title", "return document.documentElement.lang == 'en' && document.title.length > 0"),
        (
            "labels",
            "return [...document.querySelectorAll('input:not([type=hidden]), select')].every((input) => input.labels.length)",
        ),
        ("words where a mouse alone would find some", "return document.querySelectorAll('[title]').length == 0"),
        (
            "names of buttons and links, each button its own",
            "const names = (which) => [...document.querySelectorAll(which)].map((one) => one.ariaLabel ?? one.textContent.trim()); \
             return names('a, button').every((name) => name) && new Set(names('button')).size == names('button').length",
        ),
        (
            "a focus for what scrolls",
            "return [...document.querySelectorAll('.scroll, .code')].every((one) => one.tabIndex == 0 && one.ariaLabel)",
        ),
        (
            "no level of headings left out",
            "return [...document.querySelectorAll('h1, h2, h3')].map((one) => +one.tagName[1]) \
             .every((level, at, all) => level <= (all[at - 1] ?? 0) + 1)",
        ),
        (
            "text that stands out: 4.5 to 1 or more",
            "const light = (color) => { const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((x) => x / 255) \
                 .map((x) => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; }; \
             const behind = (one) => { const color = one ? getComputedStyle(one).backgroundColor : 'rgb(255, 255, 255)'; \
                 return color == 'rgba(0, 0, 0, 0)' ? behind(one.parentElement) : color; }; \
             return [...document.querySelectorAll('main *, header *')].filter((one) => \
                 [...one.childNodes].some((node) => node.nodeType == 3 && node.data.trim())).every((one) => { \
                 const [a, b] = [getComputedStyle(one).color, behind(one)].map(light); \
                 return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) >= 4.5; })",
        ),
    ] {
        for dark in [false, true] {
            browser.screen(1100, 900, dark);
            assert_eq!(browser.script(script), true, "{path} lacks {what} (dark: {dark})");
        }
    }
    browser.screen(1100, 900, false);
}

#[test]
fn pages_have_what_a_keyboard_and_a_screen_reader_need() {
    let Some((_, _served, browser)) = start("browser-access", None) else { return };
    fail_to_back_up(&browser);
    for (_, path) in PAGES {
        is_accessible(&browser, path);
    }
    let folder = folder("browser-access-login");
    let asks = Serving::start(&folder, Some(TOKEN), &[]);
    is_accessible(&Browser::start(asks.address).expect("as above"), "/login");
    browser.open("/backups/production");
    browser.press(Key::Tab);
    assert_eq!(browser.script("return document.activeElement.className"), "skip");
    assert_eq!(
        browser.script("return document.activeElement.getBoundingClientRect().left >= 0"),
        true,
        "it is seen once it has the focus"
    );
    browser.press(Key::Enter);
    browser.press(Key::Tab);
    assert_eq!(browser.script("return document.activeElement.id"), "key", "the content comes next");
    let outline = "const style = getComputedStyle(document.activeElement); return style.outlineStyle != 'none' && parseFloat(style.outlineWidth) >= 2";
    assert_eq!(browser.script(outline), true, "one sees where the focus is");
    browser.type_into("#key", "Profile/2");
    browser.press(Key::Enter);
    browser.wait_for("ul.keys");
    assert_eq!(browser.path(), "/backups/production/entity?key=Profile%2F2");
}

/// Two stores by name, `from` and `to`, the first with so many rows, and small steps.
struct Stores {
    folder: PathBuf,
    emulator: Option<&'static Emulator>,
    rows: u64,
}

impl Stores {
    /// In files.
    fn new(test: &str, rows: u64) -> Self {
        Self::with(None, test, ["from", "to"].map(|name| format!("sqlite:{name}.db")), rows)
    }

    /// Projects of an emulator; `None` where there is none.
    fn on(flavour: Flavour, test: &str, rows: u64) -> Option<Self> {
        let emulator = Emulator::shared(flavour)?;
        let test = format!("{test}-{flavour:?}").to_lowercase();
        let urls = ["from", "to"].map(|name| format!("datastore://{test}-{name}"));
        Some(Self::with(Some(emulator), &test, urls, rows))
    }

    fn with(emulator: Option<&'static Emulator>, test: &str, [from, to]: [String; 2], rows: u64) -> Self {
        let stores = Self { folder: folder(test), emulator, rows };
        let settings = format!("[stores]\nfrom = \"{from}\"\nto = \"{to}\"\n[serve]\nrows-per-step = 40\n");
        std::fs::write(stores.folder.join("gaebar.toml"), settings).unwrap();
        run(&mut stores.command(&["seed", "headline", "--to", "from", "--rows", &rows.to_string()]), 0);
        stores
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = gaebar(&self.folder, arguments);
        if let Some(emulator) = self.emulator {
            command.env("DATASTORE_EMULATOR_HOST", emulator.host());
        }
        command
    }

    fn serve(&self, address: &str, token: Option<&str>) -> Serving {
        Serving::run(self.command(&["serve", "--listen", address]), &self.folder, token)
    }

    /// A server, and a browser in front of it.
    fn start(&self, token: Option<&str>) -> Option<(Serving, Browser)> {
        let served = self.serve("127.0.0.1:0", token);
        let browser = Browser::start(served.address)?;
        Some((served, browser))
    }

    fn are_the_same(&self, a: &str, b: &str) {
        run(&mut self.command(&["diff", a, b]), 0);
    }
}

/// Begins a backup of the store `from` by clicking.
fn back_up(browser: &Browser, name: &str) {
    browser.open("/");
    browser.type_into("#backup", name);
    browser.click("form.work button");
    browser.wait_for("#job");
}

/// Clicks, wherever the script may just have put something new.
fn press(browser: &Browser, css: &str) {
    browser.script(&format!("document.querySelector({css:?}).click()"));
}

/// Waits until a job has ended.
fn wait_for_end(browser: &Browser) {
    browser.wait_for("#job:not([data-steps]) p a");
}

fn back_up_and_restore_by_clicking(stores: &Stores, keeps_pictures: bool) {
    let Some((_served, browser)) = stores.start(None) else { return };
    let rows = thousands(stores.rows);
    let picture = |name: &str| {
        if keeps_pictures {
            browser.picture(name);
        }
    };
    back_up(&browser, "nightly");
    let heard = "window.heard = new Set(); new MutationObserver(() => heard.add(document.querySelector('[role=status]').textContent)) \
                 .observe(document.querySelector('[role=status]'), { childList: true, characterData: true, subtree: true })";
    browser.script(heard);
    browser.wait_for("table.chart");
    browser.script("document.querySelector('section form button').focus()");
    wait_for_end(&browser);
    let said = format!("Backed up {rows} rows of 14 kinds.");
    assert_eq!(browser.text("[role=status]"), said, "{}", browser.text("main"));
    assert_eq!(
        browser.script("return [...heard]"),
        serde_json::json!(["Looking at what was read.", "Writing what was read as code.", said]),
        "a screen reader hears of stages, not of each step"
    );
    assert_eq!(browser.script("return document.activeElement.id"), "main", "the button that had the focus is gone");
    picture("backup-done");
    stores.are_the_same("backups/nightly", "from");

    browser.click("#job a");
    browser.wait_for("#restore");
    picture("backup-page");
    browser.script("document.querySelector('#target').value = 'to'");
    browser.click("#restore button");
    browser.wait_for("form.confirm");
    assert!(browser.text("main").contains("This is the plan. Nothing was written yet."), "{}", browser.text("main"));
    let plan = format!("It creates {rows}, replaces 0 and deletes 0 entities in to, which is ");
    let of_store = ["sqlite:", "datastore://"].map(|url| format!("{plan}{url}"));
    let shown = browser.text("main");
    assert!(of_store.iter().any(|plan| shown.contains(plan)), "{shown}");
    picture("plan");
    is_accessible(&browser, &browser.path());
    browser.screen(360, 740, true);
    let cut = "return [document.documentElement, ...document.querySelectorAll('.scroll')].some((one) => one.scrollWidth > one.clientWidth)";
    picture("plan-phone");
    assert_eq!(browser.script(cut), false, "a phone hides a part of the plan");
    browser.screen(1100, 900, false);
    assert!(browser.script("return document.documentElement.outerHTML.length").as_u64().unwrap() < 60_000);
    browser.click("form.confirm button");
    wait_for_end(&browser);
    assert!(browser.text("[role=status]").starts_with(&format!("Restored: {rows} written")), "{}", browser.text("main"));
    picture("restore-done");
    stores.are_the_same("backups/nightly", "to");

    // Now something is known of the store, so it is told how much is left.
    browser.open("/backups/nightly");
    browser.click("[aria-label='Back up again, from from']");
    browser.wait_for(".so-far .bar");
    let so_far = browser.text(".so-far");
    assert!(so_far.contains(&format!(" of about {rows} rows")) && so_far.ends_with(" left"), "{so_far}");
    picture("backup-running");
    wait_for_end(&browser);
    stores.are_the_same("backups/nightly", "from");
    assert_eq!(browser.errors(), [""; 0]);
}

#[test]
fn a_store_is_backed_up_and_restored_by_clicking() {
    let stores = Stores::new("browser-jobs", 2_000);
    back_up_and_restore_by_clicking(&stores, true);
}

#[test]
fn an_emulator_is_backed_up_and_restored_by_clicking() {
    let Some(stores) = Stores::on(Flavour::Datastore, "browser-jobs", 600) else { return };
    back_up_and_restore_by_clicking(&stores, false);
}

/// With a token, which is not asked for again after the server was killed.
fn reload_and_kill_the_server_on_the_way(stores: &Stores) {
    let Some((mut served, browser)) = stores.start(Some(TOKEN)) else { return };
    browser.open("/");
    browser.type_into("#token", TOKEN);
    browser.press(Key::Enter);
    browser.wait_for("#backup");
    back_up(&browser, "nightly");
    browser.wait_for("table.chart");
    browser.reload();
    browser.wait_for("#job[data-steps] table.chart");
    let address = served.address.to_string();
    served.signal("-KILL");
    browser.wait_for_text("Gaebar does not answer");
    browser.picture("server-gone");
    let served = stores.serve(&address, Some(TOKEN));
    wait_for_end(&browser);
    assert!(
        browser.text("[role=status]").starts_with(&format!("Backed up {} rows", thousands(stores.rows))),
        "{}",
        browser.text("main")
    );
    drop(served);
    stores.are_the_same("backups/nightly", "from");
}

#[test]
fn a_job_survives_a_reload_and_a_killed_server() {
    reload_and_kill_the_server_on_the_way(&Stores::new("browser-resume", 4_000));
}

#[test]
fn a_job_on_an_emulator_survives_a_reload_and_a_killed_server() {
    let Some(stores) = Stores::on(Flavour::Datastore, "browser-resume", 1_000) else { return };
    reload_and_kill_the_server_on_the_way(&stores);
}

#[test]
fn two_tabs_take_steps_of_one_job_and_both_see_its_end() {
    let stores = Stores::new("browser-tabs", 6_000);
    let Some((_served, browser)) = stores.start(None) else { return };
    back_up(&browser, "nightly");
    browser.wait_for("table.chart");
    browser.open_tab(&browser.path());
    browser.wait_for("#job[data-steps] table.chart");
    wait_for_end(&browser);
    assert!(browser.text("[role=status]").starts_with("Backed up 6,000 rows"), "{}", browser.text("main"));
    browser.first_tab();
    wait_for_end(&browser);
    assert!(browser.text("[role=status]").starts_with("Backed up 6,000 rows"), "{}", browser.text("main"));
    stores.are_the_same("backups/nightly", "from");
}

#[test]
fn a_closed_tab_is_found_again_and_a_job_cancelled() {
    let stores = Stores::new("browser-cancel", 6_000);
    let Some((_served, browser)) = stores.start(Some(TOKEN)) else { return };
    browser.open("/");
    browser.type_into("#token", "a wrong token, and long enough");
    browser.press(Key::Enter);
    browser.wait_for("[role=alert]");
    browser.type_into("#token", TOKEN);
    browser.press(Key::Enter);
    browser.wait_for("#backup");
    back_up(&browser, "nightly");
    browser.wait_for("table.chart");
    browser.open("/");
    browser.wait_for("#under-way");
    browser.picture("under-way");
    browser.follow("Back up from into nightly");
    browser.wait_for("#job[data-steps]");
    press(&browser, "section form button");
    browser.wait_for("#job:not([data-steps])");
    assert!(browser.text("[role=status]").contains("Nothing is left of what was read"), "{}", browser.text("main"));
    let backups = stores.folder.join("backups");
    assert!(!backups.join("nightly").exists() && !backups.join(".nightly.gaebar").exists());
    browser.picture("cancelled");
}

#[test]
fn a_step_that_fails_says_so_and_waits_for_somebody() {
    let stores = Stores::new("browser-fails", 6_000);
    let Some((_served, browser)) = stores.start(None) else { return };
    browser.open("/");
    back_up(&browser, "nightly");
    browser.wait_for("table.chart");
    // The job can't be written down any more.
    let in_the_way = stores.folder.join("backups/.gaebar/jobs/1.new");
    while std::fs::create_dir(&in_the_way).is_err() {}
    browser.wait_for("#job:not([data-steps])");
    assert!(browser.text("[role=status]").contains("1.new"), "{}", browser.text("main"));
    std::fs::remove_dir(&in_the_way).unwrap();
    press(&browser, "#step button");
    browser.wait_for("#job[data-steps]");
}

/// A browser before a proxy, which answers some of the requests to such a path in its own way.
fn behind(served: &Serving, path: &'static str, which: Range<usize>, raw: Raw) -> Option<(Proxy, Browser)> {
    let seen = AtomicUsize::new(0);
    let proxy = Proxy::before(served.address, move |asked, answered| {
        let is_taken = asked.contains(path) && which.contains(&seen.fetch_add(1, Ordering::Relaxed));
        if is_taken { raw.clone() } else { answered }
    });
    let browser = Browser::start(proxy.address)?;
    Some((proxy, browser))
}

#[test]
fn a_page_whose_form_is_refused_is_loaded_anew_once_and_then_says_why() {
    let stores = Stores::new("browser-refused", 100);
    let served = stores.serve("127.0.0.1:0", None);
    let refused = answer("403 Forbidden", "Content-Type: text/html\r\n", b"<main>A proxy lets nobody do this.</main>");
    let Some((proxy, browser)) = behind(&served, "/step", 0..usize::MAX, refused) else { return };
    back_up(&browser, "nightly");
    browser.wait_for("#job:not([data-steps])");
    assert_eq!(browser.text("[role=status]"), "A proxy lets nobody do this.");
    let loaded = proxy.asked().iter().filter(|head| head.starts_with("GET /jobs/1 ")).count();
    assert_eq!(loaded, 2, "as it was begun, and once more");
}

#[test]
fn a_comparison_outlives_an_answer_that_gaebar_has_too_much_to_do_and_is_put_in_without_a_reload() {
    let folder = folder("browser-busy");
    with_backup(&folder);
    let served = Serving::start(&folder, None, &[]);
    let busy = answer("503 Service Unavailable", "Content-Type: text/html\r\n", b"<main>Too much to do.</main>");
    // The first request begins it, the second loads the page, and the third is the script's.
    let Some((_proxy, browser)) = behind(&served, "/diff", 2..3, busy) else { return };
    browser.open("/backups/production");
    browser.script("[...document.querySelectorAll('.stores button')].find((button) => button.textContent == 'other').click()");
    browser.wait_for_text("Gaebar has too much to do");
    browser.script("document.querySelector('[role=status]').mark = 1");
    browser.wait_for("article.difference");
    assert!(browser.text("[role=status]").contains("3 differ"), "{}", browser.text("main"));
    assert_eq!(browser.script("return document.querySelector('[role=status]').mark"), 1, "a screen reader hears its end");
}

#[test]
fn who_else_is_at_a_backup_is_told_until_they_have_ended() {
    let stores = Stores::new("browser-others", 200);
    let Some((_served, browser)) = stores.start(None) else { return };
    let backups = stores.folder.join("backups");
    // As `gaebar backup` in a terminal holds it.
    let held = Private::hold(&backups.join(".nightly.gaebar"), &backups.join("nightly")).unwrap();
    back_up(&browser, "nightly");
    browser.wait_for_text("is under way, in process");
    let said = browser.text("[role=status]");
    assert!(said.contains(&format!("in process {}", std::process::id())) && said.contains("nothing was lost"), "{said}");
    is_accessible(&browser, "/jobs/1");
    drop(held);
    wait_for_end(&browser);
    assert!(browser.text("[role=status]").starts_with("Backed up 200 rows"), "{}", browser.text("main"));
}

#[test]
fn what_is_marked_stays_so_while_a_job_goes_on_and_its_plan_grows() {
    let stores = Stores::new("browser-marked", 1_500);
    run(&mut stores.command(&["backup", "from", "backups/nightly"]), 0);
    let served = stores.serve("127.0.0.1:0", None);
    // So that a plan takes longer than a page waits before it shows more of it.
    let slow = Proxy::before(served.address, |path, answered| {
        if path.ends_with("/step") {
            std::thread::sleep(Duration::from_millis(200));
        }
        answered
    });
    let Some(browser) = Browser::start(slow.address) else { return };
    browser.open("/backups/nightly");
    browser.script("document.querySelector('#target').value = 'to'");
    browser.click("#restore button");
    browser.wait_for("#job[data-steps] .plan td");
    let mark = "const cell = document.querySelector('.plan td'); getSelection().selectAllChildren(cell); \
                new MutationObserver(() => document.body.dataset.kept = cell.contains(getSelection().anchorNode) && cell.isConnected) \
                .observe(document.querySelector('.plan'), { childList: true, characterData: true, subtree: true })";
    browser.script(mark);
    browser.wait_for("body[data-kept=true] #job[data-steps]");
    browser.wait_for("form.confirm");
    assert_eq!(browser.script("return document.body.dataset.kept"), "true");
}

#[test]
fn a_backup_is_pulled_by_clicking() {
    let there = Stores::new("browser-pull-there", 200);
    run(&mut there.command(&["backup", "from", "backups/nightly"]), 0);
    let far = there.serve("127.0.0.1:0", Some(TOKEN));
    let here = folder("browser-pull-here");
    let remote = format!("[remotes.far]\nurl = \"http://{}\"\ntoken-file = \"token\"\n", far.address);
    std::fs::write(here.join("gaebar.toml"), remote).unwrap();
    std::fs::write(here.join("token"), TOKEN).unwrap();
    let served = Serving::start(&here, None, &[]);
    let Some(browser) = Browser::start(served.address) else { return };
    is_accessible(&browser, "/");
    browser.type_into("#pull-backup", "nightly");
    browser.click("form:has(#pull-backup) button");
    browser.wait_for("#job");
    wait_for_end(&browser);
    assert!(browser.text("[role=status]").contains("every hash matches"), "{}", browser.text("main"));
    there.are_the_same("from", &here.join("backups/nightly").display().to_string());
}

#[test]
fn what_is_compiled_into_an_application_is_shown_behind_its_own_login() {
    let app = Example::start("guestbook", &folder("browser-linked"), ("GUESTBOOK_PASSWORD", "correct-horse"));
    let Some(browser) = Browser::start(app.address) else { return };
    browser.open_as("admin:correct-horse", "/admin/backup");
    browser.wait_for("#linked");
    for (name, path) in [
        ("mounted", "/admin/backup"),
        ("linked", "/admin/backup/linked/release"),
        ("linked-rows", "/admin/backup/linked/release/rows?kind=Profile"),
    ] {
        is_readable(&browser, name, path);
        is_accessible(&browser, path);
    }
}
