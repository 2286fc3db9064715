//! A guestbook with data of its own, which has Gaebar's page at `/admin/backup`, behind the guestbook's login.
//!
//! `cargo run -p guestbook` starts it at <http://127.0.0.1:8080/>, in the folder `guestbook`, and says the password. Another folder and
//! address are its arguments; `GUESTBOOK_PASSWORD` sets a password.

mod guestbook;
mod login;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use axum::Router;
use axum::middleware::from_fn_with_state;
use gaebar_gen::backup::{Options, backup};
use gaebar_gen::progress::Silent;
use gaebar_gen::read::Selection;
use gaebar_gen::web::{Access, Settings, router};
use gaebar_runtime::store::{SqliteStore, StoreUrl};
use tokio::net::TcpListener;

use login::Password;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "guestbook".to_owned()));
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let password = Password::from_environment()?;

    std::fs::create_dir_all(&folder).with_context(|| format!("could not make the folder {}", folder.display()))?;
    let database = folder.join("guestbook.db");
    let store = Arc::new(SqliteStore::open_or_create(&database)?);
    guestbook::welcome(&store)?;
    first_backup(&store, &folder.join("backups/guestbook"))?;

    let mut settings = Settings::new(folder.join("backups"), Access::Elsewhere);
    settings.stores.insert("guestbook".to_owned(), StoreUrl::Sqlite(database));
    settings.linked = vec![gaebar_gen::linked!(backup::BACKUP), gaebar_gen::linked!(release::BACKUP)];

    // The layer is around the page, so who has not logged in does not get to it.
    let admin = Router::new().nest_service("/admin/backup", router(settings)).layer(from_fn_with_state(password, login::ask));
    let app = guestbook::pages(store).merge(admin);

    let listener = TcpListener::bind(&address).await.with_context(|| format!("could not listen at {address}"))?;
    println!("http://{}/", listener.local_addr()?);
    // With their addresses, the page tells clients apart.
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// The page shows backups that are there; the first is made here.
fn first_backup(store: &SqliteStore, folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        let options = Options::new(Selection::default());
        backup(store, folder, &options, &Silent, &AtomicBool::new(false))?;
    }
    Ok(())
}
