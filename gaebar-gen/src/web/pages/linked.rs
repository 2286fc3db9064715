//! Backups that are compiled into the application: what they hold, without their source.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use gaebar_runtime::cli::{plural, thousands};
use gaebar_runtime::model::Entity;
use gaebar_runtime::restore::{RowRef, RowSource as _};
use gaebar_runtime::visible::visible;
use maud::{Markup, html};

use super::super::App;
use super::super::comparisons::cut;
use super::super::guard::{Asked, Visitor};
use super::super::links::Links;
use super::super::problem::Problem;
use super::backup::restore;
use super::backups::trail;
use super::{Page, asked, bar, page, pager};
use crate::emit::notation;
use crate::linked::Linked;
use crate::steps::Rows;

/// Kinds on a page.
const MOST_KINDS: usize = 50;
/// Rows on a page.
const MOST_ROWS: usize = 25;
/// Bytes of a page that values come to. Rows further down are shown by their keys.
const MOST_BYTES: usize = 30_000;

/// The backups themselves, on the first page.
pub(super) fn section(links: &Links, linked: &[Linked]) -> Markup {
    html! {
        @if !linked.is_empty() {
            h2 #linked { "Compiled into this application" }
            ul.cards {
                @for backup in linked {
                    li {
                        h2 { a href=(links.linked(backup.name())) { (backup.name()) } }
                        (facts(backup))
                    }
                }
            }
        }
    }
}

fn facts(backup: &Linked) -> Markup {
    let kinds = backup.kinds();
    html! {
        dl.facts {
            div { dt { "Kinds" } dd { (thousands(kinds.len() as u64)) } }
            div { dt { "Rows" } dd { (thousands(kinds.values().sum::<usize>() as u64)) } }
        }
    }
}

/// A backup: its kinds.
pub(in super::super) async fn linked(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Asked(asked_for): Asked,
) -> Page {
    app.read(move |app| {
        let backup = find(app, &name)?;
        let kinds: Vec<_> = backup.kinds().into_iter().collect();
        let pages = kinds.len().div_ceil(MOST_KINDS);
        let at = asked(asked_for.get("page"), pages)?;
        let most = kinds.iter().map(|(_, rows)| *rows).max().unwrap_or_default();
        let links = &visitor.links;
        let main = html! {
            h1 { (backup.name()) }
            p.state { "This backup is part of the application: its rows are shown as they are compiled." }
            (facts(backup))
            div.actions { (restore(app, &visitor, Rows::Linked, backup.name())) }
            table.chart {
                thead { tr { th scope="col" { "Kind" } th scope="col" { "Rows" } } }
                tbody {
                    @for (kind, rows) in kinds.iter().skip((at - 1) * MOST_KINDS).take(MOST_KINDS) {
                        tr {
                            th scope="row" { a href=(links.linked_kind(backup.name(), kind)) { (visible(kind)) } }
                            td { (thousands(*rows as u64)) (bar(*rows as u64, most as u64, "bar")) }
                        }
                    }
                }
            }
            (pager(at, pages, "kinds", |page| format!("{}?page={page}", links.linked(backup.name()))))
        };
        Ok(page(&visitor, backup.name(), &[trail(links)], &main))
    })
    .await
}

/// Rows of a kind.
pub(in super::super) async fn linked_rows(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Asked(asked_for): Asked,
) -> Page {
    app.read(move |app| {
        let backup = find(app, &name)?;
        let kind = asked_for.get("kind");
        let Some(rows) = backup.kinds().get(kind).copied() else {
            let next = "The backup's page shows the kinds that it has.";
            return Err(Problem::missing(format!("The backup {} has no kind {kind:?}.", backup.name()), next));
        };
        let pages = rows.div_ceil(MOST_ROWS);
        let at = asked(asked_for.get("page"), pages)?;
        let links = &visitor.links;
        let turn = pager(at, pages, "rows", |page| format!("{}&page={page}", links.linked_kind(backup.name(), kind)));
        let mut left = MOST_BYTES;
        let main = html! {
            h1 { (visible(kind)) }
            p.state { (plural(rows as u64, "row")) }
            h2 { "Entities" }
            (turn)
            @for row in backup.rows_of(kind).skip((at - 1) * MOST_ROWS).take(MOST_ROWS) { (told(backup, row, &mut left)) }
            (turn)
        };
        let trail = [trail(links), (backup.name(), links.linked(backup.name()))];
        Ok(page(&visitor, kind, &trail, &main))
    })
    .await
}

fn find<'a>(app: &'a App, name: &str) -> Result<&'a Linked, Problem> {
    app.settings.linked.iter().find(|backup| backup.name() == name).ok_or_else(|| {
        let next = "The list of backups shows those that are there.";
        Problem::missing(format!("No backup {name:?} is compiled into this application."), next)
    })
}

/// A row as its entity, property by property, as far as there are bytes left.
fn told(backup: &Linked, row: RowRef, left: &mut usize) -> Markup {
    let entity = backup.entity(row);
    let number = backup.place(row).number;
    html! {
        article.difference {
            @match &entity {
                Ok(entity) => {
                    h3 { (visible(&entity.key().to_string())) " " span.tag { "row_" (number) } }
                    (properties(entity, left))
                }
                Err(problem) => {
                    h3 { "row_" (number) }
                    p.problem { (visible(problem)) }
                }
            }
        }
    }
}

fn properties(entity: &Entity, left: &mut usize) -> Markup {
    let mut told = Vec::new();
    for (name, value) in &entity.properties {
        let (name, value) = (visible(&cut(name)), cut(&notation(value)));
        // A `"` takes six bytes.
        let weight = 60 + name.len() + value.len() + 5 * value.matches(['"', '&', '<', '>']).count();
        if weight > *left {
            break;
        }
        *left -= weight;
        told.push((name, value));
    }
    let more = entity.properties.len() - told.len();
    html! {
        dl { @for (name, value) in &told { dt { (name) } dd.value { code { (value) } } } }
        @if more > 0 { p.hint { "and " (more) " more properties" } }
    }
}
