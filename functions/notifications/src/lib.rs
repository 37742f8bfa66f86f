//! The function `notifications`: the inbox. It is also behind the gateway's default route: unknown
//! paths are 404, and the base paths of three other functions with a slash at the end redirect to
//! those without.

mod count_unread;
mod delete_all;
mod list_notifications;
mod mark_all_read;
mod read_notification;
mod response;

use axum::extract::{FromRef, RawQuery};
use axum::response::Redirect;
use axum::routing::get;
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
        .route("/api/health/", get(async || Redirect::permanent("/api/health")))
        .route(
            "/api/schema/",
            get(async |query: RawQuery| Redirect::permanent(&with_query("/api/schema", query))),
        )
}

fn with_query(path: &str, RawQuery(query): RawQuery) -> String {
    query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}

/// The configuration of the function.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every function that answers HTTP needs.
    pub http: config::Http,
}

impl Config {
    /// Reads the configuration from environment variables.
    ///
    /// # Errors
    /// The first variable that is missing or invalid.
    pub fn read(
        lookup: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, config::ConfigError> {
        Ok(Self { http: config::Http::read(&lookup)? })
    }
}

/// The state of the handlers.
#[derive(Clone, FromRef)]
pub struct App {
    http: HttpState,
    store: Store,
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
        Self { http: HttpState::new(config.http, store.clone(), keys), store }
    }
}
