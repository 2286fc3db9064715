//! The guestbook's login: a password, which the browser asks for.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

const VARIABLE: &str = "GUESTBOOK_PASSWORD";

/// What the browser of an administrator sends.
#[derive(Clone)]
pub(crate) struct Password {
    header: String,
}

impl Password {
    /// The password that is set, or one that is made up and said.
    pub(crate) fn from_environment() -> anyhow::Result<Self> {
        let password = if let Ok(password) = std::env::var(VARIABLE) {
            password
        } else {
            let mut random = [0; 12];
            getrandom::fill(&mut random)?;
            let password = STANDARD.encode(random);
            eprintln!("Log in at /admin/backup as admin with the password {password}");
            password
        };
        Ok(Self { header: format!("Basic {}", STANDARD.encode(format!("admin:{password}"))) })
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.get(AUTHORIZATION).is_some_and(|given| given.as_bytes().ct_eq(self.header.as_bytes()).into())
    }
}

/// Hands on the requests of who knows the password.
pub(crate) async fn ask(State(password): State<Password>, request: Request, next: Next) -> Response {
    if password.is_in(request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Basic realm=\"guestbook\"")], "Only for administrators.\n")
            .into_response()
    }
}
