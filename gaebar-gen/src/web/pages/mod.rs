//! The pages, as HTML from the server. Each weighs less than 60 KB.

mod backup;
mod backups;
mod diff;
mod entity;
mod job;
mod kind;
mod linked;
mod login;
mod shard;

use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Html;
use gaebar_runtime::visible::{is_hidden, visible};
use maud::{DOCTYPE, Escaper, Markup, PreEscaped, html};

pub(super) use backup::backup;
pub(super) use backups::backups;
pub(super) use diff::{compare, diff};
pub(super) use entity::entity;
pub(super) use job::{begin, cancel, job, jobs, step};
pub(super) use kind::kind;
pub(super) use linked::{linked, linked_rows};
pub(super) use login::{log_in, log_out, login};
pub(super) use shard::shard;

use super::guard::{FORM_TOKEN, Visitor};
use super::links::{Links, query};
use super::problem::Problem;

/// What a handler gives back.
type Page = Result<Html<String>, Problem>;

/// A page's frame.
fn page(visitor: &Visitor, title: &str, trail: &[(&str, String)], main: &Markup) -> Html<String> {
    frame(&visitor.links, Some(visitor), title, trail, main)
}

fn frame(links: &Links, visitor: Option<&Visitor>, title: &str, trail: &[(&str, String)], main: &Markup) -> Html<String> {
    let version = env!("CARGO_PKG_VERSION");
    let asset = |name: &str| links.to(&format!("assets/{name}{}", query(&[("v", version)])));
    let title = visible(title);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – Gaebar" }
                link rel="icon" type="image/svg+xml" href=(asset("icon.svg"));
                link rel="stylesheet" href=(asset("style.css"));
                script src=(asset("script.js")) defer {}
            }
            body {
                a.skip href="#main" { "Skip to the page’s content" }
                header {
                    a.brand href=(links.home()) { "Gaebar" }
                    nav aria-label="Where you are" {
                        ol {
                            @for (name, link) in trail { li { a href=(link) { (visible(name)) } } }
                            li { span aria-current="page" { (title) } }
                        }
                    }
                    @if let Some(visitor) = visitor.filter(|visitor| visitor.browser.is_logged_in()) {
                        form method="post" action=(links.to("logout")) {
                            (form_token(visitor))
                            button.quiet { "Log out" }
                        }
                    }
                }
                main #main tabindex="-1" { (main) }
                footer { "gaebar " (version) }
            }
        }
    };
    Html(nothing_hidden(&page.into_string()))
}

/// A page in which nothing hides, should one of its texts not have been made visible.
fn nothing_hidden(page: &str) -> String {
    page.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// A value that a form sends back: what hides in it stands there as character references, by which nothing is lost. Of control
/// characters there are none that browsers would keep.
fn value(text: &str) -> PreEscaped<String> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Writing to a String can't fail.
        let _ = match c {
            c if c.is_control() => write!(out, "{}", c.escape_unicode()),
            c if is_hidden(c) => write!(out, "&#x{:x};", u32::from(c)),
            c => Escaper::new(&mut out).write_char(c),
        };
    }
    PreEscaped(out)
}

/// What every form carries.
fn form_token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(FORM_TOKEN) value=(visitor.form_token); }
}

/// The page of a problem.
pub(super) fn problem(links: &Links, visitor: Option<&Visitor>, problem: &Problem) -> Html<String> {
    let title = problem.status.canonical_reason().unwrap_or("Error");
    let main = html! {
        h1 { (title) }
        (told(problem))
        p { a href=(links.home()) { "All backups" } }
    };
    frame(links, visitor, title, &[], &main)
}

/// What failed, and what to do.
fn told(problem: &Problem) -> Markup {
    html! {
        div.problem role="alert" {
            p { strong { (visible(&problem.what)) } }
            p { (visible(&problem.next)) }
        }
    }
}

/// There is no such page.
pub(super) async fn nothing_here() -> Problem {
    Problem::missing("There is no page at this address.", "The list of backups is a good place to start.")
}

/// There is such a page, but nothing of the kind can be done with it.
pub(super) async fn not_so() -> Problem {
    let (what, next) = ("This address takes no such request.", "Open it from Gaebar's own page.");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, what, next)
}

/// A time, as manifests have it.
fn time(text: &str) -> Markup {
    let (day, rest) = text.split_once('T').unwrap_or((text, ""));
    let clock = rest.split(['.', 'Z']).next().unwrap_or_default();
    html! { time datetime=(text) { (day) " " (clock) @if !rest.is_empty() { " UTC" } } }
}

/// A bar of a chart, in hundredths of the longest. The number stands beside it.
fn bar(number: u64, longest: u64, class: &str) -> Markup {
    let width = number.saturating_mul(1_000).div_ceil(longest.max(1));
    html! {
        svg class=(class) viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.rest width="1000" height="8" {}
            rect width=(width) height="8" {}
        }
    }
}

/// The way to the other pages of a list, where there is more than one. `link` gives a page's address.
fn pager(at: usize, pages: usize, what: &str, link: impl Fn(usize) -> String) -> Markup {
    html! {
        @if pages > 1 {
            nav.pager aria-label={ "Pages of " (what) } {
                @if at > 1 { a href=(link(at - 1)) rel="prev" { "← Previous" } } @else { span { "← Previous" } }
                span.at { "Page " (at) " of " (pages) }
                @if at < pages { a href=(link(at + 1)) rel="next" { "Next →" } } @else { span { "Next →" } }
            }
        }
    }
}

/// The number of a page that was asked for, from 1.
fn asked(text: &str, pages: usize) -> Result<usize, Problem> {
    if text.is_empty() {
        return Ok(1);
    }
    let page = text.parse().ok().filter(|page| (1..=pages.max(1)).contains(page));
    page.ok_or_else(|| Problem::missing(format!("There is no page {text:?} of {pages}."), "Go back to the first one."))
}

/// Text with its line numbers.
fn code(line_numbers: &str, code: &Markup) -> Markup {
    html! {
        div.code tabindex="0" role="region" aria-label="Source" {
            pre.lines aria-hidden="true" { (line_numbers) }
            pre { code { (code) } }
        }
    }
}

/// The form that looks for an entity by its key.
fn search(links: &Links, backup: &str, key: &str) -> Markup {
    html! {
        form.search method="get" action={ (links.backup(backup)) "/entity" } role="search" {
            label for="key" { "Find an entity by its key" }
            div.field {
                input #key type="search" name="key" value=(visible(key)) required autocomplete="off" autocapitalize="off" spellcheck="false"
                    placeholder="Profile/2";
                button { "Find" }
            }
        }
    }
}
