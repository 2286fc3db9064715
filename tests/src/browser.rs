//! Chromium, driven as a person would: by mouse and keyboard.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::LoggingPrefsLogLevel;
use thirtyfour::prelude::*;
use tokio::runtime::Runtime;

use crate::command::binary;
use crate::needs;

/// Nothing but the page: no first run, no update, no call home.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// A browser with a profile of its own, which ends with this value.
#[derive(Debug)]
pub struct Browser {
    runtime: Runtime,
    driver: Option<WebDriver>,
    chromedriver: Child,
    /// Where the page is served.
    address: SocketAddr,
    #[expect(dead_code, reason = "held, not used")]
    profile: TempDir,
}

impl Browser {
    /// Starts one; `None` where there is no Chromium.
    pub fn start(address: SocketAddr) -> Option<Self> {
        let mut chromedriver = Command::new(needs::chromedriver()?)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver runs");
        let mut lines = BufReader::new(chromedriver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| line.unwrap().split_once("successfully on port ").map(|(_, port)| port.to_owned()));
        // It goes on writing, and must not find its output closed.
        thread::spawn(move || lines.for_each(drop));
        let url = format!("http://127.0.0.1:{}", port.expect("chromedriver says its port").trim_end_matches('.'));
        let profile = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in ARGUMENTS {
            capabilities.add_arg(argument).unwrap();
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display())).unwrap();
        capabilities.set_logging_prefs("browser", LoggingPrefsLogLevel::All).unwrap();
        let driver = runtime.block_on(WebDriver::new(&url, capabilities)).expect("a session");
        let browser = Self { runtime, driver: Some(driver), chromedriver, address, profile };
        browser.screen(1100, 900, false);
        Some(browser)
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("it has not ended")
    }

    /// A screen of this size, and of a person who likes it dark or not.
    pub fn screen(&self, width: u32, height: u32, dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        let cdp = self.driver().cdp();
        self.runtime.block_on(cdp.send_raw("Emulation.setDeviceMetricsOverride", size)).unwrap();
        self.runtime.block_on(cdp.send_raw("Emulation.setEmulatedMedia", media)).unwrap();
    }

    /// Opens a page.
    pub fn open(&self, path: &str) {
        self.runtime.block_on(self.driver().goto(format!("http://{}{path}", self.address))).unwrap();
    }

    /// Opens a page behind a password of the host's own; the browser then sends `NAME:PASSWORD` by itself.
    pub fn open_as(&self, login: &str, path: &str) {
        self.runtime.block_on(self.driver().goto(format!("http://{login}@{}{path}", self.address))).unwrap();
    }

    /// Loads the page anew.
    pub fn reload(&self) {
        self.runtime.block_on(self.driver().refresh()).unwrap();
    }

    /// Opens a page in a tab of its own, which is in front now.
    pub fn open_tab(&self, path: &str) {
        let tab = self.runtime.block_on(self.driver().new_tab()).unwrap();
        self.runtime.block_on(self.driver().switch_to_window(tab)).unwrap();
        self.open(path);
    }

    /// Brings the tab that was opened first to the front.
    pub fn first_tab(&self) {
        let tabs = self.runtime.block_on(self.driver().windows()).unwrap();
        self.runtime.block_on(self.driver().switch_to_window(tabs[0].clone())).unwrap();
    }

    /// The path of the page that is open.
    pub fn path(&self) -> String {
        let url = self.runtime.block_on(self.driver().current_url()).unwrap();
        url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
    }

    fn find(&self, by: By) -> WebElement {
        let found = self
            .runtime
            .block_on(self.driver().query(by.clone()).wait(Duration::from_secs(60), Duration::from_millis(50)).first());
        found.unwrap_or_else(|error| panic!("{by:?} on {}: {error}\n{}", self.path(), self.text("body")))
    }

    /// The text of an element, as it is shown; in one go, since the page's script may put another in its place.
    pub fn text(&self, css: &str) -> String {
        let text = self.script(&format!("return document.querySelector({css:?}).innerText"));
        text.as_str().expect("an element has a text").trim().to_owned()
    }

    /// Waits for an element.
    pub fn wait_for(&self, css: &str) {
        self.find(By::Css(css));
    }

    /// Waits until a text, in which there is no `'`, stands somewhere on the page.
    pub fn wait_for_text(&self, text: &str) {
        self.find(By::XPath(format!("//main//*[contains(text(), '{text}')]")));
    }

    /// Clicks on an element.
    pub fn click(&self, css: &str) {
        self.runtime.block_on(self.find(By::Css(css)).click()).unwrap();
    }

    /// Clicks on a link by its text.
    pub fn follow(&self, text: &str) {
        self.runtime.block_on(self.find(By::LinkText(text)).click()).unwrap();
    }

    /// Types into an element.
    pub fn type_into(&self, css: &str, text: &str) {
        self.runtime.block_on(self.find(By::Css(css)).send_keys(text)).unwrap();
    }

    /// Presses a key.
    pub fn press(&self, key: Key) {
        let keys = self.driver().action_chain().send_keys(key + "");
        self.runtime.block_on(keys.perform()).unwrap();
    }

    /// What a script returns.
    pub fn script(&self, script: &str) -> Value {
        self.runtime.block_on(self.driver().execute(script, Vec::new())).unwrap().json().clone()
    }

    /// Keeps a picture of the page for who looks at the tests' results.
    pub fn picture(&self, name: &str) {
        let target = binary().parent().and_then(std::path::Path::parent).expect("the binary stands in a target folder");
        let folder: PathBuf = target.join("gaebar-tests/screenshots");
        fs::create_dir_all(&folder).unwrap();
        self.runtime.block_on(self.driver().screenshot(&folder.join(format!("{name}.png")))).unwrap();
    }

    /// The errors that the browser has told since it was last asked: scripts, missing files, what the content policy forbids.
    pub fn errors(&self) -> Vec<String> {
        let entries = self.runtime.block_on(self.driver().get_log("browser")).unwrap();
        entries.into_iter().filter(|entry| entry.level == "SEVERE").map(|entry| entry.message).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            let _ = self.runtime.block_on(driver.quit());
        }
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
    }
}
