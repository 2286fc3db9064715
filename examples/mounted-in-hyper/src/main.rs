//! A server of plain hyper and tower, which has Gaebar's page at `/gaebar`, behind Gaebar's own token.
//!
//! `GAEBAR_TOKEN=$(openssl rand -hex 32) cargo run -p mounted-in-hyper` starts it at <http://127.0.0.1:8080/>, with the backups in the
//! folder `backups`. Another folder and address are its arguments.

use std::time::Duration;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::ConnectInfo;
use gaebar_gen::web::{Access, Settings, Token, router};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{ServiceExt as _, service_fn};

const MOUNT: &str = "/gaebar";
/// How long it waits when the system has no more sockets.
const RELIEF: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let backups = arguments.next().unwrap_or_else(|| "backups".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let token = Token::from_environment()?.context("set GAEBAR_TOKEN; `openssl rand -hex 32` makes a good one")?;

    // An axum router is a tower service, and knows at which path it is mounted.
    let gaebar = axum::Router::new().nest_service(MOUNT, router(Settings::new(backups, Access::Token(token))));
    let listener = TcpListener::bind(&address).await.with_context(|| format!("could not listen at {address}"))?;
    println!("http://{}{MOUNT}", listener.local_addr()?);
    loop {
        let Ok((stream, client)) = listener.accept().await else {
            // It went away again, or there are no more sockets: those that are open will end.
            tokio::time::sleep(RELIEF).await;
            continue;
        };
        let gaebar = gaebar.clone();
        let host = service_fn(move |mut request: Request<Incoming>| {
            // With its address, the page tells a client from others.
            request.extensions_mut().insert(ConnectInfo(client));
            let gaebar = gaebar.clone();
            async move {
                let below = request.uri().path().strip_prefix(MOUNT);
                if below.is_some_and(|below| below.is_empty() || below.starts_with('/')) {
                    gaebar.oneshot(request).await
                } else {
                    Ok(own(&request))
                }
            }
        });
        tokio::spawn(async move {
            let service = TowerToHyperService::new(host);
            // What goes wrong with one connection is its client's.
            let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What the host itself serves.
fn own(request: &Request<Incoming>) -> Response<Body> {
    let (status, text) = match request.uri().path() {
        "/" => (StatusCode::OK, "A server of its own. Its backups are at /gaebar.\n"),
        _ => (StatusCode::NOT_FOUND, "There is nothing here.\n"),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}
