//! The guestbook itself: entities of one kind in a store.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use gaebar_runtime::model::{Data, Entity, Key, Properties, Value};
use gaebar_runtime::store::{Scan, SqliteStore, Store as _, View};
use maud::{DOCTYPE, html};
use tokio::task::spawn_blocking;

const KIND: &str = "Greeting";
/// Greetings on the page.
const MOST: usize = 100;

/// What goes wrong is told to who asked.
type Answer<T> = Result<T, (StatusCode, String)>;

/// The guestbook's pages.
pub(crate) fn pages(store: Arc<SqliteStore>) -> Router {
    Router::new().route("/", get(book)).route("/sign", post(sign)).with_state(store)
}

/// Signs the book, if nobody has yet.
pub(crate) fn welcome(store: &SqliteStore) -> anyhow::Result<()> {
    let first = Entity::new(Key::root(KIND, 1), greeting("The house", "Welcome!"))?;
    store.upsert(&[first])?;
    Ok(())
}

fn greeting(name: &str, text: &str) -> Properties {
    Properties::from([("name".to_owned(), Value::from(name)), ("text".to_owned(), Value::from(text).unindexed())])
}

async fn book(State(store): State<Arc<SqliteStore>>) -> Answer<Html<String>> {
    let greetings = blocking(move || {
        let scan = Scan { namespace: String::new(), kind: KIND.to_owned(), from: None, to: None };
        Ok(store.snapshot(View::Now)?.page(&scan, None, MOST)?.entities)
    })
    .await?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Guestbook" } }
            body {
                h1 { "Guestbook" }
                @for greeting in &greetings {
                    p { strong { (text(greeting, "name")) } ": " (text(greeting, "text")) }
                }
                form method="post" action="/sign" {
                    p { label { "Name " input name="name" required maxlength="100"; } }
                    p { label { "Text " input name="text" required maxlength="1000"; } }
                    button { "Sign" }
                }
                p { a href="/admin/backup" { "Backups" } }
            }
        }
    };
    Ok(Html(page.into_string()))
}

fn text<'a>(greeting: &'a Entity, property: &str) -> &'a str {
    match greeting.properties.get(property).map(|value| &value.data) {
        Some(Data::String(text)) => text,
        _ => "",
    }
}

async fn sign(State(store): State<Arc<SqliteStore>>, form: Bytes) -> Answer<Redirect> {
    let field = |name: &str| form_urlencoded::parse(&form).find(|(found, _)| found == name).map(|(_, value)| value.into_owned());
    let (Some(name), Some(text)) = (field("name"), field("text")) else {
        return Err((StatusCode::BAD_REQUEST, "A greeting has a name and a text.\n".to_owned()));
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let id = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    blocking(move || Ok(store.upsert(&[Entity::new(Key::root(KIND, id), greeting(&name, &text))?])?)).await?;
    Ok(Redirect::to("/"))
}

/// Stores block, so they are used on threads for that.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Answer<T> {
    let failed = |error: String| (StatusCode::INTERNAL_SERVER_ERROR, error);
    let done = spawn_blocking(work).await.map_err(|error| failed(error.to_string()))?;
    done.map_err(|error| failed(error.to_string()))
}
