//! An entity: its row, and what refers to it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use gaebar_runtime::cli::thousands;
use gaebar_runtime::model::Key;
use gaebar_runtime::visible::visible;
use maud::{Markup, html};

use super::super::App;
use super::super::find::{Found, FoundRow, find};
use super::super::guard::{Asked, Visitor};
use super::super::links::Links;
use super::super::parts::parts;
use super::super::problem::Problem;
use super::backups::trail;
use super::{Page, code, page, search};

/// Entities that refer to the one shown and are named.
const MOST_NAMED: usize = 50;
/// Characters of a key that are shown.
const MOST_KEY: usize = 200;

pub(in super::super) async fn entity(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(backup): Path<String>,
    Asked(asked_for): Asked,
) -> Page {
    app.read(move |app| {
        let backup = app.open(&backup)?;
        let key: Key = asked_for.get("key").trim().parse().map_err(|error: gaebar_runtime::model::KeyTextError| {
            Problem::bad(error.to_string(), "Write it as rows do: Profile/2, or Account/'alice'/Order/7.")
        })?;
        let found = find(&backup, &key)?;
        let links = &visitor.links;
        let key = key.to_string();
        let main = html! {
            h1 { (shown(&key)) }
            @match &found.row {
                Some(row) => (own_row(links, &backup.name, row)),
                None => p.empty { "The backup has no entity with this key." },
            }
            (referrers(links, &backup.name, &found))
            (search(links, &backup.name, &key))
        };
        Ok(page(&visitor, &shown(&key), &[trail(links), (backup.name.as_str(), links.backup(&backup.name))], &main))
    })
    .await
}

/// The row itself, or its beginning.
fn own_row(links: &Links, backup: &str, row: &FoundRow) -> Markup {
    let parts = parts(&row.text, row.line, &|key| links.entity(backup, key));
    let place = links.shard(backup, &row.kind, &row.shard, Some(row.number));
    html! {
        p.state { a.file href=(place) { (row.shard) ":" (row.line) } }
        @if let Some(part) = parts.first() { (code(&part.line_numbers(), &part.code())) }
        @if parts.len() > 1 { p.hint { "This is the beginning of a long row. " a href=(place) { "Its shard has all of it." } } }
    }
}

fn referrers(links: &Links, backup: &str, found: &Found) -> Markup {
    html! {
        h2 { "Referred to by " @match found.count { 0 => "nothing", 1 => "1 entity", many => { (thousands(many as u64)) " entities" } } }
        ul.keys {
            @for referrer in found.referrers.iter().take(MOST_NAMED) {
                li {
                    a href=(links.shard(backup, &referrer.kind, &referrer.shard, Some(referrer.number))) { (shown(&referrer.key)) }
                }
            }
        }
        @if found.count > MOST_NAMED { p.hint { "These are the first " (MOST_NAMED) "." } }
    }
}

/// A key, cut short, with nothing hidden.
fn shown(key: &str) -> String {
    let dots = if key.chars().count() > MOST_KEY { "…" } else { "" };
    format!("{}{dots}", visible(&key.chars().take(MOST_KEY).collect::<String>()))
}
