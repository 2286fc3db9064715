//! Connections to the page when it is served alone: so many at once, not all of them for one client, and none for longer than its client
//! does something.
//!
//! A client that sends its headers slowly, or nothing, and one that does not take its answer, would each keep a connection for ever, and
//! all connections are somebody's sooner or later. (One that sends a part of a body is the guard's.) While a request is under way, its
//! client has nothing to do but wait, however long that is.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

use super::limit::party;

/// Connections at once. Who comes then waits until one ends.
const MOST: u32 = 256;
/// Those of them that one client may have; its next are closed at once.
const SHARE: u32 = MOST / 4;
/// From the first byte of a request, or from the end of the one before, to the end of its headers.
const HEADERS: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what is sent.
const SILENCE: Duration = Duration::from_mins(1);
/// How long it waits when the system has no more sockets.
const RELIEF: Duration = Duration::from_millis(500);

/// Serves until `stopped` is said; then until requests under way have ended.
pub(super) async fn serve(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(MOST as usize));
    let shares = Arc::new(Shares::default());
    let accept = async {
        // The semaphore is never closed.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, address)) => {
                    let Some(share) = shares.take(address.ip()) else { continue };
                    let connection = connection(stream, address, router.clone(), SILENCE, stopped.clone());
                    tokio::spawn(async move {
                        connection.await;
                        drop((place, share));
                    });
                }
                // A client that went away again, or no more sockets: those that are open will end.
                Err(_) => tokio::time::sleep(RELIEF).await,
            }
        }
    };
    let mut until = stopped.clone();
    tokio::select! {
        () = accept => {}
        _ = until.wait_for(|stopped| *stopped) => {}
    }
    drop(listener);
    // Who has all places is alone.
    let _ = places.acquire_many(MOST).await;
}

/// How many connections each client has.
#[derive(Default)]
struct Shares(Mutex<HashMap<IpAddr, u32>>);

/// A connection that counts until it is dropped.
struct Share {
    shares: Arc<Shares>,
    client: IpAddr,
}

impl Shares {
    /// One more for a client, unless it has its share. On this machine there are none: all that a proxy here is asked comes from one
    /// address.
    fn take(self: &Arc<Self>, address: IpAddr) -> Option<Share> {
        let client = party(address);
        let mut shares = self.lock();
        let has = shares.entry(client).or_default();
        if *has >= SHARE && !client.is_loopback() {
            return None;
        }
        *has += 1;
        Some(Share { shares: Arc::clone(self), client })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.shares.lock();
        if let Some(has) = shares.get_mut(&self.client) {
            *has -= 1;
            if *has == 0 {
                shares.remove(&self.client);
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    silence: Duration,
    mut stopped: watch::Receiver<bool>,
) {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(silence));
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        service.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    let mut connection = pin!(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
    // What goes wrong with one connection is its client's.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use axum::routing::get;

    use super::*;

    /// More than the system buffers of a connection.
    const LARGE: usize = 64 << 20;

    #[tokio::test]
    async fn a_request_that_takes_longer_than_a_client_may_be_silent_is_answered() {
        let silence = Duration::from_millis(100);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let (stream, address) = listener.accept().await.unwrap();
        let step = move || async move {
            tokio::time::sleep(silence * 5).await;
            "the step's end"
        };
        let router = Router::new().route("/", get(step));
        let (_say, stopped) = watch::channel(false);
        connection(stream, address, router, silence, stopped).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("the step's end"), "{answer:?}");
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_of_its_answer_is_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let (stream, address) = listener.accept().await.unwrap();
        let router = Router::new().route("/", get(|| async { vec![0_u8; LARGE] }));
        let (_say, stopped) = watch::channel(false);
        let connection = connection(stream, address, router, Duration::from_millis(100), stopped);
        tokio::time::timeout(Duration::from_mins(1), connection).await.expect("the connection ends");
        drop(client);
    }
}
