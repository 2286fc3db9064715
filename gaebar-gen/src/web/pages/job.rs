//! Backups and restores: beginning one, its progress by kind, a restore's plan, and its end. The script sends the form of the next
//! step as long as there is one; without a script, a person does.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Redirect;
use gaebar_runtime::cli::{plural, thousands};
use gaebar_runtime::restore::Cover;
use gaebar_runtime::visible::visible;
use maud::{Markup, html};

use super::super::App;
use super::super::api::{number, work};
use super::super::guard::{Fields, Visitor};
use super::super::problem::Problem;
use super::backups::trail;
use super::{Page, bar, form_token, page};
use crate::folder;
use crate::steps::{Job, Planned, Rows, Stage, Work};
use crate::verify::Writer;

/// Kinds that a page shows.
const MOST_KINDS: usize = 60;

/// Begins a job.
pub(in super::super) async fn begin(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
) -> Result<Redirect, Problem> {
    let work = work(&fields)?;
    let job = app.step(move |app| app.jobs.begin(work, &app.settings.stores, &app.settings.rules)).await?;
    Ok(Redirect::to(&visitor.links.job(job.id)))
}

/// Takes a step, and shows where that leads.
pub(in super::super) async fn step(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Extension(fields): Extension<Fields>,
    Path(job): Path<String>,
) -> Result<Redirect, Problem> {
    let id = number(&job)?;
    let step = move |app: &App| app.jobs.step(id, fields.get("confirm"), &app.settings.stores, &app.settings.rules);
    let job = app.step(step).await?;
    Ok(Redirect::to(&visitor.links.job(job.id)))
}

/// Cancels a job.
pub(in super::super) async fn cancel(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
) -> Result<Redirect, Problem> {
    let id = number(&job)?;
    let job = app.step(move |app| app.jobs.cancel(id, &app.settings.rules)).await?;
    Ok(Redirect::to(&visitor.links.job(job.id)))
}

/// All jobs.
pub(in super::super) async fn jobs(State(app): State<Arc<App>>, Extension(visitor): Extension<Visitor>) -> Page {
    let (jobs, unreadable) = app.step(|app| Ok((app.jobs.all()?, app.jobs.unreadable()?))).await?;
    let main = html! {
        h1 { "Jobs" }
        @if jobs.is_empty() { p.empty { "There are none yet." } }
        (list(&visitor, &jobs.iter().collect::<Vec<_>>()))
        @for (_, problem) in &unreadable { div.problem { p { (visible(&problem.to_string())) } } }
    };
    Ok(page(&visitor, "Jobs", &[trail(&visitor.links)], &main))
}

/// Jobs with the way to each.
pub(super) fn list(visitor: &Visitor, jobs: &[&Job]) -> Markup {
    html! {
        ul.jobs {
            @for job in jobs {
                li { a href=(visitor.links.job(job.id)) { (visible(&title(job))) } " " span.tag { (job.stage.name()) } }
            }
        }
    }
}

/// How far a job is, or how it ended.
pub(in super::super) async fn job(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
) -> Page {
    let id = number(&job)?;
    let job = app.step(move |app| app.jobs.get(id)).await?;
    let links = &visitor.links;
    let drives = !job.stage.has_ended() && job.stage != Stage::Confirming && job.problem.is_none();
    let main = html! {
        h1 { (visible(&title(&job))) }
        div #job data-steps=[drives.then_some("")] {
            p.state role="status" aria-live="polite" { (state(&job)) }
            (so_far(&job))
            @if let Some(problem) = &job.problem { div.problem role="alert" { p { (visible(problem)) } } }
            (ended(&visitor, &job))
            @if job.stage == Stage::Confirming { (confirm(&visitor, &job)) }
            @else if !job.stage.has_ended() {
                form #step method="post" action={ (links.job(job.id)) "/step" } {
                    (form_token(&visitor))
                    button { @if job.problem.is_some() { "Try again" } @else { "Go on" } }
                }
            }
            div.progress { (progress(&job)) }
            div.plan { (plan(&job)) }
            @if !job.stage.has_ended() {
                section aria-labelledby="cancel" {
                    h2 #cancel { "Cancel" }
                    p.hint { "If you cancel now: " (visible(&job.leaves())) }
                    form method="post" action={ (links.job(job.id)) "/cancel" } {
                        (form_token(&visitor))
                        button.quiet { "Cancel this" }
                    }
                }
            }
            @if job.kept > 0 {
                section aria-labelledby="kept" {
                    h2 #kept { "Kept for other instances" }
                    p.hint { (visible(&job.leaves())) }
                    form method="post" action={ (links.job(job.id)) "/cancel" } {
                        (form_token(&visitor))
                        button.quiet { "Remove this" }
                    }
                }
            }
            h2 { "Steps" }
            ol.log reversed { @for line in job.log.iter().rev() { li { (visible(line)) } } }
        }
    };
    Ok(page(&visitor, &format!("Job {}", job.id), &[trail(links), ("Jobs", links.to("jobs"))], &main))
}

