//! A backup: its kinds, and what can be done with it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use gaebar_runtime::cli::thousands;
use gaebar_runtime::store::StoreUrl;
use gaebar_runtime::visible::visible;
use maud::{Markup, html};

use super::super::App;
use super::super::guard::{Asked, Visitor};
use super::super::library::{Backup, BackupKind};
use super::super::links::Links;
use super::backups::{facts, no_snapshot, trail};
use super::{Page, asked, bar, form_token, page, pager, search, time, value};
use crate::folder::bytes;
use crate::steps::{Rows, source};

/// Kinds on a page.
const MOST: usize = 50;

pub(in super::super) async fn backup(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Asked(asked_for): Asked,
) -> Page {
    app.read(move |app| {
        let backup = app.open(&name)?;
        let pages = backup.kinds.len().div_ceil(MOST);
        let at = asked(asked_for.get("page"), pages)?;
        let links = &visitor.links;
        let main = html! {
            h1 { (visible(&name)) }
            (facts(&backup))
            div.actions {
                (search(links, &name, ""))
                (compare(app, &visitor, &name))
                (back_up(app, &visitor, &backup))
                (restore(app, &visitor, Rows::Folder, &name))
            }
            h2 #kinds { "Kinds" }
            (kinds(links, &backup, (at - 1) * MOST))
            (pager(at, pages, "kinds", |page| format!("{}?page={page}#kinds", links.backup(&name))))
        };
        Ok(page(&visitor, &name, &[trail(links)], &main))
    })
    .await
}

/// A form for each store that the backup may be compared with.
fn compare(app: &App, visitor: &Visitor, backup: &str) -> Markup {
    html! {
        section.stores aria-labelledby="compare" {
            h2.label #compare { "Compare with a store" }
            @if app.settings.stores.is_empty() {
                p.hint { "No store has a name here. " code { "[stores]" } " in gaebar.toml gives them names." }
            }
            @for (store, url) in &app.settings.stores {
                form method="post" action=(visitor.links.diff(backup, store)) {
                    (form_token(visitor))
                    button aria-label={ "Compare with " (visible(store)) } { (visible(store)) }
                    small { (visible(&url.to_string())) }
                }
            }
        }
    }
}

/// A form for each store that the backup was taken from, and one for the others, which asks whether that is meant.
fn back_up(app: &App, visitor: &Visitor, backup: &Backup) -> Markup {
    let (sources, name) = (backup.sources(), &backup.name);
    let is_source = |url: &StoreUrl| sources.is_empty() || sources.contains(&source(url).as_str());
    let (own, others): (Vec<_>, Vec<_>) = app.settings.stores.iter().partition(|(_, url)| is_source(url));
    html! {
        @if !own.is_empty() {
            section.stores aria-labelledby="back-up" {
                h2.label #back-up { "Back up again, from" }
                @for (store, url) in own {
                    form method="post" action=(visitor.links.to("jobs")) {
                        (form_token(visitor))
                        input type="hidden" name="do" value="backup";
                        input type="hidden" name="backup" value=(value(name));
                        button name="store" value=(value(store)) aria-label={ "Back up again, from " (visible(store)) } { (visible(store)) }
                        small { (visible(&url.to_string())) }
                    }
                }
            }
        }
        @if !others.is_empty() {
            form.work #another-source method="post" action=(visitor.links.to("jobs")) {
                (form_token(visitor))
                input type="hidden" name="do" value="backup";
                input type="hidden" name="backup" value=(value(name));
                h2.label { "Replace it by a backup of another store" }
                label for="store" { "The store" }
                select #store name="store" { @for (store, _) in others { option value=(value(store)) { (visible(store)) } } }
                label.check {
                    input type="checkbox" name="another_source" value="yes" required;
                    " Replace what was taken from " (visible(&sources.join(", ")))
                }
                button { "Back up" }
            }
        }
    }
}

/// The form that makes a plan of a restore.
pub(super) fn restore(app: &App, visitor: &Visitor, from: Rows, backup: &str) -> Markup {
    let name = match from {
        Rows::Folder => "backup",
        Rows::Linked => "linked",
    };
    let targets: Vec<_> = app.settings.stores.iter().filter(|(_, url)| app.settings.rules.may_restore_to(url)).collect();
    html! {
        @if !targets.is_empty() {
            form.work #restore method="post" action=(visitor.links.to("jobs")) {
                (form_token(visitor))
                input type="hidden" name="do" value="restore";
                input type="hidden" name=(name) value=(value(backup));
                h2.label { "Restore" }
                label for="target" { "Into the store" }
                select #target name="target" { @for (store, _) in targets { option value=(value(store)) { (visible(store)) } } }
                label for="on_conflict" { "Entities that it has already" }
                select #on_conflict name="on_conflict" {
                    option value="overwrite" { "are replaced" }
                    option value="skip" { "are left as they are" }
                    option value="update-only" { "are replaced, and no others created" }
                    option value="fail" { "stop the restore before it begins" }
                }
                label.check {
                    input type="checkbox" name="mirror" value="yes";
                    " Delete what only the target has, where the backup covers it"
                }
                button { "Show the plan" }
            }
        }
    }
}

/// Kinds with a chart of their rows and bytes.
fn kinds(links: &Links, backup: &Backup, from: usize) -> Markup {
    let most = |of: fn(&BackupKind) -> u64| backup.kinds.iter().map(of).max().unwrap_or_default();
    let (most_rows, most_bytes) = (most(|kind| kind.manifest.rows), most(|kind| kind.bytes));
    html! {
        table.chart {
            thead { tr { th scope="col" { "Kind" } th scope="col" { "Rows" } th scope="col" { "Size" } } }
            tbody {
                @for kind in backup.kinds.iter().skip(from).take(MOST) {
                    tr {
                        th scope="row" {
                            a href=(links.kind(&backup.name, &kind.file)) { (visible(&kind.manifest.kind)) }
                            small { (time(&kind.manifest.read_time)) @if !kind.manifest.consistent { " " (no_snapshot()) } }
                        }
                        td { (thousands(kind.manifest.rows)) (bar(kind.manifest.rows, most_rows, "bar")) }
                        td { (bytes(kind.bytes)) (bar(kind.bytes, most_bytes, "bar size")) }
                    }
                }
            }
        }
    }
}
