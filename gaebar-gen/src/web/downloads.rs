//! What `gaebar pull` asks: which backups there are, and the files of one. Answers are JSON, or a file's bytes.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::App;
use super::api::answer;
use super::problem::Problem;
use crate::listing::{Listing, is_backup_file};

/// The backups that can be read.
#[derive(Serialize)]
struct Backups {
    backups: Vec<Facts>,
}

/// What there is to say of a backup: its name alone, if other instances keep it or a later version of it, which comes here once it is asked for.
#[derive(Serialize)]
struct Facts {
    name: String,
    read_time: Option<String>,
    kinds: Option<usize>,
    rows: Option<u64>,
    bytes: Option<u64>,
}

/// `GET /api/backups`
pub(super) async fn backups(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    app.read(|app| {
        let kept = app.jobs.kept_elsewhere()?;
        let here = app.library.names()?.into_iter().filter(|name| !kept.contains(name));
        let read = here.filter_map(|name| app.library.read(name).ok());
        let mut backups: Vec<_> = read
            .map(|backup| Facts {
                name: backup.name.clone(),
                read_time: Some(backup.read_time().to_owned()),
                kinds: Some(backup.kinds.len()),
                rows: Some(backup.rows()),
                bytes: Some(backup.bytes()),
            })
            .collect();
        backups.extend(kept.iter().map(|name| Facts {
            name: name.clone(),
            read_time: None,
            kinds: None,
            rows: None,
            bytes: None,
        }));
        backups.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        answer(StatusCode::OK, &Backups { backups })
    })
    .await
}

/// `GET /api/backups/NAME/files`
pub(super) async fn files(State(app): State<Arc<App>>, Path(backup): Path<String>) -> Result<Response, Problem> {
    app.read(move |app| {
        let backup = app.open(&backup)?;
        let kinds: Vec<_> = backup.kinds.iter().map(|kind| &kind.manifest).collect();
        answer(StatusCode::OK, &Listing::of(&backup.folder, &kinds)?)
    })
    .await
}

/// `GET /api/backups/NAME/files/PATH`
pub(super) async fn file(State(app): State<Arc<App>>, Path((backup, path)): Path<(String, String)>) -> Result<Response, Problem> {
    app.read(move |app| {
        let backup = app.open(&backup)?;
        let bytes = if is_backup_file(&path) { backup.file(&path)? } else { None };
        let bytes = bytes.ok_or_else(|| {
            Problem::missing(
                format!("The backup {} has no file {path:?}.", backup.name),
                "The list of its files has those that it has.",
            )
        })?;
        Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
    })
    .await
}
