//! How a backup differs from a store.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Redirect;
use gaebar_runtime::cli::{plural, thousands};
use gaebar_runtime::store::StoreUrl;
use gaebar_runtime::visible::visible;
use maud::{Markup, html};

use super::super::App;
use super::super::comparisons::{Change, Counts, Differences, Ended, MOST_TOLD, Told};
use super::super::guard::{Asked, Fields, Visitor};
use super::super::links::Links;
use super::super::problem::Problem;
use super::backups::trail;
use super::{Page, asked, form_token, page, pager, told};

/// Bytes of a page that differences come to, as far as they are known beforehand.
const MOST_BYTES: usize = 30_000;
/// Kinds that are counted on the page.
const MOST_KINDS: usize = 40;

/// Begins to compare, or stops.
pub(in super::super) async fn compare(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(backup): Path<String>,
    Asked(asked_for): Asked,
) -> Result<Redirect, Problem> {
    let store = asked_for.get("store").to_owned();
    let there = Redirect::to(&visitor.links.diff(&backup, &store));
    if fields.get("do") == "stop" {
        if let Some(comparison) = app.comparisons.get(&backup, &store) {
            comparison.stop();
        }
        return Ok(there);
    }
    let begin = move |app: &App| {
        let (url, limit, scans) = (url(app, &store)?, app.settings.comparison, app.settings.rules.backup.selection.scans);
        let backup = app.open(&backup)?;
        app.comparisons.begin((&backup.name, &backup.folder), (&store, url), (limit, scans))
    };
    app.read(begin).await?;
    Ok(there)
}

/// How far a comparison is, or what it found.
pub(in super::super) async fn diff(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(backup): Path<String>,
    Asked(asked_for): Asked,
) -> Page {
    app.read(move |app| {
        let store = asked_for.get("store");
        let url = url(app, store)?;
        let backup = app.open(&backup)?;
        let links = &visitor.links;
        let comparison = app.comparisons.get(&backup.name, store);
        let ended = comparison.as_ref().and_then(|comparison| comparison.ended());
        let is_running = comparison.is_some() && ended.is_none();
        let seconds = comparison.map_or(0, |comparison| comparison.seconds());
        let main = html! {
            h1 { (visible(&backup.name)) " and the store " (visible(store)) }
            p.state { "The backup, and what " code { (url) } " held when it was compared." }
            // The script looks again as long as it is to be loaded again, and puts in the end.
            div #comparison data-reload=[is_running.then_some("1000")] {
                @match ended {
                    None if is_running => (running(&visitor, &backup.name, store, seconds)),
                    None => {
                        (status(&html! { "It has not been compared yet." }))
                        (again(&visitor, &backup.name, store, "Compare"))
                    }
                    Some(Ended::Failed(problem)) => {
                        (status(&html! { "The comparison did not come to its end." }))
                        (told(&problem))
                        (again(&visitor, &backup.name, store, "Compare again"))
                    }
                    Some(Ended::Compared(differences)) => {
                        (found(links, &backup.name, store, &differences, asked_for.get("page"))?)
                        (again(&visitor, &backup.name, store, "Compare again"))
                    }
                }
            }
        };
        let trail = [trail(links), (backup.name.as_str(), links.backup(&backup.name))];
        Ok(page(&visitor, &format!("Compared with {store}"), &trail, &main))
    })
    .await
}

/// A store that has a name here.
fn url<'a>(app: &'a App, store: &str) -> Result<&'a StoreUrl, Problem> {
    let next = "The backup's page shows the stores that it can be compared with; [stores] in gaebar.toml names them.";
    app.settings.stores.get(store).ok_or_else(|| Problem::missing(format!("No store is called {store:?} here."), next))
}

fn again(visitor: &Visitor, backup: &str, store: &str, what: &str) -> Markup {
    html! {
        form method="post" action=(visitor.links.diff(backup, store)) {
            (form_token(visitor))
            button { (what) }
        }
    }
}

/// How a comparison stands, which a screen reader reads out whenever it changes.
fn status(text: &Markup) -> Markup {
    html! { p.state role="status" aria-live="polite" { (text) } }
}

fn running(visitor: &Visitor, backup: &str, store: &str, seconds: u64) -> Markup {
    html! {
        (status(&html! { "Comparing." }))
        p.so-far { (seconds) " s so far." }
        noscript { p { "Reload the page to see how far it is." } }
        form method="post" action=(visitor.links.diff(backup, store)) {
            (form_token(visitor))
            button name="do" value="stop" { "Stop" }
        }
    }
}

