//! The Gaebar page: a router that an application mounts where it likes, and that `gaebar serve` runs alone.
//!
//! Every request passes the [`guard`], which knows by which name the page was asked for, by whom, and whether the request was meant.
//! What is behind it reads backups from the disk ([`library`]), finds entities in them ([`find`]), compares them with stores
//! ([`comparisons`]), and writes [`pages`]. Backups and restores are [`crate::steps`], a request a step, for pages and, as JSON, for
//! programs ([`api`]). Addresses in pages are relative, so the
//! page works wherever it is mounted:
//!
//! ```no_run
//! use gaebar_gen::web::{Access, Settings, router};
//!
//! let settings = Settings::new("backups", Access::Elsewhere);
//! let app: axum::Router = axum::Router::new().nest_service("/admin/backup", router(settings));
//! ```

mod api;
mod assets;
mod comparisons;
mod configured;
mod connections;
mod downloads;
mod find;
mod guard;
mod guesses;
mod host;
mod library;
mod limit;
mod links;
mod pages;
mod parts;
mod problem;
mod serve;
mod session;
mod tokens;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use gaebar_runtime::store::StoreUrl;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

pub use configured::SettingsError;
pub(crate) use host::Host;
pub use host::is_host_name;
pub(crate) use links::part;
pub use serve::{ServeError, bind, serve};
pub use session::{Token, TokenError, VARIABLE};

use crate::linked::Linked;
use crate::secret::Secret;
use comparisons::Comparisons;
use guesses::Guesses;
use library::{Library, Open};
use limit::Limiter;
use problem::Problem;
use session::Sessions;

use crate::steps::{Jobs, Rules, StateStore, StepError};

/// The longest that a comparison takes, unless settings say otherwise.
const COMPARISON: Duration = Duration::from_mins(10);
/// Requests of those who have not logged in from one address, in a minute.
const REQUESTS: u32 = 1_200;
/// Pages that are being made from what is on disk at once.
const READS: usize = 4;
/// The longest that a page may take.
const PAGE: Duration = Duration::from_secs(20);

/// What a page is made of, and who may see it.
///
/// Wrong tokens, and requests of those who have none, are counted by the client's address. The page knows it where requests have axum's
/// `ConnectInfo<SocketAddr>` (`into_make_service_with_connect_info`), and else all clients count as one: then guesses of somebody's slow
/// everybody's logins down.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder that holds the backups, a folder each.
    pub backups: PathBuf,
    /// Stores that backups are compared with, by the names that the page gives them.
    pub stores: BTreeMap<String, StoreUrl>,
    /// Backups that are compiled into the application. Of several with one name the first counts.
    pub linked: Vec<Linked>,
    /// Who may use the page.
    pub access: Access,
    /// Names of hosts under which it is reached, beside `localhost` and any address. Others are refused: a foreign name may be made
    /// to lead here.
    pub hosts: Vec<String>,
    /// The longest that a comparison with a store may take.
    pub comparison: Duration,
    /// What backups and restores may do, and how much of it in a step.
    pub rules: Rules,
    /// Where the state of backups and restores is kept beside the disk: for a host whose disk is another with the next request.
    pub state: Option<StateStore>,
    /// What sessions, forms and confirmed restores are sealed with, in the place of Gaebar's token. Without either it is random and ends
    /// with this process: then other instances of the application, and the next process, know no form of this one's, and ask again
    /// whether a restore is meant.
    pub secret: Option<Secret>,
}

impl Settings {
    /// Settings without stores, linked backups and names of hosts.
    pub fn new(backups: impl Into<PathBuf>, access: Access) -> Self {
        Self {
            backups: backups.into(),
            stores: BTreeMap::new(),
            linked: Vec::new(),
            access,
            hosts: Vec::new(),
            comparison: COMPARISON,
            rules: Rules::default(),
            state: None,
            secret: None,
        }
    }
}

