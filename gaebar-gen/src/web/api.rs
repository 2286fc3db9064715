//! Jobs for programs: requests are forms or JSON objects of texts, answers are a [`Job`] as JSON, problems are JSON too, with `status`,
//! `problem`, `what` and `next`. Names are the same in requests and answers, and one that means nothing is refused.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use gaebar_runtime::visible::json;
use serde::Serialize;

use super::App;
use super::guard::Fields;
use super::problem::Problem;
use crate::steps::{Job, Rows, Work};

/// What a request asks for: `do` is `backup`, with `store`, `backup`, and, if that was taken from another store, `another_source` (`yes`);
/// or `restore`, with `backup` (or `linked`, for one that is compiled into the application), `target`, and, if need be, `on_conflict`,
/// `mirror` (`yes`) and `confirm` (a real project's name, or `yes` for another store); or `pull`, with `remote`, `backup`, if it is to be
/// made there first, `store`, and `another_source` as for a backup.
pub(super) fn work(fields: &Fields) -> Result<Work, Problem> {
    let text = |name| fields.get(name).to_owned();
    match fields.get("do") {
        "backup" => {
            fields.only(&["do", "store", "backup", "another_source"])?;
            Ok(Work::backup(text("store"), text("backup"), fields.says_yes("another_source")?))
        }
        "restore" => {
            fields.only(&["do", "backup", "linked", "target", "on_conflict", "mirror", "confirm"])?;
            let (from, backup) = match (fields.get("backup"), fields.get("linked")) {
                (_, "") => (Rows::Folder, text("backup")),
                ("", _) => (Rows::Linked, text("linked")),
                _ => return Err(Problem::bad("Both a backup and a linked one are named.", "Name one of them.")),
            };
            let on_conflict = match fields.get("on_conflict") {
                "" => "overwrite".to_owned(),
                name => name.to_owned(),
            };
            Ok(Work::restore(from, backup, text("target"), on_conflict, fields.says_yes("mirror")?, text("confirm")))
        }
        "pull" => {
            fields.only(&["do", "remote", "backup", "store", "another_source"])?;
            let store = Some(text("store")).filter(|store| !store.is_empty());
            Ok(Work::pull(text("remote"), text("backup"), store, fields.says_yes("another_source")?))
        }
        other => {
            let next = "Say backup, with store and backup; restore, with backup and target; or pull, with remote and backup.";
            Err(Problem::bad(format!("{other:?} is nothing that can be done."), next))
        }
    }
}

/// A job's number in an address.
pub(super) fn number(job: &str) -> Result<u64, Problem> {
    let missing = || Problem::missing(format!("There is no job {job:?}."), "The list of jobs shows those that there are.");
    job.parse().map_err(|_| missing())
}

pub(super) async fn jobs(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let (all, unreadable) = app.step(|app| Ok((app.jobs.all()?, app.jobs.unreadable()?))).await?;
    let mut listed: Vec<_> = all.into_iter().map(|job| (job.id, Listed::Job(Box::new(job.into())))).collect();
    let damaged = unreadable.into_iter().map(|(id, why)| (id, Listed::Damaged { id, problem: why.to_string() }));
    listed.extend(damaged);
    listed.sort_by_key(|(id, _)| Reverse(*id));
    answer(StatusCode::OK, &listed.into_iter().map(|(_, job)| job).collect::<Vec<_>>())
}

pub(super) async fn begin(State(app): State<Arc<App>>, Extension(fields): Extension<Fields>) -> Result<Response, Problem> {
    let work = work(&fields)?;
    let job = app.step(move |app| app.jobs.begin(work, &app.settings.stores, &app.settings.rules)).await?;
    answer(StatusCode::CREATED, &Told::from(job))
}

pub(super) async fn job(State(app): State<Arc<App>>, Path(job): Path<String>) -> Result<Response, Problem> {
    let id = number(&job)?;
    let job = app.step(move |app| app.jobs.get(id)).await?;
    answer(StatusCode::OK, &Told::from(job))
}

/// Takes a step; the field `confirm` says that the target of a restore is meant.
pub(super) async fn step(
    State(app): State<Arc<App>>,
    Extension(fields): Extension<Fields>,
    Path(job): Path<String>,
) -> Result<Response, Problem> {
    fields.only(&["confirm"])?;
    let id = number(&job)?;
    let step = move |app: &App| app.jobs.step(id, fields.get("confirm"), &app.settings.stores, &app.settings.rules);
    answer(StatusCode::OK, &Told::from(app.step(step).await?))
}

pub(super) async fn cancel(State(app): State<Arc<App>>, Path(job): Path<String>) -> Result<Response, Problem> {
    let id = number(&job)?;
    let job = app.step(move |app| app.jobs.cancel(id, &app.settings.rules)).await?;
    answer(StatusCode::OK, &Told::from(job))
}

/// A job in the list of all.
#[derive(Serialize)]
#[serde(untagged)]
enum Listed {
    Job(Box<Told>),
    /// All that is known of one that can't be read.
    Damaged {
        id: u64,
        problem: String,
    },
}

/// A job, and what follows from it.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    job: Job,
    has_ended: bool,
    /// What the next step has to be sent before anything goes on.
    waiting_for: Option<Word>,
    rows: u64,
    rate: u64,
    seconds_left: Option<u64>,
    /// What is left behind, or would be, were it cancelled now.
    leaves: String,
}

/// The word that says that the plan is meant.
#[derive(Serialize)]
struct Word {
    confirm: String,
}

impl From<Job> for Told {
    fn from(job: Job) -> Self {
        let (rows, rate, seconds_left, leaves) = (job.rows(), job.rate(), job.seconds_left(), job.leaves());
        let waiting_for = job.waits_for().map(|word| Word { confirm: word.to_owned() });
        Self { has_ended: job.stage.has_ended(), waiting_for, rows, rate, seconds_left, leaves, job }
    }
}

/// An answer as JSON, in which nothing hides.
pub(super) fn answer(status: StatusCode, told: &impl Serialize) -> Result<Response, Problem> {
    let text = json(&serde_json::to_string(told).map_err(|_| Problem::broken())?);
    Ok((status, [(header::CONTENT_TYPE, "application/json")], text).into_response())
}
