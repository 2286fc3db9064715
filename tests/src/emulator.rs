//! Google's two emulators, for tests: found, started, emptied, stopped.
//!
//! A test binary shares one of each ([`Emulator::shared`]), and each test works in a project of its own. A shell
//! watches over the JVM and ends it when the test binary ends, however that comes about: it waits for the end of a pipe
//! that only the binary holds.

use std::ffi::OsString;
use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// How long an emulator may take to start: two seconds on an idle machine.
const START_DEADLINE: Duration = Duration::from_secs(90);
/// How often to start when somebody else takes the port first.
const STARTS: usize = 3;

/// Starts the JVM given as arguments; ends it at the end of standard input. Ends when it does.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
jvm=$!
{
    read _ <&3
    kill "$jvm"
    for i in 1 2 3 4 5 6 7 8 9 10; do
        sleep 0.3
        kill -0 "$jvm" 2>/dev/null || exit
    done
    kill -9 "$jvm"
} >/dev/null 2>&1 &
wait "$jvm"
"#;

/// Which emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// The Cloud Datastore emulator.
    Datastore,
    /// The Firestore emulator in Datastore mode.
    Firestore,
}

impl Flavour {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Datastore, Self::Firestore];

    fn jar(self) -> &'static str {
        match self {
            Self::Datastore => "platform/cloud-datastore-emulator/CloudDatastore.jar",
            Self::Firestore => "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar",
        }
    }

    fn main_class(self) -> &'static str {
        match self {
            Self::Datastore => "com.google.cloud.datastore.emulator.CloudDatastore",
            Self::Firestore => "com.google.cloud.datastore.emulator.firestore.CloudFirestore",
        }
    }

    fn mode(self) -> &'static str {
        match self {
            Self::Datastore => "--testing",
            Self::Firestore => "--database-mode=datastore-mode",
        }
    }

    /// The component of the Google Cloud SDK.
    fn component(self) -> &'static str {
        match self {
            Self::Datastore => "cloud-datastore-emulator",
            Self::Firestore => "cloud-firestore-emulator",
        }
    }
}

impl Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Datastore => "the Datastore emulator",
            Self::Firestore => "the Firestore emulator in Datastore mode",
        })
    }
}

/// A running emulator. It stops when dropped.
#[derive(Debug)]
pub struct Emulator {
    flavour: Flavour,
    port: u16,
    watchdog: Child,
}

impl Emulator {
    /// The one that all tests of this binary share; `None`, said on standard error, where there is none to start. With
    /// `CI=true` that is a failure.
    pub fn shared(flavour: Flavour) -> Option<&'static Self> {
        static DATASTORE: OnceLock<Result<Emulator, NoEmulator>> = OnceLock::new();
        static FIRESTORE: OnceLock<Result<Emulator, NoEmulator>> = OnceLock::new();
        let shared = match flavour {
            Flavour::Datastore => &DATASTORE,
            Flavour::Firestore => &FIRESTORE,
        };
        match shared.get_or_init(|| Self::start(flavour)) {
            Ok(emulator) => Some(emulator),
            Err(NoEmulator::Missing(why)) => {
                let name = thread::current().name().unwrap_or("a test").to_owned();
                assert!(env::var("CI").as_deref() != Ok("true"), "{name} needs {flavour}: {why}");
                // Past the capturing of output, so that it is seen of a test that passes.
                let _ = writeln!(io::stderr(), "LEFT OUT: {name} on {flavour}: {why}");
                None
            }
            Err(NoEmulator::Broken(log)) => panic!("{flavour} did not start:\n{log}"),
        }
    }

    /// Starts one.
    pub fn start(flavour: Flavour) -> Result<Self, NoEmulator> {
        Self::start_at(flavour, free_port)
    }

    /// Ends it, and starts one at the same address: it has forgotten everything.
    pub fn restart(&mut self) {
        self.end();
        let (flavour, port) = (self.flavour, self.port);
        *self = Self::start_at(flavour, || port).unwrap_or_else(|error| panic!("{flavour} did not start again: {error:?}"));
    }

    fn end(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }

    fn start_at(flavour: Flavour, port: impl Fn() -> u16) -> Result<Self, NoEmulator> {
        let Installed { java, jar } = find(flavour).map_err(NoEmulator::Missing)?;
        let mut tries = 1;
        loop {
            match Self::try_start(flavour, &java, &jar, port()) {
                Err(Failed::Ended(_)) if tries < STARTS => tries += 1,
                started => {
                    return started.map_err(|(Failed::Ended(log) | Failed::Silent(log))| NoEmulator::Broken(log));
                }
            }
        }
    }

    fn try_start(flavour: Flavour, java: &Path, jar: &Path, port: u16) -> Result<Self, Failed> {
        let log = env::temp_dir().join(format!("gaebar-emulator-{}-{port}.log", std::process::id()));
        let file = File::create(&log).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(java)
            .args(["-Xmx512m", "-cp"])
            .arg(jar)
            .args([flavour.main_class(), "start", "--host=127.0.0.1"])
            .args([format!("--port={port}").as_str(), flavour.mode()])
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        // Ctrl-C must not end the shell before it has ended the JVM.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut emulator = Self { flavour, port, watchdog: command.spawn().unwrap() };
        let begun = Instant::now();
        let failed = loop {
            if emulator.ask("GET", "/").is_ok_and(|answer| answer.contains(" 200 ") && answer.ends_with("Ok\n")) {
                break None;
            }
            if emulator.watchdog.try_wait().unwrap().is_some() {
                break Some(Failed::Ended as fn(_) -> _);
            }
            if begun.elapsed() > START_DEADLINE {
                break Some(Failed::Silent as fn(_) -> _);
            }
            thread::sleep(Duration::from_millis(100));
        };
        let said = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(&log);
        failed.map_or(Ok(emulator), |failed| Err(failed(said)))
    }

    /// Which one it is.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Its address, as `DATASTORE_EMULATOR_HOST` has it.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Removes all entities of all projects.
    pub fn reset(&self) {
        let answer = self.ask("POST", "/reset").unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }

    /// The answer to an HTTP request. The emulators keep the connection open, whatever they are told.
    fn ask(&self, method: &str, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", self.host())?;
        let (mut answer, mut chunk) = (String::new(), [0; 4096]);
        while !is_whole(&answer) {
            match stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => answer.push_str(&String::from_utf8_lossy(&chunk[..count])),
            }
        }
        Ok(answer)
    }
}