/// Who may use the page.
#[derive(Debug, Clone)]
pub enum Access {
    /// Who has Gaebar's token: programs send it as a bearer token, people log in with it.
    Token(Token),
    /// Whoever gets through to the page: a layer of the application's own has asked already, or nobody else can reach it.
    Elsewhere,
}

/// The page, to be mounted: `app.nest_service("/gaebar", router(settings))`.
pub fn router(settings: Settings) -> Router {
    routes(Arc::new(App::new(settings)))
}

/// What all requests share.
#[derive(Debug)]
struct App {
    settings: Settings,
    library: Library,
    sessions: Sessions,
    comparisons: Comparisons,
    jobs: Jobs,
    guesses: Guesses,
    requests: Limiter,
    reads: Arc<Semaphore>,
}

impl App {
    fn new(settings: Settings) -> Self {
        let token = match &settings.access {
            Access::Token(token) => Some(token),
            Access::Elsewhere => None,
        };
        let secret = settings.secret.clone().or(token.map(Token::secret)).unwrap_or_else(Secret::random);
        Self {
            library: Library::new(settings.backups.clone()),
            comparisons: Comparisons::default(),
            jobs: Jobs::new(&settings.backups, settings.linked.clone(), settings.state.clone(), secret.clone()),
            sessions: Sessions::new(secret, token.is_some()),
            guesses: Guesses::default(),
            requests: Limiter::new(REQUESTS),
            reads: Arc::new(Semaphore::new(READS)),
            settings,
        }
    }

    /// A backup of this name, as it was finished last.
    fn open(&self, name: &str) -> Result<Open, Problem> {
        self.jobs.bring(name)?;
        self.library.open(name)
    }

    /// Runs what reads from the disk on a thread where that holds nobody up.
    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let app = Arc::clone(self);
        let work = async {
            // The permit goes along: who has stopped waiting has not stopped the work.
            let permit = Arc::clone(&app.reads).acquire_owned().await.map_err(|_| Problem::stopping())?;
            let done = spawn_blocking(move || {
                let result = work(&app);
                drop(permit);
                result
            });
            done.await.map_err(|_| Problem::broken())?
        };
        tokio::time::timeout(PAGE, work).await.map_err(|_| Problem::slow(PAGE))?
    }

    /// Runs a step, which ends by itself when its time is up; or once it has written all that was read.
    async fn step<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, StepError> + Send + 'static,
    ) -> Result<T, Problem> {
        let app = Arc::clone(self);
        let done = spawn_blocking(move || work(&app)).await.map_err(|_| Problem::broken())?;
        done.map_err(Problem::from)
    }
}

fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(pages::backups))
        .route("/login", get(pages::login).post(pages::log_in))
        .route("/logout", post(pages::log_out))
        .route("/assets/{name}", get(assets::asset))
        .route("/backups/{backup}", get(pages::backup))
        .route("/backups/{backup}/kinds/{kind}", get(pages::kind))
        .route("/backups/{backup}/kinds/{kind}/{volume}/{shard}", get(pages::shard))
        .route("/backups/{backup}/entity", get(pages::entity))
        .route("/api/backups", get(downloads::backups))
        .route("/api/backups/{backup}/files", get(downloads::files))
        .route("/api/backups/{backup}/files/{*path}", get(downloads::file))
        .route("/linked/{backup}", get(pages::linked))
        .route("/linked/{backup}/rows", get(pages::linked_rows))
        .route("/backups/{backup}/diff", get(pages::diff).post(pages::compare))
        .route("/jobs", get(pages::jobs).post(pages::begin))
        .route("/jobs/{job}", get(pages::job))
        .route("/jobs/{job}/step", post(pages::step))
        .route("/jobs/{job}/cancel", post(pages::cancel))
        .route("/api/jobs", get(api::jobs).post(api::begin))
        .route("/api/jobs/{job}", get(api::job).delete(api::cancel))
        .route("/api/jobs/{job}/step", post(api::step))
        .fallback(pages::nothing_here)
        .method_not_allowed_fallback(pages::not_so)
        .layer(from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}
