//! A server that fails as servers do: it stands in front of an emulator, speaks HTTP/2, and passes requests on, but for those for which a
//! test says otherwise.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// When something fails: before the request took effect, or after that, so that only its answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The emulator never hears of it.
    Before,
    /// The emulator has done it.
    After,
}

/// Makes another message of an answer's.
pub type Rewrite = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// What happens to a request.
#[derive(Clone)]
pub enum Fault {
    /// It is answered with a gRPC status.
    Status(When, tonic::Code, &'static str),
    /// The same, with a wait that the server asks for.
    RetryAfter(Duration),
    /// Its stream is reset.
    Reset(When),
    /// The whole connection is closed.
    Drop(When),
    /// It is never answered.
    Hang,
    /// It is answered late.
    Slow(Duration),
    /// The answer is another.
    Answer(Rewrite),
}

/// A request, as faults are chosen by.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The method: `Commit`.
    pub method: &'a str,
    /// How many of this method came before it.
    pub number: usize,
    /// The message.
    pub message: &'a [u8],
}

type Choose = Box<dyn FnMut(Asked<'_>) -> Option<Fault> + Send>;

/// The server. It ends when dropped.
pub struct Faulty {
    address: SocketAddr,
    _runtime: Runtime,
}

struct Shared {
    upstream: String,
    choose: Mutex<(std::collections::BTreeMap<String, usize>, Choose)>,
}

impl Faulty {
    /// Begins to serve in front of an emulator (`HOST:PORT`).
    pub fn start(upstream: &str, choose: impl FnMut(Asked<'_>) -> Option<Fault> + Send + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads start");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a port");
        let address = listener.local_addr().expect("it has an address");
        let shared =
            Arc::new(Shared { upstream: upstream.to_owned(), choose: Mutex::new((Default::default(), Box::new(choose))) });
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { _ = serve(stream, shared).await });
            }
        });
        Self { address, _runtime: runtime }
    }

    /// Where it listens.
    pub fn host(&self) -> String {
        self.address.to_string()
    }
}

/// Serves a connection until it ends or a fault wants it to.
async fn serve(stream: TcpStream, shared: Arc<Shared>) -> Result<(), h2::Error> {
    let mut connection = h2::server::Builder::new().initial_window_size(16 << 20).handshake(stream).await?;
    let close = Arc::new(Notify::new());
    loop {
        tokio::select! {
            () = close.notified() => return Ok(()),
            accepted = connection.accept() => {
                let Some(accepted) = accepted else { return Ok(()) };
                let (request, respond) = accepted?;
                let (shared, close) = (Arc::clone(&shared), Arc::clone(&close));
                tokio::spawn(async move { _ = answer(request, respond, &shared, &close).await });
            }
        }
    }
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    shared: &Shared,
    close: &Notify,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let sent = read(&mut body).await?;
    let method = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let fault = {
        let mut choose = shared.choose.lock().unwrap_or_else(PoisonError::into_inner);
        let (counts, choose) = &mut *choose;
        let count = counts.entry(method.clone()).or_default();
        *count += 1;
        choose(Asked { method: &method, number: *count - 1, message: sent.get(5..).unwrap_or_default() })
    };
    let before = match &fault {
        Some(Fault::Status(When::Before, ..) | Fault::Reset(When::Before) | Fault::Drop(When::Before)) => true,
        Some(Fault::RetryAfter(_)) => true,
        Some(Fault::Hang) => std::future::pending().await,
        _ => false,
    };
    let passed = if before {
        None
    } else if let Ok(passed) = pass(Request::from_parts(head, ()), sent, &shared.upstream).await {
        Some(passed)
    } else {
        return respond_status(&mut respond, tonic::Code::Unavailable, "the emulator did not answer", None);
    };
    match fault {
        Some(Fault::Status(_, code, message)) => respond_status(&mut respond, code, message, None),
        Some(Fault::RetryAfter(wait)) => {
            respond_status(&mut respond, tonic::Code::ResourceExhausted, "too fast", Some(retry_info(wait)))
        }
        Some(Fault::Reset(_)) => {
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
            Ok(())
        }
        Some(Fault::Drop(_)) => {
            close.notify_one();
            Ok(())
        }
        Some(Fault::Slow(time)) => {
            tokio::time::sleep(time).await;
            passed.map_or(Ok(()), |passed| respond_with(&mut respond, passed, None))
        }
        Some(Fault::Answer(rewrite)) => passed.map_or(Ok(()), |passed| respond_with(&mut respond, passed, Some(rewrite))),
        Some(Fault::Hang) | None => passed.map_or(Ok(()), |passed| respond_with(&mut respond, passed, None)),
    }
}

