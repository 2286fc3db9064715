//! What every request passes: by which name was Gaebar asked, how often, by whom, and was it meant?

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, FromRequestParts, OriginalUri, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::host::{Host, Name};
use super::links::{Links, query};
use super::pages;
use super::problem::Problem;
use super::session::{Browser, Sessions};
use super::{Access, App};

/// The field that every form carries.
pub(super) const FORM_TOKEN: &str = "form-token";
/// The longest form.
const MOST_FORM: usize = 16 << 10;
/// How long it may take to arrive.
const FORM: Duration = Duration::from_secs(10);

/// Nothing but Gaebar's own files, in nobody else's frame.
const CONTENT: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                       form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The answer's headers. `Referrer-Policy: no-referrer` would make browsers send `Origin: null` with Gaebar's own forms; this one
/// tells other hosts just as little.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// Who asks, and from where.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) links: Links,
    /// Whether pages are shown.
    pub(super) is_admitted: bool,
    /// Whether the browser was not known before.
    is_new: bool,
    /// What it is known by.
    pub(super) browser: Browser,
    /// What forms carry.
    pub(super) form_token: String,
    pub(super) address: Option<IpAddr>,
    /// The cookie's name and attributes.
    cookie: Cookie,
}

/// The fields of a form that was meant.
#[derive(Clone)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// The fields of a form, or of the part of an address behind `?`.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The fields that a program sends as an object of texts, and of `true` and `false`.
    fn parse_json(text: &[u8]) -> Result<Self, Problem> {
        let fields: BTreeMap<String, TextOrBool> = serde_json::from_slice(text).map_err(|error| {
            let what = format!("The body is no JSON object of texts, true and false: {error}.");
            Problem::bad(what, "Send such an object, or a form.")
        })?;
        Ok(Self(fields.into_iter().map(|(name, value)| (name, value.into())).collect()))
    }

    /// A field's value; empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether a field says yes; no, if there is none.
    pub(super) fn says_yes(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            "yes" | "true" => Ok(true),
            "" | "no" | "false" => Ok(false),
            other => Err(Problem::unprocessable(format!("{name} can't be {other:?}."), "Say yes or no.")),
        }
    }

    /// Refuses fields that mean nothing here, beside those of every form.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.keys().find(|name| *name != FORM_TOKEN && !known.contains(&name.as_str())) {
            Some(name) => {
                let next = format!("The fields here are {}. Nothing was done.", known.join(", "));
                Err(Problem::unprocessable(format!("{name:?} is no field of this request."), next))
            }
            None => Ok(()),
        }
    }
}

/// A field's value in JSON.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text, true or false")]
enum TextOrBool {
    Text(String),
    Bool(bool),
}

impl From<TextOrBool> for String {
    fn from(value: TextOrBool) -> Self {
        match value {
            TextOrBool::Text(text) => text,
            TextOrBool::Bool(is) => is.to_string(),
        }
    }
}

