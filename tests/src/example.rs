//! The built examples, on ports of their own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::command::{build, clean};

/// An example that serves something, which ends with this value.
#[derive(Debug)]
pub struct Example {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// The path that it says.
    pub path: String,
}

impl Example {
    /// Starts the example of this package, with its data in a folder and a variable set.
    pub fn start(package: &str, folder: &Path, (variable, value): (&str, &str)) -> Self {
        let binary: PathBuf = build(package, package);
        let mut command = Command::new(binary);
        clean(&mut command).arg(folder).arg("127.0.0.1:0").env(variable, value).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the example runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, path) = line.trim().strip_prefix("http://").and_then(|url| url.split_once('/')).expect("it says its URL");
        Self { child, address: address.parse().unwrap(), path: format!("/{path}") }
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