fn found(links: &Links, backup: &str, store: &str, differences: &Differences, asked_for: &str) -> Result<Markup, Problem> {
    let all: u64 = differences.counts.values().map(|counts| counts.all()).sum();
    let pages = paged(&differences.told);
    let at = asked(asked_for, pages.len())?;
    let turn = pager(at, pages.len(), "differences", |page| format!("{}&page={page}", links.diff(backup, store)));
    Ok(html! {
        (status(&html! {
            @if all == 0 { span.tag.good { "no difference" } } @else { span.tag.bad { (thousands(all)) " differ" } }
            " " (thousands(differences.equal)) " equal; compared in " (format!("{:.1}", differences.seconds)) " s"
        }))
        @if differences.not_covered > 0 {
            p.hint {
                (thousands(differences.not_covered)) " entities of the store were not compared: the backup does not cover their kinds or namespaces."
            }
        }
        @if differences.own_references > 0 {
            p.hint {
                (plural(differences.own_references, "reference")) " to the store's own project, compared as references within it."
            }
        }
        @if all > 0 {
            (counted(differences))
            h2 #differences { "Differences" }
            @if all > MOST_TOLD as u64 {
                p.hint { "These are the first " (thousands(MOST_TOLD as u64)) ". " code { "gaebar diff" } " shows all of them." }
            }
            (turn)
            @for told in pages.get(at - 1).copied().unwrap_or_default() { (difference(links, backup, told)) }
            (turn)
        }
    })
}

/// Divides differences into pages by what they weigh.
fn paged(all: &[Told]) -> Vec<&[Told]> {
    let (mut pages, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, told) in all.iter().enumerate() {
        let weight = weight(told);
        if bytes > 0 && bytes + weight > MOST_BYTES {
            pages.extend(all.get(from..at));
            (from, bytes) = (at, 0);
        }
        bytes += weight;
    }
    pages.extend(all.get(from..));
    pages
}

/// What a difference weighs on a page, in bytes, about: markup and text, where a `"` takes six.
fn weight(told: &Told) -> usize {
    let length = |text: &str| text.len() + 5 * text.matches(['"', '&', '<', '>']).count();
    let value = |value: &Option<String>| value.as_deref().map_or(0, |value| 60 + length(value));
    let property = |property: &super::super::comparisons::ToldProperty| {
        60 + length(&property.name) + value(&property.backup) + value(&property.store)
    };
    300 + 4 * told.key.len() + told.properties.iter().map(property).sum::<usize>()
}

/// How many entities of each kind differ.
fn counted(differences: &Differences) -> Markup {
    let cell = |number: u64| html! { td { @if number > 0 { (thousands(number)) } @else { "–" } } };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Differences by kind" {
            table {
                thead {
                    tr {
                        th scope="col" { "Kind" }
                        @for change in [Change::OnlyBackup, Change::OnlyStore, Change::Changed] { th scope="col" { (change) } }
                    }
                }
                tbody {
                    @for (kind, Counts { only_backup, only_store, changed }) in differences.counts.iter().take(MOST_KINDS) {
                        tr {
                            th scope="row" { (visible(kind)) }
                            (cell(*only_backup)) (cell(*only_store)) (cell(*changed))
                        }
                    }
                }
            }
        }
        @if differences.counts.len() > MOST_KINDS { p.hint { "These are the first " (MOST_KINDS) " kinds." } }
    }
}

/// An entity that differs, property by property.
fn difference(links: &Links, backup: &str, told: &Told) -> Markup {
    let key = visible(&told.key);
    html! {
        article.difference {
            h3 {
                @if told.change == Change::OnlyStore { (key) } @else { a href=(links.entity(backup, &told.key)) { (key) } }
                " " span.tag { (told.change) }
            }
            dl {
                @for property in &told.properties {
                    dt { (visible(&property.name)) }
                    @if let Some(value) = &property.backup { dd.backup { span.mark { "backup" } code { (value) } } }
                    @if let Some(value) = &property.store { dd.store { span.mark { "store" } code { (value) } } }
                }
            }
            @if told.more > 0 { p.hint { "and " (told.more) " more properties" } }
        }
    }
}
