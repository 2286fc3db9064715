//! HTTP as bytes: a client that sends what no browser would.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::TcpSocket;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// The value of a hidden field of a form.
    pub fn field(&self, name: &str) -> String {
        let field = self.body.split(&format!("name=\"{name}\" value=\"")).nth(1).expect("the page has such a field");
        field.split('"').next().unwrap().to_owned()
    }

    /// The cookie that is set, without its attributes.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// The addresses that the page links to.
    pub fn links(&self) -> Vec<String> {
        let links = self.body.split(" href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        links.map(|link| link.replace("&amp;", "&")).collect()
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    address: SocketAddr,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    /// This machine's address that it comes from, if the system is not to choose.
    from: Option<IpAddr>,
}

/// Asks for a page, as a browser does.
pub fn get(address: SocketAddr, path: &str) -> Request {
    let headers = vec![("Host".to_owned(), address.to_string()), ("Accept".to_owned(), "text/html".to_owned())];
    Request { address, method: "GET", path: path.to_owned(), headers, body: String::new(), from: None }
}

/// Sends a form.
pub fn post(address: SocketAddr, path: &str, body: &str) -> Request {
    let request = Request { method: "POST", body: body.to_owned(), ..get(address, path) };
    request.with("Content-Type", "application/x-www-form-urlencoded").with("Content-Length", &body.len().to_string())
}

impl Request {
    /// With a header, in the place of the one that is there.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// With a header, beside the one that is there.
    #[must_use]
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }

    /// With another method.
    #[must_use]
    pub fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// From another address of this machine's.
    #[must_use]
    pub fn from(self, address: IpAddr) -> Self {
        Self { from: Some(address), ..self }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let Some(from) = self.from else { return TcpStream::connect(self.address) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stream = runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(from, 0))?;
            socket.connect(self.address).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    /// Sends it, and waits for the answer.
    pub fn send(&self) -> Answer {
        self.try_send().unwrap_or_else(|| panic!("{self:?}: no answer"))
    }

    /// The same; `None` if the server has gone without an answer.
    pub fn try_send(&self) -> Option<Answer> {
        let mut stream = self.connect().expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let text = format!("{} {} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n{}", self.method, self.path, self.body);
        // A server that has answered already may not read it to its end.
        let _ = stream.write_all(text.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).expect("pages are UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Some(Answer { status, headers, body: body.to_owned() })
    }
}

/// A connection that is kept for many requests.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to a server.
    pub fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { address, stream: BufReader::new(stream) }
    }

    /// Asks for a path; returns the status code and the body.
    pub fn get(&mut self, path: &str) -> (u16, Vec<u8>) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: text/html\r\n\r\n", self.address);
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            status = status.or_else(|| line.split(' ').nth(1)?.parse().ok());
            length = line.strip_prefix("content-length: ").map_or(length, |bytes| bytes.parse().unwrap());
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (status.expect("a status line"), body)
    }
}

/// The path that a relative address leads to from the page at a path.
pub fn resolve(page: &str, link: &str) -> String {
    let link = link.split('#').next().unwrap();
    if link.is_empty() {
        return page.to_owned();
    }
    let page = page.split('?').next().unwrap();
    let (path, query) = link.split_once('?').map_or((link, String::new()), |(path, query)| (path, format!("?{query}")));
    let mut parts: Vec<_> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => assert!(parts.len() > 1 && parts.pop().is_some(), "{link} leads above all from {page}"),
            part => parts.push(part),
        }
    }
    let ends = if path.ends_with("./") || path.ends_with("../") { "" } else { "/" };
    let path = parts.join("/");
    if ends.is_empty() && !path.ends_with('/') { format!("{path}/{query}") } else { format!("{path}{query}") }
}
