//! `gaebar serve` and clients that are slow, silent or many.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use gaebar_tests::command::folder;
use gaebar_tests::http::{get, post};
use gaebar_tests::serve::{Serving, TOKEN};

/// Connections that the server takes at once.
const MOST: usize = 256;
/// Those of them that it takes of one client on another machine.
const SHARE: usize = 64;
/// The longest that any of this may take: many times what the server allows.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends a request that leaves the connection open.
fn ask(stream: &mut TcpStream, address: SocketAddr) {
    stream.write_all(format!("GET /assets/icon.svg HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).unwrap();
}

/// The first bytes of the answer.
fn answer(stream: &mut TcpStream) -> std::io::Result<[u8; 12]> {
    let mut first = [0; 12];
    stream.read_exact(&mut first).map(|()| first)
}

#[test]
fn headers_that_never_end_end_the_connection() {
    let served = Serving::start(&folder("web-slow-headers"), None, &[]);
    let mut slow = connect(served.address);
    let mut sends = slow.try_clone().unwrap();
    sends.write_all(format!("GET / HTTP/1.1\r\nHost: {}\r\nX: ", served.address).as_bytes()).unwrap();
    // A byte now and then keeps nothing open.
    let sender = thread::spawn(move || {
        while sends.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(200));
        }
    });
    let mut all = Vec::new();
    let ended = slow.read_to_end(&mut all);
    assert!(!matches!(&ended, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{ended:?}");
    assert!(!all.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&all));
    drop(slow);
    sender.join().unwrap();
    assert_eq!(get(served.address, "/").send().status, 200);
}

#[test]
fn a_connection_on_which_nothing_is_asked_ends() {
    let served = Serving::start(&folder("web-silent"), None, &[]);
    let [mut new, mut used] = [(); 2].map(|()| connect(served.address));
    ask(&mut used, served.address);
    for silent in [&mut new, &mut used] {
        silent.read_to_end(&mut Vec::new()).expect("the server closes it");
    }
}

#[test]
fn a_form_that_never_ends_is_given_up() {
    let served = Serving::start(&folder("web-slow-form"), None, &[]);
    let login = get(served.address, "/login").send();
    let form = post(served.address, "/login", "form-token=").with("Content-Length", "1000").with("Cookie", &login.cookie());
    let answer = form.send();
    assert_eq!(answer.status, 408, "{answer:?}");
    assert!(answer.body.contains("was not sent to its end in time"), "{}", answer.body);
}

#[test]
fn who_comes_when_all_connections_are_taken_waits_for_one() {
    let served = Serving::start(&folder("web-many"), None, &[]);
    let mut taken: Vec<_> = (0..MOST).map(|_| connect(served.address)).collect();
    for stream in &mut taken {
        ask(stream, served.address);
        assert_eq!(&answer(stream).unwrap(), b"HTTP/1.1 200");
    }
    let mut waiting = connect(served.address);
    ask(&mut waiting, served.address);
    waiting.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let error = answer(&mut waiting).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    taken.pop();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(&answer(&mut waiting).unwrap(), b"HTTP/1.1 200");
}

/// An address of this machine that others would know it by; nothing is sent to find it.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

#[test]
fn one_client_cannot_take_all_connections() {
    let Some(outward) = outward() else {
        assert!(std::env::var_os("CI").is_none(), "this machine has no address but its own");
        eprintln!("left out: this machine has no address but its own");
        return;
    };
    let served = Serving::start_at(&folder("web-share"), "0.0.0.0:0", Some(TOKEN), &[]);
    let [there, here] = [outward, IpAddr::from([127, 0, 0, 1])].map(|ip| SocketAddr::new(ip, served.address.port()));
    let mut taken: Vec<_> = (0..SHARE).map(|_| connect(there)).collect();
    for stream in &mut taken {
        ask(stream, there);
        assert_eq!(&answer(stream).unwrap(), b"HTTP/1.1 200");
    }
    let mut more = connect(there);
    // It may be closed before anything is sent.
    let _ = more.write_all(b"GET /assets/icon.svg HTTP/1.1\r\n");
    let mut all = Vec::new();
    let closed = more.read_to_end(&mut all);
    let waits = matches!(&closed, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert!(all.is_empty() && !waits, "{closed:?}: {}", String::from_utf8_lossy(&all));
    // Others go on.
    let mut other = connect(here);
    ask(&mut other, here);
    assert_eq!(&answer(&mut other).unwrap(), b"HTTP/1.1 200");
    // And so does it, once it ends one.
    taken.pop();
    let again = (0..1_000).any(|_| {
        let mut again = connect(there);
        again.write_all(format!("GET /assets/icon.svg HTTP/1.1\r\nHost: {there}\r\n\r\n").as_bytes()).is_ok()
            && answer(&mut again).is_ok()
    });
    assert!(again, "a place that was given back is not taken again");
}
