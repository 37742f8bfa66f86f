//! The function `notifications`: the inbox. It is also behind the gateway's default route: unknown
//! paths are 404, and the base paths of other functions with a slash at the end are served as
//! those without.

mod count_unread;
mod delete_all;
mod list_notifications;
mod mark_all_read;
mod read_notification;
mod response;

use axum::extract::{FromRef, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{Redirect, Response};
use axum::routing::get;
use http_api::problem::Problem;
use http_api::routes;
use http_api::state::{self, HttpKeys, HttpState};
use runtime::config;
use runtime::serve::Error;
use store::Store;
use utoipa_axum::router::OpenApiRouter;

/// Returns the routes of the function.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_notifications::list_notifications))
        .routes(routes!(count_unread::count_unread))
        .routes(routes!(mark_all_read::mark_all_read))
        .routes(routes!(delete_all::delete_all))
        .routes(routes!(read_notification::read_notification, read_notification::peek_notification))
        .route("/admin/", get(async || Redirect::permanent("/admin")))
        .route("/api/health/", get(async || docs::healthy()))
        .route("/api/schema/", get(read_schema))
}

async fn read_schema(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !app.publishes_docs {
        return Err(Problem::not_found());
    }
    docs::schema_with_slash(query.as_deref(), &headers)
}

/// The configuration of the function.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every function that serves HTTP needs.
    pub http: config::Http,
    /// What the function `docs` publishes.
    pub publication: config::Publication,
}

impl Config {
    /// Reads the configuration from environment variables.
    ///
    /// # Errors
    /// The first variable that is missing or invalid.
    pub fn read(
        lookup: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, config::ConfigError> {
        Ok(Self {
            http: config::Http::read(&lookup)?,
            publication: config::Publication::read(&lookup)?,
        })
    }
}

/// The state of the handlers.
#[derive(Clone, FromRef)]
pub struct App {
    http: HttpState,
    store: Store,
    publishes_docs: bool,
}

impl App {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete, or a secret cannot be read.
    pub async fn start() -> Result<Self, Error> {
        let config = Config::read(config::environment)?;
        let connection = state::connect(&config.http, []).await?;
        Ok(Self::new(config, connection.store, connection.keys))
    }

    /// Builds the state from its parts.
    pub fn new(config: Config, store: Store, keys: HttpKeys) -> Self {
        Self {
            http: HttpState::new(config.http, store.clone(), keys),
            store,
            publishes_docs: config.publication.publish,
        }
    }
}