/// What stands behind `?` in an address.
pub(super) struct Asked(pub(super) Fields);

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Fields::parse(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

#[derive(Clone)]
struct Cookie {
    name: String,
    path: String,
    is_secure: bool,
}

impl Cookie {
    fn set(&self, value: &str, more: &str) -> Option<HeaderValue> {
        let Self { name, path, is_secure } = self;
        let secure = if *is_secure { "; Secure" } else { "" };
        HeaderValue::from_str(&format!("{name}={value}; Path={path}; HttpOnly; SameSite=Strict{secure}{more}")).ok()
    }
}

impl Visitor {
    /// Makes the browser known as this one.
    pub(super) fn set_cookie(&self, response: &mut Response, sessions: &Sessions, browser: Browser) {
        if let Some(cookie) = sessions.cookie(browser).and_then(|cookie| self.cookie.set(&cookie, "")) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }

    /// Takes its id away.
    pub(super) fn remove_cookie(&self, response: &mut Response) {
        if let Some(cookie) = self.cookie.set("", "; Max-Age=0") {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
}

/// The guard itself.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let whole = request.extensions().get::<OriginalUri>().map_or_else(|| request.uri(), |OriginalUri(whole)| whole);
    let links = Links::from(request.uri().path(), whole.path());
    let wants_page = accepts_html(request.headers());
    let asset = request.uri().path().starts_with("/assets/");
    let is_api = is_api(request.uri().path());
    let (mut response, visitor) = match admit(&app, request, links.clone()).await {
        Ok((request, visitor)) => (pass(&app, request, &visitor, next).await, Some(visitor)),
        Err(problem) => (problem.into_response(), None),
    };
    if is_api && let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response = Response::from_parts(parts, Body::from(problem.to_json()));
    } else if wants_page && let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let page = pages::problem(&links, visitor.as_ref(), &problem).into_response();
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        response = Response::from_parts(parts, page.into_body());
    }
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if !asset {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Hands a request on, if its sender may see what it asks for.
async fn pass(app: &App, mut request: Request, visitor: &Visitor, next: Next) -> Response {
    let (path, method) = (request.uri().path(), request.method().clone());
    let is_open = path == "/login" || path.starts_with("/assets/");
    if !visitor.is_admitted && !is_open {
        let is_program = is_api(path) || bearer(request.headers()).is_some();
        if is_program || method != Method::GET {
            let mut response =
                Problem::new(StatusCode::UNAUTHORIZED, "This is not Gaebar's token.", "Log in, or send it as a bearer token.")
                    .into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
        let wanted = request.uri().path_and_query().map_or("", |wanted| wanted.as_str().trim_start_matches('/'));
        return Redirect::to(&visitor.links.to(&format!("login{}", query(&[("next", wanted)])))).into_response();
    }
    request.extensions_mut().insert(visitor.clone());
    let mut response = next.run(request).await;
    if method == Method::GET && !response.headers().contains_key(header::SET_COOKIE) && visitor.is_new {
        visitor.set_cookie(&mut response, &app.sessions, visitor.browser);
    }
    response
}

/// Looks at a request, and reads its form.
async fn admit(app: &App, request: Request, links: Links) -> Result<(Request, Visitor), Problem> {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    let host = host(app, &request)?;
    let (mut parts, body) = request.into_parts();
    let cookie = Cookie {
        // Cookies are shared by all ports of a host.
        name: host.port.map_or_else(|| "gaebar".to_owned(), |port| format!("gaebar-{port}")),
        path: mount(parts.extensions.get::<OriginalUri>().map(|OriginalUri(uri)| uri.path()), parts.uri.path()),
        is_secure: parts.headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://")),
    };
    let known = browsers(&app.sessions, &parts.headers, &cookie.name);
    let session = known.iter().copied().find(|browser| browser.is_logged_in());
    let bearer = has_token(app, &parts.headers, address, session.is_some()).await?;
    let is_admitted = bearer || session.is_some() || matches!(app.settings.access, Access::Elsewhere);
    // Whoever may use the page asks for many files, or many steps.
    if !is_admitted && app.requests.count(address) {
        return Err(Problem::too_many("There were too many requests from here."));
    }
    check_origin(&parts.method, &parts.headers, &host)?;
    let browser = match session.or(known.first().copied()) {
        Some(browser) => browser,
        None => Browser::new().map_err(|_| Problem::broken())?,
    };
    let visitor = Visitor {
        links,
        is_admitted,
        is_new: known.is_empty(),
        browser,
        form_token: app.sessions.form_token(browser).ok_or_else(Problem::broken)?,
        address,
        cookie,
    };
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok((Request::from_parts(parts, body), visitor));
    }
    let body = tokio::time::timeout(FORM, to_bytes(body, MOST_FORM)).await;
    let body = body.map_err(|_| {
        let what = "The form was not sent to its end in time.";
        Problem::new(StatusCode::REQUEST_TIMEOUT, what, "Send it again.")
    })?;
    let body = body.map_err(|_| {
        let what = "The form is too long, or was not sent to its end.";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what, "Send it again, from Gaebar's own page.")
    })?;
    let is_json = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let fields = if is_json { Fields::parse_json(&body)? } else { Fields::parse(&body) };
    // No browser adds a bearer token by itself, so who sends one has meant it.
    if !bearer && (visitor.is_new || !app.sessions.is_form_token(browser, fields.get(FORM_TOKEN))) {
        if is_api(parts.uri.path()) {
            return Err(without_token(&app.settings.access));
        }
        let what = "This form is not of a page that Gaebar gave to this browser, or it is too old.";
        return Err(Problem::refused(what, "Reload the page, and send its form again."));
    }
    parts.extensions.insert(fields);
    Ok((Request::from_parts(parts, Body::empty()), visitor))
}

/// What a program is told that has sent no token, or not ours.
fn without_token(access: &Access) -> Problem {
    match access {
        Access::Token(_) => {
            Problem::new(StatusCode::UNAUTHORIZED, "This is not Gaebar's token, or there is none.", "Send it as a bearer token.")
        }
        Access::Elsewhere => Problem::refused(
            "Programs that change something need a token, and Gaebar was started without one.",
            "Start it with one, in GAEBAR_TOKEN or a file (--token-file; in an application, Access::Token), and send that as a bearer token.",
        ),
    }
}

/// The host that was asked for, if it is one of ours. A page of somebody else's can make its own name lead here (DNS rebinding), but
/// no address, and no name of ours.
fn host(app: &App, request: &Request) -> Result<Host, Problem> {
    let given = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().ok()?.parse().ok());
    let mut given = given.chain(request.uri().authority().map(|authority| authority.as_str().parse().ok()));
    let host: Option<Host> = given.next().flatten().filter(|host| given.all(|other| other.as_ref() == Some(host)));
    let host = host
        .ok_or_else(|| Problem::bad("The request names no valid host, or several.", "Use a browser, or a client of HTTP/1.1."))?;
    let is_ours = match &host.name {
        Name::Ip(_) => true,
        Name::Domain(name) => name == "localhost" || app.settings.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name)),
    };
    if is_ours {
        return Ok(host);
    }
    let next = "If that name is meant, start it with `gaebar serve --host NAME`, or put it into the settings' hosts.";
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "Gaebar is not served under this name.", next))
}

