//! A Gaebar elsewhere, asked over HTTP: nothing it answers is larger or takes longer than what was asked for can.

use std::fmt::{self, Debug};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gaebar_runtime::visible::visible;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri, body::Incoming};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{self, Runtime};
use tokio::time::{sleep, timeout};

use super::{MOST_FILES, PullError, certificate};
use crate::listing::{ListedFile, Listing};
use crate::web::{Host, Token, part};

/// Bytes of a list of files: some 300 a file.
const MOST_LIST: u64 = MOST_FILES as u64 * 300;
/// Bytes of what a remote says when it says no.
const MOST_SAID: u64 = 2_000;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a remote may send nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// How long an answer may take, beside its bytes.
const ANSWER: Duration = Duration::from_mins(1);
/// Bytes a second that an answer must come to at the least.
const SLOWEST: u64 = 10_000;
/// How often it asks again where it was told to wait, and how long it waits at the most.
const TRIES: u32 = 10;
const LONGEST_WAIT: u64 = 60;
/// How often it looks whether it should stop.
const LOOK: Duration = Duration::from_millis(50);

/// Whether a token may be sent to another machine over plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// No.
    Refused,
    /// Somebody said that the network is their own.
    Allowed,
}

/// A Gaebar elsewhere.
pub struct Remote {
    runtime: Runtime,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Without a slash at its end.
    url: String,
    authorization: Option<HeaderValue>,
    /// Where the token was found.
    token_place: Option<String>,
    /// Until when it is waited where it asks for that.
    patience: Option<Instant>,
}

