//! What went wrong, and what to do.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gaebar_runtime::visible::{json, message};

use crate::folder::FolderError;
use crate::manifest::ManifestError;
use crate::steps::{StateError, StepError};
use crate::update::UpdateError;

/// Why there is no page. The guard makes a page of it.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// What failed.
    pub(super) what: String,
    /// What to do.
    pub(super) next: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { status, what: what.into(), next: next.into() }
    }

    /// There is no such thing.
    pub(super) fn missing(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what, next)
    }

    /// The request makes no sense.
    pub(super) fn bad(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what, next)
    }

    /// The request is understood, and something in it can't be.
    pub(super) fn unprocessable(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, what, next)
    }

    /// The request is refused.
    pub(super) fn refused(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, what, next)
    }

    /// Too often.
    pub(super) fn too_many(what: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, what, "Wait a minute, and try again.")
    }

    pub(super) fn slow(limit: Duration) -> Self {
        let next = "Try again when the machine has less to do, or use the command line, which has no such limit.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("This took more than {} s and was given up.", limit.as_secs()), next)
    }

    pub(super) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Gaebar is being stopped.", "Start it again, and reload.")
    }

    pub(super) fn broken() -> Self {
        let next = "This is a bug in Gaebar: what the server wrote to its standard error says more.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made.", next)
    }
}

impl Problem {
    /// As programs are told.
    pub(super) fn to_json(&self) -> String {
        let Self { status, what, next } = self;
        let problem = status.canonical_reason().unwrap_or("Error").to_ascii_lowercase().replace(' ', "-");
        json(&serde_json::json!({ "status": status.as_u16(), "problem": problem, "what": what, "next": next }).to_string())
    }
}

impl From<StepError> for Problem {
    fn from(error: StepError) -> Self {
        let (status, next) = match &error {
            StepError::Missing(_) => (StatusCode::NOT_FOUND, "Jobs that ended long ago are forgotten."),
            StepError::Busy { .. } => (StatusCode::CONFLICT, "Whoever is at it goes on; nothing was lost."),
            StepError::Beginning => (StatusCode::SERVICE_UNAVAILABLE, "Nothing was begun or written."),
            StepError::Local { .. } => (StatusCode::CONFLICT, "Decide which of the two it is to be."),
            StepError::Taken { .. } => (StatusCode::CONFLICT, "The list of jobs shows it."),
            StepError::Refused(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Change that, and send it again. Nothing was begun or written.")
            }
            StepError::State(StateError::Elsewhere { .. } | StateError::Overtaken) => {
                (StatusCode::CONFLICT, "Whoever is at it goes on; nothing was lost.")
            }
            StepError::State(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "Look at the store that [state] in gaebar.toml names, and send it again.")
            }
            StepError::Damaged { .. } | StepError::Private(_) | StepError::Kept { .. } | StepError::Folder(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "Look at the folder on the machine that serves this page.")
            }
        };
        Self::new(status, error.to_string(), next)
    }
}

impl From<ManifestError> for Problem {
    fn from(error: ManifestError) -> Self {
        let next = "`gaebar verify` names every file of a backup that is not as it should be.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), next)
    }
}

impl From<UpdateError> for Problem {
    fn from(error: UpdateError) -> Self {
        ManifestError::from(error).into()
    }
}

impl From<FolderError> for Problem {
    fn from(error: FolderError) -> Self {
        let next = "Look at the folder on the machine that serves this page.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), next)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Programs such as curl write it to a terminal.
        let body = format!("{}\n{}\n", message(&self.what), message(&self.next));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(axum::http::header::RETRY_AFTER, axum::http::HeaderValue::from_static("60"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
