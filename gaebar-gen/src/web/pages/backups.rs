//! The backups that there are.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use gaebar_runtime::cli::thousands;
use gaebar_runtime::visible::visible;
use maud::{Markup, html};

use super::super::App;
use super::super::guard::{Asked, Visitor};
use super::super::library::{Backup, Open};
use super::super::links::Links;
use super::{Page, asked, form_token, job, linked, page, pager, time, value};
use crate::folder::bytes;
use crate::manifest::ManifestError;
use crate::steps::Job;

/// Backups on a page.
const MOST: usize = 40;

pub(in super::super) async fn backups(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Asked(asked_for): Asked,
) -> Page {
    app.read(move |app| {
        // Where these can't be told, jobs can't either, and those say why.
        let kept = app.jobs.kept_elsewhere().unwrap_or_default();
        let here = app.library.names()?.into_iter().filter(|name| !kept.contains(name));
        let mut backups: Vec<_> = here.map(|name| (name.clone(), app.library.read(name))).collect();
        // The latest first.
        let read_time = |backup: &Result<Open, ManifestError>| backup.as_ref().map(|backup| backup.read_time().to_owned()).ok();
        backups.sort_by_cached_key(|(_, backup)| std::cmp::Reverse(read_time(backup)));
        let pages = backups.len().div_ceil(MOST);
        let at = asked(asked_for.get("page"), pages)?;
        let links = &visitor.links;
        let jobs = app.jobs.all();
        let main = html! {
            h1 { "Backups" }
            @match &jobs {
                Ok(jobs) => (under_way(&visitor, jobs)),
                Err(error) => p.problem { (visible(&error.to_string())) },
            }
            @if backups.is_empty() && kept.is_empty() {
                p.empty {
                    "There are none in " code { (app.library.folder().display()) } " yet. "
                    "On the machine that serves this page, this makes one:"
                }
                pre.command { code { "gaebar backup STORE " (app.library.folder().join("NAME").display()) } }
            }
            ul.cards {
                @for (name, backup) in backups.iter().skip((at - 1) * MOST).take(MOST) {
                    li {
                        h2 { a href=(links.backup(name)) { (visible(name)) } }
                        @match backup {
                            Ok(backup) => (facts(backup)),
                            Err(error) => p.problem { strong { "This backup can’t be read. " } (visible(&error.to_string())) },
                        }
                    }
                }
            }
            @if !kept.is_empty() {
                section aria-labelledby="kept" {
                    h2 #kept { "Kept for other instances" }
                    p { "These, or later versions of them, come to this disk once they are opened." }
                    ul { @for name in &kept { li { a href=(links.backup(name)) { (visible(name)) } } } }
                }
            }
            (back_up(app, &visitor))
            (pull(app, &visitor))
            (pager(at, pages, "backups", |page| format!("{}?page={page}", links.home())))
            (linked::section(links, &app.settings.linked))
        };
        Ok(page(&visitor, "Backups", &[], &main))
    })
    .await
}

/// Jobs that have not ended, and the way to all of them.
fn under_way(visitor: &Visitor, jobs: &[Job]) -> Markup {
    let going_on: Vec<_> = jobs.iter().filter(|job| !job.stage.has_ended()).collect();
    html! {
        @if !going_on.is_empty() {
            section aria-labelledby="under-way" { h2 #under-way { "Under way" } (job::list(visitor, &going_on)) }
        }
        @if !jobs.is_empty() { p { a href=(visitor.links.to("jobs")) { "All jobs" } } }
    }
}

/// The form that backs a store up under a name.
fn back_up(app: &App, visitor: &Visitor) -> Markup {
    html! {
        @if !app.settings.stores.is_empty() {
            form.work method="post" action=(visitor.links.to("jobs")) {
                (form_token(visitor))
                input type="hidden" name="do" value="backup";
                h2 { "Back up" }
                label for="store" { "The store" }
                select #store name="store" { @for store in app.settings.stores.keys() { option value=(value(store)) { (visible(store)) } } }
                label for="backup" { "The backup’s name: a new one, or one that is updated" }
                div.field {
                    input #backup name="backup" required maxlength="100" autocomplete="off" autocapitalize="off" spellcheck="false";
                    button { "Back up" }
                }
            }
        }
    }
}

/// The form that pulls a backup from a Gaebar elsewhere.
fn pull(app: &App, visitor: &Visitor) -> Markup {
    let remotes = &app.settings.rules.remotes;
    html! {
        @if !remotes.is_empty() {
            form.work method="post" action=(visitor.links.to("jobs")) {
                (form_token(visitor))
                input type="hidden" name="do" value="pull";
                h2 { "Pull from another Gaebar" }
                label for="pull-remote" { "The Gaebar" }
                select #pull-remote name="remote" { @for remote in remotes.keys() { option value=(value(remote)) { (visible(remote)) } } }
                label for="pull-store" { "A store there that is backed up first; none, to take the backup as it is" }
                input #pull-store name="store" autocomplete="off" autocapitalize="off" spellcheck="false";
                label for="pull-backup" { "The backup’s name there and here: a new one, or one that is updated" }
                div.field {
                    input #pull-backup name="backup" required maxlength="100" autocomplete="off" autocapitalize="off" spellcheck="false";
                    button { "Pull" }
                }
                label.check {
                    input type="checkbox" name="another_source" value="yes";
                    " Replace a backup of that name even if it was taken from another store"
                }
            }
        }
    }
}

/// What there is to say of a backup.
pub(super) fn facts(backup: &Backup) -> Markup {
    html! {
        dl.facts {
            div { dt { "Read" } dd { (time(backup.read_time())) @if !backup.is_consistent() { " " (no_snapshot()) } } }
            div.wide { dt { "Source" } dd { @for source in backup.sources() { span.source { (visible(source)) } } } }
            div { dt { "Kinds" } dd { (thousands(backup.kinds.len() as u64)) } }
            div { dt { "Rows" } dd { (thousands(backup.rows())) } }
            div { dt { "Size" } dd { (bytes(backup.bytes())) } }
        }
        @if !backup.is_consistent() { (half()) }
    }
}

pub(super) fn no_snapshot() -> Markup {
    html! { span.tag { "no snapshot" } }
}

/// What that means.
pub(super) fn half() -> Markup {
    html! { p.hint { "No snapshot: the store offered none, so what was written meanwhile may be half in the backup." } }
}

/// The way back to here.
pub(super) fn trail(links: &Links) -> (&'static str, String) {
    ("Backups", links.home())
}
