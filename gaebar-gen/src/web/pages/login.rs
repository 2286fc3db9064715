//! Logging in with Gaebar's token, and out.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use maud::html;

use super::super::guard::{Asked, Fields, Visitor};
use super::super::problem::Problem;
use super::super::session::Browser;
use super::super::{Access, App};
use super::{form_token, page, value};

pub(in super::super) async fn login(Extension(visitor): Extension<Visitor>, Asked(asked_for): Asked) -> Response {
    if visitor.is_admitted {
        return Redirect::to(&visitor.links.home()).into_response();
    }
    form(&visitor, asked_for.get("next"), None).into_response()
}

pub(in super::super) async fn log_in(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let Access::Token(token) = &app.settings.access else { return Ok(Redirect::to(&visitor.links.home()).into_response()) };
    let next = fields.get("next");
    if !app.guesses.is_right(token, fields.get("token").trim().as_bytes(), visitor.address).await? {
        let wrong = "This is not Gaebar’s token. It is what GAEBAR_TOKEN, or the token file, had when Gaebar was started.";
        return Ok((StatusCode::UNAUTHORIZED, form(&visitor, next, Some(wrong))).into_response());
    }
    // Another id than the one before: somebody may have planted that.
    let session = Browser::logged_in().map_err(|_| Problem::broken())?;
    // `./` keeps it below the mount: whatever stands in `next`, it is no other host.
    let next = if next.contains(|c: char| c == '\\' || c.is_control()) { "" } else { next };
    let to = match next.trim_start_matches('/') {
        "" => visitor.links.home(),
        next => visitor.links.to(next),
    };
    let mut response = Redirect::to(&to).into_response();
    visitor.set_cookie(&mut response, &app.sessions, session);
    Ok(response)
}

pub(in super::super) async fn log_out(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>) -> Response {
    app.sessions.close(visitor.browser);
    let mut response = Redirect::to(&visitor.links.to("login")).into_response();
    visitor.remove_cookie(&mut response);
    response
}

fn form(visitor: &Visitor, next: &str, wrong: Option<&str>) -> Html<String> {
    let main = html! {
        form.login method="post" action=(visitor.links.to("login")) {
            h1 { "Log in" }
            (form_token(visitor))
            input type="hidden" name="next" value=(value(next));
            @if let Some(wrong) = wrong { p.problem #wrong role="alert" { (wrong) } }
            label for="token" { "Gaebar’s token" }
            div.field {
                input #token type="password" name="token" required autofocus autocomplete="current-password"
                    aria-describedby=[wrong.map(|_| "wrong")] aria-invalid=[wrong.map(|_| "true")];
                button { "Log in" }
            }
        }
    };
    page(visitor, "Log in", &[], &main)
}
