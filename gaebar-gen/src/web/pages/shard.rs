//! A shard: its rows, as they stand there.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use maud::html;

use super::super::App;
use super::super::guard::{Asked, Visitor};
use super::super::parts::parts;
use super::super::problem::Problem;
use super::backups::trail;
use super::{Page, asked, code, page, pager};
use crate::folder::bytes;

pub(in super::super) async fn shard(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((backup, file, volume, shard)): Path<(String, String, String, String)>,
    Asked(asked_for): Asked,
) -> Page {
    app.read(move |app| {
        let backup = app.open(&backup)?;
        let kind = backup.kind(&file)?;
        let shard = kind.shard(&volume, &shard)?;
        let source = backup.bytes_of(shard)?;
        let text = String::from_utf8_lossy(&source);
        let links = &visitor.links;
        let parts = parts(&text, 1, &|key| links.entity(&backup.name, key));
        let here = links.shard(&backup.name, &file, &shard.file, None);
        let at = match asked_for.get("row") {
            "" => asked(asked_for.get("page"), parts.len())?,
            row => {
                let part = row.parse().ok().and_then(|row| parts.iter().position(|part| part.has(row)));
                let none =
                    || Problem::missing(format!("{} has no row {row:?}.", shard.file), "Its first page shows its first rows.");
                part.ok_or_else(none)? + 1
            }
        };
        let part = parts.get(at - 1).ok_or_else(Problem::broken)?;
        let turn = pager(at, parts.len(), "rows", |page| format!("{here}?page={page}"));
        let main = html! {
            h1.file { (shard.file) }
            p.state {
                @if shard.backed_up.matches(&source) {
                    span.tag.good { "as backed up" }
                } @else {
                    span.tag.bad { "edited since it was backed up" }
                }
                " " (bytes(source.len() as u64))
                @if let Some((first, last)) = part.rows {
                    ", row" @if first != last { "s" } " " (first) @if first != last { "–" (last) }
                }
            }
            @if parts.len() > 1 {
                form.row method="get" action=(here) {
                    label for="row" { "Row" }
                    div.field {
                        input #row name="row" type="number" min="1" inputmode="numeric" required;
                        button { "Go" }
                    }
                }
            }
            (turn)
            (code(&part.line_numbers(), &part.code()))
            (turn)
        };
        let trail = [
            trail(links),
            (backup.name.as_str(), links.backup(&backup.name)),
            (kind.manifest.kind.as_str(), links.kind(&backup.name, &file)),
        ];
        Ok(page(&visitor, shard.file.rsplit('/').next().unwrap_or_default(), &trail, &main))
    })
    .await
}
