//! The page's own files, which are in the binary.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::problem::Problem;

const FILES: [(&str, &str, &str); 3] = [
    ("style.css", "text/css; charset=utf-8", include_str!("assets/style.css")),
    ("script.js", "text/javascript; charset=utf-8", include_str!("assets/script.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// One of them. Browsers keep it; the next version asks for it under another address.
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let file = FILES.iter().find(|(file, ..)| *file == name);
    let (_, kind, text) = file.ok_or_else(|| Problem::missing("There is no such file.", "Reload the page that asked for it."))?;
    Ok(([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "max-age=3600")], *text).into_response())
}