fn title(job: &Job) -> String {
    match &job.work {
        Work::Backup { store, backup, .. } => format!("Back up {store} into {backup}"),
        Work::Pull { remote, backup, .. } => format!("Pull {backup} from {remote}"),
        Work::Restore { backup, target, .. } => format!("Restore {backup} into {target}"),
    }
}

/// One line: what is going on. It stays the same within a stage: a screen reader reads it out whenever it changes.
fn state(job: &Job) -> String {
    if job.problem.is_some() {
        return "The last step failed. Nothing goes on until you say so.".to_owned();
    }
    match job.stage {
        Stage::Reading => "Reading the store.".to_owned(),
        Stage::Shaping => "Looking at what was read.".to_owned(),
        Stage::Writing => "Writing what was read as code.".to_owned(),
        Stage::Downloading => "Downloading.".to_owned(),
        Stage::Keeping => "The backup is made. Its files are copied into the store for other instances.".to_owned(),
        Stage::Verifying if matches!(job.work, Work::Pull { .. }) => {
            "Verifying what came. It is not in its place yet.".to_owned()
        }
        Stage::Verifying => "Verifying the backup. Nothing is written yet.".to_owned(),
        Stage::Planning => "Comparing with the target. Nothing is written yet.".to_owned(),
        Stage::Counting => "Counting what only the target has. Nothing is written yet.".to_owned(),
        Stage::Confirming => "This is the plan. Nothing was written yet.".to_owned(),
        Stage::Restoring => "Restoring.".to_owned(),
        Stage::Deleting => "Deleting what the backup does not have.".to_owned(),
        Stage::Done => match &job.work {
            Work::Backup { .. } => {
                format!("Backed up {} of {}.", plural(job.rows(), "row"), plural(job.kinds.len() as u64, "kind"))
            }
            Work::Pull { files: (files, _), unknown_runtime, .. } => {
                let warning = unknown_runtime
                    .as_ref()
                    .map_or(String::new(), |version| format!(" Its runtime {}.", Writer::Unknown { version: version.clone() }));
                format!("Pulled {}; every hash matches.{warning}", plural(*files as u64, "file"))
            }
            Work::Restore { written, deleted, .. } => {
                let deleted = if *deleted > 0 { format!(", {} deleted", thousands(*deleted)) } else { String::new() };
                format!("Restored: {} written{deleted}; every row is in the target as planned.", thousands(*written))
            }
        },
        Stage::Cancelled => format!("Cancelled. {}", job.leaves()),
    }
}

/// How far this stage is, with a bar where its end is known.
fn so_far(job: &Job) -> Markup {
    let rows = job.rows();
    let (text, at, all) = match (job.stage, &job.work) {
        (Stage::Downloading, Work::Pull { files: (here, of), bytes, .. }) if *of > 0 => {
            let (here, of) = (thousands(*here as u64), plural(*of as u64, "file"));
            let rate = folder::bytes(job.rate());
            let left = job.seconds_left().map(left).unwrap_or_default();
            let text = format!("{here} of {of}, {} of {}, {rate}/s{left}", folder::bytes(bytes.here), folder::bytes(bytes.of));
            (text, bytes.here, Some(bytes.of))
        }
        (Stage::Downloading | Stage::Confirming | Stage::Done | Stage::Cancelled, _) => return html! { div.so-far {} },
        _ if rows > 0 => {
            let of = match (job.total, job.about()) {
                (Some(total), _) => format!(" of {}", thousands(total)),
                (None, Some(about)) => format!(" of about {}", thousands(about)),
                (None, None) => String::new(),
            };
            let left = job.seconds_left().map(left).unwrap_or_default();
            let looked_at = if matches!(job.stage, Stage::Counting | Stage::Deleting) { " looked at" } else { "" };
            let what = if job.stage == Stage::Keeping { "files" } else { "rows" };
            let text = format!("{}{of} {what}{looked_at}, {} {what}/s{left}", thousands(rows), thousands(job.rate()));
            (text, rows, job.total.or(job.about()))
        }
        _ => return html! { div.so-far {} },
    };
    html! {
        div.so-far {
            p { (text) }
            @if let Some(all) = all { (bar(at, all, "bar")) }
        }
    }
}

/// How long the rest takes.
fn left(seconds: u64) -> String {
    if seconds < 120 { format!(", about {seconds} s left") } else { format!(", about {} min left", seconds.div_ceil(60)) }
}

fn ended(visitor: &Visitor, job: &Job) -> Markup {
    let link = match &job.work {
        Work::Restore { from: Rows::Linked, backup, .. } => visitor.links.linked(backup),
        _ => visitor.links.backup(job.backup()),
    };
    html! {
        @if job.stage == Stage::Done {
            p { a href=(link) { "The backup " (visible(job.backup())) } }
        }
    }
}

