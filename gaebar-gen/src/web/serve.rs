//! The page alone, without an application around it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::runtime;
use tokio::sync::watch;

use super::{Access, App, Settings, connections, routes};

/// How often it looks whether it should stop.
const LOOK: Duration = Duration::from_millis(50);
/// How long it waits for requests to end when it stops.
const GRACE: Duration = Duration::from_secs(5);

/// Why the page can't be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Everybody could use it.
    #[error("{0} can be reached from other machines: that needs a token, in GAEBAR_TOKEN or a file (--token-file)")]
    Open(SocketAddr),
    /// The address can't be had.
    #[error("could not listen at {address}: {source}; --listen takes another address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no threads, or the network failed.
    #[error("could not serve: {0}")]
    Serve(#[from] io::Error),
}

/// Takes an address to listen at. One that other machines can reach needs a token.
pub fn bind(address: SocketAddr, access: &Access) -> Result<TcpListener, ServeError> {
    if !address.ip().is_loopback() && matches!(access, Access::Elsewhere) {
        return Err(ServeError::Open(address));
    }
    let listener = TcpListener::bind(address).map_err(|source| ServeError::Listen { address, source })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves the page until somebody says stop. What is under way then may end, unless that takes long.
pub fn serve(listener: TcpListener, settings: Settings, stop: &AtomicBool) -> Result<(), ServeError> {
    let app = Arc::new(App::new(settings));
    let runtime = runtime::Builder::new_multi_thread().enable_all().thread_name("gaebar serve").build()?;
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (say, stopped) = watch::channel(false);
        let server = connections::serve(listener, routes(Arc::clone(&app)), stopped);
        let stopping = async {
            while !stop.load(Ordering::Relaxed) {
                tokio::time::sleep(LOOK).await;
            }
            let _ = say.send(true);
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            () = server => {}
            () = stopping => {}
        }
        io::Result::Ok(())
    });
    app.comparisons.stop();
    app.jobs.stop();
    runtime.shutdown_timeout(GRACE);
    Ok(served?)
}
