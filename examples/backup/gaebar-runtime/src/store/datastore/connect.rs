//! The connection: where to, as whom, and one call with its deadline and its retries.

use std::env;
use std::error::Error;
use std::fmt::{Display, Write as _};
use std::time::{Duration, Instant};

use googleapis_tonic_google_datastore_v1::google::datastore::v1 as pb;
use pb::datastore_client::DatastoreClient;
use tokio::runtime::{Builder, Handle, Runtime};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

use super::credentials::{self, Credentials};
use super::retry::{self, Backoff};
use crate::proto::Home;
use crate::proto::written::CommitRequest;
use crate::store::{Place, Realm, StoreError, StoreUrl};

/// Names the emulator to talk to, as for Google's own clients.
const EMULATOR_VARIABLE: &str = "DATASTORE_EMULATOR_HOST";
const PRODUCTION: &str = "https://datastore.googleapis.com";
/// The method that writes.
const COMMIT: &str = "/google.datastore.v1.Datastore/Commit";

/// How long one try of a call may take; Google's clients use the same.
const DEADLINE: Duration = Duration::from_mins(1);
/// How much later the server and the channel give up.
const GRACE: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// The same for an emulator, which is near.
const EMULATOR_CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// How long an emulator's first answer may take: Java warms up.
const EMULATOR_ANSWER_DEADLINE: Duration = Duration::from_secs(20);
/// How often to ask a silent connection for a sign of life while a call waits, and how long to wait for it: else a
/// connection that some router forgot would eat every retry.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer taken. Tonic's own limit is 4 MiB; the Firestore emulator puts all it was asked for in one.
const MAX_ANSWER: usize = 256 << 20;
/// Threads that drive the connection. Messages are encoded and decoded on the callers' threads.
const DRIVERS: usize = 2;

/// A client of one database.
pub(super) struct Client {
    pub(super) place: Place,
    pub(super) home: Home,
    channel: Channel,
    datastore: DatastoreClient<Channel>,
    routing: AsciiMetadataValue,
    credentials: Option<Credentials>,
    driver: Driver,
}

impl Client {
    /// Connects to the emulator that the environment names, or else to Google.
    pub(super) fn connect(project: &str, database: &str) -> Result<Self, StoreError> {
        match env::var_os(EMULATOR_VARIABLE) {
            Some(host) => Self::connect_to_emulator(&host.to_string_lossy(), project, database),
            None => Self::connect_to_production(project, database),
        }
    }

    /// Connects to an emulator: no credentials, no encryption, and never anywhere else.
    pub(super) fn connect_to_emulator(host: &str, project: &str, database: &str) -> Result<Self, StoreError> {
        let host = host.strip_prefix("http://").unwrap_or(host).trim_end_matches('/');
        let place = place(project, database, Realm::Emulator(host.to_owned()));
        let failed = |problem: String| StoreError::Open {
            store: place.to_string(),
            problem,
            next: format!("start the emulator there, or unset {EMULATOR_VARIABLE} to mean the real project"),
        };
        if host.is_empty() || host.contains(['/', '@']) {
            return Err(failed(format!("`{host}` is no HOST:PORT of an emulator")));
        }
        let endpoint = Endpoint::from_shared(format!("http://{host}"))
            .map_err(|error| failed(format!("`{host}` is no HOST:PORT of an emulator ({})", causes(&error))))?;
        let driver = Driver::new().map_err(|error| failed(error.to_string()))?;
        let channel = driver
            .connect(&endpoint, EMULATOR_CONNECT_DEADLINE)
            .map_err(|problem| failed(format!("the emulator at {host} does not answer ({problem})")))?;
        let client = Self::new(place.clone(), channel, None, driver)?;
        client.greet().map_err(|problem| failed(format!("what listens at {host} is no Datastore emulator ({problem})")))?;
        Ok(client)
    }

