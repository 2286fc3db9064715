//! A kind: its shards.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use gaebar_runtime::cli::thousands;
use gaebar_runtime::visible::visible;
use maud::html;

use super::super::App;
use super::super::guard::{Asked, Visitor};
use super::backups::{half, no_snapshot, trail};
use super::{Page, asked, bar, page, pager, time};
use crate::folder::bytes;

/// Shards on a page.
const MOST: usize = 80;

pub(in super::super) async fn kind(
    State(app): State<Arc<App>>,
    Extension(visitor): Extension<Visitor>,
    Path((backup, file)): Path<(String, String)>,
    Asked(asked_for): Asked,
) -> Page {
    app.read(move |app| {
        let backup = app.open(&backup)?;
        let kind = backup.kind(&file)?;
        let manifest = &kind.manifest;
        let pages = kind.shards.len().div_ceil(MOST);
        let at = asked(asked_for.get("page"), pages)?;
        let links = &visitor.links;
        let longest = kind.shards.iter().map(|shard| shard.bytes).max().unwrap_or_default();
        let main = html! {
            h1 { (visible(&manifest.kind)) }
            dl.facts {
                div {
                    dt { "Read" }
                    dd { (time(&manifest.read_time)) @if !manifest.consistent { " " (no_snapshot()) } }
                }
                div.wide { dt { "Source" } dd { span.source { (visible(&manifest.source)) } } }
                div { dt { "Rows" } dd { (thousands(manifest.rows)) } }
                div { dt { "Shards" } dd { (thousands(kind.shards.len() as u64)) } }
                div { dt { "Size" } dd { (bytes(kind.bytes)) } }
            }
            @if !manifest.consistent { (half()) }
            h2 #shards { "Shards" }
            table.chart {
                thead { tr { th scope="col" { "Shard" } th scope="col" { "Rows" } th scope="col" { "Size" } } }
                tbody {
                    @for shard in kind.shards.iter().skip((at - 1) * MOST).take(MOST) {
                        tr {
                            th scope="row" { a.file href=(links.shard(&backup.name, &file, &shard.file, None)) { (shard.file) } }
                            td { (thousands(shard.backed_up.rows() as u64)) }
                            td { (bytes(shard.bytes)) (bar(shard.bytes, longest, "bar size")) }
                        }
                    }
                }
            }
            (pager(at, pages, "shards", |page| format!("{}?page={page}#shards", links.kind(&backup.name, &file))))
        };
        let trail = [trail(links), (backup.name.as_str(), links.backup(&backup.name))];
        Ok(page(&visitor, &manifest.kind, &trail, &main))
    })
    .await
}