/// Whether an answer has its headers, and all that they promise.
fn is_whole(answer: &str) -> bool {
    answer.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let headers = head.lines().filter_map(|line| line.split_once(':'));
        let length =
            headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).find_map(|(_, n)| n.trim().parse().ok());
        body.len() >= length.unwrap_or(0)
    })
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why there is no emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoEmulator {
    /// None is installed; says what to do.
    Missing(String),
    /// It does not come up; says what it said.
    Broken(String),
}

/// Why an emulator did not come up, and what it said.
enum Failed {
    /// It ended, maybe since somebody else took its port first.
    Ended(String),
    /// It does not answer.
    Silent(String),
}

struct Installed {
    java: PathBuf,
    jar: PathBuf,
}

/// Finds what an emulator needs, or says what is missing.
fn find(flavour: Flavour) -> Result<Installed, String> {
    let jar = sdk_folders().into_iter().map(|sdk| sdk.join(flavour.jar())).find(|jar| jar.is_file()).ok_or_else(|| {
        let component = flavour.component();
        format!("no Google Cloud SDK with it was found; run `gcloud components install {component}` or set CLOUDSDK_ROOT")
    })?;
    let java = env::var_os("JAVA_HOME")
        .map(|home| Path::new(&home).join("bin/java"))
        .filter(|java| java.is_file())
        .or_else(|| on_path("java"))
        .ok_or("no `java` was found on PATH or in JAVA_HOME; install a JRE, 21 or later")?;
    Ok(Installed { java, jar })
}

/// Where a Google Cloud SDK may be, the likeliest first.
fn sdk_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = env::var_os("CLOUDSDK_ROOT").map(PathBuf::from).into_iter().collect();
    // `SDK/bin/gcloud`, maybe behind a symlink.
    let gcloud = on_path("gcloud").and_then(|gcloud| gcloud.canonicalize().ok());
    folders.extend(gcloud.iter().filter_map(|gcloud| Some(gcloud.parent()?.parent()?.to_owned())));
    folders.extend(env::home_dir().map(|home| home.join("google-cloud-sdk")));
    folders.extend(
        [
            "/usr/lib/google-cloud-sdk",
            "/usr/share/google-cloud-sdk",
            "/usr/local/share/google-cloud-sdk",
            "/opt/google-cloud-sdk",
            "/opt/homebrew/share/google-cloud-sdk",
        ]
        .map(PathBuf::from),
    );
    folders
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path: OsString = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).unwrap().port()
}