    fn connect_to_production(project: &str, database: &str) -> Result<Self, StoreError> {
        let place = place(project, database, Realm::Production);
        let failed = |problem: String, next: &str| StoreError::Open { store: place.to_string(), problem, next: next.to_owned() };
        let network = "check this machine's network";
        let driver = Driver::new().map_err(|error| failed(error.to_string(), "try again"))?;
        let credentials = driver.handle.block_on(Credentials::find()).map_err(|problem| failed(problem, credentials::NEXT))?;
        let endpoint = Endpoint::from_static(PRODUCTION)
            .tls_config(ClientTlsConfig::new().with_native_roots())
            .map_err(|error| failed(causes(&error), "install this system's root certificates (`ca-certificates`)"))?;
        let channel = driver
            .connect(&endpoint, CONNECT_DEADLINE)
            .map_err(|problem| failed(format!("{PRODUCTION} does not answer ({problem})"), network))?;
        Self::new(place, channel, Some(credentials), driver)
    }

    fn new(place: Place, channel: Channel, credentials: Option<Credentials>, driver: Driver) -> Result<Self, StoreError> {
        let home = place.url.home();
        let routing = routing(&home.project, &home.database)
            .parse()
            .map_err(|_| StoreError::Url { url: place.url.to_string(), problem: "it can't be written into a header" })?;
        let datastore = DatastoreClient::new(channel.clone()).max_decoding_message_size(MAX_ANSWER);
        Ok(Self { place, home, channel, datastore, routing, credentials, driver })
    }

    /// Waits for any answer of the server's to an empty message: an error will do.
    fn greet(&self) -> Result<(), String> {
        let mut datastore = self.datastore.clone();
        let answer = datastore.lookup(pb::LookupRequest::default());
        match self.driver.handle.block_on(async { tokio::time::timeout(EMULATOR_ANSWER_DEADLINE, answer).await }) {
            Ok(Err(status)) if retry::is_broken(&status) => Err(causes(&status)),
            Ok(_) => Ok(()),
            Err(_) => Err(format!("no answer within {} s", EMULATOR_ANSWER_DEADLINE.as_secs())),
        }
    }

    /// Whether this is an emulator.
    pub(super) fn is_emulator(&self) -> bool {
        matches!(self.place.realm, Realm::Emulator(_))
    }