struct Passed {
    head: Response<()>,
    body: Bytes,
    trailers: Option<HeaderMap>,
}

/// Passes a request on, over a connection of its own, and waits for its answer: the emulator may have been restarted since the last one.
async fn pass(head: Request<()>, body: Bytes, upstream: &str) -> Result<Passed, Box<dyn std::error::Error + Send + Sync>> {
    let upstream = TcpStream::connect(upstream).await?;
    let (client, driver) = h2::client::Builder::new().initial_window_size(16 << 20).handshake::<_, Bytes>(upstream).await?;
    tokio::spawn(async move { _ = driver.await });
    let mut client = client.ready().await?;
    let (response, mut stream) = client.send_request(head, false)?;
    stream.send_data(body, true)?;
    let (head, mut body) = response.await?.into_parts();
    let bytes = read(&mut body).await?;
    let trailers = body.trailers().await?;
    Ok(Passed { head: Response::from_parts(head, ()), body: bytes, trailers })
}

fn respond_with(respond: &mut SendResponse<Bytes>, passed: Passed, rewrite: Option<Rewrite>) -> Result<(), h2::Error> {
    let Passed { head, body, trailers } = passed;
    let body = match rewrite {
        Some(rewrite) if body.len() >= 5 => framed(&rewrite(&body[5..])),
        _ => body,
    };
    if body.is_empty() && trailers.is_none() {
        return respond.send_response(head, true).map(|_| ());
    }
    let mut stream = respond.send_response(head, false)?;
    stream.send_data(body, trailers.is_none())?;
    trailers.map_or(Ok(()), |trailers| stream.send_trailers(trailers))
}

fn respond_status(
    respond: &mut SendResponse<Bytes>,
    code: tonic::Code,
    message: &str,
    details: Option<Vec<u8>>,
) -> Result<(), h2::Error> {
    let mut status = HeaderMap::new();
    tonic::Status::with_details(code, message, details.unwrap_or_default().into())
        .add_header(&mut status)
        .expect("it is plain text");
    let mut head = Response::new(());
    *head.headers_mut() = status;
    head.headers_mut().insert("content-type", "application/grpc".parse().expect("it is plain text"));
    respond.send_response(head, true).map(|_| ())
}

/// A gRPC message: not compressed, its length, its bytes.
fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a message has less than 4 GiB"));
    frame.put_slice(message);
    frame.freeze()
}

/// A `google.rpc.Status` with a `google.rpc.RetryInfo`.
fn retry_info(wait: Duration) -> Vec<u8> {
    use prost::Message as _;
    #[derive(Clone, PartialEq, prost::Message)]
    struct RetryInfo {
        #[prost(message, optional, tag = "1")]
        retry_delay: Option<prost_types::Duration>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct RpcStatus {
        #[prost(message, repeated, tag = "3")]
        details: Vec<prost_types::Any>,
    }
    let nanos = i32::try_from(wait.subsec_nanos()).expect("less than a second");
    let delay = prost_types::Duration { seconds: wait.as_secs().cast_signed(), nanos };
    let value = RetryInfo { retry_delay: Some(delay) }.encode_to_vec();
    let any = prost_types::Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value };
    RpcStatus { details: vec![any] }.encode_to_vec()
}

/// A whole body.
async fn read(body: &mut h2::RecvStream) -> Result<Bytes, h2::Error> {
    let mut bytes = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}
