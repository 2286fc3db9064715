//! Stands between a client and a server, and may change what is answered.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// An answer as it is sent: all of its bytes, head and body.
pub type Raw = Vec<u8>;

/// A proxy, until the test binary ends.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// One in front of a server. `change` gets the path that was asked for and the true answer.
    pub fn before(server: SocketAddr, change: impl Fn(&str, Raw) -> Raw + Send + Sync + 'static) -> Self {
        Self::through(server, change, Some)
    }

    /// The same for clients that speak something else before HTTP: `open` understands it, or ends the connection.
    pub fn through<S: Read + Write>(
        server: SocketAddr,
        change: impl Fn(&str, Raw) -> Raw + Send + Sync + 'static,
        open: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let (heard, change, open) = (Arc::clone(&asked), Arc::new(change), Arc::new(open));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (heard, change, open) = (Arc::clone(&heard), Arc::clone(&change), Arc::clone(&open));
                thread::spawn(move || {
                    let Some(mut client) = open(client) else { return };
                    let Some((head, sent)) = request(&mut client) else { return };
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    heard.lock().unwrap().push(head.clone());
                    // From a server that was killed comes nothing, and so nothing goes on.
                    let Ok(mut upstream) = TcpStream::connect(server) else { return };
                    let head = head.trim_end().to_owned() + "\r\nConnection: close\r\n\r\n";
                    let mut answer = Vec::new();
                    let asked = upstream.write_all(&[head.as_bytes(), &sent].concat());
                    if asked.and_then(|()| upstream.read_to_end(&mut answer)).is_ok_and(|bytes| bytes > 0) {
                        let _ = client.write_all(&change(&path, answer));
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// The heads of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The head and the body of a request.
fn request(client: &mut impl Read) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let length = headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut sent = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap_or(0))];
    client.read_exact(&mut sent).ok()?;
    Some((head, sent))
}

/// An answer with this status and body.
pub fn answer(status: &str, headers: &str, body: &[u8]) -> Raw {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// The body of an answer.
pub fn body(raw: &[u8]) -> &[u8] {
    let at = raw.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer has a head");
    &raw[at + 4..]
}