/// A request that changes something comes from a page of the same host, or from no page at all.
fn check_origin(method: &Method, headers: &HeaderMap, host: &Host) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let is_ours = |origin: &HeaderValue| {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        authority.is_some_and(|authority| authority.parse().as_ref() == Ok(host))
    };
    let is_foreign_site = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if is_foreign_site || !headers.get_all(header::ORIGIN).iter().all(is_ours) {
        return Err(Problem::refused("This request comes from a page of another host.", "Use the forms of Gaebar's own page."));
    }
    Ok(())
}

/// Whether the request has Gaebar's token. What an application's own layer asks for is not ours to look at.
async fn has_token(app: &App, headers: &HeaderMap, address: Option<IpAddr>, has_session: bool) -> Result<bool, Problem> {
    let (Access::Token(token), Some(given)) = (&app.settings.access, bearer(headers)) else {
        return Ok(false);
    };
    // Who has logged in need not guess; the token may be a proxy's own.
    if has_session {
        return Ok(token.is(given));
    }
    app.guesses.is_right(token, given, address).await
}

/// The bearer token that is sent. Of other schemes, which proxies ask for, none is meant for Gaebar.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let given = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = given.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

/// What a browser says that it is.
fn browsers(sessions: &Sessions, headers: &HeaderMap, name: &str) -> Vec<Browser> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(found, _)| *found == name).filter_map(|(_, cookie)| sessions.browser(cookie)).collect()
}

/// The path that Gaebar is mounted at, by the whole path and what is left of it here.
fn mount(whole: Option<&str>, path: &str) -> String {
    let whole = whole.unwrap_or(path);
    let mount = whole.strip_suffix(path).unwrap_or(whole).trim_end_matches('/');
    // Nothing else could stand in a cookie's attribute.
    let is_plain = !mount.is_empty() && mount.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b',');
    if is_plain { mount.to_owned() } else { "/".to_owned() }
}

/// Whether programs are to read the answer.
fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_is_what_the_whole_path_has_before_ours() {
        for (whole, path, mount_is) in [
            ("/gaebar/login", "/login", "/gaebar"),
            ("/admin/backup", "/", "/admin/backup"),
            ("/admin/backup/", "/", "/admin/backup"),
            ("/login", "/login", "/"),
            ("/", "/", "/"),
            ("/a;b/login", "/login", "/"),
        ] {
            assert_eq!(mount(Some(whole), path), mount_is, "{whole}");
        }
    }
}