impl Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Remote {
    /// The Gaebar at an address, such as `https://backups.example.com/gaebar`. The token goes to it and nowhere else.
    pub fn new(url: &str, token: Option<&Token>, plain: Plain) -> Result<Self, PullError> {
        check_address(url, token.is_some(), plain)?;
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(PullError::Prepare)?;
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls(url)?);
        let connector = connector.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let (authorization, token_place) = (token.and_then(Token::bearer), token.map(|token| token.place().to_owned()));
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { runtime, client, url, authorization, token_place, patience: None })
    }

    /// The same for a step of so long at the most: where it is asked to wait longer, it ends with [`PullError::Later`].
    #[must_use]
    pub fn for_a_step(self, time: Duration) -> Self {
        Self { patience: Instant::now().checked_add(time), ..self }
    }

    /// Its address, without a slash at its end.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The files of a backup.
    pub(super) fn files(&self, backup: &str, stop: &AtomicBool) -> Result<Listing, PullError> {
        let bytes = self.get(&format!("api/backups/{}/files", part(backup)), MOST_LIST, stop)?;
        serde_json::from_slice(&bytes).map_err(|error| PullError::List(error.to_string()))
    }

    /// A file's bytes: as many as were listed, or fewer.
    pub(super) fn file(&self, backup: &str, file: &ListedFile, stop: &AtomicBool) -> Result<Vec<u8>, PullError> {
        let path: Vec<_> = file.path.split('/').map(part).collect();
        self.get(&format!("api/backups/{}/files/{}", part(backup), path.join("/")), file.bytes, stop)
    }

    /// What it tells as JSON, in no more than so many bytes.
    pub(super) fn told<T: DeserializeOwned>(&self, path: &str, most: u64, stop: &AtomicBool) -> Result<T, PullError> {
        self.understand(path, &self.get(path, most, stop)?)
    }

    /// Sends a form; returns what it tells as JSON, in no more than so many bytes.
    pub(super) fn send_form<T: DeserializeOwned>(
        &self,
        path: &str,
        form: String,
        most: u64,
        stop: &AtomicBool,
    ) -> Result<T, PullError> {
        self.understand(path, &self.ask(&self.question(Method::POST, path, form), most, stop)?)
    }

    /// Has something deleted; returns what it tells as JSON, in no more than so many bytes, and soon.
    pub(super) fn delete<T: DeserializeOwned>(&self, path: &str, most: u64) -> Result<T, PullError> {
        let question = self.question(Method::DELETE, path, String::new());
        let answer = self.runtime.block_on(async { timeout(SILENCE, self.answer(&question, most, SILENCE)).await });
        self.understand(path, &answer.map_err(|_| PullError::Slow { url: question.url })??)
    }

    fn understand<T: DeserializeOwned>(&self, path: &str, answer: &[u8]) -> Result<T, PullError> {
        serde_json::from_slice(answer)
            .map_err(|error| PullError::Answer { url: format!("{}/{path}", self.url), problem: visible(&error.to_string()) })
    }

    /// Waits, unless somebody asks to stop.
    pub(super) fn wait(&self, time: Duration, stop: &AtomicBool) -> Result<(), PullError> {
        self.unless_stopped(stop, async {
            sleep(time).await;
            Ok(())
        })
    }

    /// Asks for something that has no more than so many bytes.
    fn get(&self, path: &str, most: u64, stop: &AtomicBool) -> Result<Vec<u8>, PullError> {
        self.ask(&self.question(Method::GET, path, String::new()), most, stop)
    }

    fn question(&self, method: Method, path: &str, form: String) -> Question {
        Question { method, url: format!("{}/{path}", self.url), form: Bytes::from(form) }
    }

    fn ask(&self, question: &Question, most: u64, stop: &AtomicBool) -> Result<Vec<u8>, PullError> {
        let limit = ANSWER + Duration::from_secs(most / SLOWEST);
        self.unless_stopped(stop, self.answer(question, most, limit))
    }

    fn unless_stopped<T>(&self, stop: &AtomicBool, work: impl Future<Output = Result<T, PullError>>) -> Result<T, PullError> {
        self.runtime.block_on(async {
            tokio::select! {
                done = work => done,
                () = stopped(stop) => Err(PullError::Stopped),
            }
        })
    }

    async fn answer(&self, question: &Question, most: u64, limit: Duration) -> Result<Vec<u8>, PullError> {
        let url = question.url.as_str();
        let slow = || PullError::Slow { url: url.to_owned() };
        let mut tries = 1;
        loop {
            let response = timeout(SILENCE, self.send(question)).await.map_err(|_| slow())??;
            let status = response.status();
            if status == StatusCode::TOO_MANY_REQUESTS && tries < TRIES {
                let wait = response.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
                let wait = Duration::from_secs(wait.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT));
                let left = self.patience.map(|end| end.saturating_duration_since(Instant::now()));
                sleep(left.map_or(wait, |left| left.min(wait))).await;
                if left.is_some_and(|left| left < wait) {
                    return Err(PullError::Later { url: url.to_owned() });
                }
                tries += 1;
                continue;
            }
            if status.is_redirection() {
                let to = response.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
                return Err(PullError::Redirect { url: url.to_owned(), to: to.unwrap_or_default() });
            }
            if status == StatusCode::UNAUTHORIZED {
                let url = url.to_owned();
                return Err(match self.token_place.clone() {
                    Some(place) => PullError::WrongToken { url, place },
                    None => PullError::NoToken { url },
                });
            }
            if !status.is_success() {
                let said = timeout(ANSWER, body(response, url, MOST_SAID)).await.map_err(|_| slow())?.unwrap_or_default();
                return Err(PullError::Refused { url: url.to_owned(), status: status.as_u16(), said: no(&said) });
            }
            return timeout(limit, body(response, url, most)).await.map_err(|_| slow())?;
        }
    }

    async fn send(&self, question: &Question) -> Result<Response<Incoming>, PullError> {
        let Question { method, url, form } = question;
        let connection = |problem: String| PullError::Connection { url: url.clone(), problem };
        let mut request =
            Request::builder().method(method).uri(url).header(USER_AGENT, concat!("gaebar/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if *method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Full::new(form.clone())).map_err(|error| connection(error.to_string()))?;
        let refused = |error: Error| {
            certificate::refused(url, &error).unwrap_or_else(|| match told(&error) {
                problem if error.is_connect() => PullError::Unreachable { url: url.clone(), problem },
                problem => connection(problem),
            })
        };
        self.client.request(request).await.map_err(refused)
    }
}

/// What is asked, once or several times.
struct Question {
    method: Method,
    url: String,
    /// What is posted; empty otherwise.
    form: Bytes,
}

/// The bytes of an answer, if they are no more than so many and never cease for long.
async fn body(response: Response<Incoming>, url: &str, most: u64) -> Result<Vec<u8>, PullError> {
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = timeout(SILENCE, body.frame()).await.map_err(|_| PullError::Slow { url: url.to_owned() })? {
        let frame = frame.map_err(|error| PullError::Connection { url: url.to_owned(), problem: told(&error) })?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() as u64 + data.len() as u64 > most {
                return Err(PullError::TooLong { url: url.to_owned(), most });
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}

/// How a Gaebar says no, in words; what anybody else says, as it is.
fn no(said: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        what: String,
        next: String,
    }
    match serde_json::from_slice(said) {
        Ok(Problem { what, next }) => format!("{what} {next}"),
        Err(_) => String::from_utf8_lossy(said).trim().replace('\n', " "),
    }
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        sleep(LOOK).await;
    }
}

/// How certificates are checked: by those of the system, or of `SSL_CERT_FILE`. Without https:// there need not be any.
fn tls(url: &str) -> Result<ClientConfig, PullError> {
    // Named, since an application may have several of them, and chosen none.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| PullError::Prepare(io::Error::other(error)))?;
    let is_https = url.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("https"));
    let config = if is_https {
        config.with_native_roots().map_err(PullError::Roots)?
    } else {
        config.with_root_certificates(RootCertStore::empty())
    };
    Ok(config.with_no_client_auth())
}