/// The form that says that the plan is meant.
fn confirm(visitor: &Visitor, job: &Job) -> Markup {
    let Work::Restore { target, project, place, plan, .. } = &job.work else { return html! {} };
    let sum = |of: fn(&Planned) -> u64| thousands(plan.values().map(of).sum());
    html! {
        p {
            "It creates " (sum(|kind| kind.create)) ", replaces " (sum(|kind| kind.replace)) " and deletes " (sum(|kind| kind.delete))
            " entities in " (visible(target)) ", which is " code { (visible(place)) } "."
        }
        form.confirm method="post" action={ (visitor.links.job(job.id)) "/step" } {
            (form_token(visitor))
            @if let Some(project) = project {
                label for="confirm" { "This is a real project. Type its name, " code { (project) } ", to restore into it" }
                div.field {
                    input #confirm name="confirm" required autocomplete="off" autocapitalize="off" spellcheck="false";
                    button { "Restore" }
                }
            } @else {
                input type="hidden" name="confirm" value="yes";
                button { "Restore into " (visible(target)) }
            }
        }
    }
}

fn progress(job: &Job) -> Markup {
    let most = job.kinds.values().copied().max().unwrap_or_default();
    // Of rows that another Gaebar reads, the kinds are not known.
    let is_elsewhere = job.stage == Stage::Reading && matches!(job.work, Work::Pull { .. });
    let has_kinds = !job.kinds.is_empty() && !is_elsewhere;
    html! {
        @if has_kinds {
            table.chart aria-label="Rows of each kind" {
                thead { tr { th scope="col" { "Kind" } th scope="col" { "Rows" } } }
                tbody {
                    @for (kind, rows) in job.kinds.iter().take(MOST_KINDS) {
                        tr { th scope="row" { (visible(kind)) } td { (thousands(*rows)) (bar(*rows, most, "bar")) } }
                    }
                }
            }
            @if job.kinds.len() > MOST_KINDS { p.hint { "These are the first " (MOST_KINDS) " kinds." } }
        }
    }
}

/// What a restore does, by kind.
fn plan(job: &Job) -> Markup {
    let Work::Restore { plan, mirror, others, noticed, note, place, .. } = &job.work else { return html! {} };
    let cell = |number: u64| html! { td { (thousands(number)) } };
    html! {
        @if !plan.is_empty() {
            h2 { "Plan" }
            div.scroll tabindex="0" role="region" aria-label="What happens to each kind" {
                table {
                    thead { tr { @for name in ["Kind", "Create", "Replace", "Equal", "Left alone", "Delete"] { th scope="col" { (name) } } } }
                    tbody {
                        @for (kind, Planned { create, replace, equal, leave, delete }) in plan.iter().take(MOST_KINDS) {
                            tr {
                                th scope="row" { (visible(kind)) }
                                (cell(*create)) (cell(*replace)) (cell(*equal)) (cell(*leave)) (cell(*delete))
                            }
                        }
                    }
                }
            }
            @if plan.len() > MOST_KINDS { p.hint { "These are the first " (MOST_KINDS) " kinds." } }
            @if !mirror { p.hint { "What only the target has is left alone." } }
            @for sentence in noticed.sentences(place) { p.hint { (visible(&sentence)) } }
            @if let Some(note) = note { p.hint { "Note: " (note) "." } }
        }
        @if let Some(cover) = &others.cover { (left_alone(cover)) }
    }
}

/// What a mirror leaves alone, and why.
fn left_alone(cover: &Cover) -> Markup {
    let list = |names: Vec<&String>| {
        let told: Vec<_> = names.iter().take(MOST_KINDS).map(|name| format!("{name:?}")).collect();
        told.join(", ") + if names.len() > MOST_KINDS { ", …" } else { "" }
    };
    let only_there = |is_covered: bool| {
        list(cover.only_there.iter().filter(|(_, covered)| **covered == is_covered).map(|(kind, _)| kind).collect())
    };
    let (covered, not_covered) = (only_there(true), only_there(false));
    html! {
        @if !covered.is_empty() {
            p.hint {
                "The target has kinds that the backup has never had. They are left alone; on the command line, --mirror --kinds deletes those "
                "that it names: " (covered)
            }
        }
        @if !not_covered.is_empty() {
            p.hint { "The target has kinds that the backup does not cover. They are left alone: " (not_covered) }
        }
        @if !cover.unrecorded.is_empty() {
            p.hint {
                "The backup has no record of what it covers, since an earlier Gaebar made it. Only namespaces in which it has rows are mirrored "
                "of " (list(cover.unrecorded.iter().collect())) ". The next backup adds the record."
            }
        }
        @if cover.has_unlisted_namespaces {
            p.hint {
                "The target does not list its namespaces. Only these are mirrored: " (list(cover.namespaces.iter().collect()))
            }
        }
        @if cover.has_unlisted_kinds {
            p.hint { "The target does not list its kinds. Those that the backup has never had are left alone." }
        }
    }
}