    /// Sends a message and waits for the answer, again and again while the trouble may pass.
    ///
    /// `action` completes "could not …".
    pub(super) fn call<Q: Clone, A>(
        &self,
        action: impl Display,
        message: &Q,
        send: impl AsyncFn(DatastoreClient<Channel>, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, StoreError> {
        let begun = Instant::now();
        let mut backoff = Backoff::default();
        self.driver.handle.block_on(async {
            loop {
                let attempt = async { send(self.datastore.clone(), self.request(message.clone()).await?).await };
                let status = match tokio::time::timeout(DEADLINE, attempt).await {
                    Ok(Ok(answer)) => return Ok(answer.into_inner()),
                    Ok(Err(status)) => status,
                    Err(_) => Status::deadline_exceeded(format!("no answer within {} s", DEADLINE.as_secs())),
                };
                let Some(patience) = retry::patience(&status, self.is_emulator()) else {
                    return Err(StoreError::Refused {
                        store: self.place.to_string(),
                        action: action.to_string(),
                        code: code_name(status.code()).to_owned(),
                        message: status.message().to_owned(),
                    });
                };
                // Without a random number everybody waits half of the time: no reason to fail.
                let random = getrandom::u64().unwrap_or(u64::MAX / 2);
                match backoff.next(patience, begun.elapsed(), retry::asked_delay(&status), random) {
                    Some(wait) => {
                        let (store, code) = (&self.place, code_name(status.code()));
                        tracing::warn!("{store}: could not {action} yet ({code}); trying again in {:.1} s", wait.as_secs_f64());
                        tokio::time::sleep(wait).await;
                    }
                    None => {
                        return Err(StoreError::Unavailable {
                            store: self.place.to_string(),
                            action: action.to_string(),
                            tries: backoff.tries,
                            seconds: begun.elapsed().as_secs(),
                            code: code_name(status.code()).to_owned(),
                            message: self.explain(&status),
                        });
                    }
                }
            }
        })
    }

    /// Commits mutations: the call that the generated client has no message for.
    pub(super) fn commit(&self, action: impl Display, message: &CommitRequest) -> Result<(), StoreError> {
        let send = async |_, request| {
            let mut channel = Grpc::new(self.channel.clone());
            channel.ready().await.map_err(|error| Status::unknown(format!("the connection is not ready: {}", causes(&error))))?;
            channel.unary(request, PathAndQuery::from_static(COMMIT), ProstCodec::default()).await
        };
        let _: pb::CommitResponse = self.call(action, message, send)?;
        Ok(())
    }

    async fn request<Q>(&self, message: Q) -> Result<Request<Q>, Status> {
        let mut request = Request::new(message);
        // Told to the server too, so that it does not work on for nobody. The channel takes it for a timer as well, whose end would look
        // like a broken connection: ours goes first.
        request.set_timeout(DEADLINE + GRACE);
        // Routes requests on named databases; servers refuse them without.
        request.metadata_mut().insert("x-goog-request-params", self.routing.clone());
        if let Some(credentials) = &self.credentials {
            credentials.sign(request.metadata_mut()).await?;
        }
        Ok(request)
    }

    fn explain(&self, status: &Status) -> String {
        let mut text = status.message().to_owned();
        if let Some(source) = status.source() {
            text = causes(source);
            if let Realm::Emulator(host) = &self.place.realm {
                let _ = write!(text, "; is the emulator at {host} still running?");
            }
        }
        text
    }
}

fn place(project: &str, database: &str, realm: Realm) -> Place {
    Place { url: StoreUrl::Datastore { project: project.to_owned(), database: database.to_owned() }, realm }
}

/// The value of the routing header (<https://google.aip.dev/client-libraries/4222>): empty parameters are left out.
fn routing(project: &str, database: &str) -> String {
    let mut text = String::from("project_id=");
    push_encoded(&mut text, project);
    if !database.is_empty() {
        text.push_str("&database_id=");
        push_encoded(&mut text, database);
    }
    text
}

fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// An error and what is behind it, each cause said once.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            let _ = write!(text, ": {cause}");
        }
        next = error.source();
    }
    text
}

/// A code as the API's documents write it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The runtime that drives the connection.
struct Driver {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Driver {
    fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(DRIVERS).thread_name("gaebar-datastore").enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    fn connect(&self, endpoint: &Endpoint, deadline: Duration) -> Result<Channel, String> {
        let endpoint = endpoint
            .clone()
            .connect_timeout(deadline)
            .tcp_keepalive(Some(KEEP_ALIVE))
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
        self.handle.block_on(async {
            match tokio::time::timeout(deadline, endpoint.connect()).await {
                Ok(connected) => connected.map_err(|error| causes(&error)),
                Err(_) => Err(format!("no connection within {} s", deadline.as_secs())),
            }
        })
    }
}

impl Drop for Driver {
    /// Waits for nobody: a runtime that is dropped where one runs would panic.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routing_is_encoded_and_leaves_the_default_database_out() {
        assert_eq!(routing("my-app", ""), "project_id=my-app");
        assert_eq!(routing("example.com:app", "a b"), "project_id=example.com%3Aapp&database_id=a%20b");
    }

    #[test]
    fn an_emulator_host_that_is_none_is_an_error_and_not_production() {
        for host in ["", "http://", "https://localhost:1", "user@host:1", "host:1/path", "a b:1"] {
            let Err(StoreError::Open { problem, .. }) = Client::connect_to_emulator(host, "p", "") else {
                panic!("{host} was accepted");
            };
            assert!(problem.contains("is no HOST:PORT"), "{problem}");
        }
    }

    #[test]
    fn causes_are_said_once() {
        let error = std::io::Error::other(std::fmt::Error);
        assert_eq!(causes(&error), std::fmt::Error.to_string());
    }
}