fn check_address(url: &str, has_token: bool, plain: Plain) -> Result<(), PullError> {
    let wrong = |problem| PullError::Address { url: url.to_owned(), problem };
    // Were there a password in it, it would not be repeated.
    let uri: Uri = url.parse().map_err(|_| PullError::Address { url: "this".to_owned(), problem: "it can't be parsed" })?;
    let Some(authority) = uri.authority() else { return Err(wrong("it names no host")) };
    if authority.as_str().contains('@') {
        return Err(PullError::Address { url: "this".to_owned(), problem: "a name or password stands in it" });
    }
    let host: Host = authority.as_str().parse().map_err(|_| wrong("its host or port is invalid"))?;
    if uri.query().is_some() || url.contains('#') {
        return Err(wrong("something stands behind its path"));
    }
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if plain == Plain::Allowed || !has_token || host.name.is_loopback() => Ok(()),
        Some("http") => Err(PullError::InTheClear { host: authority.host().to_owned() }),
        _ => Err(wrong("it begins with neither https:// nor http://")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that sends a byte now and then, until nobody listens any more.
    fn dripping() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1_000]).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").unwrap();
            while stream.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        });
        url
    }

    #[test]
    fn an_answer_that_drips_is_given_up_and_one_that_never_ends_is_stopped() {
        let url = dripping();
        let remote = Remote::new(&url, None, Plain::Refused).unwrap();
        let question = Question { method: Method::GET, url, form: Bytes::new() };
        let answer = remote.runtime.block_on(remote.answer(&question, u64::MAX, Duration::from_millis(200)));
        assert!(matches!(answer, Err(PullError::Slow { .. })), "{answer:?}");

        let remote = Remote::new(&dripping(), None, Plain::Refused).unwrap();
        let stop = AtomicBool::new(false);
        let answer = thread::scope(|scope| {
            let asking = scope.spawn(|| remote.get("x", u64::MAX / 2, &stop));
            stop.store(true, Ordering::Relaxed);
            asking.join().unwrap()
        });
        assert!(matches!(answer, Err(PullError::Stopped)), "{answer:?}");
    }

    #[test]
    fn a_token_goes_to_other_machines_by_https_alone() {
        let check = |url: &str| check_address(url, true, Plain::Refused).map_err(|error| error.to_string());
        for url in ["https://example.com/gaebar", "http://127.0.0.1:8734/", "http://localhost:1/x", "http://[::1]:2"] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for url in ["http://example.com", "http://10.0.0.1:8734", "http://localhost.example.com", "http://[2001:db8::1]"] {
            assert!(check(url).unwrap_err().contains("in the clear"), "{url}");
            assert!(check_address(url, true, Plain::Allowed).is_ok() && check_address(url, false, Plain::Refused).is_ok());
        }
        for url in [
            "",
            "backups",
            "ftp://example.com",
            "https://",
            "https://x?token=y",
            "https://x/#y",
            "file:///etc",
            "http://127.0.0.1:1.evil.com",
            "http://[::1]evil",
            "http://localhost:-1",
        ] {
            assert!(check(url).unwrap_err().contains("is no address"), "{url}");
        }
        let error = check("https://me:secret@example.com").unwrap_err();
        assert!(!error.contains("secret"), "{error}");
    }
}
