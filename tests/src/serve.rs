//! The built `gaebar serve`, on a port of its own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use gaebar_runtime::model::{Entity, Key, Properties, Value};
use gaebar_runtime::store::{SqliteStore, Store as _};

use crate::command::{gaebar, run};

/// The token of tests.
pub const TOKEN: &str = "a-token-that-is-only-for-tests";

/// A server, which ends with this value.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Serving {
    /// Serves `backups` of a folder, with the stores of its `gaebar.toml`.
    pub fn start(folder: &Path, token: Option<&str>, more: &[&str]) -> Self {
        Self::start_at(folder, "127.0.0.1:0", token, more)
    }

    /// The same at an address, such as that of a server before it.
    pub fn start_at(folder: &Path, address: &str, token: Option<&str>, more: &[&str]) -> Self {
        let mut command = gaebar(folder, &["serve", "--listen", address]);
        command.args(more);
        Self::run(command, folder, token)
    }

    /// The same with a command of one's own, in a folder.
    pub fn run(mut command: Command, folder: &Path, token: Option<&str>) -> Self {
        let log = folder.join("serve.log");
        command.args(["--format", "json"]).env_remove("GAEBAR_TOKEN").stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        if let Some(token) = token {
            command.env("GAEBAR_TOKEN", token);
        }
        let mut child = command.spawn().expect("gaebar runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let event: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{}", fs::read_to_string(&log).unwrap()));
        let url = event["url"].as_str().unwrap();
        let address = url.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address");
        Self { child, log, address }
    }

    /// What it said on standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Bytes that it has read from files so far.
    pub fn bytes_read(&self) -> u64 {
        let counts = fs::read_to_string(format!("/proc/{}/io", self.child.id())).expect("Linux counts them");
        counts.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).expect("it has such a line")
    }

    /// The most kilobytes that it had in memory at once.
    pub fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux tells");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it has such a line");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The memory that it holds, in kB.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux says");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        resident.expect("it has such a line")
    }

    /// The files that it has open.
    pub fn open_files(&self) -> Vec<PathBuf> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("Linux lists them");
        // One may be closed just now.
        open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
    }

    /// Sends a signal, and waits for the end.
    pub fn signal(&mut self, signal: &str) -> ExitStatus {
        let mut kill = Command::new("kill");
        run(kill.args([signal, &self.child.id().to_string()]), 0);
        self.child.wait().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a backup of the functional suite, and two stores by name: `same`, and `other`, which differs.
pub fn with_backup(folder: &Path) {
    run(&mut gaebar(folder, &["seed", "suite", "--to", "sqlite:same.db"]), 0);
    run(&mut gaebar(folder, &["backup", "sqlite:same.db", "backups/production"]), 0);
    run(&mut gaebar(folder, &["seed", "suite", "--to", "sqlite:other.db"]), 0);
    let other = SqliteStore::open_or_create(&folder.join("other.db")).unwrap();
    let hostile = Properties::from([("<b>name</b>".to_owned(), Value::from("</code><script>alert(1)</script>"))]);
    other.upsert(&[Entity::new(Key::root("Profile", 2), hostile).unwrap()]).unwrap();
    other.upsert(&[Entity::new(Key::root("Visitor", 7), Properties::new()).unwrap()]).unwrap();
    other.delete(&[&Key::root("PlasticMan", 1)]).unwrap();
    let stores = "[stores]\nsame = \"sqlite:same.db\"\nother = \"sqlite:other.db\"\nmissing = \"sqlite:missing.db\"\n";
    fs::write(folder.join("gaebar.toml"), stores).unwrap();
}
